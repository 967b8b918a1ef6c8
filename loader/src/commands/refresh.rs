//! `dsrload refresh [--follow]`

use super::Output;
use super::change::{Change, choose, mention_waiting};
use super::privilege::{self, require};
use crate::cli::RefreshArgs;
use crate::datapath::Balancer;
use crate::datapath::neighbours::PATIENCE;
use crate::datapath::refresh::{Look, apply, look};
use crate::model::Mac;
use crate::netlink::{Netlink, News, Watch};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

/// How long a follower waits for a neighbour that does not answer at once: what
/// it does later is told by the kernel.
const FOLLOWING: Duration = Duration::from_secs(1);

/// News come in flocks: a follower waits this long for the rest of one.
const FLOCK: Duration = Duration::from_millis(20);

/// A follower looks at everything this often at least: nobody tells of rules, of
/// MTUs that were found on a path, or of kernels that do not keep neighbours
/// resolved by themselves.
const ROUND: Duration = Duration::from_secs(30);

/// Runs the command.
///
/// # Errors
///
/// No balancer is loaded; what the kernel says.
pub fn run(arguments: &RefreshArgs, output: &mut Output<'_>) -> Result<()> {
    let interface = arguments.interface.as_deref();
    if arguments.follow {
        return follow(interface, output);
    }
    let look = change(interface, PATIENCE, output)?;
    if !look.has_changes() {
        writeln!(output.answers, "nothing changed")?;
    }
    tell_faults(&look.faults, output)
}

/// Looks, writes what differs, and says it.
fn change(interface: Option<&str>, patience: Duration, output: &mut Output<'_>) -> Result<Look> {
    let mut change = Change::begin(interface, None)?;
    mention_waiting([&change.balancer.tables], output)?;
    let look = look(&mut change.netlink, &change.balancer, patience)?;
    let before = lines(&look, &change.balancer);
    apply(&change.balancer.tables, &look)?;
    for line in before {
        writeln!(output.answers, "{line}")?;
    }
    output.answers.flush()?;
    Ok(look)
}

/// One line for each thing that differs.
pub fn lines(look: &Look, balancer: &Balancer) -> Vec<String> {
    let interface = |port: u16| {
        let mut attached = balancer.attached.iter();
        let found = attached.find(|a| a.port == u32::from(port));
        found.map_or("no loaded interface".to_owned(), |a| a.link.name.clone())
    };
    let services = balancer.tables.service_addresses();
    let ports = look.ports.iter().map(|changed| {
        let (mac, mtu) = changed.before;
        format!(
            "{}: mac {} (was {mac}), mtu {} (was {mtu})",
            changed.now.name,
            Mac(changed.now.mac),
            changed.now.mtu
        )
    });
    let backends = look.changes.iter().map(|change| {
        let addresses = services.get(&change.service);
        let service = addresses.and_then(|addresses| addresses.first());
        let service = service.map_or_else(String::new, ToString::to_string);
        format!(
            "{service}/{}: {}",
            change.now.address,
            change.describe(interface)
        )
    });
    ports.chain(backends).collect()
}

fn tell_faults<'a>(
    faults: impl IntoIterator<Item = &'a String>,
    output: &mut Output<'_>,
) -> Result<()> {
    for fault in faults {
        writeln!(output.talk, "dsrload: {fault}; what is loaded stays")?;
    }
    output.talk.flush()?;
    Ok(())
}

/// Looks again whenever the kernel tells of something that concerns a backend.
fn follow(interface: Option<&str>, output: &mut Output<'_>) -> Result<()> {
    require(privilege::CHANGE)?;
    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let mut watch = Watch::open().context("listen to the kernel")?;
    let mut last = round(&mut netlink, interface, output)?;
    tell_faults(&last.faults, output)?;
    writeln!(output.talk, "dsrload: following routes and neighbours")?;
    loop {
        wait(&mut watch, &last)?;
        // The balancer may be on its way out or in again, the kernel short of
        // memory: whatever it is, it is told, and may have passed by next time.
        let next = round(&mut netlink, interface, output).unwrap_or_else(|error| Look {
            faults: BTreeSet::from([format!("{error:#}")]),
            ..Look::default()
        });
        tell_faults(next.faults.difference(&last.faults), output)?;
        last = next;
    }
}

/// One look, and another one under the lock if there is anything to write.
fn round(netlink: &mut Netlink, interface: Option<&str>, output: &mut Output<'_>) -> Result<Look> {
    let balancer = choose(netlink, interface, None)?;
    let seen = look(netlink, &balancer, FOLLOWING)?;
    if seen.has_changes() {
        return change(interface, Duration::ZERO, output);
    }
    Ok(seen)
}

/// Returns when there is reason to look again.
fn wait(watch: &mut Watch, last: &Look) -> Result<()> {
    loop {
        let news = watch.wait(ROUND).context("listen to the kernel")?;
        if news == News::default() {
            return Ok(());
        }
        if concerns(&news, last) {
            thread::sleep(FLOCK);
            watch.wait(Duration::ZERO).context("listen to the kernel")?;
            return Ok(());
        }
    }
}

/// Neighbours that we know by the MAC that they have are no news: the kernel tells
/// of each time that it has asked them.
fn concerns(news: &News, last: &Look) -> bool {
    news.is_general
        || news.neighbours.iter().any(|&(interface, neighbour)| {
            let known = last.neighbours.get(&(interface, neighbour.address));
            known.is_some_and(|&known| known != neighbour.mac.map(Mac))
        })
}
