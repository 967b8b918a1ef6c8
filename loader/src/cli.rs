//! The command line, as typed. What it means is checked later; here text
//! becomes values or is refused with an example.

use crate::model::{Backend, Protocol, Service, ServiceAddress};
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Layer 4 load balancer for direct server return.
///
/// Attaches to the interfaces, balances the services over their backends, and
/// exits; forwarding goes on in the kernel. Without services, those of the lab
/// are used: VIP 192.168.25.10:80, backends 172.17.0.3 and 172.17.0.4.
#[derive(Debug, Parser)]
#[command(
    name = "dsrload",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  dsrload eth0 --mode skb
  dsrload eth0 -t 192.0.2.10:80 -r 10.0.0.3,10.0.0.4 -u 192.0.2.10:53 -r 10.0.0.5
  dsrload eth0 -t 192.0.2.10:80 -r 10.0.0.3=02:00:00:00:00:0a
  dsrload --unload eth0

Exit codes: 0 done, 1 failed, 2 usage, 3 services invalid, 4 permission,
5 refused by kernel or driver, 6 busy with a foreign program."
)]
pub struct Cli {
    /// What to do with what is loaded.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Loading and unloading.
    #[command(flatten)]
    pub load: LoadArgs,
}

/// Verbs that look at, or change, what is loaded.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows modes, ids, services and backends of what is loaded.
    #[command(after_help = "Example:\n  dsrload status eth0")]
    Status(ReportArgs),
    /// Shows what became of the packets: by outcome, by service, by backend.
    #[command(after_help = "Example:\n  dsrload stats -j | jq .balancers[0].outcomes")]
    Stats(ReportArgs),
    /// Shows each packet for a VIP in the kernel's trace pipe, or stops that.
    /// It costs far more than the balancing: for a lab, not for a load.
    #[command(after_help = "\
Example:
  dsrload trace-pipe eth0 on
  cat /sys/kernel/debug/tracing/trace_pipe")]
    TracePipe(TracePipeArgs),
}

/// Arguments of loading and unloading.
#[derive(Args, Debug)]
pub struct LoadArgs {
    /// Interfaces to attach to, all or none.
    #[arg(value_name = "IFACE", required = true)]
    pub interfaces: Vec<String>,
    /// Detach from the interfaces instead. Only dsrload's own program is removed.
    #[arg(long, conflicts_with_all = ["mode", "object", "tcp", "udp", "backends"])]
    pub unload: bool,
    /// Where XDP runs: in the driver, in the kernel's generic path, or on the
    /// card. A mode that is named never falls back to another.
    #[arg(long, value_enum, default_value_t = Mode::Auto)]
    pub mode: Mode,
    /// TCP service; the backends that follow by -r are its own. Repeatable.
    #[arg(short = 't', long, value_name = "VIP:PORT", value_parser = tcp)]
    tcp: Vec<ServiceAddress>,
    /// UDP service, as -t.
    #[arg(short = 'u', long, value_name = "VIP:PORT", value_parser = udp)]
    udp: Vec<ServiceAddress>,
    /// Backends of the service before it: their addresses, each with its MAC
    /// if the kernel is not to be asked for it.
    #[arg(
        short = 'r',
        long = "real",
        value_name = "REAL[=MAC]",
        value_delimiter = ','
    )]
    backends: Vec<Backend>,
    /// Load this BPF object instead of the one in the binary (for development).
    #[arg(long, value_name = "FILE")]
    pub object: Option<PathBuf>,
    /// The services, put together in the order of the command line.
    #[arg(skip)]
    pub services: Vec<Service>,
}

/// Arguments of the reports.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// Only this interface; without it, all of the network namespace.
    #[arg(value_name = "IFACE")]
    pub interface: Option<String>,
    /// As JSON.
    #[arg(short, long)]
    pub json: bool,
}

/// Arguments of `trace-pipe`.
#[derive(Args, Debug)]
pub struct TracePipeArgs {
    /// The interface.
    #[arg(value_name = "IFACE")]
    pub interface: String,
    /// Whether to show packets.
    #[arg(value_enum)]
    pub switch: Switch,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// Where XDP is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// In the kernel's generic path: works everywhere.
    #[value(aliases = ["generic", "xdpgeneric"])]
    Skb,
    /// In the driver, before the kernel makes a packet of the frame.
    #[value(aliases = ["native", "xdpdrv"])]
    Drv,
    /// On the card.
    #[value(aliases = ["offload", "xdpoffload"])]
    Hw,
    /// In the driver if it can, else generic; keeps the mode of what is loaded.
    Auto,
}

fn tcp(text: &str) -> Result<ServiceAddress, String> {
    ServiceAddress::parse(text, Protocol::Tcp)
}

fn udp(text: &str) -> Result<ServiceAddress, String> {
    ServiceAddress::parse(text, Protocol::Udp)
}

impl Cli {
    /// Reads the arguments of a process.
    ///
    /// # Errors
    ///
    /// clap's, which print themselves: usage, or help that was asked for.
    pub fn read(
        arguments: impl IntoIterator<Item = std::ffi::OsString>,
    ) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(arguments)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        if cli.command.is_none() {
            cli.load.services = in_order(&cli.load, &matches).map_err(|text| {
                Self::command().error(clap::error::ErrorKind::ValueValidation, text)
            })?;
        }
        Ok(cli)
    }
}

/// Gives each service the backends that follow it on the command line.
fn in_order(load: &LoadArgs, matches: &ArgMatches) -> Result<Vec<Service>, String> {
    enum Word {
        Service(ServiceAddress),
        Backend(Backend),
    }
    let at = |name: &str| matches.indices_of(name).into_iter().flatten();
    let mut words: Vec<(usize, Word)> = Vec::new();
    words.extend(at("tcp").zip(load.tcp.iter().map(|&s| Word::Service(s))));
    words.extend(at("udp").zip(load.udp.iter().map(|&s| Word::Service(s))));
    words.extend(at("backends").zip(load.backends.iter().map(|&b| Word::Backend(b))));
    words.sort_by_key(|&(index, _)| index);

    let mut services: Vec<Service> = Vec::new();
    for (_, word) in words {
        match (word, services.last_mut()) {
            (Word::Service(address), _) => services.push(Service {
                address,
                backends: Vec::new(),
            }),
            (Word::Backend(backend), Some(service)) => service.backends.push(backend),
            (Word::Backend(backend), None) => {
                return Err(format!(
                    "backend {} belongs to no service: name one before it by -t or -u",
                    backend.address
                ));
            }
        }
    }
    Ok(services)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Cli, clap::Error> {
        Cli::read(
            std::iter::once("dsrload")
                .chain(line.split_whitespace())
                .map(Into::into),
        )
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
        let line = "eth0 -t 192.0.2.1:80 -r 10.0.0.3,10.0.0.4 -u 192.0.2.1:53 -r 10.0.0.5 -t 192.0.2.1:443 -r 10.0.0.3";
        let services = read(line).expect("a command line").load.services;
        let shape: Vec<(String, usize)> = services
            .iter()
            .map(|s| (s.address.to_string(), s.backends.len()))
            .collect();
        let expected = [
            ("192.0.2.1:80/tcp", 2),
            ("192.0.2.1:53/udp", 1),
            ("192.0.2.1:443/tcp", 1),
        ];
        assert_eq!(shape, expected.map(|(s, n)| (s.to_owned(), n)));
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
            "eth0 -t 192.0.2.1:80 -r 10.0.0.3=zz",
            "eth0 -r 10.0.0.3",
            "--unload",
            "--unload eth0 --mode skb",
            "trace-pipe eth0",
            "trace-pipe eth0 maybe",
        ] {
            let error = read(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}: {error}");
        }
    }
}
