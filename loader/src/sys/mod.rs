//! The only door to the kernel, and the only `unsafe` of this crate.
//!
//! One function for one request of the kernel: named parameters in, owned
//! values out, no policy. Nothing here knows of a balancer, and nothing here
//! names another module of the crate.
//!
//! What every function owes its caller:
//! * descriptors are owned when they come out, borrowed when they go in, and of
//!   a kind ([`bpf::MapFd`] is no [`bpf::ProgramFd`]);
//! * memory that the kernel reads or writes is a slice, and its length is
//!   compared with what the kernel will use before the kernel sees it;
//! * "there is none" is an answer (`None`, `false`), not an error;
//! * an error is the kernel's own number; who asked, and for what, is added by
//!   the caller, who knows it.

pub mod affinity;
pub mod bpf;
pub mod capabilities;
pub mod ethtool;
pub mod lock;
pub mod machine;
pub mod mapping;
pub mod membarrier;
mod memlock;
pub mod namespace;
pub mod process;
pub mod random;
pub mod readiness;
pub mod signal;
pub mod socket;
pub mod terminal;
pub mod tun;
