//! What is typed, and what it becomes.

use super::*;
use crate::model::{Affinity, OnDead, Policy, Protocol, Tracking};

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
        assert_eq!(target.service.protocol, protocol, "{text}");
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
        "eth0 --flows 5000000",
        "eth0 --slots 100",
        "eth0 -r 10.0.0.3",
        "--unload",
        "--unload eth0 --mode skb",
        "drain 192.0.2.1:80",
        "drain 10.0.0.3",
        "trace-pipe eth0",
        "trace-pipe eth0 maybe",
    ] {
        let error = read(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}: {error}");
    }
}
