//! The door to the kernel, against the kernel this runs on. Needs root.
//!
//! Each test has a world of its own (see `world`), so that nothing of the
//! machine changes and nothing stays behind.

#![cfg(test)]

mod bytecode;
mod empty_root;
mod links;
mod maps;
mod neighbours;
mod pins;
mod programs;
mod routes;
mod world;
mod xdp;
