//! Packets of tunnels, and what the far end is to make of them. Built by hand,
//! without any code of the product: what that does is what is tested.
//!
//! Each test binary uses its part.
#![allow(dead_code, reason = "each test binary uses its part of it")]

pub mod bytes;
pub mod cases;
pub mod noise;
pub mod refused;
pub mod segments;
pub mod world;
