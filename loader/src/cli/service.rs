//! Services on the command line: words whose order matters.

use crate::model::service::parse_address;
use crate::model::{
    Affinity, Backend, Forward, Manner, OnDead, Policy, Prefix, Protocol, Service, ServiceAddress,
    Tracking,
};
use clap::{ArgMatches, Args, ValueEnum};
use std::net::IpAddr;

/// Services, their backends, and how they treat their flows.
#[derive(Args, Clone, Debug)]
pub struct ServiceArgs {
    /// TCP service; the flags that follow it are its own. Repeatable. Several
    /// addresses, separated by commas, are one service; * is any port.
    #[arg(short = 't', long, value_name = "VIP:PORT[,...]", value_parser = tcp)]
    tcp: Vec<Group>,
    /// UDP service, as -t.
    #[arg(short = 'u', long, value_name = "VIP:PORT[,...]", value_parser = udp)]
    udp: Vec<Group>,
    /// Backends of the service before it: their addresses, each with its MAC
    /// (with a tunnel, the next hop's) if the kernel is not to be asked for it.
    #[arg(short = 'r', long = "real", value_name = "REAL[=MAC][,...]", value_parser = backends)]
    backends: Vec<Backends>,
    /// Weight of the backends before it, 0 to 65535: their share of new flows.
    #[arg(short = 'w', long = "weight", value_name = "N")]
    weights: Vec<u16>,
    /// How packets get to the backends before it, or, before any -r, to all of
    /// the service: l2 (the same segment), ipip, gue, gue:PORT.
    #[arg(long, value_name = "HOW")]
    forward: Vec<Forward>,
    /// Source of the service's outer packets, one for each IP version: an
    /// address of this host.
    #[arg(long, value_name = "ADDRESS[,...]", value_parser = sources)]
    source: Vec<Sources>,
    /// Who gets the service's new connections.
    #[arg(long, value_enum, value_name = "POLICY")]
    policy: Vec<PolicyWord>,
    /// Which of its flows are remembered.
    #[arg(long, value_enum, value_name = "FLOWS")]
    tracking: Vec<TrackingWord>,
    /// What its flows have in common: flow, client, client/24, client/24/64.
    #[arg(long, value_name = "WHAT")]
    affinity: Vec<Affinity>,
    /// What becomes of the connections of a backend that is down.
    #[arg(long, value_enum, value_name = "WHAT")]
    on_dead: Vec<OnDeadWord>,
    /// Clients that the service serves; without it, all.
    #[arg(long, value_name = "PREFIX[,...]", value_parser = prefixes)]
    allow: Vec<Prefixes>,
    /// Clients that it does not serve.
    #[arg(long, value_name = "PREFIX[,...]", value_parser = prefixes)]
    deny: Vec<Prefixes>,
}

/// Addresses of one service.
#[derive(Clone, Debug)]
struct Group(Vec<ServiceAddress>);

/// Backends of one -r.
#[derive(Clone, Debug)]
struct Backends(Vec<Backend>);

/// Addresses of one --source.
#[derive(Clone, Debug)]
struct Sources(Vec<IpAddr>);

/// Prefixes of one --allow or --deny.
#[derive(Clone, Debug)]
struct Prefixes(Vec<Prefix>);

/// The words for a [`Policy`].
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PolicyWord {
    /// The owner of the flow's slot: the same on every balancer.
    Maglev,
    /// A random backend; every flow is remembered.
    Random,
}

/// The words for [`Tracking`].
#[derive(Clone, Copy, Debug, ValueEnum)]
enum TrackingWord {
    /// Those that a change has put at risk.
    Changed,
    /// All.
    All,
    /// None.
    None,
}

/// The words for [`OnDead`].
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnDeadWord {
    /// They go to another backend, which refuses them.
    Rehash,
    /// Their clients are sent a reset.
    Reset,
    /// They go on being sent to it.
    Hold,
}

fn tcp(text: &str) -> Result<Group, String> {
    group(text, Protocol::Tcp)
}

fn udp(text: &str) -> Result<Group, String> {
    group(text, Protocol::Udp)
}

fn group(text: &str, protocol: Protocol) -> Result<Group, String> {
    text.split(',')
        .map(|one| ServiceAddress::parse(one, protocol))
        .collect::<Result<_, _>>()
        .map(Group)
}

fn backends(text: &str) -> Result<Backends, String> {
    text.split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map(Backends)
}

fn sources(text: &str) -> Result<Sources, String> {
    text.split(',')
        .map(parse_address)
        .collect::<Result<_, _>>()
        .map(Sources)
}

fn prefixes(text: &str) -> Result<Prefixes, String> {
    text.split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map(Prefixes)
}

/// A word of the command line, at its place.
enum Word {
    Service(Group),
    Backends(Backends),
    Weight(u16),
    Forward(Forward),
    Source(Sources),
    Policy(PolicyWord),
    Tracking(TrackingWord),
    Affinity(Affinity),
    OnDead(OnDeadWord),
    Allow(Prefixes),
    Deny(Prefixes),
}

impl ServiceArgs {
    /// Gives each service the flags that follow it on the command line.
    ///
    /// # Errors
    ///
    /// A flag that stands before any service, or a weight before any backend.
    pub fn in_order(&self, matches: &ArgMatches) -> Result<Vec<Service>, String> {
        let mut words = self.words(matches);
        words.sort_by_key(|&(index, _)| index);
        let mut services: Vec<Service> = Vec::new();
        // Backends of the last -r, which a weight is for.
        let mut last = 0;
        let mut is_weighed = false;
        for (_, word) in words {
            if let Word::Service(group) = word {
                services.push(Service {
                    addresses: group.0,
                    backends: Vec::new(),
                    manner: Manner::default(),
                    forward: Forward::default(),
                    sources: Vec::new(),
                });
                last = 0;
                continue;
            }
            let service = services.last_mut().ok_or_else(|| {
                format!(
                    "{} belongs to no service: name one before it by -t or -u",
                    word.name()
                )
            })?;
            let behind = service.backends.len() - last;
            let of_last = &mut service.backends[behind..];
            match word {
                Word::Backends(backends) => {
                    last = backends.0.len();
                    is_weighed = false;
                    service.backends.extend(backends.0);
                }
                Word::Weight(_) if last == 0 => {
                    return Err("-w belongs to no backend: name one before it by -r".to_owned());
                }
                Word::Weight(weight) if is_weighed => {
                    return Err(format!(
                        "-w {weight}: the backends before it have a weight already"
                    ));
                }
                Word::Weight(weight) => {
                    is_weighed = true;
                    of_last.iter_mut().for_each(|b| b.weight = weight);
                }
                Word::Forward(forward) if last == 0 => service.forward = forward,
                Word::Forward(forward) => {
                    of_last.iter_mut().for_each(|b| b.forward = Some(forward));
                }
                Word::Source(sources) => service.sources.extend(sources.0),
                word => word.apply(&mut service.manner),
            }
        }
        Ok(services)
    }

    /// Whether a weight is among the words.
    #[must_use]
    pub fn says_weight(&self) -> bool {
        !self.weights.is_empty()
    }

    /// Whether a way of forwarding is among them.
    #[must_use]
    pub fn says_forward(&self) -> bool {
        !self.forward.is_empty()
    }

    /// How often backends are named.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.backends.len()
    }

    fn words(&self, matches: &ArgMatches) -> Vec<(usize, Word)> {
        fn of<T: Clone>(
            matches: &ArgMatches,
            name: &str,
            values: &[T],
            word: impl Fn(T) -> Word,
        ) -> Vec<(usize, Word)> {
            let indices = matches.indices_of(name).into_iter().flatten();
            indices.zip(values.iter().cloned().map(word)).collect()
        }
        [
            of(matches, "tcp", &self.tcp, Word::Service),
            of(matches, "udp", &self.udp, Word::Service),
            of(matches, "backends", &self.backends, Word::Backends),
            of(matches, "weights", &self.weights, Word::Weight),
            of(matches, "forward", &self.forward, Word::Forward),
            of(matches, "source", &self.source, Word::Source),
            of(matches, "policy", &self.policy, Word::Policy),
            of(matches, "tracking", &self.tracking, Word::Tracking),
            of(matches, "affinity", &self.affinity, Word::Affinity),
            of(matches, "on_dead", &self.on_dead, Word::OnDead),
            of(matches, "allow", &self.allow, Word::Allow),
            of(matches, "deny", &self.deny, Word::Deny),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Word {
    fn name(&self) -> String {
        match self {
            Self::Service(_) => "-t".to_owned(),
            Self::Backends(backends) => match backends.0.first() {
                Some(backend) => format!("backend {}", backend.address),
                None => "-r".to_owned(),
            },
            Self::Weight(weight) => format!("-w {weight}"),
            Self::Forward(forward) => format!("--forward {forward}"),
            Self::Source(_) => "--source".to_owned(),
            Self::Policy(_) => "--policy".to_owned(),
            Self::Tracking(_) => "--tracking".to_owned(),
            Self::Affinity(_) => "--affinity".to_owned(),
            Self::OnDead(_) => "--on-dead".to_owned(),
            Self::Allow(_) => "--allow".to_owned(),
            Self::Deny(_) => "--deny".to_owned(),
        }
    }

    /// Changes how a service treats its flows.
    fn apply(self, manner: &mut Manner) {
        match self {
            Self::Service(_)
            | Self::Backends(_)
            | Self::Weight(_)
            | Self::Forward(_)
            | Self::Source(_) => {}
            Self::Policy(PolicyWord::Maglev) => manner.policy = Policy::Maglev,
            Self::Policy(PolicyWord::Random) => {
                manner.policy = Policy::Random;
                manner.tracking = Tracking::All;
            }
            Self::Tracking(TrackingWord::Changed) => manner.tracking = Tracking::Changed,
            Self::Tracking(TrackingWord::All) => manner.tracking = Tracking::All,
            Self::Tracking(TrackingWord::None) => manner.tracking = Tracking::None,
            Self::Affinity(affinity) => manner.affinity = affinity,
            Self::OnDead(OnDeadWord::Rehash) => manner.on_dead = OnDead::Rehash,
            Self::OnDead(OnDeadWord::Reset) => manner.on_dead = OnDead::Reset,
            Self::OnDead(OnDeadWord::Hold) => manner.on_dead = OnDead::Hold,
            Self::Allow(prefixes) => manner.allow.extend(prefixes.0),
            Self::Deny(prefixes) => manner.deny.extend(prefixes.0),
        }
    }
}
