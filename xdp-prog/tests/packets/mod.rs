//! Packets are data: a file with a frame, what is to become of it, and a
//! sentence that says why.
//!
//! Shared by the tests of the host build and, as root, by those of the program
//! in the kernel: [`check`](check::check) is the same for both. What not all of
//! them take, the `generator`, they include on their own.

pub mod check;
pub mod fixture;
pub mod flow;
pub mod snapshot;
pub mod subject;
pub mod world;
