//! `virtual_server_group`: addresses that one `virtual_server` has.

use super::words::Statement;
use crate::import::Remarks;
use crate::import::address;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use xdp_prog::abi::limits;

/// VIPs with their ports, and where each stands.
pub type Addresses = Vec<(usize, IpAddr, u16)>;

/// Addresses of one group: those of a balancer.
const ADDRESSES_MAX: usize = limits::SERVICES as usize;

/// The groups of a file, by name.
pub struct Groups(BTreeMap<String, (usize, Addresses)>);

impl Groups {
    /// Reads all of a file's.
    pub fn read(statements: &[Statement], remarks: &mut Remarks) -> Self {
        let mut groups = BTreeMap::new();
        let are_groups = |statement: &&Statement| statement.keyword() == "virtual_server_group";
        for statement in statements.iter().filter(are_groups) {
            let (line, name) = (statement.line, statement.value(1));
            match groups.entry(name.to_owned()) {
                Entry::Occupied(first) => {
                    let (first, _): &(usize, Addresses) = first.get();
                    remarks.left_out(
                        line,
                        format!("group {name} is there already, in line {first}"),
                    );
                }
                Entry::Vacant(vacant) => {
                    vacant.insert((line, addresses(statement, remarks)));
                }
            }
        }
        Self(groups)
    }

    /// The addresses of one.
    pub fn find(&self, name: &str) -> Option<&Addresses> {
        self.0.get(name).map(|(_, addresses)| addresses)
    }
}

fn addresses(group: &Statement, remarks: &mut Remarks) -> Addresses {
    let mut addresses = Addresses::new();
    for entry in group.children() {
        let vips = match entry.keyword() {
            "fwmark" => Err(mark(entry.value(1))),
            text => address::range(text, ADDRESSES_MAX.saturating_sub(addresses.len())),
        };
        let port = match entry.value(1) {
            "" => Ok(0),
            text => address::port(text),
        };
        match vips.and_then(|vips| Ok((vips, port?))) {
            Ok((vips, port)) => {
                addresses.extend(vips.into_iter().map(|vip| (entry.line, vip, port)));
            }
            Err(why) => remarks.left_out(entry.line, format!("group {}: {why}", group.value(1))),
        }
    }
    addresses
}

/// Why packets with a mark are no service.
pub fn mark(mark: &str) -> String {
    format!(
        "mark {mark}: netfilter marks packets after XDP has seen them; name the VIPs and ports instead"
    )
}
