//! The output of `ipvsadm -Sn`: one line for a service (`-A`), one for each of its
//! backends (`-a`).

mod line;

use super::address::endpoint;
use super::assemble::assemble;
use super::service::{self, Method, Persistence, Real, Virtual};
use super::{Import, Refusal, Remarks, scheduler};
use crate::model::{Protocol, ServiceAddress};
use line::Line;
use std::collections::BTreeMap;

/// Makes a document of it.
///
/// # Errors
///
/// It is something else.
pub fn import(text: &str) -> Result<Import, Refusal> {
    let mut reading = Reading::default();
    for (line, text) in (1..).zip(text.lines()) {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            ["IP", "Virtual", "Server", ..] => {
                return Err(Refusal {
                    line,
                    text: "this is the table that `ipvsadm -Ln` prints: take the output of `ipvsadm -Sn`"
                        .to_owned(),
                });
            }
            [verb, words @ ..] => {
                if let Err(why) = reading.line(line, verb, words) {
                    reading.remarks.left_out(line, why);
                }
            }
        }
    }
    Ok(assemble(&reading.services, reading.remarks))
}

#[derive(Default)]
struct Reading {
    services: Vec<Virtual>,
    /// Where services are, by what they are called; `None` for one that is left out.
    places: BTreeMap<String, Option<usize>>,
    remarks: Remarks,
}

impl Reading {
    /// Reads a line; an error is why it is left out.
    fn line(&mut self, number: usize, verb: &str, words: &[&str]) -> Result<(), String> {
        let is_service = match verb {
            "-A" | "--add-service" => true,
            "-a" | "--add-server" => false,
            _ => return Err(format!("a line starts with -A or -a, not with '{verb}'")),
        };
        let line = Line::read(words)?;
        let key = line.key().ok_or("the line names no service")?;
        if is_service {
            if self.places.contains_key(&key) {
                return Err(format!("{key} is there already"));
            }
            // Until it is known to be good: its backends are left out with it.
            self.places.insert(key.clone(), None);
            let service = self.service(number, &line)?;
            self.places.insert(key, Some(self.services.len()));
            self.services.push(service);
            return Ok(());
        }
        let place = *self
            .places
            .get(&key)
            .ok_or_else(|| format!("{key} has no -A before this line"))?;
        let Some(place) = place else {
            return Err(format!("a backend of {key}, which is left out"));
        };
        let real = self.real(number, &line)?;
        if let Some(service) = self.services.get_mut(place) {
            service.reals.push(real);
        }
        Ok(())
    }

    fn service(&mut self, number: usize, line: &Line<'_>) -> Result<Virtual, String> {
        let (text, protocol) = match (line.tcp, line.udp, line.sctp, line.mark) {
            (Some(text), ..) => (text, Protocol::Tcp),
            (_, Some(text), ..) => (text, Protocol::Udp),
            (_, _, Some(text), _) => {
                return Err(format!("SCTP service {text}: dsrload balances TCP and UDP"));
            }
            (.., mark) => {
                return Err(format!(
                    "service of mark {}: netfilter marks packets after XDP has seen them; name the VIPs and ports",
                    mark.unwrap_or_default()
                ));
            }
        };
        let (vip, port) = endpoint(text).map_err(|why| by_number(&why))?;
        if line.is_one_packet {
            self.remarks.note(
                number,
                "one-packet scheduling (-o): packets of one flow stay together",
            );
        }
        if let Some(engine) = line.engine {
            self.remarks.left_out(
                number,
                format!("persistence engine {engine}: dsrload does not look into packets"),
            );
        }
        let mut flags = line.flags.unwrap_or_default().split(',');
        Ok(Virtual {
            line: number,
            name: None,
            addresses: vec![(
                number,
                ServiceAddress {
                    vip,
                    port,
                    protocol,
                },
            )],
            scheduler: line.scheduler.map(|name| (number, name.to_owned())),
            is_by_port: flags.any(scheduler::is_by_port),
            persistence: line.persistence.map(|seconds| Persistence {
                line: number,
                seconds: seconds.to_owned(),
                mask: line.mask.map(|mask| (number, mask.to_owned())),
            }),
            quorum: None,
            sorry: None,
            reals: Vec::new(),
        })
    }

    fn real(&mut self, number: usize, line: &Line<'_>) -> Result<Real, String> {
        let text = line.real.ok_or("the line names no backend (-r)")?;
        let (address, port) = endpoint(text).map_err(|why| by_number(&why))?;
        // Without a flag, ipvsadm takes -g.
        let method = match line.method.unwrap_or(Method::Route) {
            Method::Ipip => tunnel(line)?,
            other => other,
        };
        if let Some(flag) = line.checksum.filter(|_| method != Method::Gre) {
            self.remarks
                .note(number, format!("backend {text}: {flag} has no counterpart"));
        }
        if line.threshold.is_some() {
            self.remarks.left_out(
                number,
                format!("backend {text}: bounds of connections (-x, -y), which are not counted"),
            );
        }
        Ok(Real {
            line: number,
            address,
            port,
            method,
            weight: line.weight.map(|weight| (number, weight.to_owned())),
            check: None,
        })
    }
}

fn tunnel(line: &Line<'_>) -> Result<Method, String> {
    service::tunnel(line.tunnel.unwrap_or("ipip"), line.tunnel_port)
}

/// Names instead of numbers have one reason.
fn by_number(why: &str) -> String {
    format!("{why}; `ipvsadm -Sn` prints numbers")
}
