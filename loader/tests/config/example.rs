//! `docs/dsrload.toml` is a whole example, and true.

use crate::file::{GOOD, document, text};
use dsrload::config::care::OF_TYPES;
use dsrload::config::keys::{Absent, Key, Kind, Place, all};
use dsrload::config::{self, Balancer};
use dsrload::model::check::Probe;
use dsrload::model::{Forward, State, Tracking};

const EXAMPLE: &str = "docs/dsrload.toml";

#[test]
fn the_example_has_no_fault() {
    let (_, findings) = config::examine(&text(EXAMPLE));
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn the_example_means_what_it_shows() {
    let balancer = Balancer::new(&document(&text(EXAMPLE)));
    assert_eq!(balancer.config.faults(), Vec::<String>::new());
    let options = &balancer.options;
    assert_eq!(
        (options.flows, options.slots),
        (Some(1_000_000), Some(65_536))
    );
    assert!(!options.is_answering_echo);
    let [dns, _, _, web] = balancer.config.services.as_slice() else {
        panic!("four services: {balancer:?}");
    };
    assert_eq!((dns.addresses.len(), web.addresses.len()), (4, 7));
    let forwards: Vec<String> = dns
        .backends
        .iter()
        .map(|b| dns.forward(b).to_string())
        .collect();
    assert_eq!(forwards, ["ipip", "gue:6081"]);
    assert_eq!(web.forward, Forward::L2);
    assert_eq!(balancer.find("web/b3"), Some((3, 2)));
    assert_eq!(balancer.key(3, 2).as_deref(), Some("web/b3"));
    assert_eq!(
        (
            balancer.find("web/b4"),
            balancer.find("web"),
            balancer.key(4, 0)
        ),
        (None, None, None)
    );
    assert_eq!(web.backends[2].state, Some(State::Drain));
    assert_eq!(web.manner.deny.len(), 1);
    // The one that stands in comes last, and has no share of its own.
    let sorry = &web.backends[3];
    assert_eq!(
        (sorry.address.to_string().as_str(), sorry.weight),
        ("10.0.0.9", 0)
    );
    assert_eq!(balancer.key(3, 3).as_deref(), Some("web/sorry"));
    let kinds: Vec<&str> = balancer
        .care
        .iter()
        .filter_map(|care| Some(care.check.as_ref()?.probe.name()))
        .collect();
    assert_eq!(kinds, ["dns", "udp", "exec", "https"]);
    let Some(check) = &balancer.care[1].check else {
        panic!("a check");
    };
    let Probe::Udp(udp) = &check.probe else {
        panic!("a datagram: {check:?}");
    };
    assert_eq!(
        (udp.send.as_slice(), check.port),
        (&b"\xff\xffstatus"[..], 7777)
    );
    assert_eq!(
        (balancer.care[3].quorum, balancer.care[3].announce),
        (2, true)
    );
    assert_eq!(balancer.run.announce.table, 100);
}

#[test]
fn the_example_uses_every_key() {
    let example = text(EXAMPLE);
    let table: toml::de::DeTable<'_> = toml::de::DeTable::parse(&example)
        .expect("TOML")
        .into_inner();
    for key in all() {
        assert!(
            has(&table, key),
            "{EXAMPLE} lacks {} of {}",
            key.name,
            key.place.name()
        );
    }
}

fn has(file: &toml::de::DeTable<'_>, key: &Key) -> bool {
    let services = || {
        let services = file["service"].get_ref().as_table().expect("a table");
        services.values().filter_map(|s| s.get_ref().as_table())
    };
    match key.place {
        Place::File => file.contains_key(key.name),
        Place::Balancer => file["balancer"].get_ref().get(key.name).is_some(),
        Place::Service => services().any(|service| service.contains_key(key.name)),
        Place::Run => file["run"].get_ref().get(key.name).is_some(),
        Place::Check => services().any(|service| {
            let check = service.get("check").map(|check| check.get_ref());
            check.is_some_and(|check| check.get(key.name).is_some())
        }),
        Place::Backend => services().any(|service| {
            let backends = service["backends"].get_ref().as_table().expect("a table");
            backends
                .values()
                .any(|b| b.get_ref().get(key.name).is_some())
        }),
    }
}

/// What stands right above each key, in parentheses, is its default.
#[test]
fn the_example_tells_the_defaults() {
    let example = text(EXAMPLE);
    let lines: Vec<&str> = example.lines().collect();
    for key in all() {
        let default = match key.absent {
            Absent::Required => continue,
            Absent::Value(default) | Absent::Else(default) => default,
        };
        if matches!(key.kind, Kind::Table | Kind::Names) {
            continue;
        }
        let told = format!("# (default: {default})");
        let start = format!("{} = ", key.name);
        let is_told = lines
            .windows(2)
            .any(|pair| pair[0] == told && pair[1].starts_with(&start));
        assert!(is_told, "{EXAMPLE} lacks '{told}' above {start}");
    }
}

/// A config that says a default is the same as one that does not.
#[test]
fn the_defaults_are_what_the_key_table_says() {
    let plain = Balancer::new(&document(GOOD));
    for key in all() {
        let Absent::Value(default) = key.absent else {
            continue;
        };
        let line = format!("{} = {default}", key.name);
        let said = match key.place {
            Place::File => panic!("{line} for a table"),
            Place::Balancer => format!("[balancer]\n{line}\n{GOOD}"),
            Place::Service => GOOD.replace("\n\n", &format!("\n{line}\n\n")),
            Place::Backend => {
                GOOD.replace("\"10.0.0.3\"", &format!("{{ ip = \"10.0.0.3\", {line} }}"))
            }
            Place::Run => format!("[run]\n{line}\n{GOOD}"),
            Place::Check => with_check(key, &line),
        };
        let plain = match key.place {
            Place::Check => Balancer::new(&document(&with_check(key, ""))),
            _ => plain.clone(),
        };
        let mut balancer = Balancer::new(&document(&said));
        // These two stay unsaid until the tables are made.
        let limits = xdp_prog::abi::limits::FLOWS_DEFAULT;
        balancer.options.flows = balancer.options.flows.filter(|&n| n != limits);
        let limits = xdp_prog::abi::limits::SLOTS_PER_SERVICE;
        balancer.options.slots = balancer.options.slots.filter(|&n| n != limits);
        assert_eq!(balancer, plain, "{line}");
    }
    let random = GOOD.replace("\n\n", "\npolicy = \"random\"\n\n");
    let random = Balancer::new(&document(&random));
    assert_eq!(random.config.services[0].manner.tracking, Tracking::All);
    assert_eq!(plain.config.services[0].manner.tracking, Tracking::Changed);
}

/// The example of each key is taken.
#[test]
fn the_examples_of_the_key_table_are_valid() {
    for key in all() {
        let line = format!("{} = {}", key.name, key.example);
        let text = match key.place {
            Place::File => continue,
            Place::Balancer => format!("[balancer]\n{line}\n{GOOD}"),
            Place::Service
                if GOOD.contains(&format!("{} = ", key.name)) || key.name == "backends" =>
            {
                let rest: Vec<&str> = GOOD
                    .lines()
                    .take(3)
                    .filter(|l| !l.starts_with(key.name))
                    .collect();
                let backends =
                    "\n[service.web.backends]\nb1 = { ip = \"10.0.0.3\", forward = \"ipip\" }\n";
                let backends = if key.name == "backends" { "" } else { backends };
                format!("{}\n{line}\n{backends}", rest.join("\n"))
            }
            Place::Service if key.name == "source" => {
                GOOD.replace("\n\n", &format!("\nforward = \"ipip\"\n{line}\n\n"))
            }
            Place::Service => GOOD.replace("\n\n", &format!("\n{line}\n\n")),
            Place::Run => format!("[run]\n{line}\n{GOOD}"),
            Place::Check => with_check(key, &line),
            Place::Backend if key.name == "ip" => {
                GOOD.replace("\"10.0.0.3\"", &format!("{{ {line} }}"))
            }
            Place::Backend => {
                GOOD.replace("\"10.0.0.3\"", &format!("{{ ip = \"10.0.0.3\", {line} }}"))
            }
        };
        document(&text);
    }
}

/// A config with a check that may have this key, and what is said of it.
fn with_check(key: &Key, line: &str) -> String {
    let types = OF_TYPES.iter().find(|(name, _)| *name == key.name);
    let kind = types.map_or("tcp", |(_, types)| types[0]);
    let mut pairs = vec![format!("type = \"{kind}\"")];
    if kind == "https" && key.name != "sni" {
        pairs.push("sni = \"www.example.net\"".to_owned());
    }
    if kind == "exec" && key.name != "command" {
        pairs.push("command = \"/bin/true\"".to_owned());
    }
    if key.name == "type" {
        pairs.clear();
    }
    pairs.push(line.to_owned());
    pairs.retain(|pair| !pair.is_empty());
    let check = format!("check = {{ {} }}", pairs.join(", "));
    GOOD.replace("\n\n", &format!("\n{check}\n\n"))
}
