use super::*;
use crate::config::{examine, write::write};
use crate::model::{Prefix, Protocol, ServiceAddress, State, TunnelKind};

fn tcp(text: &str) -> ServiceAddress {
    ServiceAddress::parse(text, Protocol::Tcp).expect(text)
}

fn service(addresses: &[&str], backends: &[&str]) -> Service {
    Service {
        addresses: addresses.iter().map(|a| tcp(a)).collect(),
        backends: backends.iter().map(|b| b.parse().expect(b)).collect(),
        manner: crate::model::Manner::default(),
        forward: Forward::L2,
        sources: Vec::new(),
    }
}

/// What a generated text says, read back.
fn again(config: &Config, options: &Options) -> Balancer {
    let text = write(&document(config, options, &Document::default()));
    let (read, findings) = examine(&text);
    assert_eq!(findings, [], "{text}");
    Balancer::new(&read)
}

#[test]
fn what_is_generated_says_the_same_when_it_is_read() {
    let mut web = service(
        &["192.0.2.10:80", "192.0.2.11:80"],
        &["10.0.0.3", "10.0.0.4=02:00:00:00:00:01"],
    );
    web.backends[0].weight = 7;
    web.backends[1].state = Some(State::Drain);
    web.backends[1].forward = Some(Forward::Tunnel(TunnelKind::Gue(6081)));
    web.sources = vec!["10.0.0.1".parse().expect("it")];
    web.manner.policy = Policy::Random;
    web.manner.tracking = Tracking::All;
    web.manner.deny = vec!["10.9.0.0/16".parse::<Prefix>().expect("it")];
    let mixed = service(
        &["[2001:db8::1]:443", "[2001:db8::2]:*", "[2001:db8::2]:80"],
        &["2001:db8::3"],
    );
    let config = Config {
        services: vec![web, mixed],
    };
    let options = Options {
        seed: Some("a \"b\"".to_owned()),
        flows: Some(4096),
        is_answering_echo: false,
        ..Options::default()
    };
    let said = again(&config, &options);
    assert_eq!(said.options, options);
    assert_eq!(said.config.services, config.services);
    assert_eq!(said.names[0].name, "192-0-2-10-80-tcp");
    assert_eq!(said.names[1].name, "2001-db8--1--443-tcp");
    assert_eq!(said.names[0].backends, ["10-0-0-3", "10-0-0-4"]);
}

#[test]
fn the_lab_default_can_be_said() {
    let config = Config::lab_default();
    assert_eq!(again(&config, &Options::default()).config, config);
}

#[test]
fn names_that_are_known_are_kept_and_none_is_given_twice() {
    let known = "[service.web]\nvip = \"192.0.2.10\"\nports = \"80/tcp\"\n[service.web.backends]\n10-0-0-4 = \"10.0.0.3\"\n";
    let (known, findings) = examine(known);
    assert_eq!(findings, []);
    let config = Config {
        services: vec![service(&["192.0.2.10:80"], &["10.0.0.3", "10.0.0.4"])],
    };
    let balancer = Balancer::new(&document(&config, &Options::default(), &known));
    assert_eq!(balancer.names[0].name, "web");
    assert_eq!(balancer.find("web/10-0-0-4"), Some((0, 0)));
    assert_eq!(balancer.find("web/10-0-0-4-2"), Some((0, 1)));
}
