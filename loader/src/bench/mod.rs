//! Measuring the datapath on this machine.
//!
//! Nothing that is measured is attached to an interface of the machine, and no
//! table of a loaded balancer is written: all programs here are copies with
//! tables of their own, gone with the process.

pub mod cases;
pub mod driver;
pub mod figures;
pub mod original;
pub mod programs;
pub mod references;
pub mod rounds;
pub mod stream;
pub mod wire;
pub mod world;
