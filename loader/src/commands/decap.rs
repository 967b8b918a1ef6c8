//! `dsrload decap IFACE`: the far end of the tunnels, on a backend.

use super::Output;
use super::change::lock;
use super::counted;
use super::load::links;
use super::modes::modes;
use super::privilege::{self, require};
use crate::cli::{DecapArgs, Mode as WantedMode};
use crate::datapath::attach::{Done, mode_name};
use crate::datapath::decap::tables::{Kept, Lists};
use crate::datapath::decap::{Decap, attach, clamp, program};
use crate::datapath::way::local_addresses;
use crate::datapath::{Holder, find, pins};
use crate::model::Mac;
use crate::netlink::{Link, Netlink};
use crate::object::Spec;
use crate::report::decap::{DecapStats, DecapStatus};
use crate::report::stats::OutcomeStats;
use crate::{EMBEDDED, fault};
use anyhow::{Context, Result};
use std::net::IpAddr;
use xdp_prog::abi::decap::{ADDRESSES_MAX, BALANCERS_MAX, Settings};
use xdp_prog::abi::word::{Word32, Word64};

/// Runs the command.
///
/// # Errors
///
/// Whatever stands in the way; then nothing is changed.
pub fn run(arguments: &DecapArgs, output: &mut Output<'_>) -> Result<()> {
    check(arguments)?;
    require(privilege::CHANGE)?;
    let _lock = lock()?;
    pins::sweep();
    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let link = links(&mut netlink, std::slice::from_ref(&arguments.interface))?
        .pop()
        .context("there is no interface")?;
    let before = before(&link)?;
    let wanted = before.as_ref().map(|before| before.mode);
    let (modes, reason) = modes(&link, wanted, arguments.mode)?;
    let (own, vips) = addresses(&mut netlink, arguments, output)?;

    let spec = Spec::parse(EMBEDDED).context("the object in this binary")?;
    let kept = match before.as_ref().filter(|before| before.is_readable()) {
        Some(before) => before.kept(true)?,
        None => match clamp::kept(&mut netlink, &link) {
            Some(kept) => kept,
            None => Kept::create(&spec)?,
        },
    };
    let lists = Lists::create(&spec, &arguments.allow, &own, &vips)?;
    let settings = settings(arguments, &link);
    let programs = program::make(&spec, &kept, &lists, &settings)?;
    let places = (&programs, &kept);
    let done = attach::attach(&mut netlink, &link, before.as_ref(), &modes, places)?;

    tell(arguments, &done, before.as_ref(), vips.len(), output)?;
    // A balancer on a veth has to send as well, which is none of our business.
    if reason.is_some() && arguments.mode == WantedMode::Auto {
        writeln!(
            output.talk,
            "dsrload: {}: a veth, so in skb mode; drv takes a peer that leaves it no checksums and segments to finish (ethtool -K PEER tx off)",
            link.name
        )?;
    }
    Ok(())
}

/// What can be told without looking at the machine.
fn check(arguments: &DecapArgs) -> Result<()> {
    let is_open = arguments.allow.iter().any(|prefix| prefix.length == 0);
    if arguments.allow.is_empty() || is_open {
        return Err(fault!(
            Usage,
            "decap ends tunnels of those alone whom --allow names, such as `--allow 192.0.2.1,192.0.2.8/29`: open to all, it would let anybody send under any address"
        ));
    }
    if arguments.allow.len() > BALANCERS_MAX as usize {
        return Err(fault!(
            Invalid,
            "--allow names {} balancers: {BALANCERS_MAX} is the most",
            arguments.allow.len()
        ));
    }
    Ok(())
}

/// The program of ours that is to be replaced.
fn before(link: &Link) -> Result<Option<Decap>> {
    match find::holder(link)? {
        Holder::Nobody => Ok(None),
        Holder::Decap(decap) => Ok(Some(decap)),
        Holder::Foreign(foreign) => Err(foreign.fault()),
        Holder::Ours(attached) | Holder::Another(attached) => Err(fault!(
            Busy,
            "{0} belongs to a balancer (program {1}), and an interface has one XDP program: end tunnels on another one, or `dsrload --unload {0}` first",
            link.name,
            attached.info.id
        )),
    }
}

/// Where tunnels may end, and what may be inside.
fn addresses(
    netlink: &mut Netlink,
    arguments: &DecapArgs,
    output: &mut Output<'_>,
) -> Result<(Vec<IpAddr>, Vec<IpAddr>)> {
    let own: Vec<IpAddr> = local_addresses(netlink)?
        .into_iter()
        .filter(|address| !address.is_loopback())
        .collect();
    let vips = if arguments.vip.is_empty() {
        vips_of_lo(netlink)?
    } else {
        arguments.vip.clone()
    };
    if vips.is_empty() {
        return Err(fault!(
            Failed,
            "this host has no VIP: `ip addr add VIP/32 dev lo` first (/128 for IPv6), or name it by --vip"
        ));
    }
    for vip in vips.iter().filter(|&vip| !own.contains(vip)) {
        writeln!(
            output.talk,
            "dsrload: VIP {vip} is no address of this host yet: until it is, the kernel refuses what comes for it"
        )?;
    }
    if own.len() + vips.len() > ADDRESSES_MAX as usize {
        return Err(fault!(
            Invalid,
            "this host has {} addresses: {ADDRESSES_MAX} are the most",
            own.len()
        ));
    }
    Ok((own, vips))
}

/// The addresses of lo that are no subnet's, and so are meant as VIPs.
fn vips_of_lo(netlink: &mut Netlink) -> Result<Vec<IpAddr>> {
    let Some(lo) = netlink.link_by_name("lo").context("ask for interface lo")? else {
        return Ok(Vec::new());
    };
    let addresses = netlink
        .addresses(lo.index)
        .context("list addresses of lo")?;
    let vips = addresses.into_iter().filter(|own| {
        let whole = if own.address.is_ipv4() { 32 } else { 128 };
        own.prefix_len == whole && !own.address.is_loopback()
    });
    Ok(vips.map(|own| own.address).collect())
}

fn settings(arguments: &DecapArgs, link: &Link) -> Settings {
    Settings {
        mac: Word64::new(Mac(link.mac).word()),
        gue_port: Word32::new(arguments.gue_port.into()),
        mtu: Word32::new(arguments.mtu.unwrap_or(link.mtu)),
        ..Settings::of_object()
    }
}

/// The line of success.
fn tell(
    arguments: &DecapArgs,
    done: &Done,
    before: Option<&Decap>,
    vips: usize,
    output: &mut Output<'_>,
) -> Result<()> {
    let (name, mode) = (&arguments.interface, mode_name(done.mode));
    let verb = match before {
        Some(before) => format!("replaced {mode}, id {} (was {})", done.id, before.info.id),
        None => format!("attached {mode}, id {}", done.id),
    };
    writeln!(
        output.answers,
        "{name}: decap {verb}, {} allowed, {}, MSS clamped on SYN-ACKs (tc filter)",
        counted(arguments.allow.len(), "balancer"),
        counted(vips, "VIP")
    )?;
    for refused in &done.refused {
        writeln!(output.talk, "dsrload: {name}: {refused}")?;
    }
    Ok(())
}

/// All interfaces where tunnels end, or this one.
fn decaps(netlink: &mut Netlink, interface: Option<&str>) -> Result<Vec<Decap>> {
    let mut found = Vec::new();
    for link in netlink.links().context("list interfaces")? {
        if interface.is_some_and(|name| name != link.name) {
            continue;
        }
        match find::holder(&link) {
            Ok(Holder::Decap(decap)) if decap.is_readable() => found.push(decap),
            Err(error) if interface.is_some() || !find::is_hidden(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(found)
}

/// What is loaded, for `dsrload status`.
///
/// # Errors
///
/// What the kernel says.
pub fn status(netlink: &mut Netlink, interface: Option<&str>) -> Result<Vec<DecapStatus>> {
    let mut reports = Vec::new();
    for decap in decaps(netlink, interface)? {
        let lists = decap.lists()?;
        reports.push(DecapStatus {
            interface: decap.link.name.clone(),
            mode: mode_name(decap.mode),
            program: decap.info.id,
            clamp: clamp::find(netlink, &decap.link)?,
            allow: lists.allowed()?.iter().map(ToString::to_string).collect(),
            vips: lists.vips()?,
            gue_port: decap.settings.gue_port.get(),
            mtu: decap.settings.mtu.get(),
            overhead: decap.kept(false)?.state().overhead.get(),
        });
    }
    Ok(reports)
}

/// What was counted, for `dsrload stats`.
///
/// # Errors
///
/// What the kernel says.
pub fn stats(netlink: &mut Netlink, interface: Option<&str>) -> Result<Vec<DecapStats>> {
    let mut reports = Vec::new();
    for decap in decaps(netlink, interface)? {
        let counts = decap.kept(false)?.counts();
        let outcomes = counts.outcomes.into_iter();
        reports.push(DecapStats {
            interface: decap.link.name.clone(),
            outcomes: outcomes
                .map(|(outcome, packets)| OutcomeStats {
                    name: outcome.name(),
                    verdict: outcome.verdict().name(),
                    packets,
                    help: outcome.help(),
                })
                .collect(),
            bytes: counts.bytes,
            clamped: counts.clamped,
        });
    }
    Ok(reports)
}
