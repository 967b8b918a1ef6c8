//! What a service manager is told (sd_notify(3)): datagrams to the socket that it
//! names, a few lines of `NAME=value` each.

use nix::time::{ClockId, clock_gettime};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// A service manager that wants to be told, or nobody.
#[derive(Debug, Default)]
pub struct Notify {
    manager: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// The one that `NOTIFY_SOCKET` names; nobody without that. Programs that this
    /// process starts must not get the variable.
    ///
    /// # Errors
    ///
    /// It names no socket.
    pub fn from_env() -> io::Result<Self> {
        let variable = |name| std::env::var(name).ok();
        let Some(socket) = variable("NOTIFY_SOCKET") else {
            return Ok(Self::default());
        };
        let pid = variable("WATCHDOG_PID");
        let is_ours = pid.is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = variable("WATCHDOG_USEC").filter(|_| is_ours);
        Self::to(&socket, watchdog.as_deref())
    }

    /// The one at this address: a path, or behind `@` an abstract name.
    /// `watchdog` is after how many microseconds of silence it ends this process.
    ///
    /// # Errors
    ///
    /// That is no address.
    pub fn to(socket: &str, watchdog: Option<&str>) -> io::Result<Self> {
        let address = match socket.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(socket)?,
        };
        let datagrams = UnixDatagram::unbound()?;
        // A manager that is stuck must not hold this process up.
        datagrams.set_nonblocking(true)?;
        let watchdog = watchdog.and_then(|text| text.parse().ok());
        Ok(Self {
            manager: Some((datagrams, address)),
            watchdog: watchdog.filter(|&time| time > 0).map(Duration::from_micros),
        })
    }

    /// How often [`Self::alive`] is to be called: half the time after which the
    /// manager gives this process up. None if it does not.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog.map(|time| time / 2)
    }

    /// All is up, or up again after [`Self::reloading`].
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", line(status)));
    }

    /// A reload has begun. [`Self::ready`] ends it, also if it was refused.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
        let now = now.unwrap_or_default().as_micros();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={now}"));
    }

    /// This process is about to end.
    pub fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\nSTATUS={}", line(status)));
    }

    /// How it is, in words.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", line(status)));
    }

    /// This process is alive.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// A manager that is gone or does not listen is no reason to do anything else.
    fn send(&self, text: &str) {
        if let Some((datagrams, address)) = &self.manager {
            let _ = datagrams.send_to_addr(text.as_bytes(), address);
        }
    }
}

/// A status is one line: what is behind it would be read as another variable.
fn line(status: &str) -> String {
    status.replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(socket: &UnixDatagram) -> String {
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut text = [0; 1024];
        let length = socket.recv(&mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap()
    }

    fn check_all(manager: &UnixDatagram, notify: &Notify) {
        notify.ready("2 services");
        assert_eq!(told(manager), "READY=1\nSTATUS=2 services");
        notify.status("one\nREADY=1");
        assert_eq!(told(manager), "STATUS=one READY=1");
        notify.alive();
        assert_eq!(told(manager), "WATCHDOG=1");
        let before = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap());
        notify.reloading();
        let told_now = told(manager);
        let time = told_now
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .unwrap();
        assert!(time.parse::<u128>().unwrap() >= before.as_micros());
        notify.stopping("withdrawn");
        assert_eq!(told(manager), "STOPPING=1\nSTATUS=withdrawn");
    }

    #[test]
    fn a_manager_with_an_abstract_name_is_told() {
        let name = format!("dsrload-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let notify = Notify::to(&format!("@{name}"), Some("30000000")).unwrap();
        assert_eq!(notify.watchdog(), Some(Duration::from_secs(15)));
        check_all(&manager, &notify);
    }

    #[test]
    fn a_manager_that_does_not_listen_holds_nobody_up() {
        let name = format!("dsrload-notify-deaf-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let notify = Notify::to(&format!("@{name}"), Some("junk")).unwrap();
        assert_eq!(notify.watchdog(), None);
        // More than a socket's queue takes (`net.unix.max_dgram_qlen`).
        for _ in 0..10_000 {
            notify.alive();
        }
        assert_eq!(told(&manager), "WATCHDOG=1");
    }

    #[test]
    fn nobody_is_told_where_nobody_is_named() {
        let notify = Notify::default();
        notify.ready("");
        assert_eq!(notify.watchdog(), None);
        let long = format!("/{}", "x".repeat(200));
        for bad in [long.as_str(), "/a\0b"] {
            Notify::to(bad, None).unwrap_err();
        }
    }
}
