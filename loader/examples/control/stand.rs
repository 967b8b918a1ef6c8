//! The bench's own corner of the machine: a network namespace with one veth pair,
//! and mounts of its own. Both are gone with the last of its processes.

use super::process::{Line, answer, line, run};
use super::{equal, process};
use dsrload::EMBEDDED;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// What the command that runs says on its standard error.
pub const COMPLAINTS: &str = "/run/complaints";

const BPFFS: &str = "/sys/fs/bpf";
const SHIPPED: &str = "/run/shipped.o";
const EQUAL: &str = "/run/equal.o";

/// Neighbours that the kernel knows: as many as the largest config has backends,
/// and some.
const NEIGHBOURS: u32 = 4096 + 16;

/// The corner, and what is measured in it.
#[derive(Debug)]
pub struct Stand {
    /// `dsrload`.
    pub binary: String,
    /// What xdp-loader (Debian: xdp-tools) is called in the report, if it is there.
    pub xdp_loader: Option<&'static str>,
}

/// The object in the binary, for whoever reads files: with tables of the largest
/// size, and settings of zeros.
pub const fn shipped() -> &'static str {
    SHIPPED
}

/// The same with the settings and the sizes of tables that `dsrload` gives it.
pub const fn equal() -> &'static str {
    EQUAL
}

impl Stand {
    /// Takes this process to a corner of its own and builds what is needed.
    ///
    /// # Errors
    ///
    /// It takes root and `ip`.
    pub fn raise(binary: &Path) -> io::Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
            .map_err(|error| io::Error::other(format!("namespaces of its own: {error}")))?;
        mounts()?;
        for arguments in [
            "link set lo up",
            "link add v0 type veth peer name v1",
            "addr add 10.0.0.1/16 dev v0",
            "link set v0 up",
            "link set v1 up",
        ] {
            run(&line("ip", arguments))?;
        }
        neighbours()?;
        let mut stand = Self {
            binary: binary.display().to_string(),
            xdp_loader: None,
        };
        std::fs::write(SHIPPED, EMBEDDED)?;
        run(&stand.load("skb", services(1, 2)))?;
        std::fs::write(EQUAL, equal::object("v0")?)?;
        let ours = equal::tag("v0")?;
        run(&stand.dsrload("--unload v0"))?;
        run(&line(
            "ip",
            &format!("link set dev v0 xdpgeneric obj {EQUAL} program dsrload"),
        ))?;
        let theirs = equal::tag("v0")?;
        run(&line("ip", "link set dev v0 xdpgeneric off"))?;
        if ours != theirs {
            return Err(io::Error::other(format!(
                "ip makes another program of the object than dsrload: tags {theirs:02x?} and {ours:02x?}"
            )));
        }
        stand.xdp_loader = xdp_loader()?;
        Ok(stand)
    }

    /// `dsrload` with these arguments.
    #[must_use]
    pub fn dsrload(&self, arguments: &str) -> Line {
        line(&self.binary, arguments)
    }

    /// `dsrload` that loads these services.
    #[must_use]
    pub fn load(&self, mode: &str, services: Line) -> Line {
        let mut load = self.dsrload(&format!("v0 --mode {mode}"));
        load.extend(services);
        load
    }
}

/// The arguments for so many services, with so many backends each, none of which
/// belongs to two.
#[must_use]
pub fn services(count: u32, backends: u32) -> Line {
    (0..count)
        .flat_map(|service| {
            let first = service * backends;
            let backends: Vec<String> = (first..first + backends).map(backend).collect();
            let address = format!("{}:80", vip(service));
            [
                "-t".to_owned(),
                address,
                "-r".to_owned(),
                backends.join(","),
            ]
        })
        .collect()
}

/// The VIP of a service.
#[must_use]
pub fn vip(number: u32) -> String {
    format!("192.168.{}.{}", number / 256, number % 256)
}

/// The address of a backend.
#[must_use]
pub fn backend(number: u32) -> String {
    format!("10.0.{}.{}", 1 + number / 256, number % 256)
}

/// Tries `xdp-loader`. Where the kernel does not let it replace functions of a
/// program, it goes without its dispatcher, and says so to nobody who does not ask.
fn xdp_loader() -> io::Result<Option<&'static str>> {
    if answer(&line("xdp-loader", "status")).is_err() {
        return Ok(None);
    }
    let load = format!("load -m skb -n dsrload v0 {EQUAL}");
    run(&line("xdp-loader", &load))?;
    let status = answer(&line("xdp-loader", "status v0"))?;
    run(&line("xdp-loader", "unload -a v0"))?;
    Ok(Some(if status.contains("xdp_dispatcher") {
        "xdp-loader"
    } else {
        "xdp-loader, no dispatcher"
    }))
}

fn mounts() -> io::Result<()> {
    let nothing = None::<&str>;
    let new = |kind: &str, target: &str| {
        mount(Some(kind), target, Some(kind), MsFlags::empty(), nothing)
            .map_err(|error| io::Error::other(format!("mount {kind} on {target}: {error}")))
    };
    mount(
        nothing,
        "/",
        nothing,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        nothing,
    )?;
    new("tmpfs", "/run")?;
    while umount2(BPFFS, MntFlags::MNT_DETACH).is_ok() {}
    new("bpf", BPFFS)
}

/// Has the kernel know the backends' MACs, so that nobody is waited for.
fn neighbours() -> io::Result<()> {
    let mut batch = String::new();
    for number in 0..NEIGHBOURS {
        let [.., high, low] = number.to_be_bytes();
        // Writing to a string cannot fail.
        let _ = writeln!(
            batch,
            "neigh add {} lladdr 02:00:00:00:{high:02x}:{low:02x} nud permanent dev v0",
            backend(number)
        );
    }
    let path = "/run/neighbours";
    std::fs::write(path, batch)?;
    process::run(&line("ip", &format!("-batch {path}"))).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_backend_and_no_address_comes_twice() {
        let arguments = services(1024, 4);
        let mut words: Vec<&str> = arguments
            .iter()
            .filter(|word| !word.starts_with('-'))
            .flat_map(|word| word.split(','))
            .collect();
        assert_eq!(words.len(), 1024 + 4096);
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), 1024 + 4096);
    }

    #[test]
    fn a_service_is_written_as_it_is_typed() {
        let wanted = ["-t", "192.168.0.0:80", "-r", "10.0.1.0,10.0.1.1"];
        assert_eq!(services(1, 2), wanted);
    }
}
