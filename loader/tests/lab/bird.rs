//! BIRD on a host of the lab: real BGP and BFD.

use std::fs;
use std::process::{Child, Stdio};

use super::deadline::wait_until;
use super::host::Host;
use super::mounts::RUN;

/// A running BIRD.
#[derive(Debug)]
pub struct Bird {
    host: Host,
    process: Child,
}

impl Bird {
    /// Starts it with this configuration, and waits until it answers.
    pub fn start(host: &Host, configuration: &str) -> Self {
        let directory = format!("{RUN}/{}-bird", host.name());
        host.inside(|| {
            fs::create_dir_all(&directory).expect("the lab's own /run");
            fs::write(format!("{directory}/bird.conf"), configuration).expect("the lab's own /run");
        });
        let mut bird = host.command("bird");
        // In the foreground: it is our child itself, so it cannot outlive us.
        bird.arg("-f")
            .args(["-c", &format!("{directory}/bird.conf")])
            .args(["-s", &format!("{directory}/bird.ctl")])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = bird.spawn().expect("bird (package bird2) starts");
        let mut bird = Self {
            host: host.clone(),
            process,
        };
        wait_until("BIRD to answer", || bird.answers());
        bird
    }

    fn answers(&mut self) -> bool {
        let ended = self.process.try_wait().expect("BIRD is our child");
        assert!(ended.is_none(), "BIRD ended: {ended:?}");
        let mut birdc = self.host.command("birdc");
        birdc.args(["-s", &self.control(), "show", "status"]);
        let output = birdc.output().expect("birdc (package bird2) starts");
        String::from_utf8_lossy(&output.stdout).contains("Daemon is up")
    }

    fn control(&self) -> String {
        format!("{RUN}/{}-bird/bird.ctl", self.host.name())
    }

    /// What it answers to a command of birdc(8).
    pub fn ask(&self, command: &str) -> String {
        self.host
            .run(&format!("birdc -s {} {command}", self.control()))
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Kills it: its peers see their connections end.
    pub fn kill(&mut self) {
        self.process.kill().expect("BIRD is our child");
        self.process.wait().expect("BIRD is our child");
    }
}

impl Drop for Bird {
    fn drop(&mut self) {
        // Both fail only for one that has been killed before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
