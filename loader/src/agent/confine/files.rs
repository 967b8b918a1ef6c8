//! The files that the agent may open, by Landlock. Its network is not restricted:
//! whom it talks to stands in a config that may change.

use super::Needs;
use landlock::{
    ABI, Access, AccessFs, BitFlags, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, path_beneath_rules,
};
use std::fs;

/// The latest version of Landlock that is known here (Linux 6.10). Older kernels
/// restrict what they can.
const VERSION: ABI = ABI::V5;

/// What is read on every machine, where it is: the system's authorities, which
/// distributions keep in several places and link to each other, settings of the
/// network, which CPUs there are, and what the kernel says about this process.
const READ: &[&str] = &[
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/pki",
    "/var/lib/ca-certificates",
    "/proc/sys/net",
    "/proc/self",
    "/sys/devices/system/cpu",
];

/// What gives devices whose life is tied to a process.
const TUN: &str = "/dev/net/tun";

/// Restricts this thread, and says how.
pub(super) fn restrict(needs: &Needs) -> Result<String, String> {
    if let Some(pins) = &needs.pins {
        // A rule takes a directory that is there. Without one there are no pins,
        // and those are a convenience.
        let _ = fs::create_dir_all(pins);
    }
    let status = apply(needs).map_err(|error| error.to_string())?;
    Ok(told(&status))
}

fn apply(needs: &Needs) -> Result<RestrictionStatus, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let pinned: BitFlags<AccessFs> = read
        | AccessFs::WriteFile
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir;
    Ruleset::default()
        .handle_access(AccessFs::from_all(VERSION))?
        .create()?
        .add_rules(path_beneath_rules(READ, read))?
        .add_rules(path_beneath_rules(&needs.reads, read))?
        .add_rules(path_beneath_rules(&needs.pins, pinned))?
        .add_rules(path_beneath_rules([TUN], device))?
        .restrict_self()
}

fn told(status: &RestrictionStatus) -> String {
    match (&status.ruleset, &status.landlock) {
        (RulesetStatus::NotEnforced, LandlockStatus::NotEnabled) => {
            "files are not restricted: Landlock is off in this kernel".to_owned()
        }
        (RulesetStatus::NotEnforced, _) => {
            "files are not restricted: this kernel has no Landlock".to_owned()
        }
        (enforced, LandlockStatus::Available { effective_abi, .. }) => {
            let version = *effective_abi as u8;
            let but = match enforced {
                RulesetStatus::PartiallyEnforced => ", as far as this kernel can",
                _ => "",
            };
            format!("Landlock (ABI {version}) keeps it to its files{but}")
        }
        _ => "Landlock keeps it to its files".to_owned(),
    }
}
