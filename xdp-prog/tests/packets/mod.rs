//! Packets are data: a file with frames, what is to become of them, and a
//! sentence that says why.
//!
//! Shared by the tests of the host build and, as root, by those of the program
//! in the kernel: [`check`](check::check) is the same for both. What not all of
//! them take, the `generator`, they include on their own.

pub mod check;
pub mod checksum;
pub mod fixture;
pub mod flow;
pub mod site;
pub mod snapshot;
pub mod subject;
pub mod value;
pub mod world;
