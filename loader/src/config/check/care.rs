//! What is wrong with `[run]`, with checks, and with who stands in.

use super::{Checker, path};
use crate::config::care::{OF_TYPES, port};
use crate::config::document::{At, Document, ServiceTable};
use crate::config::values::{self, Values, absolute};
use crate::model::Forward;

/// Tables by which a host routes its own packets (`include/uapi/linux/rtnetlink.h`).
const TAKEN_TABLES: [(u32, &str); 3] = [(253, "default"), (254, "main"), (255, "local")];

/// Protocol numbers that others give their routes (the same file, `RTPROT_*`).
const TAKEN_PROTOCOLS: [(u32, &str); 19] = [
    (8, "GateD"),
    (9, "router advertisements"),
    (10, "MRT"),
    (11, "Zebra"),
    (12, "BIRD"),
    (13, "DECnet"),
    (14, "XORP"),
    (15, "NTK"),
    (16, "DHCP"),
    (17, "multicast daemons"),
    (18, "keepalived"),
    (42, "Babel"),
    (84, "OVN"),
    (99, "Open/R"),
    (186, "BGP daemons"),
    (187, "IS-IS daemons"),
    (188, "OSPF daemons"),
    (189, "RIP daemons"),
    (192, "EIGRP daemons"),
];

impl Checker<'_> {
    /// `[run]`
    pub(super) fn run(&mut self, document: &Document) {
        let run = &document.run;
        self.taken(
            run,
            "announce_table",
            &TAKEN_TABLES,
            "the host routes its own packets by it",
        );
        self.taken(
            run,
            "announce_protocol",
            &TAKEN_PROTOCOLS,
            "routes of others have it",
        );
        if let Some(at) = run.get("listen")
            && let Some(address) = run.text("listen")
            && let Ok(address) = address.parse::<std::net::SocketAddr>()
            && !address.ip().is_loopback()
        {
            self.findings.push(crate::config::Finding::warning(
                &at.span,
                "run.listen",
                format!("whoever reaches {address} can read metrics and page, without a password"),
                "listen on 127.0.0.1, or see that a firewall stands before it",
            ));
        }
        self.program(run, "hook", "run.hook".to_owned());
    }

    fn taken(&mut self, run: &Values, name: &str, taken: &[(u32, &str)], why: &str) {
        let Some((at, number)) = run.get(name).zip(run.count(name)) else {
            return;
        };
        if let Some((_, whose)) = taken.iter().find(|(taken, _)| *taken == number) {
            let message = format!("`{name}` cannot be {number} ({whose}): {why}");
            self.error(
                &at.span,
                format!("run.{name}"),
                message,
                "take another number",
            );
        }
    }

    /// The first word of a program is where it is; and the kernel takes words up to
    /// their first NUL.
    fn program(&mut self, table: &Values, name: &str, key: String) {
        let words = table.list(name);
        let Some((at, first)) = table.get(name).zip(words.first()) else {
            return;
        };
        if words.iter().any(|word| word.contains('\0')) {
            let message = format!("`{name}` has a word with a NUL in it");
            self.error(&at.span, key.clone(), message, "take it out");
        }
        if let Err(message) = absolute(first) {
            let remedy = "programs are named by absolute paths, and are not looked for";
            self.error(&at.span, key, message, remedy);
        }
    }

    /// Check, quorum and sorry backend of a service.
    pub(super) fn care(&mut self, service: &ServiceTable) {
        if let Some(check) = &service.check {
            self.check(service, check);
        }
        let own = service.backends.len();
        if let Some(quorum) = &service.quorum
            && usize::try_from(quorum.value).is_ok_and(|quorum| quorum > own)
        {
            let message = format!(
                "a quorum of {} backends, and the service has {own}",
                quorum.value
            );
            self.error(
                &quorum.span,
                path(service, "quorum"),
                message,
                "lower it, or add backends",
            );
        }
        self.sorry(service);
    }

    /// Who stands in.
    fn sorry(&mut self, service: &ServiceTable) {
        let Some(sorry) = &service.sorry else { return };
        if service.vips().any(|vip| vip.value == sorry.value) {
            self.error(
                &sorry.span,
                path(service, "sorry"),
                format!("the sorry backend is the VIP {} itself", sorry.value),
                "write the server's own address",
            );
        }
        let way = service.forward.as_ref().map_or(Forward::L2, |at| at.value);
        let mut vips = service.vips();
        let other = vips.find(|vip| vip.value.is_ipv4() != sorry.value.is_ipv4());
        if let Some(vip) = other.filter(|_| way == Forward::L2) {
            self.error(
                &sorry.span,
                path(service, "sorry"),
                format!(
                    "the sorry backend {} is of another IP version than VIP {}, and l2 sends packets on as they are",
                    sorry.value, vip.value
                ),
                "take a server of the same version: it is reached as `forward` of the service says",
            );
        }
        if let Some(same) = service.backends.iter().find(|b| b.ip.value == sorry.value) {
            let message = format!(
                "the sorry backend {} is backend {} as well",
                sorry.value, same.name.value
            );
            self.error(
                &sorry.span,
                path(service, "sorry"),
                message,
                "take a server that is not one of the others",
            );
        }
        if let Some(same) = service.backends.iter().find(|b| b.name.value == "sorry") {
            let message = "a backend is called sorry, as the one is that stands in".to_owned();
            self.error(
                &same.name.span,
                path(service, "backends.sorry"),
                message,
                "give it another name",
            );
        }
    }

    fn check(&mut self, service: &ServiceTable, check: &At<Values>) {
        let table = &check.value;
        let Some(kind) = table.text("type") else {
            return;
        };
        let key = |name: &str| path(service, &format!("check.{name}"));
        for (name, types) in OF_TYPES {
            if let Some(at) = table.get(name)
                && !types.contains(&kind)
            {
                let message = format!("a check of type {kind} has no `{name}`");
                let remedy = format!("remove it: `{name}` is for {}", types.join(" and "));
                self.error(&at.span, key(name), message, &remedy);
            }
        }
        let every = table
            .time("every")
            .unwrap_or(std::time::Duration::from_secs(2));
        if let Some((at, timeout)) = table.get("timeout").zip(table.time("timeout"))
            && timeout > every
        {
            let message = format!("`timeout` is longer than `every`, {} ms", every.as_millis());
            self.error(
                &at.span,
                key("timeout"),
                message,
                "lower it, or check less often",
            );
        }
        if kind == "exec" {
            if !table.contains_key("command") {
                let message = "a check of type exec lacks `command`".to_owned();
                self.error(
                    &check.span,
                    key("command"),
                    message,
                    "add command = \"/path/of/a/program\"",
                );
            }
            if let Some(at) = table.get("path")
                && table.text("path") == Some("vip")
            {
                let message =
                    "a program cannot be led to the VIP by a backend's own path".to_owned();
                self.error(&at.span, key("path"), message, "leave it out");
            }
            self.program(table, "command", key("command"));
        } else if !table.contains_key("port") && port(service, kind).is_none() {
            let message = "the check has no port: the service takes any".to_owned();
            self.error(
                &check.span,
                key("port"),
                message,
                "add port = 80, or another",
            );
        }
        if kind == "https" {
            self.certificate(service, check);
        }
    }

    /// By what name a certificate is checked, and against whom.
    fn certificate(&mut self, service: &ServiceTable, check: &At<Values>) {
        let table = &check.value;
        let key = |name: &str| path(service, &format!("check.{name}"));
        let host = table.get("host").zip(table.text("host"));
        if table.flag("verify") == Some(false) {
            if let Some(ca) = table.get("ca") {
                let message = "no certificate is checked, so `ca` says nothing".to_owned();
                let remedy = "remove it, or take out verify = false";
                self.error(&ca.span, key("ca"), message, remedy);
            }
        } else if table.contains_key("sni") {
            // It is looked at where it is read.
        } else if let Some((at, host)) = host {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            if let Err(message) = values::server(name) {
                let remedy = "add sni = \"www.example.net\", the name that the certificate has";
                self.error(&at.span, key("host"), message, remedy);
            }
        } else {
            let message = "a certificate is checked, and for no name".to_owned();
            let remedy = "add host = \"www.example.net\" or sni, or say verify = false";
            self.error(&check.span, key("sni"), message, remedy);
        }
    }
}
