//! Packets without end through three balancers that have to agree: the
//! reference, the host build of the program, and the shipped object in the
//! kernel. They share a world, which changes while packets come.

pub mod fixtures;
pub mod mirror;
pub mod run;
pub mod scene;
pub mod table;
pub mod trio;
pub mod upheaval;
