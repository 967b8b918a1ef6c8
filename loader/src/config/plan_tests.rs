use super::*;
use crate::config::merge::merged;
use crate::config::{Document, examine};

const TEXT: &str = "\
[service.dns]
vip = \"192.0.2.53\"
ports = \"53/udp\"
[service.dns.backends]
d1 = \"10.0.0.5\"

[service.web]
vip = \"192.0.2.10\"
ports = \"80/tcp\"
[service.web.backends]
b1 = \"10.0.0.3\"
b2 = { ip = \"10.0.0.4\", weight = 2 }
";

fn read(text: &str) -> Document {
    let (document, findings) = examine(text);
    assert_eq!(findings, [], "{text}");
    document
}

/// `kind target: what` for each step.
fn told(before: &str, wanted: &str) -> Vec<String> {
    let (before, wanted) = (read(before), read(wanted));
    let wanted = merged(&before, &wanted);
    let steps = steps(&Balancer::new(&before), &Balancer::new(&wanted));
    steps
        .iter()
        .map(|s| format!("{} {}: {}", s.kind.name(), s.target, s.what))
        .collect()
}

#[test]
fn from_a_config_to_itself_there_is_no_step() {
    assert_eq!(told(TEXT, TEXT), Vec::<String>::new());
    // The order of what is listed means nothing.
    let turned = "[service.web]\nports = \"80/tcp\"\nvip = \"192.0.2.10\"\n[service.web.backends]\nb2 = { ip = \"10.0.0.4\", weight = 2 }\nb1 = { ip = \"10.0.0.3\", weight = 1, state = \"ready\", forward = \"l2\" }\n[service.dns]\npolicy = \"maglev\"\nvip = [\"192.0.2.53\"]\nports = [\"53/udp\"]\nbackends.d1 = \"10.0.0.5\"\n";
    assert_eq!(told(TEXT, turned), Vec::<String>::new());
}

#[test]
fn every_key_that_differs_is_a_step_and_additions_come_first() {
    let wanted = "\
[balancer]
echo = false
[service.www]
vip = [\"192.0.2.10\", \"192.0.2.11\"]
ports = \"80/tcp\"
policy = \"random\"
on_dead = \"reset\"
deny = \"10.0.0.0/8\"
forward = \"ipip\"
source = \"10.0.0.1\"
[service.www.backends]
b1 = { ip = \"10.0.0.3\", state = \"drain\", forward = \"l2\" }
b3 = { ip = \"10.0.0.6\", mac = \"02:00:00:00:00:01\" }
[service.new]
vip = \"192.0.2.99\"
ports = \"*/tcp\"
[service.new.backends]
n1 = { ip = \"10.0.0.7\", weight = 3, state = \"maint\" }
";
    assert_eq!(
        told(TEXT, wanted),
        [
            "add new: 192.0.2.99:*/tcp",
            "add new/n1: 10.0.0.7, weight 3, l2, maint",
            "add www/b3: 10.0.0.6, weight 1, ipip",
            "change balancer: echo on to off",
            "change www: name web to www",
            "change www: addresses 192.0.2.10:80/tcp to 192.0.2.10:80/tcp, 192.0.2.11:80/tcp",
            "change www: source none to 10.0.0.1",
            "change www: policy maglev to random",
            "change www: tracking changed to all",
            "change www: on_dead rehash to reset",
            "change www: deny none to 10.0.0.0/8",
            "change www/b1: state ready to drain",
            "remove web/b2: 10.0.0.4",
            "remove dns: 192.0.2.53:53/udp",
        ]
    );
}

#[test]
fn a_service_goes_on_by_any_of_its_addresses_and_only_once() {
    // `web` is split: the part with the lower address goes on as it was.
    let wanted = "\
[service.a]
vip = \"192.0.2.10\"
ports = \"443/tcp\"
[service.a.backends]
b1 = \"10.0.0.3\"
[service.b]
vip = \"192.0.2.10\"
ports = \"80/tcp\"
[service.b.backends]
b1 = \"10.0.0.3\"
";
    let before = TEXT.replace("\"80/tcp\"", "[\"80/tcp\", \"443/tcp\"]");
    let steps = told(&before, wanted);
    assert!(
        steps.contains(&"add a: 192.0.2.10:443/tcp".to_owned()),
        "{steps:?}"
    );
    assert!(
        steps.contains(&"change b: name web to b".to_owned()),
        "{steps:?}"
    );
}

#[test]
fn what_run_does_besides_is_told_by_its_keys() {
    let with = |line: &str, run: &str| TEXT.replacen("ports", &format!("{line}\nports"), 1) + run;
    let check = "check = { type = \"tcp\", every = \"1s\" }";
    assert_eq!(
        told(TEXT, &with(check, "")),
        ["change dns: check none to tcp"]
    );
    assert_eq!(
        told(&with(check, ""), TEXT),
        ["change dns: check tcp to none"]
    );
    let other = "check = { type = \"udp\", every = \"2s\", fall = 5 }\nannounce = true";
    assert_eq!(
        told(&with(check, ""), &with(other, "")),
        [
            "change dns: announce off to on",
            "change dns: check type tcp to udp",
            "change dns: check every 1s to 2s",
            "change dns: check fall 3 to 5",
        ]
    );
    let run = "\n[run]\nlisten = \"127.0.0.1:9390\"\nidle = \"1m\"\n";
    assert_eq!(
        told(TEXT, &with("", run)),
        [
            "change run: listen none to 127.0.0.1:9390",
            "change run: idle 5m to 1m",
        ]
    );
    // Who stands in comes as a backend, too.
    let sorry = told(TEXT, &with("sorry = \"10.0.0.9\"", ""));
    assert!(
        sorry.contains(&"change dns: sorry none to 10.0.0.9".to_owned()),
        "{sorry:?}"
    );
    assert!(
        sorry
            .iter()
            .any(|step| step.starts_with("add dns/sorry: 10.0.0.9")),
        "{sorry:?}"
    );
}
