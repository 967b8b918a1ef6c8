//! The parts of `dsrload run`: what needs a process that stays. None of them is in
//! the packets' way, and each may die at any moment.
//!
//! The parts know nothing of each other: `commands::run` holds them together.

pub mod announce;
pub mod check;
pub mod confine;
mod device;
pub mod hook;
pub mod host;
pub mod http;
pub mod job;
pub mod log;
pub mod notify;
pub mod path;
pub mod reach;
pub mod spawn;
pub mod tunnel;
