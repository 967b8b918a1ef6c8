//! Which modes of XDP to try on an interface.

use crate::cli::Mode as WantedMode;
use crate::datapath::attach::mode_name;
use crate::fault;
use crate::netlink::{Link, Mode};
use anyhow::Result;

/// Why `auto` does not try the driver of a veth.
const VETH_AUTO: &str =
    "a veth, so in skb mode: in drv mode it sends only if its peer has a native XDP program, too";

/// What to know of a veth in the mode that was asked for.
const VETH_DRV: &str = "a veth sends in drv mode only if its peer has a native XDP program, too; see README.md, \"Modes\"";

/// The modes to try, and why. A named mode is the only one.
///
/// # Errors
///
/// Another mode than that of what is loaded.
pub fn modes(
    link: &Link,
    before: Option<Mode>,
    wanted: WantedMode,
) -> Result<(Vec<Mode>, Option<&'static str>)> {
    let named = match wanted {
        WantedMode::Skb => Some(Mode::Skb),
        WantedMode::Drv => Some(Mode::Drv),
        WantedMode::Hw => Some(Mode::Hw),
        WantedMode::Auto => None,
    };
    match (before, named) {
        (Some(before), Some(mode)) if before != mode => Err(fault!(
            Failed,
            "{0} is loaded in {1} mode; the kernel cannot change to {2} without a gap in forwarding: `dsrload --unload {0}` first if that may be",
            link.name,
            mode_name(before),
            mode_name(mode)
        )),
        (Some(before), _) => Ok((vec![before], None)),
        (None, Some(Mode::Drv)) if is_veth(link) => Ok((vec![Mode::Drv], Some(VETH_DRV))),
        (None, Some(mode)) => Ok((vec![mode], None)),
        (None, None) if is_veth(link) => Ok((vec![Mode::Skb], Some(VETH_AUTO))),
        (None, None) => Ok((vec![Mode::Drv, Mode::Skb], None)),
    }
}

fn is_veth(link: &Link) -> bool {
    link.kind.as_deref() == Some("veth")
}
