//! Config files, and the config of what is loaded on the lab's balancer.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::host::Host;
use super::product::Product;
use super::{BACKENDS, Lab, VIP};

/// How long a thing is waited for that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A config file, gone with the test.
#[derive(Debug)]
pub struct File(PathBuf);

impl File {
    /// Writes it; `name` is the test's own.
    pub fn new(name: &str, text: &str) -> Self {
        let name = format!("netns-plan-{}-{name}.toml", process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).expect("a file of the test");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &str {
        self.0.to_str().expect("a plain name")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The lab's web servers, and what else stands in `[service.web]`.
pub fn web(more: &str, backends: &str) -> String {
    format!(
        "[balancer]\nseed = \"a site\"\nmode = \"skb\"\n\n[service.web]\nvip = \"{VIP}\"\nports = \"80/tcp\"\n{more}\n[service.web.backends]\n{backends}"
    )
}

/// Both of the lab's backends.
pub fn both() -> String {
    let [a, b] = BACKENDS;
    format!("a = \"{a}\"\nb = \"{b}\"\n")
}

/// The lab with both backends, loaded from a file.
pub fn balancing(binary: &str, test: &str) -> (Lab, Product, File) {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, binary);
    let file = File::new(&format!("{test}-first"), &web("", &both()));
    dsrload.run(&format!("eth0 -c {}", file.path())).exits(0);
    (lab, dsrload, file)
}

/// What `status -j` says of the config.
pub fn config(dsrload: &Product) -> Value {
    let answer = dsrload.answer("status -j");
    let status: Value = serde_json::from_str(&answer).expect("JSON");
    status["balancers"][0]["config"].clone()
}

/// Its digest.
pub fn digest(dsrload: &Product) -> String {
    config(dsrload)["digest"].as_str().expect("it").to_owned()
}

/// How often it was changed.
pub fn generation(dsrload: &Product) -> u64 {
    config(dsrload)["generation"].as_u64().expect("it")
}

/// The config in force, without the comments before it.
pub fn exported(dsrload: &Product) -> String {
    let text = dsrload.answer("export");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Processes of dsrload in a host's network namespace: guards.
pub fn guards(host: &Host) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("the processes").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        let is_ours =
            fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe.ends_with("dsrload"));
        let netns = fs::metadata(entry.path().join("ns/net")).map(|m| m.ino());
        if is_ours && netns.is_ok_and(|inode| inode == host.netns_inode()) {
            found.push(pid);
        }
    }
    found
}

/// Waits until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}
