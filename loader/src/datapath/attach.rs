//! Putting programs on interfaces, all or none, and taking ours off.

use super::find::Attached;
use super::pins;
use super::program::Loaded;
use super::tables::Tables;
use crate::fault;
use crate::model::Mac;
use crate::netlink::{Change, Expected, Link, Mode, Netlink, NetlinkError};
use crate::sys::bpf::{BPF_ANY, ProgramFd, map_delete, map_update, program_info};
use anyhow::{Context, Result};

/// An interface with the number that it has, or gets, in the tables.
#[derive(Debug)]
pub struct Seat {
    /// The interface.
    pub link: Link,
    /// Its number.
    pub port: u32,
    /// The program of ours that is there now, to be replaced.
    pub before: Option<Attached>,
    /// The modes to try, in this order.
    pub modes: Vec<Mode>,
    /// Why these, if the operator should know.
    pub reason: Option<&'static str>,
}

/// A program that has been attached.
#[derive(Debug)]
pub struct Done {
    /// Where it runs.
    pub mode: Mode,
    /// Its id.
    pub id: u32,
    /// Why the modes before that were not taken, in the kernel's words.
    pub refused: Vec<String>,
}

/// The word for a mode.
#[must_use]
pub fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Skb => "skb",
        Mode::Drv => "drv",
        Mode::Hw => "hw",
    }
}

impl Tables {
    /// Enters an interface: its MAC and MTU, and the way out through it.
    ///
    /// # Errors
    ///
    /// The kernel refuses the entry in the device map.
    pub fn enter_port(&self, number: u32, link: &Link) -> Result<()> {
        if let Some(port) = self.ports.entries().get(number as usize) {
            port.mac.set(Mac(link.mac).word());
            port.mtu.set(link.mtu);
            port.interface.set(link.index);
        }
        map_update(
            self.devices()?,
            &number.to_ne_bytes(),
            &link.index.to_ne_bytes(),
            BPF_ANY,
        )
        .with_context(|| format!("enter {} in the device map", link.name))
    }

    /// The MAC and the MTU of an interface, as the program knows them.
    #[must_use]
    pub fn port(&self, number: u32) -> Option<(Mac, u32)> {
        let port = self.ports.entries().get(number as usize)?;
        Some((Mac::from_word(port.mac.get()), port.mtu.get()))
    }

    /// Forgets an interface.
    pub fn leave_port(&self, port: u32) {
        if let Some(entry) = self.ports.entries().get(port as usize) {
            entry.interface.set(0);
            entry.mac.set(0);
            entry.mtu.set(0);
        }
        // That it is not there is what is wanted.
        let _ = self
            .devices()
            .map(|devices| map_delete(devices, &port.to_ne_bytes()));
    }
}

/// Attaches a program to each seat. If one is refused, the others get back
/// what they had.
///
/// # Errors
///
/// `Refused`, with the kernel's words.
pub fn attach(netlink: &mut Netlink, seats: &[Seat], programs: &[Loaded]) -> Result<Vec<Done>> {
    let mut done = Vec::new();
    for (seat, loaded) in seats.iter().zip(programs) {
        match attach_one(netlink, seat, &loaded.program) {
            Ok(one) => done.push(one),
            Err(error) => {
                undo(netlink, &seats[..done.len()], programs, &done);
                return Err(error);
            }
        }
    }
    Ok(done)
}

fn undo(netlink: &mut Netlink, seats: &[Seat], programs: &[Loaded], done: &[Done]) {
    for ((seat, loaded), done) in seats.iter().zip(programs).zip(done) {
        // Fails only if somebody else has changed it meanwhile: then it is
        // theirs.
        let _ = netlink.set_xdp(
            seat.link.index,
            Change {
                program: seat.before.as_ref().map(|before| &before.program),
                expected: Some(Expected::Program(&loaded.program)),
                mode: done.mode,
            },
        );
    }
}

fn attach_one(netlink: &mut Netlink, seat: &Seat, program: &ProgramFd) -> Result<Done> {
    let before = seat.before.as_ref().map(|before| &before.program);
    put(netlink, &seat.link, before, &seat.modes, program)
}

/// Attaches a program in the first of these modes that the interface takes,
/// in the place of the one that was `before`.
///
/// # Errors
///
/// `Refused`, with the kernel's words.
pub(super) fn put(
    netlink: &mut Netlink,
    link: &Link,
    before: Option<&ProgramFd>,
    modes: &[Mode],
    program: &ProgramFd,
) -> Result<Done> {
    let expected = before.map_or(Expected::Nothing, Expected::Program);
    let mut refused = Vec::new();
    for &mode in modes {
        let change = Change {
            program: Some(program),
            expected: Some(expected),
            mode,
        };
        match netlink.set_xdp(link.index, change) {
            Ok(()) => {
                let id = program_info(program).context("ask for the program")?.id;
                return confirm(netlink, link, mode, id, refused);
            }
            Err(error) if error.errno() == Some(libc::EPERM) => {
                return Err(fault!(
                    Permission,
                    "attach to {}: {error}; attaching takes CAP_NET_ADMIN",
                    link.name
                ));
            }
            Err(error) => refused.push(words(mode, &error)),
        }
    }
    Err(fault!(
        Refused,
        "{}: not attached: {}",
        link.name,
        refused.join("; ")
    ))
}

fn words(mode: Mode, error: &NetlinkError) -> String {
    format!("{} mode: {error}", mode_name(mode))
}

/// The kernel accepts some changes and does nothing: only a look tells.
fn confirm(
    netlink: &mut Netlink,
    link: &Link,
    mode: Mode,
    id: u32,
    refused: Vec<String>,
) -> Result<Done> {
    let now = netlink
        .link_by_index(link.index)
        .with_context(|| format!("ask for interface {}", link.name))?;
    match now.map(|link| link.xdp.program(mode)) {
        Some(Some(found)) if found == id => Ok(Done { mode, id, refused }),
        Some(found) => Err(fault!(
            Refused,
            "{}: the kernel said that program {id} was attached in {} mode, but there is {found:?}",
            link.name,
            mode_name(mode)
        )),
        None => Err(fault!(Failed, "{} has just gone away", link.name)),
    }
}

/// Takes our program off an interface.
///
/// # Errors
///
/// `Refused`, with the kernel's words: among others when the program was
/// replaced by somebody else meanwhile.
pub fn detach(netlink: &mut Netlink, attached: &Attached) -> Result<()> {
    let link = &attached.link;
    // First the pins: whoever is killed between the two leaves a balancer that
    // works without pins, and not pins of no balancer.
    if let Some(directory) = pins::directory(&link.name) {
        pins::remove(&directory).with_context(|| format!("remove {}", directory.display()))?;
    }
    take(
        netlink,
        link,
        attached.mode,
        &attached.program,
        attached.info.id,
    )?;
    // Others of the same balancer go on: they must not redirect there.
    if let Ok(tables) = attached.tables(true) {
        tables.leave_port(attached.port);
    }
    Ok(())
}

/// Takes a program off an interface, and looks whether it is off.
///
/// # Errors
///
/// As for [`detach`].
pub(super) fn take(
    netlink: &mut Netlink,
    link: &Link,
    mode: Mode,
    program: &ProgramFd,
    id: u32,
) -> Result<()> {
    netlink
        .set_xdp(
            link.index,
            Change {
                program: None,
                expected: Some(Expected::Program(program)),
                mode,
            },
        )
        .map_err(|error| match error.errno() {
            Some(libc::EPERM) => fault!(
                Permission,
                "detach from {}: {error}; detaching takes CAP_NET_ADMIN",
                link.name
            ),
            _ => fault!(Refused, "{}: not detached: {error}", link.name),
        })?;
    let now = netlink
        .link_by_index(link.index)
        .with_context(|| format!("ask for interface {}", link.name))?;
    if now.and_then(|link| link.xdp.program(mode)) == Some(id) {
        return Err(fault!(
            Refused,
            "{}: the kernel said that program {id} was detached, but it is still there",
            link.name
        ));
    }
    Ok(())
}
