//! The datapath of dsrload.
//!
//! Compiled twice from the same source: with `--cfg bpf` it becomes the XDP
//! program inside the kernel, without it an ordinary `no_std` library whose
//! packet logic runs under `cargo test`, fuzzers and Miri. What differs stands
//! in [`kernel`](self) (maps, helpers, entry point; `cfg(bpf)` only) and in
//! [`host`] (tables in ordinary memory).
//!
//! Reading order: [`balance`] is the packet's way, step by step; [`abi`] holds
//! every table that the program shares with user space.
#![no_std]
#![deny(unsafe_code)]

#[cfg(not(target_endian = "little"))]
compile_error!("the tables hold wire-order words read by little-endian loads");

#[cfg(not(bpf))]
extern crate alloc;

pub mod abi;
pub mod balance;
pub mod choose;
pub mod decap;
pub mod forward;
pub mod packet;
pub mod parse;
pub mod reply;
pub mod select;
pub mod tables;
pub mod track;
pub mod verifier;
pub mod vip;

#[cfg(not(bpf))]
#[allow(
    unsafe_code,
    reason = "hands out frames over borrowed byte slices; argued at each block"
)]
pub mod host;

#[cfg(bpf)]
#[allow(
    unsafe_code,
    reason = "the only door to the kernel's memory and helpers"
)]
mod kernel;
