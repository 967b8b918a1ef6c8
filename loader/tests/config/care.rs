//! What is said of mistakes in `[run]` and in checks.

use crate::file::GOOD;
use crate::tell::{service, tells, told};

fn run(line: &str) -> String {
    format!("[run]\n{line}\n{GOOD}")
}

#[test]
fn keys_of_other_types_of_checks() {
    tells(
        &service("check = { type = \"tcp\", url = \"/\" }"),
        &[
            "4:31 error service.web.check.url: a check of type tcp has no `url`; remove it: `url` is for http and https",
        ],
    );
    tells(
        &service("check = { type = \"http\", expect = \"x\" }"),
        &[
            "4:35 error service.web.check.expect: a check of type http has no `expect`; remove it: `expect` is for udp",
        ],
    );
}

#[test]
fn what_a_check_lacks() {
    tells(
        &service("check = { port = 80 }"),
        &[
            "4:1 error service.web.check.type: `service.web.check` lacks `type`; add type = \"http\"",
        ],
    );
    tells(
        &service("check = { type = \"exec\" }"),
        &[
            "4:1 error service.web.check.command: a check of type exec lacks `command`; add command = \"/path/of/a/program\"",
        ],
    );
    tells(
        &service("check = { type = \"https\" }"),
        &[
            "4:1 error service.web.check.sni: a certificate is checked, and for no name; add host = \"www.example.net\" or sni, or say verify = false",
        ],
    );
    tells(
        &service("check = { type = \"tcp\" }").replace("80/tcp", "*/tcp"),
        &[
            "4:1 error service.web.check.port: the check has no port: the service takes any; add port = 80, or another",
        ],
    );
}

#[test]
fn values_of_checks() {
    for (value, words) in [
        (
            "type = \"htp\"",
            "11 error service.web.check.type: `type` cannot be 'htp'; did you mean \"http\"?",
        ),
        (
            "every = \"1d\"",
            "26 error service.web.check.every: '1d' is no time such as 250ms, 30s, 10m or 1h; write every = \"500ms\"",
        ),
        (
            "every = \"50ms\"",
            "26 error service.web.check.every: `every` is not a time from 100ms to 1h; write every = \"500ms\"",
        ),
        (
            "timeout = \"3s\"",
            "26 error service.web.check.timeout: `timeout` is longer than `every`, 2000 ms; lower it, or check less often",
        ),
        (
            "rise = 0",
            "26 error service.web.check.rise: `rise` is not a number from 1 to 100; write rise = 3",
        ),
        (
            "path = \"via\"",
            "26 error service.web.check.path: `path` cannot be 'via'; did you mean \"vip\"?",
        ),
    ] {
        let check = match value.starts_with("type") {
            true => format!("check = {{ {value} }}"),
            false => format!("check = {{ type = \"tcp\", {value} }}"),
        };
        let found = told(&service(&check));
        let [found] = found.as_slice() else {
            panic!("{value}: {found:?}");
        };
        let (_, words) = words.split_once(' ').expect("a column");
        assert!(found.contains(words), "{value}: {found}");
        assert!(found.starts_with("4:"), "{found}");
    }
    for (key, value) in [
        ("status", "\"600\""),
        ("status", "\"299-200\""),
        ("status", "\"2x\""),
        ("url", "\"ready\""),
        ("url", "\"/a b\""),
        ("host", "\"a b\""),
    ] {
        let check = format!("check = {{ type = \"http\", {key} = {value} }}");
        let found = told(&service(&check));
        assert_eq!(found.len(), 1, "{key} = {value}: {found:?}");
    }
}

#[test]
fn who_stands_in() {
    tells(
        &service("sorry = \"10.0.0.3\""),
        &[
            "4:9 error service.web.sorry: the sorry backend 10.0.0.3 is backend b1 as well; take a server that is not one of the others",
        ],
    );
    tells(
        &service("quorum = 2"),
        &[
            "4:10 error service.web.quorum: a quorum of 2 backends, and the service has 1; lower it, or add backends",
        ],
    );
}

#[test]
fn values_of_run() {
    tells(
        &run("announce_table = 254"),
        &[
            "2:18 error run.announce_table: `announce_table` cannot be 254 (main): the host routes its own packets by it; take another number",
        ],
    );
    tells(
        &run("announce_protocol = 12"),
        &[
            "2:21 error run.announce_protocol: `announce_protocol` cannot be 12 (BIRD): routes of others have it; take another number",
        ],
    );
    tells(
        &run("hook = \"page\""),
        &[
            "2:8 error run.hook: 'page' is no absolute path; programs are named by absolute paths, and are not looked for",
        ],
    );
    tells(
        &run("listen = \"0.0.0.0:9390\""),
        &[
            "2:10 warning run.listen: whoever reaches 0.0.0.0:9390 can read metrics and page, without a password; listen on 127.0.0.1, or see that a firewall stands before it",
        ],
    );
    tells(
        &run("listen = \"9390\""),
        &[
            "2:10 error run.listen: '9390' is no address with a port; `listen` takes ADDRESS:PORT, such as \"127.0.0.1:9390\"",
        ],
    );
    tells(
        &run("announce_device = \"an-interface-name\""),
        &[
            "2:19 error run.announce_device: 'an-interface-name' is no name of an interface of 1 to 14 letters; `announce_device` takes the name of an interface, such as \"lbvips\"",
        ],
    );
}
