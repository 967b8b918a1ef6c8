//! What is typed, and what it becomes.

use super::*;
use crate::model::{Affinity, Forward, OnDead, Policy, Protocol, Tracking, TunnelKind};

fn read(line: &str) -> Result<Cli, clap::Error> {
    Cli::read(
        std::iter::once("dsrload")
            .chain(line.split_whitespace())
            .map(Into::into),
    )
}

fn services(line: &str) -> Vec<Service> {
    read(line).expect(line).load.services
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_shows_an_example() {
    for command in Cli::command().get_subcommands() {
        let help = command.get_after_help().map(ToString::to_string);
        assert!(
            help.is_some_and(|h| h.contains("Example")),
            "{}",
            command.get_name()
        );
    }
}

#[test]
fn flags_may_stand_before_and_behind_the_interface() {
    for line in [
        "eth0 --mode skb",
        "--mode skb eth0",
        "eth0 --mode=xdpgeneric",
    ] {
        let cli = read(line).expect(line);
        assert_eq!(cli.load.interfaces, ["eth0"]);
        assert_eq!(cli.load.mode, Mode::Skb);
    }
}

#[test]
fn all_aliases_of_a_mode_mean_the_same() {
    for (alias, mode) in [
        ("generic", Mode::Skb),
        ("native", Mode::Drv),
        ("xdpdrv", Mode::Drv),
        ("offload", Mode::Hw),
        ("auto", Mode::Auto),
    ] {
        let cli = read(&format!("eth0 --mode {alias}")).expect(alias);
        assert_eq!(cli.load.mode, mode);
    }
}

#[test]
fn each_service_has_the_backends_that_follow_it() {
    let services = services(
        "eth0 -t 192.0.2.1:80,192.0.2.2:80 -r 10.0.0.3,10.0.0.4 -u 192.0.2.1:53 -r 10.0.0.5 -t [2001:db8::1]:443 -r 2001:db8::3",
    );
    let shape: Vec<(String, usize, usize)> = services
        .iter()
        .map(|s| (s.name(), s.addresses.len(), s.backends.len()))
        .collect();
    let expected = [
        ("192.0.2.1:80/tcp", 2, 2),
        ("192.0.2.1:53/udp", 1, 1),
        ("[2001:db8::1]:443/tcp", 1, 1),
    ];
    assert_eq!(shape, expected.map(|(s, n, m)| (s.to_owned(), n, m)));
}

#[test]
fn a_weight_is_that_of_the_backends_right_before_it() {
    let services =
        services("eth0 -t 192.0.2.1:80 -r 10.0.0.3,10.0.0.4 -w 5 -r 10.0.0.5 -r 10.0.0.6 -w 0");
    let weights: Vec<u16> = services[0].backends.iter().map(|b| b.weight).collect();
    assert_eq!(weights, [5, 5, 1, 0]);
}

#[test]
fn forwarding_before_any_backend_is_the_services_and_behind_some_is_theirs() {
    let services = services(
        "eth0 -t 192.0.2.1:80 --forward ipip --source 10.0.0.1,2001:db8::1 -r 10.0.0.3 \
         -r 10.0.0.4,10.0.0.5 --forward gue:6081 -w 2 -r 10.0.0.6 --forward l2 \
         -u 192.0.2.1:53 -r 10.0.0.3 --forward gue -r 10.0.0.4",
    );
    let of = |service: &Service| -> Vec<String> {
        let forwards = service.backends.iter().map(|b| service.forward(b));
        forwards.map(|forward| forward.to_string()).collect()
    };
    assert_eq!(of(&services[0]), ["ipip", "gue:6081", "gue:6081", "l2"]);
    assert_eq!(of(&services[1]), ["gue", "l2"]);
    assert_eq!(services[0].forward, Forward::Tunnel(TunnelKind::Ipip));
    assert_eq!(services[0].sources.len(), 2);
    assert_eq!(services[0].backends[1].weight, 2);
    let source = services[0].source("2001:db8::9".parse().expect("an address"));
    assert_eq!(source, Some("2001:db8::1".parse().expect("an address")));
    assert_eq!(services[1].source(services[1].backends[0].address), None);
}

#[test]
fn refresh_looks_once_unless_it_is_to_follow() {
    for (line, follow) in [
        ("refresh", false),
        ("refresh --interface eth0 --follow", true),
    ] {
        let Some(Command::Refresh(arguments)) = read(line).expect(line).command else {
            panic!("{line}: another command");
        };
        assert_eq!(arguments.follow, follow, "{line}");
        assert_eq!(arguments.interface.is_some(), follow, "{line}");
    }
}

#[test]
fn each_service_has_the_manner_that_follows_it() {
    let services = services(
        "eth0 -t 192.0.2.1:* -r 10.0.0.3 --policy random --on-dead reset --deny 10.0.0.0/8 \
         -t 192.0.2.2:80 -r 10.0.0.3 --affinity client/24/64 --tracking none --allow 192.0.2.0/24,2001:db8::/32",
    );
    assert_eq!(services[0].addresses[0].port, 0);
    let [first, second] = [&services[0].manner, &services[1].manner];
    assert_eq!(
        (first.policy, first.tracking),
        (Policy::Random, Tracking::All)
    );
    assert_eq!(first.on_dead, OnDead::Reset);
    assert_eq!((first.allow.len(), first.deny.len()), (0, 1));
    assert_eq!(second.affinity, Affinity::Client(24, 64));
    assert_eq!(second.tracking, Tracking::None);
    assert_eq!((second.allow.len(), second.deny.len()), (2, 0));
}

#[test]
fn a_target_names_a_service_and_its_backend() {
    for (text, protocol) in [
        ("192.0.2.1:80/10.0.0.3", Protocol::Tcp),
        ("192.0.2.1:53/udp/10.0.0.3", Protocol::Udp),
        ("[2001:db8::1]:80/tcp/2001:db8::3", Protocol::Tcp),
    ] {
        let target: Target = text.parse().expect(text);
        let ServiceId::Address(service) = target.service else {
            panic!("{text}: a name");
        };
        assert_eq!(service.protocol, protocol, "{text}");
        assert!(matches!(target.backend, BackendId::Address(_)), "{text}");
    }
}

#[test]
fn a_target_may_be_named() {
    let target: Target = "web/b1".parse().expect("it");
    assert_eq!(target.service, ServiceId::Name("web".to_owned()));
    assert_eq!(target.backend, BackendId::Name("b1".to_owned()));
    let mixed: Target = "web/10.0.0.3".parse().expect("it");
    assert!(matches!(mixed.backend, BackendId::Address(_)));
    assert_eq!(mixed.to_string(), "web/10.0.0.3");
    for text in ["web/", "/b1", "Web/b1", "web/B1", "web"] {
        assert!(text.parse::<Target>().is_err(), "{text}");
    }
}

#[test]
fn bad_command_lines_are_usage_errors() {
    for line in [
        "",
        "eth0 --mode fast",
        "eth0 -t 192.0.2.1",
        "eth0 -t 192.0.2.1:0 -r 10.0.0.3",
        "eth0 -t 192.0.2.1:65536 -r 10.0.0.3",
        "eth0 -t 192.0.2:80 -r 10.0.0.3",
        "eth0 -t 2001:db8::1:80 -r 10.0.0.3",
        "eth0 -t 192.0.2.1:80 -r 10.0.0.3=zz",
        "eth0 -t 192.0.2.1:80 -r 10.0.0.3 -w 65536",
        "eth0 -t 192.0.2.1:80 -w 3",
        "eth0 -t 192.0.2.1:80 -r 10.0.0.3 --affinity client/33",
        "eth0 -t 192.0.2.1:80 -r 10.0.0.3 --allow 10.0.0.1/8",
        "eth0 --policy maglev",
        "eth0 --forward ipip",
        "eth0 -t 192.0.2.1:80 --forward gre -r 10.0.0.3",
        "eth0 -t 192.0.2.1:80 --forward gue:0 -r 10.0.0.3",
        "eth0 -t 192.0.2.1:80 --forward ipip:4 -r 10.0.0.3",
        "eth0 -t 192.0.2.1:80 --forward ipip --source 10.0.0 -r 10.0.0.3",
        "eth0 -t 192.0.2.1:80 --forward ipip --source 224.0.0.1 -r 10.0.0.3",
        "eth0 -t 192.0.2.1:80 -r 10.0.0.3 -w 3 -w 4",
        "eth0 --seed=",
        "eth0 -c x.toml -t 192.0.2.1:80 -r 10.0.0.3",
        "eth0 -c x.toml --seed a",
        "--unload eth0 -c x.toml",
        "plan",
        "apply",
        "apply x.toml --confirm 60",
        "apply x.toml --confirm 0s",
        "apply x.toml --confirm 25h",
        "add -t 192.0.2.1:80 -r 10.0.0.3 --name B1",
        "set -t 192.0.2.1:80 -r 10.0.0.3 --state up",
        "agree",
        "refresh eth0",
        "eth0 --flows 5000000",
        "eth0 --slots 100",
        "eth0 -r 10.0.0.3",
        "--unload",
        "--unload eth0 --mode skb",
        "drain 192.0.2.1:80",
        "drain 10.0.0.3",
        "trace-pipe eth0",
        "trace-pipe eth0 maybe",
        "backend",
        "backend 192.0.2.10",
        "backend setup",
        "backend setup 192.0.2",
        "backend setup 192.0.2.10/24",
        "backend setup 224.0.0.1",
        "backend setup 255.255.255.255",
        "backend setup 127.0.0.1",
        "backend setup ::1",
        "backend setup ::ffff:192.0.2.10",
        "backend check fe80::1",
        "backend undo 0.0.0.0",
        "backend undo 192.0.2.10 --tunnel eth0",
    ] {
        let error = read(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}: {error}");
    }
}
