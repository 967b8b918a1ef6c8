//! Traffic control: the clsact qdisc of an interface, whose hooks see what it
//! receives and what it sends, and BPF filters in them.

use super::message::{Attribute, AttributeList, Request, attributes, flag, split_fixed, u32_at};
use super::{Netlink, NetlinkError, Result};
use crate::sys::bpf::ProgramFd;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
const RTM_GETQDISC: u16 = 38;
const RTM_NEWTFILTER: u16 = 44;
const RTM_DELTFILTER: u16 = 45;
const RTM_GETTFILTER: u16 = 46;

/// Bytes of `struct tcmsg`: family, padding, index, handle, parent, info.
const TCMSG: usize = 20;

/// Where clsact stands (`TC_H_CLSACT`), and its own handle.
const CLSACT_PARENT: u32 = 0xffff_fff1;
const CLSACT_HANDLE: u32 = 0xffff_0000;

/// Attributes of qdiscs and filters (`include/uapi/linux/rtnetlink.h`).
mod tca {
    pub const KIND: u16 = 1;
    pub const OPTIONS: u16 = 2;
    pub const CHAIN: u16 = 11;
}

/// Attributes inside the options of a BPF filter
/// (`include/uapi/linux/pkt_cls.h`).
mod tca_bpf {
    pub const FD: u16 = 6;
    pub const NAME: u16 = 7;
    pub const FLAGS: u16 = 8;
    pub const ID: u16 = 11;
}

/// The program's answer is the verdict.
const TCA_BPF_FLAG_ACT_DIRECT: u32 = 1;

/// `ETH_P_ALL`, as it stands in the low half of `info`: network order.
const ALL_PROTOCOLS: u16 = 3_u16.to_be();

/// A queueing discipline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qdisc {
    /// Its kind, such as `clsact`, or `ingress`, which stands in the same place.
    pub kind: String,
    /// It has the place of clsact.
    pub is_clsacts: bool,
}

/// A hook of clsact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// What the interface receives.
    Ingress,
    /// What it sends.
    Egress,
}

impl Hook {
    fn parent(self) -> u32 {
        match self {
            Self::Ingress => 0xffff_fff2,
            Self::Egress => 0xffff_fff3,
        }
    }
}

/// A filter in a hook. The kernel lists one of handle 0 before those of each
/// priority, which stands for all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Its kind, such as `bpf`.
    pub kind: String,
    /// Lower ones are asked first.
    pub priority: u16,
    /// Its number among those of the same priority.
    pub handle: u32,
    /// Its chain; 0 is the one that is gone through.
    pub chain: u32,
    /// Of a BPF filter: the name it was given.
    pub name: Option<String>,
    /// Of a BPF filter: its program's id.
    pub program: Option<u32>,
}

/// A BPF filter to be set, in direct-action mode, for all protocols.
#[derive(Clone, Copy, Debug)]
pub struct NewFilter<'a> {
    /// Where.
    pub hook: Hook,
    /// Lower ones are asked first. Not 0.
    pub priority: u16,
    /// Its number among those of the same priority. Not 0.
    pub handle: u32,
    /// Its name.
    pub name: &'a str,
    /// Its program, of kind `SCHED_CLS`.
    pub program: &'a ProgramFd,
}

impl Netlink {
    /// The qdiscs of an interface.
    pub fn qdiscs(&mut self, index: u32) -> Result<Vec<Qdisc>> {
        let request = Request::new(
            "RTM_GETQDISC",
            RTM_GETQDISC,
            flag::DUMP,
            &tcmsg(index, 0, 0, 0),
        );
        self.parsed(&request, RTM_NEWQDISC, |body| qdisc(body, index))
    }

    /// The filters in a hook of an interface: none without clsact.
    pub fn filters(&mut self, index: u32, hook: Hook) -> Result<Vec<Filter>> {
        let request = Request::new(
            "RTM_GETTFILTER",
            RTM_GETTFILTER,
            flag::DUMP,
            &tcmsg(index, 0, hook.parent(), 0),
        );
        self.parsed(&request, RTM_NEWTFILTER, |body| filter(body, index))
    }

    /// Sets a filter: a new one, or, in one step, in the place of one with this
    /// priority and handle. `EEXIST` when a new one is there already.
    pub fn set_filter(&mut self, index: u32, filter: NewFilter<'_>, is_new: bool) -> Result<()> {
        let request = new_filter(index, filter, is_new);
        self.socket.request(&request).map(drop)
    }

    /// Makes clsact and a filter in it, at once: the answers to both. Clsact is
    /// refused with `EEXIST` if it is there; the filter is set then, too.
    pub fn add_clsact_and_filter(
        &mut self,
        index: u32,
        filter: NewFilter<'_>,
    ) -> [std::result::Result<(), NetlinkError>; 2] {
        let clsact = Request::new(
            "RTM_NEWQDISC",
            RTM_NEWQDISC,
            flag::ACK | flag::CREATE | flag::EXCLUSIVE,
            &tcmsg(index, CLSACT_HANDLE, CLSACT_PARENT, 0),
        )
        .attribute(tca::KIND, b"clsact\0");
        let filter = new_filter(index, filter, true);
        self.socket.request_both([&clsact, &filter])
    }

    /// Removes a BPF filter. `ENOENT` when there is none.
    pub fn delete_filter(
        &mut self,
        index: u32,
        hook: Hook,
        priority: u16,
        handle: u32,
    ) -> Result<()> {
        let request = Request::new(
            "RTM_DELTFILTER",
            RTM_DELTFILTER,
            flag::ACK,
            &tcmsg(index, handle, hook.parent(), info(priority)),
        )
        .attribute(tca::KIND, b"bpf\0");
        self.socket.request(&request).map(drop)
    }

    /// Removes clsact with all filters in it.
    pub fn delete_clsact(&mut self, index: u32) -> Result<()> {
        let request = Request::new(
            "RTM_DELQDISC",
            RTM_DELQDISC,
            flag::ACK,
            &tcmsg(index, CLSACT_HANDLE, CLSACT_PARENT, 0),
        );
        self.socket.request(&request).map(drop)
    }
}

fn new_filter(index: u32, filter: NewFilter<'_>, is_new: bool) -> Request {
    let mut name = filter.name.as_bytes().to_vec();
    name.push(0);
    let program = filter.program.as_fd().as_raw_fd();
    let options = AttributeList::default()
        .attribute(tca_bpf::FD, &program.to_ne_bytes())
        .attribute(tca_bpf::NAME, &name)
        .attribute(tca_bpf::FLAGS, &TCA_BPF_FLAG_ACT_DIRECT.to_ne_bytes());
    let exclusive = if is_new { flag::EXCLUSIVE } else { 0 };
    Request::new(
        "RTM_NEWTFILTER",
        RTM_NEWTFILTER,
        flag::ACK | flag::CREATE | exclusive,
        &tcmsg(
            index,
            filter.handle,
            filter.hook.parent(),
            info(filter.priority),
        ),
    )
    .attribute(tca::KIND, b"bpf\0")
    .nested(tca::OPTIONS, &options)
}

fn info(priority: u16) -> u32 {
    u32::from(priority) << 16 | u32::from(ALL_PROTOCOLS)
}

fn tcmsg(index: u32, handle: u32, parent: u32, info: u32) -> [u8; TCMSG] {
    let mut fixed = [0; TCMSG];
    for (n, word) in (1..).zip([index, handle, parent, info]) {
        fixed[4 * n..][..4].copy_from_slice(&word.to_ne_bytes());
    }
    fixed
}

/// `None` for another interface's: the kernel lists those of all.
fn qdisc(body: &[u8], index: u32) -> io::Result<Option<Qdisc>> {
    let (fixed, list) = split_fixed(body, TCMSG)?;
    if u32_at(fixed, 4) != Some(index) {
        return Ok(None);
    }
    let mut qdisc = Qdisc {
        kind: String::new(),
        is_clsacts: u32_at(fixed, 12) == Some(CLSACT_PARENT),
    };
    for attribute in attributes(list) {
        let attribute = attribute?;
        if attribute.kind == tca::KIND {
            qdisc.kind = attribute.text();
        }
    }
    Ok(Some(qdisc))
}

fn filter(body: &[u8], index: u32) -> io::Result<Option<Filter>> {
    let (fixed, list) = split_fixed(body, TCMSG)?;
    if u32_at(fixed, 4) != Some(index) {
        return Ok(None);
    }
    let info = u32_at(fixed, 16).unwrap_or_default();
    let mut filter = Filter {
        priority: u16::try_from(info >> 16).unwrap_or_default(),
        handle: u32_at(fixed, 8).unwrap_or_default(),
        ..Filter::default()
    };
    let mut options: &[u8] = &[];
    for attribute in attributes(list) {
        let attribute = attribute?;
        match attribute.kind {
            tca::KIND => filter.kind = attribute.text(),
            tca::CHAIN => filter.chain = attribute.u32()?,
            tca::OPTIONS => options = attribute.data,
            _ => {}
        }
    }
    // Of another kind, the same numbers mean something else.
    if filter.kind == "bpf" {
        for option in attributes(options) {
            filter.set(option?)?;
        }
    }
    Ok(Some(filter))
}

impl Filter {
    fn set(&mut self, option: Attribute<'_>) -> io::Result<()> {
        match option.kind {
            tca_bpf::NAME => self.name = Some(option.text()),
            tca_bpf::ID => self.program = Some(option.u32()?),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::HEADER;

    fn body(index: u32, list: impl Fn(Request) -> Request) -> Vec<u8> {
        let fixed = tcmsg(index, 1, Hook::Egress.parent(), info(213));
        list(Request::new("test", RTM_NEWTFILTER, 0, &fixed))
            .bytes(1)
            .split_off(HEADER)
    }

    fn whole() -> Vec<u8> {
        let options = AttributeList::default()
            .attribute(tca_bpf::NAME, b"dsrclamp\0")
            .attribute(tca_bpf::FLAGS, &1_u32.to_ne_bytes())
            .attribute(tca_bpf::ID, &90_u32.to_ne_bytes());
        body(7, |request| {
            request
                .attribute(tca::KIND, b"bpf\0")
                .attribute(tca::CHAIN, &2_u32.to_ne_bytes())
                .nested(tca::OPTIONS, &options)
        })
    }

    #[test]
    fn a_filter_is_what_its_attributes_say() {
        let expected = Filter {
            kind: "bpf".to_owned(),
            priority: 213,
            handle: 1,
            chain: 2,
            name: Some("dsrclamp".to_owned()),
            program: Some(90),
        };
        assert_eq!(filter(&whole(), 7).unwrap(), Some(expected));
        assert_eq!(filter(&whole(), 8).unwrap(), None);
    }

    #[test]
    fn another_kind_of_filter_has_no_program() {
        let options = AttributeList::default().attribute(tca_bpf::ID, &[1; 8]);
        let body = body(7, |request| {
            request
                .attribute(tca::KIND, b"flower\0")
                .nested(tca::OPTIONS, &options)
        });
        let filter = filter(&body, 7).unwrap().unwrap();
        assert_eq!((filter.kind.as_str(), filter.program), ("flower", None));
    }

    #[test]
    fn a_filter_cut_anywhere_never_panics() {
        let whole = whole();
        for end in 0..whole.len() {
            match filter(&whole[..end], 7) {
                Ok(filter) => assert!(filter.is_none_or(|f| f.program.is_none()), "cut at {end}"),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::InvalidData),
            }
        }
    }

    #[test]
    fn clsact_is_told_by_its_place() {
        let of = |parent, kind: &[u8]| {
            let body = Request::new("test", RTM_NEWQDISC, 0, &tcmsg(7, 0, parent, 0))
                .attribute(tca::KIND, kind)
                .bytes(1)
                .split_off(HEADER);
            qdisc(&body, 7).unwrap().unwrap()
        };
        assert!(of(CLSACT_PARENT, b"ingress\0").is_clsacts);
        assert!(!of(u32::MAX, b"noqueue\0").is_clsacts);
    }
}
