//! The command line, as typed. What it means is checked later; here text
//! becomes values or is refused with an example.

mod backend;
mod bench;
mod decap;
mod drain;
mod import;
mod member;
mod plan;
mod run;
mod service;
mod shell;
mod show;
mod time;

pub use backend::{CheckArgs, OnBackend, SetupArgs, UndoArgs};
pub use bench::BenchArgs;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
pub use decap::DecapArgs;
pub use drain::DrainArgs;
pub use import::ImportArgs;
pub use member::{BackendArgs, BackendId, MemberArgs, ServiceId, SetArgs, Target};
pub use plan::{AgreeArgs, ApplyArgs, ExportArgs, OneArgs, PlanArgs};
pub use run::RunArgs;
pub use service::ServiceArgs;
pub use shell::{CompletionsArgs, ManArgs, Shell};
pub use show::{BackendsArgs, Client, FlowsArgs, LookArgs, Show};
use std::path::PathBuf;

use crate::model::Service;

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
  dsrload eth0 -t [2001:db8::10]:443 -r 2001:db8::3 -w 3 -r 2001:db8::4 -w 1
  dsrload eth0 eth1 -t 192.0.2.10:80 --forward ipip -r 10.1.0.3,10.2.0.4
  dsrload eth0 -c dsrload.toml
  dsrload drain 192.0.2.10:80/10.0.0.3
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
    /// Shows what is loaded as tables: services, backends, flows, drops, neighbours.
    #[command(
        subcommand,
        after_help = "Examples:\n  dsrload show services\n  dsrload show drops --watch 5"
    )]
    Show(Show),
    /// Gives a backend no new connections; those that it has stay.
    #[command(after_help = "\
Examples:
  dsrload drain 192.0.2.10:80/10.0.0.3
  dsrload drain 192.0.2.10:80/10.0.0.3 --wait 10m --idle 60s")]
    Drain(DrainArgs),
    /// Puts a backend into rotation.
    #[command(after_help = "Example:\n  dsrload ready 192.0.2.10:80/10.0.0.3")]
    Ready(BackendArgs),
    /// Takes a backend out at once: its connections go to others.
    #[command(after_help = "Example:\n  dsrload maint 192.0.2.10:53/udp/10.0.0.5")]
    Maint(BackendArgs),
    /// Says that a backend is down: its connections fare as --on-dead says.
    #[command(after_help = "Example:\n  dsrload down [2001:db8::10]:443/2001:db8::3")]
    Down(BackendArgs),
    /// Adds backends to a service that is loaded.
    #[command(after_help = "Example:\n  dsrload add -t 192.0.2.10:80 -r 10.0.0.6 -w 2")]
    Add(MemberArgs),
    /// Removes backends from a service that is loaded; their connections go to
    /// others. To spare those, drain first.
    #[command(after_help = "Example:\n  dsrload del -t 192.0.2.10:80 -r 10.0.0.6")]
    Del(MemberArgs),
    /// Changes backends of a service that is loaded: weight, way, MAC, state.
    #[command(after_help = "Example:\n  dsrload set -t 192.0.2.10:80 -r 10.0.0.6 -w 3")]
    Set(SetArgs),
    /// Says what applying a config file would change: each step, the slots that
    /// get another owner, the flows that it touches. Changes nothing.
    #[command(after_help = "Example:\n  dsrload plan dsrload.toml")]
    Plan(PlanArgs),
    /// Puts a config file in force on what is loaded: all of it at once, or
    /// nothing.
    #[command(after_help = "\
Examples:
  dsrload apply dsrload.toml
  dsrload apply dsrload.toml --confirm 60s && curl -s http://192.0.2.10/ && dsrload confirm")]
    Apply(ApplyArgs),
    /// Keeps what was applied with --confirm.
    #[command(after_help = "Example:\n  dsrload confirm")]
    Confirm(OneArgs),
    /// Puts the config before the last change in force again.
    #[command(after_help = "Example:\n  dsrload rollback")]
    Rollback(OneArgs),
    /// Writes the config in force, as a file that can be applied.
    #[command(after_help = "Example:\n  dsrload export > dsrload.toml")]
    Export(ExportArgs),
    /// Says whether balancers do the same: exports of theirs or config files, with
    /// each other, or one with what is loaded here.
    #[command(after_help = "Example:\n  dsrload agree lb1.toml lb2.toml")]
    Agree(AgreeArgs),
    /// Settles slots that no connection needs unsettled any more: one sweep of
    /// the flow table.
    #[command(after_help = "Example:\n  dsrload settle --idle 600")]
    Settle(SettleArgs),
    /// Stays: checks backends, follows their MACs, announces VIPs, serves metrics and a
    /// page. Forwarding goes on without it, whatever becomes of it.
    #[command(after_help = "\
Examples:
  dsrload run eth0 -c /etc/dsrload/dsrload.toml
  kill -HUP PID      # reads the file again
  kill PID           # withdraws the VIPs; forwarding stays, or goes, as `on_exit` says")]
    Run(RunArgs),
    /// Asks the kernel's routes and neighbours again for every backend, and
    /// changes what differs: MACs, interfaces, sources and MTUs of tunnels.
    #[command(after_help = "Example:\n  dsrload refresh --follow")]
    Refresh(RefreshArgs),
    /// Shows each packet for a VIP in the kernel's trace pipe, or stops that.
    /// It costs far more than the balancing: for a lab, not for a load.
    #[command(after_help = "\
Example:
  dsrload trace-pipe eth0 on
  cat /sys/kernel/debug/tracing/trace_pipe")]
    TracePipe(TracePipeArgs),
    /// Ends the tunnels of balancers, on a backend: what comes through them goes
    /// to the VIPs of this host, and the MSS of what leaves is clamped.
    #[command(after_help = "\
Example:
  dsrload decap eth0 --allow 192.0.2.1,192.0.2.2
  dsrload --unload eth0")]
    Decap(DecapArgs),
    /// Measures what a packet costs on this machine: of copies of the program,
    /// which no interface's traffic reaches.
    #[command(after_help = "\
Examples:
  dsrload bench eth0
  dsrload bench --synthetic --case v4-tcp -j")]
    Bench(BenchArgs),
    /// Says all that is wrong with a config file, with line and remedy. It takes
    /// no privileges, and changes nothing.
    #[command(after_help = "Example:\n  dsrload check dsrload.toml")]
    Check(FileArgs),
    /// Makes a config file of what another balancer was told, and lists what of it
    /// does not carry over. It takes no privileges, and changes nothing.
    #[command(after_help = "\
Examples:
  ipvsadm -Sn | dsrload import --ipvsadm - > dsrload.toml
  dsrload import --keepalived /etc/keepalived/keepalived.conf > dsrload.toml

Exit codes: 0 all carries over, perhaps in another way, 1 something is left out,
3 nothing carries over")]
    Import(ImportArgs),
    /// Writes what a shell needs to complete verbs and flags.
    #[command(after_help = "\
Examples:
  dsrload completions bash > /etc/bash_completion.d/dsrload
  dsrload completions zsh > /usr/local/share/zsh/site-functions/_dsrload
  dsrload completions fish > /etc/fish/completions/dsrload.fish")]
    Completions(CompletionsArgs),
    /// Writes a manual page, or all of them.
    #[command(after_help = "\
Examples:
  dsrload man drain | man -l -
  dsrload man --dir /usr/local/share/man/man1")]
    Man(ManArgs),
    /// On a backend: puts VIPs on lo, checks that all is well, takes it back.
    #[command(
        subcommand,
        after_help = "Example:\n  dsrload backend setup 192.0.2.10\n  dsrload backend check 192.0.2.10"
    )]
    Backend(OnBackend),
}

/// Arguments of loading and unloading.
#[derive(Args, Debug)]
pub struct LoadArgs {
    /// Interfaces to attach to, all or none.
    #[arg(value_name = "IFACE", required = true)]
    pub interfaces: Vec<String>,
    /// Detach from the interfaces instead. Only dsrload's own program is removed.
    #[arg(long, conflicts_with_all = ["mode", "object", "config", "tcp", "udp", "backends"])]
    pub unload: bool,
    /// Where XDP runs: in the driver, in the kernel's generic path, or on the
    /// card. A mode that is named never falls back to another.
    #[arg(long, value_enum, default_value_t = Mode::Auto)]
    pub mode: Mode,
    /// Services, backends and all else from this file. Without it and without -t
    /// and -u: from /etc/dsrload/dsrload.toml, if that exists.
    #[arg(short = 'c', long, value_name = "FILE", conflicts_with_all = ["tcp", "udp", "backends", "seed", "flows", "slots", "no_echo"])]
    pub config: Option<PathBuf>,
    /// Services and backends.
    #[command(flatten)]
    pub words: ServiceArgs,
    /// Makes the hash key of this text: balancers with the same text send the
    /// same flow to the same backend. Keep it secret, and long. Without it the
    /// key is random.
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub seed: Option<String>,
    /// Flows that the flow table holds: up to 4194304, rounded up to a power of
    /// two. 8 bytes each.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1024..=4_194_304))]
    pub flows: Option<u32>,
    /// Slots of each service: up to 65536, rounded up to a power of two. The
    /// more backends, the more slots. 8 bytes each.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(256..=65_536))]
    pub slots: Option<u32>,
    /// Does not answer echo requests (ping) to VIPs.
    #[arg(long)]
    pub no_echo: bool,
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

/// Arguments of `check`.
#[derive(Args, Debug)]
pub struct FileArgs {
    /// The config file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// As JSON.
    #[arg(short, long)]
    pub json: bool,
}

/// Arguments of `settle`.
#[derive(Args, Debug)]
pub struct SettleArgs {
    /// Seconds of silence after which a connection is given up.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub idle: u64,
    /// Seconds after a change in which unknown flows of UDP and of clients with
    /// affinity still go to their former backend.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub window: u64,
    /// The balancer that has this interface, if there are several.
    #[arg(long, value_name = "IFACE")]
    pub interface: Option<String>,
}

/// Arguments of `refresh`.
#[derive(Args, Debug)]
pub struct RefreshArgs {
    /// The balancer that has this interface, if there are several.
    #[arg(long, value_name = "IFACE")]
    pub interface: Option<String>,
    /// Stays, and changes what differs as soon as the kernel knows it, until a
    /// signal ends it.
    #[arg(long)]
    pub follow: bool,
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

impl Cli {
    /// Whether it only tells something.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        use Command as C;
        matches!(
            self.command,
            Some(
                C::Status(_)
                    | C::Stats(_)
                    | C::Show(_)
                    | C::Plan(_)
                    | C::Export(_)
                    | C::Agree(_)
                    | C::Bench(_)
                    | C::Check(_)
                    | C::Import(_)
                    | C::Completions(_)
                    | C::Man(_)
            )
        )
    }

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
        let wrong =
            |text: String| Self::command().error(clap::error::ErrorKind::ValueValidation, text);
        match (&mut cli.command, matches.subcommand()) {
            (Some(Command::Add(arguments) | Command::Del(arguments)), Some((_, matches))) => {
                arguments.services = arguments.words.in_order(matches).map_err(wrong)?;
            }
            (Some(Command::Set(arguments)), Some((_, matches))) => {
                arguments.services = arguments.words.in_order(matches).map_err(wrong)?;
            }
            (None, _) => {
                cli.load.services = cli.load.words.in_order(&matches).map_err(wrong)?;
            }
            _ => {}
        }
        Ok(cli)
    }
}

#[cfg(test)]
#[path = "cli/tests.rs"]
mod tests;
