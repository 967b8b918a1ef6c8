//! `dsrload run` on a host, with its log.

use std::io::{BufRead, BufReader};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::Lab;
use super::config::{File, until};
use super::product::Product;

/// Before [`until`] gives up.
const LATE: Duration = Duration::from_secs(15);

/// Looks at the page that nginx serves, often.
pub const CHECK: &str =
    "check = { type = \"http\", every = \"200ms\", timeout = \"150ms\", rise = 2, fall = 2 }\n";

/// The lab with a config file, for an agent to look after.
#[derive(Debug)]
pub struct Watched {
    /// The hosts.
    pub lab: Lab,
    /// The program on the balancer.
    pub dsrload: Product,
    /// The config file.
    pub file: File,
}

impl Watched {
    /// The lab; `name` is the test's own.
    pub fn new(binary: &str, name: &str, text: &str) -> Self {
        let lab = Lab::seed();
        let dsrload = Product::new(&lab.balancer, binary);
        let file = File::new(name, text);
        Self { lab, dsrload, file }
    }

    /// What stands behind `run`.
    pub fn arguments(&self) -> String {
        format!("eth0 -c {}", self.file.path())
    }

    /// Starts an agent, and waits until it looks after the balancer.
    pub fn start(&self) -> Agent {
        Agent::start(&self.dsrload, &self.arguments())
    }
}

/// A process that looks after a balancer. It is killed when this is dropped.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    product: Product,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Agent {
    /// Starts it, with these arguments behind `run`.
    pub fn spawn(product: &Product, arguments: &str) -> Self {
        Self::spawn_as(product, product, &format!("run {arguments}"))
    }

    /// The same by another program, which becomes it. All of its arguments.
    pub fn spawn_as(product: &Product, starter: &Product, arguments: &str) -> Self {
        let mut child = starter.spawn(arguments);
        let talk = BufReader::new(child.stderr.take().expect("it is piped"));
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let reader = thread::spawn(move || {
            for line in talk.lines().map_while(Result::ok) {
                lines.lock().expect("the log").push(line);
            }
        });
        Self {
            child,
            product: product.clone(),
            log,
            reader: Some(reader),
        }
    }

    /// The same, and waits until it looks after the balancer.
    pub fn start(product: &Product, arguments: &str) -> Self {
        let agent = Self::spawn(product, arguments);
        agent.awaits("the agent looks after the balancer", || {
            agent.state().is_some()
        });
        agent
    }

    /// What `status -j` says of the balancer while an agent looks after it.
    pub fn state(&self) -> Option<Value> {
        let run = self.product.run("status -j");
        let status: Value = serde_json::from_str(&run.stdout).ok()?;
        let balancer = status["balancers"][0].clone();
        (!balancer["run"].is_null()).then_some(balancer)
    }

    /// State and reason of a backend, of the first service that has it.
    pub fn backend(&self, address: &str) -> (String, String) {
        let state = self.state().unwrap_or_default();
        let services = state["services"].as_array().into_iter().flatten();
        let mut backends = services.flat_map(|s| s["backends"].as_array().into_iter().flatten());
        let found = backends.find(|b| b["address"] == address);
        let text = |key: &str| {
            let text = found.and_then(|backend| backend[key].as_str());
            text.unwrap_or_default().to_owned()
        };
        (text("state"), text("reason"))
    }

    /// Waits until it is so; if that never comes, its log tells why.
    fn awaits(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let start = Instant::now();
        until(what, || {
            let is_so = is_so();
            let is_late = start.elapsed() > LATE;
            assert!(!is_late || is_so, "{what}; its log:\n{}", self.log());
            is_so
        });
    }

    /// Waits until a backend is in this state.
    pub fn becomes(&self, address: &str, state: &str) {
        let what = format!("{address} becomes {state}");
        self.awaits(&what, || self.backend(address).0 == state);
    }

    /// Waits until a backend is in this state for a reason with these words.
    pub fn becomes_for(&self, address: &str, state: &str, words: &str) {
        let what = format!("{address} becomes {state}, {words}");
        self.awaits(&what, || {
            let (now, reason) = self.backend(address);
            now == state && reason.contains(words)
        });
    }

    /// All that it has said by now.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").join("\n")
    }

    /// Waits for words in its log.
    pub fn says(&self, words: &str) {
        let what = format!("the log says '{words}'");
        self.awaits(&what, || self.log().contains(words));
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("it is our child");
    }

    /// Kills it as SIGKILL does, and waits until it is gone.
    pub fn kill(mut self) {
        self.gone();
    }

    /// Ends it by SIGTERM, and waits for that; what it has said in the end.
    pub fn end(mut self) -> (ExitStatus, String) {
        self.signal(Signal::SIGTERM);
        let status = self.wait();
        (status, self.log())
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        until("the agent ends", || {
            self.child.try_wait().expect("it is our child").is_some()
        });
        self.read_on();
        self.child.wait().expect("it is our child")
    }

    fn read_on(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader of the log");
        }
    }

    fn gone(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.gone();
        }
    }
}
