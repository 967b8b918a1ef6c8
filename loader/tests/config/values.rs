//! A small bad file for each message about values, and about those that do not go
//! together.

use crate::file::GOOD;
use crate::tell::{backends, service, tells, told};

#[test]
fn values_of_another_type() {
    for (line, wanted) in [
        (
            "policy = 1",
            "4:10 error service.web.policy: `policy` takes maglev or random, not a number; write policy = \"random\"",
        ),
        (
            "forward = true",
            "4:11 error service.web.forward: `forward` takes l2, ipip, gue or gue:PORT, not a truth value; write forward = \"ipip\"",
        ),
        (
            "deny = 1.5",
            "4:8 error service.web.deny: `deny` takes a prefix of addresses, or a list of them, not a number with a fraction; write deny = \"198.51.100.66/32\"",
        ),
        (
            "deny = [[\"10.0.0.0/8\"]]",
            "4:9 error service.web.deny: `deny` takes a prefix of addresses, or a list of them, not a list; write deny = \"198.51.100.66/32\"",
        ),
        (
            "affinity = { client = 24 }",
            "4:12 error service.web.affinity: `affinity` takes flow, client, client/24 or client/24/64, not a table; write affinity = \"client/24/64\"",
        ),
        (
            "on_dead = 1979-05-27",
            "4:11 error service.web.on_dead: `on_dead` takes rehash, reset, hold, not a date or time; write on_dead = \"reset\"",
        ),
    ] {
        tells(&service(line), &[wanted]);
    }
    tells(
        &format!("[balancer]\necho = \"no\"\nseed = 1\n{GOOD}"),
        &[
            "2:8 error balancer.echo: `echo` takes true or false, not text; write echo = false",
            "3:8 error balancer.seed: `seed` takes text, not a number; write seed = \"site-a\"",
        ],
    );
    tells(
        "service = 1\nbalancer = []\n",
        &[
            "1:11 error service: `service` takes a table, not a number; write service = { web = { ... } }",
            "2:12 error balancer: `balancer` takes a table, not a list; write balancer = { seed = \"site-a\" }",
        ],
    );
    tells(
        "[[service.web]]\nvip = \"192.0.2.10\"\n",
        &[
            "1:1 error service.web: service web is a list, and a table is expected; write [service.web] in a line of its own, and its keys below",
        ],
    );
    tells(
        &backends("b2 = 4"),
        &[
            "7:6 error service.web.backends.b2: backend b2 is a number, and an address or a table is expected; write b2 = \"10.0.0.3\" or b2 = { ip = \"10.0.0.3\", weight = 2 }",
        ],
    );
}

#[test]
fn numbers() {
    let flows = |value: &str| format!("[balancer]\nflows = {value}\n{GOOD}");
    let bounds = "2:9 error balancer.flows: `flows` is not a number from 1024 to 4194304; write flows = 1_000_000";
    for value in [
        "1023",
        "4_194_305",
        "-1",
        "0x7fffffffffffffff",
        "\"5M\"",
        "99999999999999999999",
    ] {
        tells(&flows(value), &[bounds]);
    }
    for value in ["1024", "4_194_304", "\"64k\"", "\"4Mi\"", "0x1000"] {
        tells(&flows(value), &[]);
    }
    for value in ["1024", "1.5M", "64 k"] {
        let wanted = format!(
            "2:9 error balancer.flows: '{value}' is no number with k (1,000), M (1,000,000), Ki (1,024) or Mi; write flows = 1_000_000, without quotes"
        );
        tells(&flows(&format!("\"{value}\"")), &[&wanted]);
    }
    for value in ["-1", "65536"] {
        tells(
            &backends(&format!("b2 = {{ ip = \"10.0.0.4\", weight = {value} }}")),
            &[
                "7:34 error service.web.backends.b2.weight: `weight` is not a number from 0 to 65535; write weight = 2",
            ],
        );
    }
    tells(
        &format!("[balancer]\nseed = \"\"\n{GOOD}"),
        &["2:8 error balancer.seed: `seed` is empty; write seed = \"site-a\", or leave it out"],
    );
}

#[test]
fn words_and_forms() {
    for (line, wanted) in [
        (
            "policy = \"magelv\"",
            "4:10 error service.web.policy: `policy` cannot be 'magelv'; did you mean \"maglev\"?",
        ),
        (
            "policy = \"wrr\"",
            "4:10 error service.web.policy: `policy` cannot be 'wrr'; it takes maglev or random",
        ),
        (
            "forward = \"gre\"",
            "4:11 error service.web.forward: forwarding 'gre': l2, ipip, gue or gue:PORT is expected; `forward` takes l2, ipip, gue or gue:PORT, such as \"ipip\"",
        ),
        (
            "affinity = \"client/33\"",
            "4:12 error service.web.affinity: affinity 'client/33': flow, client, client/24 or client/24/64 is expected; `affinity` takes flow, client, client/24 or client/24/64, such as \"client/24/64\"",
        ),
        (
            "allow = [\"10.0.0.0/8\", \"10.1.2.3/24\"]",
            "4:24 error service.web.allow: prefix 10.1.2.3/24 has bits behind its length; 10.1.2.0/24 was meant; `allow` takes a prefix of addresses, or a list of them, such as [\"198.51.100.0/24\", \"2001:db8:1::/48\"]",
        ),
        (
            "deny = \"10.0.0.0/33\"",
            "4:8 error service.web.deny: prefix 10.0.0.0/33 is longer than an address; `deny` takes a prefix of addresses, or a list of them, such as \"198.51.100.66/32\"",
        ),
        (
            "policy = \"\\u001b[2J\"",
            "4:10 error service.web.policy: `policy` cannot be '\\u{1b}[2J'; it takes maglev or random",
        ),
    ] {
        tells(&service(line), &[wanted]);
    }
    for (value, wanted) in [
        ("80", "port '80' names no protocol"),
        ("0/tcp", "port '0' is not from 1 to 65535"),
        ("http/tcp", "port 'http' is no number"),
        ("80/sctp", "protocol 'sctp' is neither tcp nor udp"),
    ] {
        let wanted = format!(
            "3:9 error service.web.ports: {wanted}; `ports` takes PORT/tcp or PORT/udp, or a list of them, such as [\"80/tcp\", \"443/tcp\"]"
        );
        tells(&GOOD.replace("80/tcp", value), &[&wanted]);
    }
    for (value, wanted) in [
        (
            "192.0.2.999",
            "'192.0.2.999' is not an IP address such as 192.0.2.10 or 2001:db8::10",
        ),
        ("224.0.0.1", "224.0.0.1 is not the address of one host"),
        (
            "::ffff:192.0.2.10",
            "::ffff:192.0.2.10 is an IPv4 address: write 192.0.2.10",
        ),
    ] {
        let wanted = format!(
            "2:7 error service.web.vip: {wanted}; `vip` takes an IP address, or a list of them, such as [\"192.0.2.10\", \"2001:db8::10\"]"
        );
        tells(&GOOD.replace("192.0.2.10", value), &[&wanted]);
    }
    tells(
        &backends(
            "b2 = \"web2\"\nb3 = { ip = \"10.0.0.4\", mac = \"ff:ff:ff:ff:ff:ff\", state = \"of\" }",
        ),
        &[
            "7:6 error service.web.backends.b2: 'web2' is not an IP address such as 192.0.2.10 or 2001:db8::10; write its own address, as in b2 = \"10.0.0.3\"",
            "8:31 error service.web.backends.b3.mac: ff:ff:ff:ff:ff:ff is no single station's MAC; `mac` takes a MAC, such as \"02:00:00:00:00:0a\"",
            "8:60 error service.web.backends.b3.state: `state` cannot be 'of'; it takes ready, drain, maint, down",
        ],
    );
}

#[test]
fn what_is_given_twice() {
    tells(
        &GOOD.replace("\"80/tcp\"", "[\"80/tcp\", \"81/tcp\",\n \"80/tcp\"]"),
        &[
            "4:2 error service.web.ports: 80/tcp is given twice, first in line 3; remove one of the two",
        ],
    );
    tells(
        &GOOD.replace("\"80/tcp\"", "[\"*/tcp\", \"80/tcp\", \"80/udp\"]"),
        &[
            "3:19 warning service.web.ports: port 80/tcp is among */tcp of the same service; remove one of the two",
        ],
    );
    tells(
        &GOOD
            .replace("\"192.0.2.10\"", "[\"2001:db8::1\", \"2001:DB8:0::1\"]")
            .replace("10.0.0.3", "2001:db8::3"),
        &[
            "2:23 error service.web.vip: 2001:db8::1 is given twice, first in line 2; remove one of the two",
        ],
    );
    tells(
        &service("allow = [\"10.0.0.0/8\", \"10.0.0.0/8\"]"),
        &[
            "4:24 error service.web.allow: 10.0.0.0/8 is given twice, first in line 4; remove one of the two",
        ],
    );
    tells(
        &backends("a0 = \"10.0.0.3\""),
        &[
            "6:6 error service.web.backends.b1: backends a0 and b1 have the same address 10.0.0.3; remove one of the two",
        ],
    );
    let second = GOOD
        .replace("web", "a")
        .replace("\"80/tcp\"", "[\"81/tcp\", \"80/tcp\", \"*/udp\"]");
    tells(
        &format!("{GOOD}{second}"),
        &[
            "9:20 error service.a.ports: services web and a both have 192.0.2.10:80/tcp, web in line 1; take it from one of them, or put their backends together",
        ],
    );
}

#[test]
fn what_contradicts_itself() {
    tells(
        &service("policy = \"random\"\ntracking = \"changed\"\naffinity = \"client\""),
        &[
            "5:12 error service.web.tracking: policy random takes tracking all, since no slot says where a connection went; write tracking = \"all\", or leave it out",
            "6:12 error service.web.affinity: policy random and affinity by client exclude each other; write policy = \"maglev\", or leave affinity out",
        ],
    );
    tells(
        &backends("b2 = \"192.0.2.10\"\nb3 = \"2001:db8::3\""),
        &[
            "7:6 error service.web.backends.b2: backend b2 is the VIP of line 2 itself; write the server's own address",
            "8:6 error service.web.backends.b3: backend b3 is of another IP version than VIP 192.0.2.10, and l2 sends packets on as they are; forward = \"ipip\" carries either version in either, or make two services",
        ],
    );
    tells(
        &service("source = [\"10.0.0.1\", \"10.0.0.2\"]\nforward = \"ipip\""),
        &[
            "4:23 error service.web.source: sources 10.0.0.1 and 10.0.0.2 are of one IP version; keep one of each version",
        ],
    );
    tells(
        &service("source = \"10.0.0.1\""),
        &[
            "4:10 error service.web.source: source 10.0.0.1 is used by no tunnel: no backend of this IP version is reached by ipip or gue; remove it, or write forward = \"ipip\"",
        ],
    );
    tells(
        &GOOD.replace(
            "b1 = \"10.0.0.3\"",
            "b1 = { ip = \"10.0.0.3\", weight = 0 }",
        ),
        &[
            "1:10 warning service.web.backends: all backends of service web have weight 0: no new connection is served; give one of them a weight",
        ],
    );
}

#[test]
fn one_mistake_does_not_make_others_of_what_depends_on_it() {
    let text = service("source = \"10.0.0.1\"\nforward = \"ipp\"");
    assert_eq!(told(&text).len(), 1, "{:?}", told(&text));
    let text = backends("b2 = { ip = \"2001:db8::3\", forward = \"ippi\" }");
    assert_eq!(told(&text).len(), 1, "{:?}", told(&text));
}

#[test]
fn more_than_a_balancer_holds() {
    let ports: Vec<String> = (1..=1025).map(|port| format!("\"{port}/tcp\"")).collect();
    tells(
        &GOOD.replace("\"80/tcp\"", &format!("[{}]", ports.join(", "))),
        &[
            "1:1 error service: 1025 addresses (VIP, port, protocol): one balancer holds 1024; spread the services over several balancers",
        ],
    );
    let many: Vec<String> = (0..8191)
        .map(|n| format!("n{n} = \"10.1.{}.{}\"\n", n / 256, n % 256))
        .collect();
    tells(
        &backends(&many.concat()),
        &[
            "1:1 error service: 8192 backends: one balancer holds 8191; spread the services over several balancers",
        ],
    );
    let many: Vec<String> = (0..=65_536)
        .map(|n| format!("\"10.{}.{}.{}\"", n / 65_536, n / 256 % 256, n % 256))
        .collect();
    tells(
        &service(&format!("deny = [{}]", many.join(","))),
        &[
            "1:1 error service: 65537 prefixes of clients: one balancer holds 65536; spread the services over several balancers",
        ],
    );
}
