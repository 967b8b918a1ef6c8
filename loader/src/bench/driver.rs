//! Running a program over a stream of packets, inside the kernel.

use super::programs::{load, table};
use super::stream::Stream;
use crate::object::Spec;
use crate::sys::bpf::{BPF_ANY, MapFd, ProgramFd, map_update, test_run, test_run_repeat};
use crate::sys::mapping::Mapping;
use anyhow::{Context, Result, bail};
use std::os::fd::{AsFd, AsRawFd};
use xdp_prog::abi::bench::{Drive, MEASURED, STAMPS, program, section};

/// Packets between two stamps: long against the clock (30 ns), short against
/// the timer's interrupts (1 ms and more).
pub const STRIDE: u32 = 4096;

/// Packets that are looked at before a program is measured.
const CHECKED: u32 = 300;

/// Bytes of the longest headers that a program puts before a packet.
const HEADERS: usize = 48;

/// The drivers, and the table they work by.
pub struct Driver {
    v4: ProgramFd,
    v6: ProgramFd,
    measured: MapFd,
    drive: Mapping<Drive>,
}

impl Driver {
    /// Loads the drivers.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn new(spec: &Spec) -> Result<Self> {
        let drive = table(spec, section::DRIVE)?;
        let measured = table(spec, MEASURED)?;
        let tables = [(section::DRIVE, &drive), (MEASURED, &measured)];
        Ok(Self {
            v4: load(spec, program::DRIVE_V4, &tables)?,
            v6: load(spec, program::DRIVE_V6, &tables)?,
            drive: Mapping::open(&drive, true).context("map the driver's table")?,
            measured,
        })
    }

    fn drive(&self) -> Result<&Drive> {
        self.drive.entries().first().context("no driver's table")
    }

    /// Runs `program` on so many packets of `stream`, from the first flow on.
    ///
    /// # Errors
    ///
    /// A run failed; what the kernel says.
    pub fn run(&self, program: &ProgramFd, stream: &Stream, packets: u32) -> Result<()> {
        stream.fill(self.drive()?);
        self.go_on(program, stream, packets).map(|_| ())
    }

    /// The flow and the service of the next packet.
    ///
    /// # Errors
    ///
    /// There is no table.
    pub fn place(&self) -> Result<(u64, u64)> {
        let drive = self.drive()?;
        Ok((drive.flow.get(), drive.service.get()))
    }

    /// Goes on from there.
    ///
    /// # Errors
    ///
    /// There is no table.
    pub fn set_place(&self, (flow, service): (u64, u64)) -> Result<()> {
        let drive = self.drive()?;
        drive.flow.set(flow);
        drive.service.set(service);
        Ok(())
    }

    /// Runs `program` on so many further packets of `stream`, which is in the
    /// driver. Gives nanoseconds for a packet, between each two stamps.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn go_on(&self, program: &ProgramFd, stream: &Stream, packets: u32) -> Result<Vec<f64>> {
        self.choose(program)?;
        let drive = self.drive()?;
        drive.frames.set(0);
        drive.stamps.set(0);
        drive.stamp_mask.set(u64::from(STRIDE) - 1);
        drive.failures.set(0);
        let driver = self.of(stream);
        // One more, for the last stamp.
        test_run_repeat(driver, stream.frame(), packets.saturating_add(1))
            .context("BPF_PROG_TEST_RUN")?;
        if drive.failures.get() != 0 {
            bail!("{} runs of the driver failed", drive.failures.get());
        }
        Ok(per_packet(drive))
    }

    /// Whether `program` ends with this verdict on some packets of `stream`, each
    /// on its own.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn check(&self, program: &ProgramFd, stream: &Stream, verdict: u32) -> Result<()> {
        self.choose(program)?;
        let driver = self.of(stream);
        let mut out = vec![0; stream.frame().len() + HEADERS];
        for packet in 0..CHECKED {
            let run = test_run(driver, stream.frame(), &mut out).context("BPF_PROG_TEST_RUN")?;
            if run.verdict != verdict {
                bail!("packet {packet} ends with {}, not {verdict}", run.verdict);
            }
        }
        Ok(())
    }

    fn of(&self, stream: &Stream) -> &ProgramFd {
        if stream.is_v6 { &self.v6 } else { &self.v4 }
    }

    /// The program that the drivers call from now on.
    fn choose(&self, program: &ProgramFd) -> Result<()> {
        let fd = program.as_fd().as_raw_fd().to_ne_bytes();
        map_update(&self.measured, &0u32.to_ne_bytes(), &fd, BPF_ANY)
            .context("choose the program that is measured")
    }
}

/// Nanoseconds for a packet, between each two of the stamps that were taken.
#[must_use]
pub fn per_packet(drive: &Drive) -> Vec<f64> {
    let taken = usize::try_from(drive.stamps.get()).unwrap_or(usize::MAX);
    let times: Vec<u64> = drive.times[..taken.min(STAMPS)]
        .iter()
        .map(|time| time.get())
        .collect();
    let stride = f64::from(STRIDE);
    let pairs = times.windows(2);
    pairs
        .map(|pair| nanoseconds(pair[1].saturating_sub(pair[0])) / stride)
        .collect()
}

/// As a number that can be divided. Stamps are less than 2^53 ns (104 days)
/// apart.
#[allow(
    clippy::cast_precision_loss,
    reason = "an interval, far below 2^53 nanoseconds"
)]
fn nanoseconds(interval: u64) -> f64 {
    interval as f64
}
