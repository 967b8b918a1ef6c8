//! The config of a site with six services, and random changes of it that must not
//! hurt a connection: each is one that an operator makes while people are served.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::dice::Dice;

/// A backend.
#[derive(Clone, Debug)]
struct Backend {
    name: String,
    ip: String,
    /// Keys that never change.
    more: &'static str,
    weight: usize,
    is_drained: bool,
    /// Whether the file says its state: one that it does not say stays.
    is_said: bool,
}

impl Backend {
    fn new(name: &str, ip: &str) -> Self {
        Self {
            name: name.to_owned(),
            ip: ip.to_owned(),
            more: "",
            weight: 1,
            is_drained: false,
            is_said: true,
        }
    }

    fn is_in_rotation(&self) -> bool {
        !self.is_drained && self.weight > 0
    }

    fn state(&self) -> &'static str {
        if self.is_drained { "drain" } else { "ready" }
    }
}

/// A service.
#[derive(Clone, Debug)]
struct Service {
    name: String,
    vips: Vec<String>,
    ports: Vec<&'static str>,
    /// Keys that never change.
    more: String,
    on_dead: usize,
    tracks_all: bool,
    has_list: bool,
    backends: Vec<Backend>,
}

/// What may stand for `on_dead`.
const ON_DEAD: [&str; 3] = ["rehash", "reset", "hold"];

/// Clients that are served where there is a list: all that there are.
const CLIENTS: &str = "[\"172.17.0.0/16\", \"2001:db8:17::/64\"]";

/// A backend that never gets a connection: it is drained when it comes. Nobody has
/// its address.
const GUEST: &str = "172.17.0.9";

/// A service that nobody asks.
const SPARE: &str = "spare";

impl Service {
    fn new(name: &str, vips: &[&str], ports: &[&'static str], backends: &[&str]) -> Self {
        let backends = ["a", "b", "c"].iter().zip(backends);
        Self {
            name: name.to_owned(),
            vips: vips.iter().map(|&vip| vip.to_owned()).collect(),
            ports: ports.to_vec(),
            more: String::new(),
            on_dead: 0,
            tracks_all: false,
            has_list: false,
            backends: backends.map(|(name, ip)| Backend::new(name, ip)).collect(),
        }
    }

    /// Whether there is another in rotation.
    fn can_do_without(&self, backend: usize) -> bool {
        let mut others = (0..).zip(&self.backends);
        others.any(|(index, other)| index != backend && other.is_in_rotation())
    }

    fn is_spare(&self) -> bool {
        self.ports.contains(&"443/udp")
    }

    fn guest(&self) -> Option<usize> {
        self.backends.iter().position(|b| b.ip == GUEST)
    }
}

/// The virtual addresses.
pub struct Vips {
    /// Of three services of IPv4.
    pub v4: &'static str,
    /// Of one of IPv6.
    pub v6: &'static str,
    /// Of one that has several: port 80 of both, 8080 of the second.
    pub several: [&'static str; 2],
    /// Of the one behind a router.
    pub tunnel: &'static str,
}

/// A config file.
#[derive(Clone, Debug)]
pub struct Config {
    services: Vec<Service>,
    answers_echo: bool,
    /// Whether the keys of a table stand the other way round.
    is_turned: bool,
    /// Names that were given.
    names: usize,
}

type Change = fn(&mut Config, &mut Dice);

/// All kinds of changes.
pub const CHANGES: [(&str, Change); 7] = [
    ("a weight", Config::weigh),
    ("a state", Config::drain_or_ready),
    ("a service nobody asks", Config::add_or_remove_spare),
    ("a backend without connections", Config::add_or_remove_guest),
    ("a manner", Config::treat),
    ("the order", Config::reorder),
    ("names", Config::rename),
];

impl Config {
    /// Six services: of IPv4, of IPv6, of datagrams, of any port, with several
    /// addresses, and behind a router.
    pub fn new(vips: &Vips, near: [[&str; 3]; 2], far: [&str; 2]) -> Self {
        let [v4, v6] = &near;
        let mut several = Service::new("several", &vips.several, &["80/tcp"], v4);
        several.more = format!("also = \"{}:8080/tcp\"\n", vips.several[1]);
        let mut tunnel = Service::new("tunnel", &[vips.tunnel], &["80/tcp"], &far);
        tunnel.more = "forward = \"ipip\"\n".to_owned();
        Self {
            services: vec![
                Service::new("web", &[vips.v4], &["80/tcp"], v4),
                Service::new("web6", &[vips.v6], &["80/tcp"], v6),
                Service::new("names", &[vips.v4], &["53/udp"], v4),
                Service::new("any", &[vips.v4], &["*/tcp"], v4),
                several,
                tunnel,
            ],
            answers_echo: true,
            is_turned: false,
            names: 0,
        }
    }

    /// After this one was applied, a file need not say all states.
    pub fn is_applied(&mut self, dice: &mut Dice) {
        for backend in self.services.iter_mut().flat_map(|s| &mut s.backends) {
            backend.is_said = dice.chance(50);
        }
    }

    /// One of all backends of which this holds.
    fn one(&mut self, dice: &mut Dice, is_meant: fn(&Service, usize) -> bool) -> &mut Backend {
        let mut found = Vec::new();
        for (place, service) in self.services.iter().enumerate() {
            let backends = (0..service.backends.len()).filter(|&index| is_meant(service, index));
            found.extend(backends.map(|index| (place, index)));
        }
        let (place, index) = dice.pick(&found);
        &mut self.services[place].backends[index]
    }

    fn weigh(&mut self, dice: &mut Dice) {
        let (step, least) = (dice.below(4), dice.below(4));
        let backend = self.one(dice, Service::can_do_without);
        // Another than before; none at all at times.
        backend.weight = match least {
            0 if backend.weight > 0 => 0,
            _ => 1 + (backend.weight + step) % 5,
        };
    }

    fn drain_or_ready(&mut self, dice: &mut Dice) {
        let backend = self.one(dice, |service, index| {
            service.guest() != Some(index) && service.can_do_without(index)
        });
        backend.is_drained = !backend.is_drained;
        backend.is_said = true;
    }

    fn add_or_remove_spare(&mut self, _: &mut Dice) {
        match self.services.iter().position(Service::is_spare) {
            Some(place) => drop(self.services.remove(place)),
            None => self.services.push(Service::new(
                SPARE,
                &["192.168.25.99"],
                &["443/tcp", "443/udp"],
                &["172.17.0.3"],
            )),
        }
    }

    fn add_or_remove_guest(&mut self, dice: &mut Dice) {
        // There may be one in each service of IPv4 on the segment.
        let mut places: Vec<usize> = (0..self.services.len()).collect();
        places.retain(|&place| self.services[place].backends[0].ip.starts_with("172.17."));
        let place = dice.pick(&places);
        let service = &mut self.services[place];
        if let Some(index) = service.guest() {
            service.backends.remove(index);
            return;
        }
        let mut guest = Backend::new("guest", GUEST);
        (guest.more, guest.is_drained) = (", mac = \"02:00:00:00:00:99\"", true);
        service.backends.push(guest);
    }

    fn treat(&mut self, dice: &mut Dice) {
        let (which, place) = (dice.below(10), dice.below(self.services.len()));
        let service = &mut self.services[place];
        match which {
            0 => self.answers_echo = !self.answers_echo,
            1..=3 => service.on_dead = (service.on_dead + 1 + dice.below(2)) % ON_DEAD.len(),
            4..=6 => service.tracks_all = !service.tracks_all,
            _ => service.has_list = !service.has_list,
        }
    }

    fn reorder(&mut self, dice: &mut Dice) {
        self.is_turned = !self.is_turned;
        dice.shuffle(&mut self.services);
        for service in &mut self.services {
            dice.shuffle(&mut service.vips);
            dice.shuffle(&mut service.ports);
            dice.shuffle(&mut service.backends);
        }
    }

    fn rename(&mut self, dice: &mut Dice) {
        self.names += 1;
        let name = format!("n{}", self.names);
        self.one(dice, |_, _| true).name.clone_from(&name);
        let place = dice.below(self.services.len());
        self.services[place].name = name;
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut text = "[balancer]\nseed = \"a site\"\nmode = \"skb\"\n".to_owned();
        if !self.answers_echo {
            text += "echo = false\n";
        }
        for service in &self.services {
            let mut keys = vec![
                format!("vip = {:?}\n", service.vips),
                format!("ports = {:?}\n", service.ports),
                service.more.clone(),
            ];
            if service.on_dead > 0 {
                keys.push(format!("on_dead = {:?}\n", ON_DEAD[service.on_dead]));
            }
            if service.tracks_all {
                keys.push("tracking = \"all\"\n".to_owned());
            }
            if service.has_list {
                keys.push(format!("allow = {CLIENTS}\n"));
            }
            if self.is_turned {
                keys.reverse();
            }
            let (name, keys) = (&service.name, keys.concat());
            text += &format!("\n[service.{name}]\n{keys}[service.{name}.backends]\n");
            for backend in &service.backends {
                let (name, ip, weight) = (&backend.name, &backend.ip, backend.weight);
                let (more, state) = (backend.more, backend.state());
                let mut keys = format!("ip = \"{ip}\", weight = {weight}{more}");
                if backend.is_said {
                    keys += &format!(", state = \"{state}\"");
                }
                writeln!(text, "{name} = {{ {keys} }}").expect("a string");
            }
        }
        text
    }

    /// What decides where packets go, whatever it is called and in which order it
    /// stands.
    pub fn meaning(&self) -> BTreeSet<String> {
        let services = self.services.iter().map(|service| {
            let vips: BTreeSet<_> = service.vips.iter().collect();
            let ports: BTreeSet<_> = service.ports.iter().collect();
            let manner = (service.on_dead, service.tracks_all, service.has_list);
            let backends = service.backends.iter();
            let backends = backends.map(|b| (&b.ip, b.weight, b.is_drained));
            let backends: BTreeSet<_> = backends.collect();
            format!(
                "{vips:?} {ports:?} {} {manner:?} {backends:?}",
                service.more
            )
        });
        let echo = format!("echo {}", self.answers_echo);
        services.chain([echo]).collect()
    }

    /// What a plan is about: the meaning, and what all is called.
    pub fn content(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let names = self.services.iter().flat_map(|service| {
            let of_service = format!("{} {:?}", service.name, service.vips.iter().min());
            let backends = service.backends.iter();
            let backends = backends.map(|b| format!("{} {} {}", service.name, b.name, b.ip));
            backends.chain([of_service]).collect::<Vec<_>>()
        });
        (self.meaning(), names.collect())
    }
}
