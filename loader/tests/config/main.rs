//! The config file: messages, the example, the page about its keys, and what
//! must hold for any file. One test takes root, to become nobody, and one a network
//! namespace of its own.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

mod care;
mod command;
#[allow(dead_code, reason = "each test binary uses its part of the dice")]
#[path = "../connections/dice.rs"]
mod dice;
mod example;
mod file;
mod messages;
mod order;
mod page;
mod random;
mod running;
mod tell;
mod values;
