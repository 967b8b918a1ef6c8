//! Facts about this machine: its CPUs and its clock tick.

use crate::sys::bpf::{MapKind, MapSpec, map_create, overwritten_by_lookup};
use nix::time::{ClockId, clock_getres, clock_gettime};
use std::fs;
use std::io;
use std::time::Duration;

/// Where the kernel lists the CPUs that may ever be plugged in.
const POSSIBLE: &str = "/sys/devices/system/cpu/possible";

/// Where it lists those that run now.
const ONLINE: &str = "/sys/devices/system/cpu/online";

/// Highest number of a possible CPU, plus one: rows of a table that has one for
/// each CPU.
///
/// Where `/sys` is not to be read the kernel is asked how many values a per-CPU
/// map has, which takes CAP_BPF. That is a count: too low where the numbers of
/// CPUs have gaps, which no x86 or arm64 machine has been seen to do.
pub fn possible_cpus() -> io::Result<u32> {
    match fs::read_to_string(POSSIBLE) {
        Ok(list) => rows_for(&list).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{POSSIBLE} holds {list:?}"),
            )
        }),
        Err(_) => counted_cpus(),
    }
}

/// Numbers of the CPUs that run now. Where `/sys` is not to be read, of all that
/// are possible.
pub fn online_cpus() -> io::Result<Vec<u32>> {
    match fs::read_to_string(ONLINE) {
        Ok(list) => numbers(&list).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{ONLINE} holds {list:?}"),
            )
        }),
        Err(_) => Ok((0..possible_cpus()?).collect()),
    }
}

/// Highest number of a list such as `0-3,8-11`, plus one.
fn rows_for(list: &str) -> Option<u32> {
    let highest = ranges(list)?.into_iter().map(|(_, last)| last).max()?;
    highest.checked_add(1)
}

/// All numbers of such a list.
fn numbers(list: &str) -> Option<Vec<u32>> {
    let ranges = ranges(list)?.into_iter();
    Some(ranges.flat_map(|(first, last)| first..=last).collect())
}

/// First and last number of each range of such a list.
fn ranges(list: &str) -> Option<Vec<(u32, u32)>> {
    let number = |text: &str| text.parse::<u32>().ok();
    list.trim_end()
        .split(',')
        .map(|range| match range.split_once('-') {
            Some((first, last)) => Some((number(first)?, number(last)?)),
            None => Some((number(range)?, number(range)?)),
        })
        .collect()
}

/// How many CPUs are possible, by the size of a per-CPU value.
fn counted_cpus() -> io::Result<u32> {
    let map = map_create(&MapSpec {
        kind: MapKind::PERCPU_ARRAY,
        key_size: 4,
        value_size: 8,
        max_entries: 1,
        flags: 0,
        name: "possible_cpus",
        btf: None,
    })?;
    overwritten_by_lookup(&map)
}

/// Ticks of the kernel's clock in a second (`CONFIG_HZ`): the unit in which BPF
/// programs read `jiffies`.
pub fn ticks_per_second() -> io::Result<u32> {
    // The coarse clocks advance once a tick.
    let tick = Duration::from(clock_getres(ClockId::CLOCK_MONOTONIC_COARSE)?);
    rate_of(tick).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a clock tick of {tick:?}"),
        )
    })
}

/// Seconds since the machine started, also those that it slept.
pub fn uptime_seconds() -> io::Result<u64> {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?);
    Ok(now.as_secs())
}

/// The same in milliseconds.
pub fn uptime_milliseconds() -> io::Result<u64> {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?);
    u64::try_from(now.as_millis()).map_err(io::Error::other)
}

/// How many such ticks make a second. A tick is cut to whole nanoseconds
/// (3,333,333 of them at 300 Hz), so the quotient is rounded.
fn rate_of(tick: Duration) -> Option<u32> {
    let second = Duration::from_secs(1).as_nanos();
    let tick = tick.as_nanos();
    u32::try_from((second + tick / 2).checked_div(tick)?)
        .ok()
        .filter(|&rate| rate > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_reach_the_highest_cpu_whatever_the_gaps() {
        assert_eq!(rows_for("0\n"), Some(1));
        assert_eq!(rows_for("0-1\n"), Some(2));
        assert_eq!(rows_for("0-3,8-11\n"), Some(12));
        assert_eq!(rows_for("8-11,0-3"), Some(12));
    }

    #[test]
    fn a_list_that_is_none_has_no_highest_cpu() {
        for list in ["", "\n", "a", "0-", "0,,3", "4294967295"] {
            assert_eq!(rows_for(list), None, "{list:?}");
        }
    }

    #[test]
    fn every_number_of_a_list_is_told_whatever_the_gaps() {
        assert_eq!(numbers("0\n"), Some(vec![0]));
        assert_eq!(numbers("0-2,8-9,11\n"), Some(vec![0, 1, 2, 8, 9, 11]));
        assert_eq!(numbers("0-,3"), None);
    }

    #[test]
    fn a_tick_cut_to_nanoseconds_gives_the_configured_rate() {
        let rates = [
            (10_000_000, 100),
            (4_000_000, 250),
            (3_333_333, 300),
            (1_000_000, 1000),
        ];
        for (tick, rate) in rates {
            assert_eq!(rate_of(Duration::from_nanos(tick)), Some(rate));
        }
        assert_eq!(rate_of(Duration::ZERO), None);
        assert_eq!(rate_of(Duration::from_secs(3)), None);
    }

    #[test]
    fn this_kernel_ticks_at_a_rate_it_can_be_configured_for() {
        assert!((24..=1200).contains(&ticks_per_second().unwrap()));
    }
}
