//! One line of `ipvsadm -Sn`: flags and their values, by their short or long names.

use crate::import::service::{Method, PERSISTENCE};

/// What a line says, all of it as it is written.
#[derive(Debug, Default)]
pub struct Line<'t> {
    /// The service, if it is one of TCP.
    pub tcp: Option<&'t str>,
    /// The service, if it is one of UDP.
    pub udp: Option<&'t str>,
    /// The service, if it is one of SCTP.
    pub sctp: Option<&'t str>,
    /// The service, if it is one of marked packets.
    pub mark: Option<&'t str>,
    /// The scheduler.
    pub scheduler: Option<&'t str>,
    /// Its flags, with commas between them.
    pub flags: Option<&'t str>,
    /// Seconds for which a client stays with a backend.
    pub persistence: Option<&'t str>,
    /// Which clients are one.
    pub mask: Option<&'t str>,
    /// The persistence engine.
    pub engine: Option<&'t str>,
    /// Every packet is scheduled by itself.
    pub is_one_packet: bool,
    /// The backend.
    pub real: Option<&'t str>,
    /// How packets get to it.
    pub method: Option<Method>,
    /// The kind of tunnel.
    pub tunnel: Option<&'t str>,
    /// The UDP port of the tunnel.
    pub tunnel_port: Option<&'t str>,
    /// The flag about checksums of the tunnel.
    pub checksum: Option<&'t str>,
    /// The backend's share.
    pub weight: Option<&'t str>,
    /// A bound of the backend's connections.
    pub threshold: Option<&'t str>,
}

impl<'t> Line<'t> {
    /// Reads what follows the verb.
    ///
    /// # Errors
    ///
    /// A sentence that says which flag is wrong.
    pub fn read(words: &[&'t str]) -> Result<Self, String> {
        let mut line = Self::default();
        let mut words = words.iter().copied().peekable();
        while let Some(flag) = words.next() {
            if matches!(flag, "-p" | "--persistent") {
                let seconds = words.next_if(|word| !word.starts_with('-'));
                line.persistence = Some(seconds.unwrap_or(PERSISTENCE));
            } else if !line.switch(flag) {
                let value = line.value(flag);
                let value = value.ok_or_else(|| format!("'{flag}' is not known"))?;
                let word = words.next();
                *value = Some(word.ok_or_else(|| format!("{flag} lacks a value"))?);
            }
        }
        Ok(line)
    }

    /// Takes a flag that stands alone; whether it is one.
    fn switch(&mut self, flag: &'t str) -> bool {
        match flag {
            "-g" | "--gatewaying" => self.method = Some(Method::Route),
            "-i" | "--ipip" => self.method = Some(Method::Ipip),
            "-m" | "--masquerading" => self.method = Some(Method::Nat),
            "-o" | "--ops" => self.is_one_packet = true,
            "--tun-csum" | "--tun-remcsum" => self.checksum = Some(flag),
            "-6" | "--ipv6" | "--tun-nocsum" => {}
            _ => return false,
        }
        true
    }

    /// Where the value of a flag belongs.
    fn value(&mut self, flag: &str) -> Option<&mut Option<&'t str>> {
        Some(match flag {
            "-t" | "--tcp-service" => &mut self.tcp,
            "-u" | "--udp-service" => &mut self.udp,
            "--sctp-service" => &mut self.sctp,
            "-f" | "--fwmark-service" => &mut self.mark,
            "-s" | "--scheduler" => &mut self.scheduler,
            "-b" | "--sched-flags" => &mut self.flags,
            "-M" | "--netmask" => &mut self.mask,
            "--pe" => &mut self.engine,
            "-r" | "--real-server" => &mut self.real,
            "--tun-type" => &mut self.tunnel,
            "--tun-port" => &mut self.tunnel_port,
            "-w" | "--weight" => &mut self.weight,
            "-x" | "--u-threshold" | "-y" | "--l-threshold" => &mut self.threshold,
            _ => return None,
        })
    }

    /// The service, in words by which the lines of one are told from others'.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        let kinds = [
            ("TCP service", self.tcp),
            ("UDP service", self.udp),
            ("SCTP service", self.sctp),
            ("service of mark", self.mark),
        ];
        let mut said = kinds.iter();
        said.find_map(|(kind, name)| name.map(|name| format!("{kind} {name}")))
    }
}
