//! What a balancer is to do, and what that means for its tables. Pure: no
//! system call, no clock, no I/O.

pub mod backend;
pub mod check;
pub mod config;
pub mod drain;
pub mod flows;
pub mod forward;
pub mod health;
pub mod identity;
pub mod key;
pub mod mac;
pub mod maglev;
pub mod placement;
mod placing;
pub mod prefix;
pub mod refresh;
pub mod rendezvous;
pub mod role;
pub mod run;
pub mod service;
pub mod sha256;
pub mod slots;
pub mod sweep;
pub mod word;

pub use config::Config;
pub use forward::{Forward, TunnelKind, TunnelRoute};
pub use mac::Mac;
pub use prefix::Prefix;
pub use service::{
    Affinity, Backend, Manner, OnDead, Policy, Protocol, Service, ServiceAddress, Tracking,
};
pub use slots::State;
pub use word::Word;
