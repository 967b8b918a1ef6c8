//! What of a document does not fit this host. It may be meant for another one,
//! so these are warnings.

use super::check::{forward, path};
use super::document::{At, BackendTable, Document, SORRY, ServiceTable};
use super::finding::Finding;
use crate::model::Forward;
use crate::model::prefix::is_in_subnet;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What this host is like.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The addresses of its interfaces.
    pub own: Vec<Own>,
    /// Backends that are reached through tunnels and that there is no route to,
    /// with the kernel's words.
    pub unrouted: Vec<(IpAddr, String)>,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Leading bits that name its subnet.
    pub prefix_len: u8,
}

impl Facts {
    fn is_own(&self, address: IpAddr) -> bool {
        self.own.iter().any(|own| own.address == address)
    }

    fn segment(&self, address: IpAddr) -> Option<&Own> {
        let mut own = self.own.iter();
        own.find(|own| is_in_subnet(address, own.address, own.prefix_len))
    }
}

/// Backends whose routes are to be looked for: those in tunnels.
#[must_use]
pub fn to_ask_for(document: &Document) -> BTreeSet<IpAddr> {
    let of_service = |service: &ServiceTable| -> Vec<IpAddr> {
        let sorry = service.stand_in();
        let backends = service.backends.iter().chain(&sorry);
        backends
            .filter(|backend| forward(service, backend) != Forward::L2)
            .map(|backend| backend.ip.value)
            .collect()
    };
    document.services.iter().flat_map(of_service).collect()
}

/// What does not fit this host.
#[must_use]
pub fn warnings(document: &Document, facts: &Facts) -> Vec<Finding> {
    let mut warnings = Vec::new();
    for service in &document.services {
        let vips = service.vips();
        warnings.extend(vips.filter_map(|vip| on_segment(service, &vip, facts)));
        let sources = service.source.iter();
        warnings.extend(sources.filter_map(|source| foreign(service, source, facts)));
        let sorry = service.stand_in();
        let backends = service.backends.iter().chain(&sorry);
        warnings.extend(backends.filter_map(|backend| unreached(service, backend, facts)));
    }
    warnings
}

/// A VIP that neighbours of this host look for by ARP or neighbour discovery.
fn on_segment(service: &ServiceTable, vip: &At<IpAddr>, facts: &Facts) -> Option<Finding> {
    let (address, own) = (vip.value, facts.segment(vip.value)?);
    let (asked, bits) = match address {
        IpAddr::V4(_) => ("ARP", 32),
        IpAddr::V6(_) => ("neighbour discovery", 128),
    };
    let near = format!(
        "VIP {address} is in the subnet of {} ({}/{}): hosts there look for it by {asked}",
        own.interface, own.address, own.prefix_len
    );
    let (message, remedy) = if facts.is_own(address) {
        (
            format!("{near}, and a backend that is not silent answers as well"),
            format!("on each backend: dsrload backend check {address}"),
        )
    } else {
        (
            format!("{near}, and this host does not answer"),
            format!(
                "ip address add {address}/{bits} dev lo, and on each backend: dsrload backend check {address}"
            ),
        )
    };
    let key = path(service, "vip");
    Some(Finding::warning(&vip.span, key, message, remedy))
}

/// A source of tunnels that this host does not have.
fn foreign(service: &ServiceTable, source: &At<IpAddr>, facts: &Facts) -> Option<Finding> {
    (!facts.is_own(source.value)).then(|| {
        Finding::warning(
            &source.span,
            path(service, "source"),
            format!("source {} is no address of this host", source.value),
            "leave it out, or name one of those that `ip address` lists",
        )
    })
}

/// A backend that this host does not lead to.
fn unreached(service: &ServiceTable, backend: &BackendTable, facts: &Facts) -> Option<Finding> {
    let (name, address) = (&backend.name.value, backend.ip.value);
    let what = format!("backend {name} ({address})");
    let (message, remedy) = if facts.is_own(address) {
        let mut vips = service.vips();
        let vip = vips.find(|vip| !facts.is_own(vip.value))?.value;
        (
            format!("{what} is this host itself, which does not hold the VIP {vip}"),
            format!(
                "ip address add {vip}/{} dev lo",
                if vip.is_ipv4() { 32 } else { 128 }
            ),
        )
    } else if forward(service, backend) == Forward::L2 {
        if facts.segment(address).is_some() {
            return None;
        }
        (
            format!("{what} is in no subnet of this host, and l2 reaches it by its MAC alone"),
            "forward = \"ipip\" or \"gue\" reaches it through routers".to_owned(),
        )
    } else {
        let mut unrouted = facts.unrouted.iter();
        let (_, words) = unrouted.find(|(to, _)| *to == address)?;
        (
            format!("{what} has no route from this host ({words})"),
            format!("add one: `ip route get {address}` must find it"),
        )
    };
    let key = match name.as_str() {
        SORRY if service.sorry.is_some() => path(service, SORRY),
        name => path(service, &format!("backends.{name}.ip")),
    };
    Some(Finding::warning(&backend.ip.span, key, message, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::examine;

    const TEXT: &str = "\
[service.web]
vip = [\"192.0.2.10\", \"192.0.2.11\"]
ports = \"80/tcp\"
forward = \"ipip\"
source = \"10.0.0.1\"

[service.web.backends]
b1 = \"10.0.1.3\"
b2 = { ip = \"10.0.0.3\", forward = \"l2\" }
";

    fn own(address: &str, prefix_len: u8) -> Own {
        Own {
            interface: "eth0".to_owned(),
            address: address.parse().expect(address),
            prefix_len,
        }
    }

    fn told(own: Vec<Own>, unrouted: &[(&str, &str)]) -> Vec<String> {
        let (document, findings) = examine(TEXT);
        assert_eq!(findings, [], "{TEXT}");
        let unrouted = unrouted.iter();
        let unrouted = unrouted.map(|(to, why)| (to.parse().expect(to), (*why).to_owned()));
        let facts = Facts {
            own,
            unrouted: unrouted.collect(),
        };
        let found = warnings(&document, &facts);
        found.into_iter().map(|f| f.message).collect()
    }

    #[test]
    fn a_host_that_fits_has_no_warning() {
        let home = vec![own("10.0.0.1", 24)];
        assert_eq!(told(home, &[]), Vec::<String>::new());
    }

    #[test]
    fn a_vip_alone_on_this_host_is_on_no_segment() {
        let mut home = vec![own("10.0.0.1", 24), own("192.0.2.10", 32)];
        assert_eq!(told(home.clone(), &[]), Vec::<String>::new());
        home.push(own("192.0.2.1", 24));
        let told = told(home, &[]);
        assert!(told[0].contains("VIP 192.0.2.10") && told[0].ends_with("answers as well"));
        assert!(told[1].contains("VIP 192.0.2.11") && told[1].ends_with("does not answer"));
        assert_eq!(told.len(), 2, "{told:?}");
    }

    #[test]
    fn who_stands_in_is_to_be_reached_like_others() {
        let text = TEXT.replace("source =", "sorry = \"10.0.2.9\"\nsource =");
        let (document, findings) = examine(&text);
        assert_eq!(findings, [], "{text}");
        let sorry = "10.0.2.9".parse().expect("an address");
        assert!(to_ask_for(&document).contains(&sorry));
        let facts = Facts {
            own: vec![own("10.0.0.1", 24)],
            unrouted: vec![(sorry, "no route".to_owned())],
        };
        let found = warnings(&document, &facts);
        let keys: Vec<&str> = found.iter().map(|f| f.key.as_str()).collect();
        assert_eq!(keys, ["service.web.sorry"]);
    }

    #[test]
    fn routes_are_asked_for_tunnels_alone() {
        let asked = to_ask_for(&examine(TEXT).0);
        assert_eq!(asked, BTreeSet::from(["10.0.1.3".parse().expect("it")]));
        let told = told(vec![own("10.0.0.1", 32)], &[("10.0.1.3", "no way")]);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("b1 (10.0.1.3) has no route from this host (no way)"));
        assert!(told[1].contains("b2 (10.0.0.3) is in no subnet"));
    }
}
