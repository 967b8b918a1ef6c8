//! The loaded balancer: loading it, finding it again, reading and changing it.
//!
//! What is loaded lives in the kernel alone: an XDP program for each interface
//! and the tables that they share. A process finds it through the program that
//! is attached, and needs no file for that; pins are an addition for processes
//! that may not look programs up by their ids.

pub mod attach;
pub mod base;
pub mod clock;
pub mod decap;
pub mod find;
pub mod flows;
pub mod hops;
pub mod neighbours;
pub mod pins;
pub mod program;
pub mod read;
pub mod refresh;
mod reroute;
pub mod resolve;
mod sources;
pub mod stored;
pub mod tables;
pub mod transaction;
pub mod way;
pub mod write;

pub use find::{Attached, Balancer, Holder};
pub use tables::Tables;
