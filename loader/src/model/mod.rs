//! What a balancer is to do, and what that means for its tables. Pure: no
//! system call, no clock, no I/O.

pub mod mac;
pub mod placement;
pub mod rendezvous;
pub mod service;

pub use mac::Mac;
pub use service::{Backend, Config, Protocol, Service, ServiceAddress};
