//! `dsrload`: a layer 4 load balancer for direct server return.
//!
//! The binary's parts. Direction: `commands` use `datapath`, which uses
//! `object`, `netlink` and `model`, and `sys` is below all; `model`, `report`
//! and `object` know no I/O; `bench` measures; `agent` has the parts of `run`. `tests/tidy.rs` holds that.
#![deny(unsafe_code)]

pub mod agent;
pub mod bench;
pub mod cli;
pub mod commands;
pub mod config;
pub mod datapath;
pub mod fault;
pub mod import;
pub mod model;
pub mod netlink;
pub mod object;
pub mod report;
#[allow(
    unsafe_code,
    reason = "the only door to the kernel; every block says why it is sound"
)]
pub mod sys;

/// The BPF object that the build made of `xdp-prog`.
pub static EMBEDDED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/xdp.o"));
