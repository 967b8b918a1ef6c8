//! tc filters: which BPF programs look at what an interface sends.

use super::message::{Request, attributes, flag, split_fixed};
use super::{Netlink, Result};
use std::io;

const RTM_NEWTFILTER: u16 = 44;
const RTM_GETTFILTER: u16 = 46;

/// Bytes of `struct tcmsg`: family, 3 of padding, interface, handle, parent,
/// info.
const TCMSG: usize = 20;
/// The way out, at the `clsact` qdisc (`TC_H_CLSACT`, `TC_H_MIN_EGRESS`).
const EGRESS: u32 = 0xffff_fff3;

const TCA_OPTIONS: u16 = 2;
/// Inside `TCA_OPTIONS`, if the filter is a BPF program.
const TCA_BPF_NAME: u16 = 7;

impl Netlink {
    /// The names of the BPF filters on an interface's way out; none where it has
    /// no `clsact`.
    pub fn egress_programs(&mut self, index: u32) -> Result<Vec<String>> {
        let mut fixed = [0; TCMSG];
        fixed[4..8].copy_from_slice(&index.to_ne_bytes());
        fixed[12..16].copy_from_slice(&EGRESS.to_ne_bytes());
        let request = Request::new("RTM_GETTFILTER", RTM_GETTFILTER, flag::DUMP, &fixed);
        self.parsed(&request, RTM_NEWTFILTER, parse)
    }
}

/// `None` for a filter that is no BPF program, or has no name.
fn parse(body: &[u8]) -> io::Result<Option<String>> {
    let (_, list) = split_fixed(body, TCMSG)?;
    for attribute in attributes(list) {
        let attribute = attribute?;
        if attribute.kind != TCA_OPTIONS {
            continue;
        }
        for option in attributes(attribute.data) {
            let option = option?;
            if option.kind == TCA_BPF_NAME {
                return Ok(Some(option.text()));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::{AttributeList, HEADER};

    #[test]
    fn a_program_is_named_by_whoever_attached_it() {
        let options = AttributeList::default()
            .attribute(8, &1_u32.to_ne_bytes())
            .attribute(TCA_BPF_NAME, b"dsrclamp\0");
        let body = Request::new("test", RTM_NEWTFILTER, 0, &[0; TCMSG])
            .attribute(1, b"bpf\0")
            .nested(TCA_OPTIONS, &options)
            .bytes(1)
            .split_off(HEADER);
        assert_eq!(parse(&body).unwrap().as_deref(), Some("dsrclamp"));
        for end in 0..body.len() {
            assert!(!matches!(parse(&body[..end]), Ok(Some(_))), "cut at {end}");
        }
    }
}
