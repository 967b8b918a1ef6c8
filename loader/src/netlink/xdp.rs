//! The XDP programs of an interface: which are attached, and changing them.

use super::link::ifinfomsg;
use super::message::{AttributeList, Request, attributes, flag};
use super::{Netlink, Result};
use crate::sys::bpf::ProgramFd;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

const RTM_SETLINK: u16 = 19;
const IFLA_XDP: u16 = 43;

/// Attributes inside `IFLA_XDP`.
mod ifla_xdp {
    pub const FD: u16 = 1;
    pub const FLAGS: u16 = 3;
    pub const DRV_PROG_ID: u16 = 5;
    pub const SKB_PROG_ID: u16 = 6;
    pub const HW_PROG_ID: u16 = 7;
    /// Linux 5.7.
    pub const EXPECTED_FD: u16 = 8;
}

/// Attach only where no program is.
const XDP_FLAGS_UPDATE_IF_NOEXIST: u32 = 1 << 0;
const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
const XDP_FLAGS_HW_MODE: u32 = 1 << 3;
/// Change only what `EXPECTED_FD` names (5.7).
const XDP_FLAGS_REPLACE: u32 = 1 << 4;

/// In place of a descriptor: no program.
const NO_PROGRAM: i32 = -1;

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the stack, for any driver (generic).
    Skb,
    /// In the driver, before there is an skb (native).
    Drv,
    /// In the network card.
    Hw,
}

impl Mode {
    fn flag(self) -> u32 {
        match self {
            Self::Skb => XDP_FLAGS_SKB_MODE,
            Self::Drv => XDP_FLAGS_DRV_MODE,
            Self::Hw => XDP_FLAGS_HW_MODE,
        }
    }
}

/// The programs attached to an interface, by identifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XdpAttachment {
    /// In the stack.
    pub skb: Option<u32>,
    /// In the driver.
    pub drv: Option<u32>,
    /// In the network card.
    pub hw: Option<u32>,
}

/// Where programs are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachedMode {
    /// Nowhere.
    None,
    /// In the stack alone.
    Skb,
    /// In the driver alone.
    Drv,
    /// In the network card alone.
    Hw,
    /// In more than one place.
    Several,
}

impl XdpAttachment {
    /// Where programs are attached.
    pub fn mode(&self) -> AttachedMode {
        match (self.skb, self.drv, self.hw) {
            (None, None, None) => AttachedMode::None,
            (Some(_), None, None) => AttachedMode::Skb,
            (None, Some(_), None) => AttachedMode::Drv,
            (None, None, Some(_)) => AttachedMode::Hw,
            _ => AttachedMode::Several,
        }
    }

    /// The program that is attached in this mode.
    pub fn program(&self, mode: Mode) -> Option<u32> {
        match mode {
            Mode::Skb => self.skb,
            Mode::Drv => self.drv,
            Mode::Hw => self.hw,
        }
    }

    pub(super) fn parse(list: &[u8]) -> io::Result<Self> {
        let mut attachment = Self::default();
        for attribute in attributes(list) {
            let attribute = attribute?;
            let program = match attribute.kind {
                ifla_xdp::SKB_PROG_ID => &mut attachment.skb,
                ifla_xdp::DRV_PROG_ID => &mut attachment.drv,
                ifla_xdp::HW_PROG_ID => &mut attachment.hw,
                _ => continue,
            };
            *program = Some(attribute.u32()?).filter(|&id| id != 0);
        }
        Ok(attachment)
    }
}

/// A change of what is attached in one mode.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// What to attach; `None` detaches.
    pub program: Option<&'a ProgramFd>,
    /// What must be attached now, or nothing is changed; `None` asks nothing.
    pub expected: Option<Expected<'a>>,
    /// Where.
    pub mode: Mode,
}

/// What must be attached before a change.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// No program in that mode.
    Nothing,
    /// This program in that mode (Linux 5.7).
    Program(&'a ProgramFd),
}

impl Netlink {
    /// Attaches, replaces or detaches, atomically.
    ///
    /// The kernel finds nothing wrong with detaching in a mode in which nothing
    /// is attached, and does nothing: query the link afterwards, or say what is
    /// `expected`. It refuses, among others, with
    /// * `EBUSY` to attach where [`Expected::Nothing`] is not so, and to change
    ///   what a `bpf_link` holds;
    /// * `EEXIST` when another program is attached than expected, or one in the
    ///   other of driver and stack;
    /// * `EOPNOTSUPP` a mode that the driver has not.
    pub fn set_xdp(&mut self, index: u32, change: Change<'_>) -> Result<()> {
        self.socket.request(&request(index, change)).map(drop)
    }
}

fn request(index: u32, change: Change<'_>) -> Request {
    let mut flags = change.mode.flag();
    let mut expected = None;
    match change.expected {
        None => {}
        // Older than REPLACE, and its refusal says more; but it holds for
        // attaching only.
        Some(Expected::Nothing) if change.program.is_some() => {
            flags |= XDP_FLAGS_UPDATE_IF_NOEXIST;
        }
        Some(Expected::Nothing) => expected = Some(NO_PROGRAM),
        Some(Expected::Program(program)) => expected = Some(program.as_fd().as_raw_fd()),
    }
    let program = change
        .program
        .map_or(NO_PROGRAM, |program| program.as_fd().as_raw_fd());
    let mut list = AttributeList::default().attribute(ifla_xdp::FD, &program.to_ne_bytes());
    if let Some(expected) = expected {
        flags |= XDP_FLAGS_REPLACE;
        list = list.attribute(ifla_xdp::EXPECTED_FD, &expected.to_ne_bytes());
    }
    list = list.attribute(ifla_xdp::FLAGS, &flags.to_ne_bytes());
    Request::new("RTM_SETLINK", RTM_SETLINK, flag::ACK, &ifinfomsg(index)).nested(IFLA_XDP, &list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::{HEADER, messages};

    /// What a change asks for: descriptor, flags, expected descriptor.
    fn asked(expected: Option<Expected<'_>>, mode: Mode) -> (i32, u32, Option<i32>) {
        let bytes = request(
            7,
            Change {
                program: None,
                expected,
                mode,
            },
        )
        .bytes(1);
        let body = messages(&bytes).next().unwrap().unwrap().body;
        let xdp = attributes(&body[16..]).next().unwrap().unwrap();
        assert_eq!(xdp.kind, IFLA_XDP);
        let find = |kind| {
            attributes(xdp.data)
                .map(std::result::Result::unwrap)
                .find(|attribute| attribute.kind == kind)
                .map(|attribute| attribute.u32().unwrap())
        };
        (
            find(ifla_xdp::FD).unwrap().cast_signed(),
            find(ifla_xdp::FLAGS).unwrap(),
            find(ifla_xdp::EXPECTED_FD).map(u32::cast_signed),
        )
    }

    #[test]
    fn a_detach_names_its_mode_and_no_program() {
        assert_eq!(asked(None, Mode::Skb), (-1, 1 << 1, None));
        assert_eq!(asked(None, Mode::Drv), (-1, 1 << 2, None));
        assert_eq!(asked(None, Mode::Hw), (-1, 1 << 3, None));
    }

    #[test]
    fn a_detach_that_expects_nothing_says_so() {
        let (program, flags, expected) = asked(Some(Expected::Nothing), Mode::Drv);
        assert_eq!((program, flags, expected), (-1, 1 << 2 | 1 << 4, Some(-1)));
    }

    #[test]
    fn the_request_names_the_interface() {
        let change = Change {
            program: None,
            expected: None,
            mode: Mode::Skb,
        };
        let bytes = request(0x0102_0304, change).bytes(1);
        assert_eq!(
            &bytes[HEADER + 4..HEADER + 8],
            &0x0102_0304_u32.to_ne_bytes()
        );
    }

    #[test]
    fn an_attachment_has_a_mode() {
        let id = Some(5);
        let of = |skb, drv, hw| XdpAttachment { skb, drv, hw }.mode();
        assert_eq!(of(None, None, None), AttachedMode::None);
        assert_eq!(of(id, None, None), AttachedMode::Skb);
        assert_eq!(of(None, id, None), AttachedMode::Drv);
        assert_eq!(of(None, None, id), AttachedMode::Hw);
        assert_eq!(of(None, id, id), AttachedMode::Several);
        assert_eq!(
            XdpAttachment {
                skb: None,
                drv: id,
                hw: None
            }
            .program(Mode::Drv),
            id
        );
    }

    #[test]
    fn an_attachment_of_a_strange_size_is_an_error() {
        let mut list = vec![6, 0];
        list.extend(ifla_xdp::SKB_PROG_ID.to_ne_bytes());
        list.extend([1, 2]);
        assert!(XdpAttachment::parse(&list).is_err());
    }
}
