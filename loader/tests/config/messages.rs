//! A small bad file for each message about keys, names and syntax.

use crate::file::GOOD;
use crate::tell::{backends, service, tells, told};
use dsrload::config::{self, Lines};

#[test]
fn a_good_file_has_no_finding() {
    tells(GOOD, &[]);
    tells(&service("affinity = \"client/24/64\""), &[]);
    tells(&backends("b2 = { ip = \"10.0.0.4\", weight = 0 }"), &[]);
}

#[test]
fn what_is_no_toml() {
    tells(
        "",
        &["1:1 error service: the file has no service; add one, as in service = { web = { ... } }"],
    );
    tells(
        &service("policy = maglev"),
        &[
            "4:10 error -: string values must be quoted; text, such as an address, stands in double quotes",
        ],
    );
    tells(
        &service("source = 10.0.0.2"),
        &["4:14 error -: invalid float; text, such as an address, stands in double quotes"],
    );
    tells(
        &backends("b1 = \"10.0.0.4\""),
        &["7:1 error -: duplicate key; remove one of the two, or give it another name"],
    );
    tells(
        &service("[service.web]"),
        &["4:10 error -: duplicate key; remove one of the two, or give it another name"],
    );
    tells(
        &service("allow = [\"10.0.0.0/8\"\ndeny = \"10.1.0.0/16\""),
        &["5:1 error -: a list before this place lacks its `]`; close the list"],
    );
    tells(
        &service("policy \"random\""),
        &["4:8 error -: key with no value; expected: `=`"],
    );
}

#[test]
fn mistakes_behind_one_that_is_no_toml_are_told_as_well() {
    tells(
        &backends("b2 = 10.0.0.4\nb3 = { ip = \"10.0.0.5\", wieght = 2 }"),
        &[
            "7:10 error -: invalid float; text, such as an address, stands in double quotes",
            "8:25 error service.web.backends.b3.wieght: unknown key `wieght` in `service.web.backends.b3`; did you mean `weight`?",
        ],
    );
}

#[test]
fn unknown_keys() {
    tells(
        &service("polcy = \"random\""),
        &[
            "4:1 error service.web.polcy: unknown key `polcy` in [service.web]; did you mean `policy`?",
        ],
    );
    tells(
        &service("on-dead = \"reset\""),
        &[
            "4:1 error service.web.on-dead: unknown key `on-dead` in [service.web]; did you mean `on_dead`?",
        ],
    );
    tells(
        &service("weight = 2"),
        &[
            "4:1 error service.web.weight: unknown key `weight` in [service.web]; it is a key of a backend in [service.NAME.backends]: move it there",
        ],
    );
    tells(
        &format!("seed = \"x\"\n{GOOD}"),
        &[
            "1:1 error seed: unknown key `seed` in the file; it is a key of [balancer]: move it there",
        ],
    );
    let told = told(&service("persistence = 1"));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("unknown key") && told[0].contains("remove it; known here: vip, ports"),
        "{told:?}"
    );
    tells(
        &format!("[listener]\nport = 1\n[balancer]\nflow = 1024\n{GOOD}"),
        &[
            "1:2 error listener: unknown key `listener` in the file; remove it; known here: balancer, service, run",
            "4:1 error balancer.flow: unknown key `flow` in [balancer]; did you mean `flows`?",
        ],
    );
}

#[test]
fn keys_that_are_missing() {
    tells(
        "[service.web]\n[service.web.backends]\nb1 = { weight = 2 }\n",
        &[
            "1:10 error service.web.vip: [service.web] lacks `vip`; add vip = [\"192.0.2.10\", \"2001:db8::10\"]",
            "1:10 error service.web.ports: [service.web] lacks `ports`; add ports = [\"80/tcp\", \"443/tcp\"]",
            "3:1 error service.web.backends.b1.ip: `service.web.backends.b1` lacks `ip`; add ip = \"10.0.0.4\"",
        ],
    );
    tells(
        "[service]\n",
        &["1:2 error service: the file has no service; add one, as in [service.web]"],
    );
    tells(
        "[service.web]\nvip = \"192.0.2.10\"\nports = \"80/tcp\"\n",
        &[
            "1:10 error service.web.backends: [service.web] has no backends; add one, as in backends = { b1 = \"10.0.0.3\" }",
        ],
    );
    tells(
        "[service.web]\nvip = \"192.0.2.10\"\nports = \"80/tcp\"\n[service.web.backends]\n",
        &[
            "4:14 error service.web.backends: [service.web.backends] has no backend; add one, as in b1 = \"10.0.0.3\"",
        ],
    );
    tells(
        &service("allow = []"),
        &[
            "4:9 error service.web.allow: the list `allow` is empty; leave it out: then it is all clients",
        ],
    );
}

#[test]
fn names() {
    tells(
        &backends("\"B 2\" = \"10.0.0.4\""),
        &[
            "7:1 error service.web.backends.B 2: 'B 2' cannot be the name of a backend: names have 1 to 63 letters a to z, digits, _ or -; call it b-2",
        ],
    );
    tells(
        &GOOD.replace("service.web", "service.\"\""),
        &[
            "1:10 error service.: '' cannot be the name of a service: names have 1 to 63 letters a to z, digits, _ or -; call it a",
        ],
    );
    let long = "x".repeat(64);
    let told = told(&GOOD.replace("web", &long));
    assert!(
        told.len() == 1 && told[0].ends_with(&format!("call it {}", &long[..63])),
        "{told:?}"
    );
    tells(&GOOD.replace("web", &long[..63]), &[]);
}

#[test]
fn a_file_that_is_no_text() {
    let (text, finding) = config::text(b"[service.web]\nvip = \"\xff\"\n");
    assert_eq!(text, "[service.web]\nvip = \"");
    let finding = finding.expect("a finding");
    let at = Lines::new(text).position(finding.span.start);
    assert_eq!((at.line, at.column), (2, 8));
    assert!(finding.message.contains("not UTF-8"), "{finding:?}");
    assert!(config::text(GOOD.as_bytes()).1.is_none());
}
