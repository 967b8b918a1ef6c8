//! What `[run]`, checks and who stands in mean, and what is said of less plain
//! mistakes in them.

use crate::file::{GOOD, document};
use crate::tell::{backends, service, tells, told};
use dsrload::config::digest::digest;
use dsrload::config::merge::merged;
use dsrload::config::plan::steps;
use dsrload::config::{Balancer, write};
use dsrload::model::check::{Check, Path, Probe};
use std::time::Duration;

fn check_of(check: &str) -> Check {
    let balancer = Balancer::new(&document(&service(&format!("check = {{ {check} }}"))));
    let [care] = balancer.care.as_slice() else {
        panic!("one service");
    };
    care.check.clone().expect("a check")
}

#[test]
fn a_check_that_says_nothing_but_its_type() {
    let check = check_of("type = \"tcp\"");
    let wanted = Check {
        probe: Probe::Tcp,
        port: 80,
        path: Path::Vip,
        every: Duration::from_secs(2),
        timeout: Duration::from_secs(1),
        rise: 2,
        fall: 3,
        jitter: 10,
    };
    assert_eq!(check, wanted);
    let fast = check_of("type = \"tcp\", every = \"500ms\"");
    assert_eq!(fast.timeout, Duration::from_millis(500));
    let program = check_of("type = \"exec\", command = \"/bin/true\"");
    assert_eq!((program.path, program.port), (Path::Real, 80));
}

/// The lowest port of the protocol that is asked by, else the lowest.
#[test]
fn the_port_that_is_asked_if_none_is_said() {
    for (ports, kind, wanted) in [
        ("[\"443/tcp\", \"80/tcp\", \"53/udp\"]", "tcp", 80),
        ("[\"443/tcp\", \"80/tcp\", \"99/udp\"]", "dns", 99),
        ("[\"443/tcp\", \"80/tcp\", \"99/udp\"]", "udp", 99),
        ("[\"443/tcp\", \"80/tcp\"]", "udp", 80),
        ("[\"53/udp\", \"*/tcp\"]", "tcp", 53),
    ] {
        let text = service(&format!("check = {{ type = \"{kind}\" }}"));
        let text = text.replace("\"80/tcp\"", ports);
        let balancer = Balancer::new(&document(&text));
        let check = balancer.care[0].check.as_ref().expect("a check");
        assert_eq!(check.port, wanted, "{kind} of {ports}");
    }
}

#[test]
fn status_codes_are_numbers_ranges_or_classes_in_any_order() {
    let status = |said: &str| {
        let Probe::Http(http) = check_of(&format!("type = \"http\", status = {said}")).probe else {
            panic!("http");
        };
        http.status
    };
    assert_eq!(status("200"), [(200, 200)]);
    assert_eq!(status("\"3xx\""), [(300, 399)]);
    assert_eq!(status("[304, \"200-204\"]"), [(200, 204), (304, 304)]);
}

#[test]
fn bytes_of_datagrams() {
    let udp = |said: &str| {
        let Probe::Udp(udp) = check_of(&format!("type = \"udp\"{said}")).probe else {
            panic!("udp");
        };
        (udp.send, udp.expect)
    };
    assert_eq!(udp(""), (vec![], None));
    assert_eq!(udp(", send = \"\", expect = \"\""), (vec![], Some(vec![])));
    assert_eq!(
        udp(", send = 'a\\x00\\\\', expect = \"\\u0007\""),
        (b"a\0\\".to_vec(), Some(vec![7]))
    );
    let told = told(&service("check = { type = \"udp\", send = 'a\\n' }"));
    assert!(
        told.len() == 1 && told[0].contains("a backslash that is not of \\xNN or \\\\"),
        "{told:?}"
    );
}

#[test]
fn a_table_of_its_own_says_the_same_and_is_written_in_one_line() {
    let inline =
        service("check = { type = \"http\", every = \"5s\", status = [\"2xx\", \"304\"] }");
    let table = format!(
        "[run]\nwindow = \"1m\"\nhook = [\"/bin/a\", \"\", \"b c\"]\n{GOOD}\n[service.web.check]\nstatus = [\"2xx\", 304]\nevery = \"5000ms\"\ntype = \"http\"\n"
    );
    let written = write::write(&document(&table));
    let run = "[run]\nhook = [\"/bin/a\", \"\", \"b c\"]\nwindow = \"1m\"\n\n";
    assert_eq!(written, format!("{run}{inline}"));
    assert_eq!(document(&written), document(&table));
}

#[test]
fn each_entry_of_a_list_has_its_place() {
    tells(
        &service("check = { type = \"http\", status = [200, \"2x\",\n 999] }"),
        &[
            "4:41 error service.web.check.status: '2x' is no status, range of them, or class such as 2xx; `status` takes a status such as 200, a range such as 200-299, or a class such as 2xx, or a list of them, such as [\"2xx\", \"304\"]",
            "5:2 error service.web.check.status: '999' is no status, range of them, or class such as 2xx; `status` takes a status such as 200, a range such as 200-299, or a class such as 2xx, or a list of them, such as [\"2xx\", \"304\"]",
        ],
    );
    let run = format!("[run]\nhook = [\"/bin/a\", 1]\n{GOOD}");
    tells(
        &run,
        &[
            "2:19 error run.hook: `hook` takes the absolute path of a program, or a list of that and its arguments, not a number; write hook = [\"/usr/local/bin/page-somebody\", \"--urgent\"]",
        ],
    );
    tells(
        &run.replace("[\"/bin/a\", 1]", "[]"),
        &[
            "2:8 error run.hook: the list `hook` is empty; write hook = [\"/usr/local/bin/page-somebody\", \"--urgent\"], or leave it out",
        ],
    );
}

#[test]
fn what_run_cannot_have() {
    for (line, words) in [
        (
            "listen = \"127.0.0.1:0\"",
            "run.listen: '127.0.0.1:0' is no address with a port",
        ),
        (
            "hook = [\"/bin/a\", \"b\\u0000\"]",
            "run.hook: `hook` has a word with a NUL in it",
        ),
        (
            "announce_table = 255",
            "`announce_table` cannot be 255 (local)",
        ),
        (
            "announce_table = 0",
            "`announce_table` is not a number from 1 to 4294967295",
        ),
        (
            "announce_protocol = 4",
            "`announce_protocol` is not a number from 5 to 255",
        ),
        (
            "announce_protocol = 192",
            "`announce_protocol` cannot be 192 (EIGRP daemons)",
        ),
        (
            "idle = \"1h\"",
            "run.idle: `idle` is not a time from 10s to 8m",
        ),
        ("log = \"jsn\"", "did you mean \"json\"?"),
        (
            "checks = 1",
            "run.checks: unknown key `checks` in [run]; it",
        ),
        (
            "rise = 2",
            "run.rise: unknown key `rise` in [run]; it is a key of a service's check",
        ),
    ] {
        let told = told(&format!("[run]\n{line}\n{GOOD}"));
        let [told] = told.as_slice() else {
            panic!("{line}: {told:?}");
        };
        let words = words.trim_end_matches("; it");
        assert!(
            told.starts_with("2:") && told.contains(words),
            "{line}: {told}"
        );
    }
}

#[test]
fn names_of_certificates() {
    let https = |said: &str| service(&format!("check = {{ type = \"https\", {said} }}"));
    for said in [
        "sni = \"www.example.net\"",
        "host = \"www.example.net:8443\"",
        "host = \"[2001:db8::1]\", sni = \"10.0.0.3\"",
        "host = \"[2001:db8::1]\", verify = false",
    ] {
        tells(&https(said), &[]);
    }
    tells(
        &https("sni = \"www.example.net:443\""),
        &[
            "4:33 error service.web.check.sni: 'www.example.net:443' is no name that a certificate has; `sni` takes a host name, such as \"www.example.net\"",
        ],
    );
    tells(
        &https("host = \"[2001:db8::1]:443\""),
        &[
            "4:34 error service.web.check.host: '[2001:db8::1]' is no name that a certificate has; add sni = \"www.example.net\", the name that the certificate has",
        ],
    );
    tells(
        &https("verify = false, ca = \"/etc/ca.pem\""),
        &[
            "4:48 error service.web.check.ca: no certificate is checked, so `ca` says nothing; remove it, or take out verify = false",
        ],
    );
}

#[test]
fn who_cannot_stand_in() {
    tells(
        &service("sorry = \"192.0.2.10\""),
        &[
            "4:9 error service.web.sorry: the sorry backend is the VIP 192.0.2.10 itself; write the server's own address",
        ],
    );
    tells(
        &service("sorry = \"2001:db8::9\""),
        &[
            "4:9 error service.web.sorry: the sorry backend 2001:db8::9 is of another IP version than VIP 192.0.2.10, and l2 sends packets on as they are; take a server of the same version: it is reached as `forward` of the service says",
        ],
    );
    tells(&service("sorry = \"2001:db8::9\"\nforward = \"ipip\""), &[]);
    let named = service("sorry = \"10.0.0.9\"") + "sorry = \"10.0.0.4\"\n";
    tells(
        &named,
        &[
            "8:1 error service.web.backends.sorry: a backend is called sorry, as the one is that stands in; give it another name",
        ],
    );
    tells(&backends("sorry = \"10.0.0.4\""), &[]);
}

/// Steps from one text to another, as lines.
fn steps_of(before: &str, wanted: &str) -> Vec<String> {
    let (before, wanted) = (document(before), document(wanted));
    let steps = steps(&Balancer::new(&before), &Balancer::new(&wanted)).into_iter();
    steps
        .map(|step| format!("{} {}: {}", step.kind.name(), step.target, step.what))
        .collect()
}

#[test]
fn a_plan_tells_what_of_it_changes() {
    let http = service("check = { type = \"http\", host = \"a\", every = \"5s\" }");
    let tcp = service("check = { type = \"tcp\" }\nannounce = true\nsorry = \"10.0.0.9\"");
    assert_eq!(steps_of(GOOD, &http), ["change web: check none to http"]);
    assert_eq!(
        steps_of(&http, &tcp),
        [
            "add web/sorry: 10.0.0.9, weight 0, l2",
            "change web: sorry none to 10.0.0.9",
            "change web: announce off to on",
            "change web: check type http to tcp",
            "change web: check every 5s to 2s",
        ]
    );
    assert_eq!(
        steps_of(&tcp, &tcp.replace("0.9\"", "0.8\"")),
        [
            "add web/sorry: 10.0.0.8, weight 0, l2",
            "change web: sorry 10.0.0.9 to 10.0.0.8",
            "remove web/sorry: 10.0.0.9",
        ]
    );
    assert_eq!(
        steps_of(&http, &http.replace("\"a\"", "\"b\", body = \"up\"")),
        [
            "change web: check host \"a\" to \"b\"",
            "change web: check body none to \"up\"",
        ]
    );
    let run = format!("[run]\nidle = \"2m\"\nhook = [\"/bin/a\", \"\\u001b[2J\"]\n{GOOD}");
    assert_eq!(
        steps_of(GOOD, &run),
        [
            "change run: hook none to /bin/a \\u{1b}[2J",
            "change run: idle 5m to 2m",
        ]
    );
    assert_eq!(steps_of(&run, &run), Vec::<String>::new());
}

/// A file says all of it: what it leaves out has its default.
#[test]
fn what_a_new_file_leaves_out_is_gone() {
    let before = format!(
        "[run]\nidle = \"2m\"\n{}",
        service("check = { type = \"tcp\" }\nquorum = 1\nsorry = \"10.0.0.9\"\nannounce = true")
    );
    let merged = merged(&document(&before), &document(GOOD));
    assert_eq!(write::write(&merged), GOOD);
}

/// One that becomes a backend like others is in rotation.
#[test]
fn who_stood_in_can_become_a_backend_and_the_other_way_round() {
    let sorry = document(&service("sorry = \"10.0.0.9\""));
    let plain = document(&backends("b2 = \"10.0.0.9\""));
    for (before, wanted) in [(&sorry, &plain), (&plain, &sorry)] {
        assert_eq!(merged(before, wanted), *wanted);
    }
}

#[test]
fn a_digest_is_of_what_decides_where_packets_go() {
    let of = |text: &str| digest(&Balancer::new(&document(text)), "base");
    let plain = of(GOOD);
    for same in [
        format!("[run]\nlisten = \"127.0.0.1:9390\"\non_exit = \"unload\"\n{GOOD}"),
        service("check = { type = \"tcp\" }"),
        service("announce = true"),
        service("quorum = 1"),
    ] {
        assert_eq!(of(&same), plain, "{same}");
    }
    let two = |lines: &str| service(lines) + "b2 = \"10.0.0.4\"\n";
    let sorry = of(&two("sorry = \"10.0.0.9\""));
    for other in [
        two(""),
        two("sorry = \"10.0.0.8\""),
        two("sorry = \"10.0.0.9\"\nquorum = 2"),
        two("") + "b3 = { ip = \"10.0.0.9\", weight = 0 }\n",
    ] {
        assert_ne!(of(&other), sorry, "{other}");
    }
}
