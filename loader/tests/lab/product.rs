//! The program under test, run as a user runs it, and what it answers.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

use serde_json::Value;

use super::host::Host;

/// `dsrload` on a host.
#[derive(Clone, Debug)]
pub struct Product {
    host: Host,
    binary: PathBuf,
    capabilities: Option<String>,
}

/// What a run of `dsrload` came to.
#[derive(Debug)]
pub struct Run {
    /// What was typed.
    pub line: String,
    /// The exit code; `None` for a run that was killed.
    pub code: Option<i32>,
    /// The answer.
    pub stdout: String,
    /// The talk.
    pub stderr: String,
}

impl Product {
    /// The program `binary` on `host`.
    pub fn new(host: &Host, binary: impl AsRef<Path>) -> Self {
        Self {
            host: host.clone(),
            binary: binary.as_ref().to_owned(),
            capabilities: None,
        }
    }

    /// The same program, started by root with these capabilities alone, as
    /// setpriv(1) writes them: `+bpf,+net_admin`.
    pub fn with_capabilities(&self, capabilities: &str) -> Self {
        let mut product = self.clone();
        product.capabilities = Some(format!("-all,{capabilities}"));
        product
    }

    /// Runs `dsrload` with `arguments`, split at spaces.
    pub fn run(&self, arguments: &str) -> Run {
        let child = self.spawn(arguments);
        let output = child.wait_with_output().expect("dsrload is our child");
        Run::new(arguments, &output)
    }

    /// Runs `dsrload`, which must succeed; its stdout.
    pub fn answer(&self, arguments: &str) -> String {
        self.run(arguments).exits(0).stdout
    }

    /// Starts `dsrload`, to be waited for or killed.
    pub fn spawn(&self, arguments: &str) -> Child {
        let mut command = match &self.capabilities {
            None => self.host.command(&self.binary),
            Some(capabilities) => {
                let mut command = self.host.command("setpriv");
                command.args(["--inh-caps", "-all", "--bounding-set", capabilities]);
                command.arg(&self.binary);
                command
            }
        };
        command
            .args(arguments.split_whitespace())
            .stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()))
    }

    /// `status -j`, which must name at most one balancer.
    pub fn status(&self) -> Option<Balancer> {
        let mut balancers = self.json("status -j");
        let balancers = balancers["balancers"]
            .as_array_mut()
            .expect("a list of balancers");
        assert!(
            balancers.len() <= 1,
            "more than one balancer: {balancers:?}"
        );
        balancers.pop().map(Balancer)
    }

    /// `stats -j` of the one balancer.
    pub fn stats(&self) -> Stats {
        let mut answer = self.json("stats -j");
        let balancers = answer["balancers"]
            .as_array_mut()
            .expect("a list of balancers");
        assert_eq!(balancers.len(), 1, "one balancer: {balancers:?}");
        Stats(balancers.remove(0))
    }

    /// How many packets met an outcome of `decap` on the one interface that has
    /// it, as `stats -j` tells.
    pub fn decap_outcome(&self, name: &str) -> u64 {
        let answer = self.json("stats -j");
        let decaps = list(&answer["decaps"]);
        assert_eq!(decaps.len(), 1, "one decap: {answer}");
        let outcomes = list(&decaps[0]["outcomes"]);
        let found = outcomes.iter().find(|outcome| outcome["name"] == name);
        number(&found.unwrap_or_else(|| panic!("no outcome {name} in {answer}"))["packets"])
    }

    fn json(&self, arguments: &str) -> Value {
        let answer = self.answer(arguments);
        serde_json::from_str(&answer)
            .unwrap_or_else(|error| panic!("dsrload {arguments}: {error} in {answer:?}"))
    }
}

impl Run {
    fn new(line: &str, output: &Output) -> Self {
        assert!(
            output.status.code().is_some() || output.status.signal() == Some(libc::SIGKILL),
            "dsrload {line} crashed: {output:?}"
        );
        Self {
            line: line.to_owned(),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Panics, with all that was said, unless the exit code is `code`.
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Panics unless the talk contains `words`.
    pub fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "no {words:?} in {self:#?}");
        self
    }
}

/// A loaded balancer, as `status -j` tells it.
#[derive(Debug)]
pub struct Balancer(Value);

impl Balancer {
    /// The interfaces' names.
    pub fn interfaces(&self) -> Vec<&str> {
        let names = list(&self.0["interfaces"])
            .iter()
            .map(|interface| text(&interface["interface"]));
        names.collect()
    }

    /// What is told about an interface.
    pub fn interface(&self, name: &str) -> &Value {
        let interfaces = list(&self.0["interfaces"]);
        let found = interfaces
            .iter()
            .find(|interface| interface["interface"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }

    /// The id of the program on an interface.
    pub fn program(&self, interface: &str) -> u32 {
        let id = number(&self.interface(interface)["program"]["id"]);
        u32::try_from(id).expect("ids have 32 bits")
    }

    /// The mode on an interface.
    pub fn mode(&self, interface: &str) -> &str {
        text(&self.interface(interface)["mode"])
    }

    /// What is told about the first service.
    pub fn service(&self) -> &Value {
        let services = list(&self.0["services"]);
        services.first().expect("a service is loaded")
    }

    /// What is told about a backend of the first service.
    pub fn backend(&self, address: &str) -> &Value {
        let found = list(&self.service()["backends"])
            .iter()
            .find(|backend| backend["address"] == address);
        found.unwrap_or_else(|| panic!("no backend {address} in {}", self.0))
    }

    /// How many slots of the first service give their new flows to a backend.
    pub fn slots(&self, address: &str) -> u64 {
        number(&self.backend(address)["slots"])
    }

    /// How many flows are in the flow table.
    pub fn flows(&self) -> u64 {
        number(&self.0["flows"])
    }

    /// The ids of the maps of the program on an interface.
    pub fn maps(&self, interface: &str) -> BTreeSet<u64> {
        let ids = list(&self.interface(interface)["program"]["map_ids"]);
        ids.iter().map(number).collect()
    }

    /// The backends' station addresses by their addresses.
    pub fn macs(&self) -> BTreeMap<&str, &str> {
        let backends = list(&self.0["services"])
            .iter()
            .flat_map(|service| list(&service["backends"]));
        backends
            .map(|backend| (text(&backend["address"]), text(&backend["mac"])))
            .collect()
    }
}

/// The counters, as `stats -j` tells them.
#[derive(Debug)]
pub struct Stats(Value);

impl Stats {
    /// How many packets met an outcome.
    pub fn outcome(&self, name: &str) -> u64 {
        let found = list(&self.0["outcomes"])
            .iter()
            .find(|outcome| outcome["name"] == name);
        number(&found.unwrap_or_else(|| panic!("no outcome {name} in {}", self.0))["packets"])
    }

    /// How many connections each backend got, by its address.
    pub fn connections(&self) -> BTreeMap<&str, u64> {
        self.backends()
            .map(|b| (text(&b["address"]), number(&b["connections"])))
            .collect()
    }

    /// How many flows of the first service found no room in the flow table.
    pub fn untracked(&self) -> u64 {
        number(&list(&self.0["services"])[0]["untracked"])
    }

    /// How many packets and connections the service at this address got.
    pub fn of_service(&self, address: &str) -> (u64, u64) {
        let has = |service: &&Value| list(&service["addresses"]).iter().any(|a| a == address);
        let found = list(&self.0["services"]).iter().find(has);
        let found = found.unwrap_or_else(|| panic!("no service {address} in {}", self.0));
        (number(&found["packets"]), number(&found["connections"]))
    }

    /// How many packets met each outcome that drops them, if any did.
    pub fn dropped(&self) -> BTreeMap<&str, u64> {
        let outcomes = list(&self.0["outcomes"]).iter();
        let drops = outcomes.filter(|outcome| outcome["verdict"] == "drop");
        drops
            .map(|outcome| (text(&outcome["name"]), number(&outcome["packets"])))
            .filter(|&(_, packets)| packets > 0)
            .collect()
    }

    /// Panics if any counter is lower than it was in `before`. One that is gone
    /// counts as 0: nothing may go that was in use.
    pub fn is_not_behind(&self, before: &Self) {
        let counters = self.counters();
        for (name, packets) in before.counters() {
            let now = counters.get(&name).copied().unwrap_or(0);
            assert!(now >= packets, "{name} was {packets} and is {now}");
        }
    }

    fn counters(&self) -> BTreeMap<String, u64> {
        let mut counters = BTreeMap::new();
        for outcome in list(&self.0["outcomes"]) {
            counters.insert(
                text(&outcome["name"]).to_owned(),
                number(&outcome["packets"]),
            );
        }
        for service in list(&self.0["services"]) {
            for backend in list(&service["backends"]) {
                for counter in ["packets", "bytes", "connections"] {
                    let address = text(&backend["address"]);
                    let name = format!("{counter} of {address} for {}", service["addresses"]);
                    counters.insert(name, number(&backend[counter]));
                }
            }
        }
        counters
    }

    fn backends(&self) -> impl Iterator<Item = &Value> {
        list(&self.0["services"])
            .iter()
            .flat_map(|service| list(&service["backends"]))
    }
}

fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("{value} is not a list"))
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not a text"))
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is not a number"))
}
