//! The keys of what `dsrload run` does besides forwarding.

use super::table::{ADDRESS, key};
use super::{Absent, Key, Kind, Place};

const LOGS: &[(&str, &str)] = &[("plain", "for people"), ("json", "one JSON object a line")];

const EXITS: &[(&str, &str)] = &[
    ("keep", "forwarding goes on"),
    ("unload", "the program is taken off"),
];

const CHECKS: &[(&str, &str)] = &[
    ("tcp", "a connection is accepted"),
    ("http", "a GET request is answered"),
    ("https", "the same, inside TLS"),
    ("udp", "a datagram is answered, or at least not refused"),
    ("dns", "a query is answered"),
    ("exec", "a program ends with exit code 0"),
];

const PATHS: &[(&str, &str)] = &[
    (
        "vip",
        "for the VIP, by the backend's own MAC or tunnel: a backend that lost the VIP is down",
    ),
    ("real", "for the backend's own address"),
];

const PROGRAM: &str = "the absolute path of a program, or a list of that and its arguments";

/// Keys of a service.
pub const OF_SERVICE: &[Key] = &[
    key(
        Place::Service,
        "check",
        Kind::Table,
        Absent::Else("its backends are not checked"),
        "{ type = \"http\", url = \"/ready\" }",
        "How `dsrload run` checks its backends, with the keys below. One that fails is down until it succeeds again.",
    ),
    key(
        Place::Service,
        "quorum",
        Kind::Count(1, 32_767, "backends"),
        Absent::Value("1"),
        "1",
        "Backends in rotation that it takes for the service to be up: to be announced, and not to be served by `sorry`.",
    ),
    key(
        Place::Service,
        "sorry",
        Kind::Form(ADDRESS, false),
        Absent::Else("nobody"),
        "\"10.0.0.9\"",
        "A backend that gets all new connections while there is no quorum, and none otherwise. The others keep those that they have.",
    ),
    key(
        Place::Service,
        "announce",
        Kind::Flag,
        Absent::Value("false"),
        "true",
        "Whether `dsrload run` announces its VIPs, by routes, while it is up. A VIP of several services is announced while one of them is up.",
    ),
];

/// Keys of `[run]`.
pub const RUN: &[Key] = &[
    key(
        Place::Run,
        "listen",
        Kind::Form("ADDRESS:PORT", false),
        Absent::Else("nowhere"),
        "\"127.0.0.1:9390\"",
        "Where metrics, API and status page are served. Whoever can connect can read, without a password.",
    ),
    key(
        Place::Run,
        "hook",
        Kind::Texts(PROGRAM),
        Absent::Else("none"),
        "[\"/usr/local/bin/page-somebody\", \"--urgent\"]",
        "A program that is started for each change of a state, with service, backend, old state, new state and reason as its last arguments.",
    ),
    key(
        Place::Run,
        "hook_timeout",
        Kind::Time(100, 600_000),
        Absent::Value("\"10s\""),
        "\"30s\"",
        "How long the hook may take before it is killed.",
    ),
    key(
        Place::Run,
        "log",
        Kind::Word(LOGS),
        Absent::Value("\"plain\""),
        "\"json\"",
        "What log lines look like.",
    ),
    key(
        Place::Run,
        "on_exit",
        Kind::Word(EXITS),
        Absent::Value("\"keep\""),
        "\"unload\"",
        "What SIGTERM does with forwarding, after the VIPs are withdrawn.",
    ),
    key(
        Place::Run,
        "exit_after",
        Kind::Time(0, 3_600_000),
        Absent::Value("\"5s\""),
        "\"30s\"",
        "How long SIGTERM waits after it has withdrawn the VIPs before it takes the program off.",
    ),
    key(
        Place::Run,
        "announce_device",
        Kind::Form("the name of an interface", false),
        Absent::Value("\"dsrload0\""),
        "\"lbvips\"",
        "The interface that the routes of announced VIPs are on. It is made at the start and is gone with the process; so are the routes.",
    ),
    key(
        Place::Run,
        "announce_table",
        Kind::Count(1, u32::MAX, ""),
        Absent::Value("3_700"),
        "100",
        "The routing table of these routes: one that a routing daemon reads, and by which the host itself routes nothing.",
    ),
    key(
        Place::Run,
        "announce_protocol",
        Kind::Count(5, 255, ""),
        Absent::Value("201"),
        "202",
        "The protocol number of all routes and rules of `run`: nothing that has it may be anybody else's.",
    ),
    key(
        Place::Run,
        "idle",
        Kind::Time(10_000, 480_000),
        Absent::Value("\"5m\""),
        "\"8m\"",
        "Silence after which a connection is given up, where a change has put it at risk.",
    ),
    key(
        Place::Run,
        "window",
        Kind::Time(1_000, 480_000),
        Absent::Value("\"30s\""),
        "\"1m\"",
        "How long after a change unknown flows of UDP, and of clients with affinity, still go to their former backend.",
    ),
];

/// Keys of `[service.NAME.check]`.
pub const CHECK: &[Key] = &[
    key(
        Place::Check,
        "type",
        Kind::Word(CHECKS),
        Absent::Required,
        "\"http\"",
        "What is asked of a backend, and what is expected.",
    ),
    key(
        Place::Check,
        "port",
        Kind::Count(1, 65_535, ""),
        Absent::Else(
            "the service's lowest port, of UDP for `udp` and `dns` if it has one, else of TCP if it has one",
        ),
        "8080",
        "The port that is asked.",
    ),
    key(
        Place::Check,
        "path",
        Kind::Word(PATHS),
        Absent::Else("`vip`; `real` for `exec`"),
        "\"real\"",
        "How a check reaches the backend.",
    ),
    key(
        Place::Check,
        "every",
        Kind::Time(100, 3_600_000),
        Absent::Value("\"2s\""),
        "\"500ms\"",
        "From the start of one check to the start of the next.",
    ),
    key(
        Place::Check,
        "timeout",
        Kind::Time(10, 60_000),
        Absent::Else("1s, or `every` if that is less"),
        "\"300ms\"",
        "How long an answer is waited for. No longer than `every`.",
    ),
    key(
        Place::Check,
        "rise",
        Kind::Count(1, 100, "checks"),
        Absent::Value("2"),
        "3",
        "Checks in a row that succeed before a backend that is down is up. The first check of all decides alone.",
    ),
    key(
        Place::Check,
        "fall",
        Kind::Count(1, 100, "checks"),
        Absent::Value("3"),
        "2",
        "Checks in a row that fail before a backend that is up is down.",
    ),
    key(
        Place::Check,
        "jitter",
        Kind::Count(0, 50, "per cent"),
        Absent::Value("10"),
        "25",
        "How much `every` varies, at random, to either side.",
    ),
    key(
        Place::Check,
        "url",
        Kind::Form("a path that begins with /", false),
        Absent::Value("\"/\""),
        "\"/ready\"",
        "http, https: path and query that are asked for.",
    ),
    key(
        Place::Check,
        "host",
        Kind::Form("a host name", false),
        Absent::Else("the address that is connected to"),
        "\"www.example.net\"",
        "http, https: the `Host` header.",
    ),
    key(
        Place::Check,
        "status",
        Kind::Form(
            "a status such as 200, a range such as 200-299, or a class such as 2xx",
            true,
        ),
        Absent::Value("\"200-299\""),
        "[\"2xx\", \"304\"]",
        "http, https: the status codes that are well.",
    ),
    key(
        Place::Check,
        "body",
        Kind::Text,
        Absent::Else("anything"),
        "\"ready\"",
        "http, https: a text that the first 64 KiB of the body must contain.",
    ),
    key(
        Place::Check,
        "sni",
        Kind::Form("a host name", false),
        Absent::Else("`host`"),
        "\"www.example.net\"",
        "https: the name that the server is asked for, and that its certificate must have.",
    ),
    key(
        Place::Check,
        "verify",
        Kind::Flag,
        Absent::Value("true"),
        "false",
        "https: whether the certificate is checked.",
    ),
    key(
        Place::Check,
        "ca",
        Kind::Form("the absolute path of a file", false),
        Absent::Else("the system's"),
        "\"/etc/dsrload/ca.pem\"",
        "https: the authorities that certificates may be of, as PEM.",
    ),
    key(
        Place::Check,
        "send",
        Kind::Form("text, with bytes as \\xNN", false),
        Absent::Else("an empty datagram"),
        "\"PING\"",
        "udp: what the datagram holds.",
    ),
    key(
        Place::Check,
        "expect",
        Kind::Form("text, with bytes as \\xNN", false),
        Absent::Else("no answer is waited for: only that the port is unreachable is a failure"),
        "\"PONG\"",
        "udp: what the answer must begin with; empty for any answer.",
    ),
    key(
        Place::Check,
        "query",
        Kind::Form("a name in the DNS", false),
        Absent::Value("\".\""),
        "\"example.net\"",
        "dns: the name that is asked for.",
    ),
    key(
        Place::Check,
        "record",
        Kind::Form("a type of records", false),
        Absent::Else("`NS` for the name `.`, else `A`"),
        "\"AAAA\"",
        "dns: the type of records that is asked for.",
    ),
    key(
        Place::Check,
        "command",
        Kind::Texts(PROGRAM),
        Absent::Else("none, and `exec` takes one"),
        "[\"/usr/local/bin/check-it\", \"--fast\"]",
        "exec: the program. It is told of the backend by DSRLOAD_SERVICE, DSRLOAD_BACKEND, DSRLOAD_ADDRESS and DSRLOAD_PORT in its environment.",
    ),
];
