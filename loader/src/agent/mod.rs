//! The parts of `dsrload run`: what needs a process that stays. None of them is in
//! the packets' way, and each may die at any moment.
//!
//! The parts know nothing of each other: `commands::run` holds them together.

pub mod job;
pub mod reach;
