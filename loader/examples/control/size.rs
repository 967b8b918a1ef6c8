//! The size of the binary, against what a machine has to install for others.

use super::process::{answer, line};
use super::report::{Row, rows};
use std::io;
use std::path::Path;

/// Debian packages that balance, or load XDP programs.
const PEERS: [&str; 4] = ["ipvsadm keepalived", "haproxy", "nginx", "xdp-tools"];

/// The binary, and each peer with all that it would bring along here. Of a peer
/// that is installed already only its own package is counted, since nobody can
/// tell any more what came with it.
///
/// # Errors
///
/// The binary cannot be read.
pub fn sizes(binary: &Path) -> io::Result<Vec<Row>> {
    const KIB: f64 = 1024.0;
    let bytes = u32::try_from(std::fs::metadata(binary)?.len()).map_err(io::Error::other)?;
    let mut measured = vec![("dsrload, the file".to_owned(), vec![f64::from(bytes) / KIB])];
    for peer in PEERS {
        match newly_installed(peer) {
            Ok((0, _)) => match installed(peer) {
                Ok(size) => measured.push((
                    format!("{peer} (is installed: alone)"),
                    vec![f64::from(size)],
                )),
                Err(error) => eprintln!("control: {peer} is not counted: {error}"),
            },
            Ok((count, size)) => {
                measured.push((format!("{peer} (new here: {count})"), vec![f64::from(size)]))
            }
            Err(error) => eprintln!("control: {peer} is not counted: {error}"),
        }
    }
    rows(
        "size",
        "installed size",
        "KiB",
        "dsrload, the file",
        &measured,
    )
}

/// How many packages `apt-get install` would install, and their sizes together
/// in KiB.
fn newly_installed(peer: &str) -> io::Result<(usize, u32)> {
    let simulate = format!("install --simulate --no-install-recommends {peer}");
    let new = simulated(&answer(&line("apt-get", &simulate))?);
    let mut sum = 0u32;
    for package in &new {
        sum += size(&answer(&line("apt-cache", &format!("show {package}")))?)?;
    }
    Ok((new.len(), sum))
}

fn installed(peer: &str) -> io::Result<u32> {
    let mut sum = 0u32;
    for package in peer.split_whitespace() {
        sum += size(&answer(&line("dpkg", &format!("--status {package}")))?)?;
    }
    Ok(sum)
}

/// The packages that are to be installed, as `NAME=VERSION`.
fn simulated(output: &str) -> Vec<String> {
    let package = |line: &str| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
        // One that is to be replaced has its old version in brackets before it.
        let (_, version) = rest.split_once('(')?;
        Some(format!("{name}={}", version.split_whitespace().next()?))
    };
    output.lines().filter_map(package).collect()
}

fn size(facts: &str) -> io::Result<u32> {
    facts
        .lines()
        .find_map(|line| line.strip_prefix("Installed-Size:"))
        .and_then(|size| size.trim().parse().ok())
        .ok_or_else(|| io::Error::other("a package without Installed-Size"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_from_a_simulation() {
        let output = "NOTE: This is only a simulation!\n\
            Inst libnl-3-200 (3.7.0-0.2+b1 Debian:12/stable [amd64])\n\
            Inst ipvsadm [1.30] (1:1.31-1+b1 Debian:12/stable [amd64]) []\n\
            Conf libnl-3-200 (3.7.0-0.2+b1 Debian:12/stable [amd64])\n";
        assert_eq!(
            simulated(output),
            ["libnl-3-200=3.7.0-0.2+b1", "ipvsadm=1:1.31-1+b1"]
        );
    }

    #[test]
    fn a_size_is_read_from_the_facts_of_a_package() {
        let facts = "Package: ipvsadm\nInstalled-Size: 135\nDepends: libc6\n";
        assert_eq!(size(facts).expect("it is there"), 135);
        assert!(size("Package: ipvsadm\n").is_err());
    }
}
