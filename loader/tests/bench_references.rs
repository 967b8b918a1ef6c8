//! The reference programs of `dsrload bench`, in the kernel, by
//! `BPF_PROG_TEST_RUN`: they do what the designs do that they stand for.
//!
//! Needs root. Nothing is attached; all is gone when the process ends.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

#[path = "bench_references/frames.rs"]
mod frames;
#[path = "bench_references/katran_like.rs"]
mod katran_like;
#[path = "bench_references/lookup3.rs"]
mod lookup3;
#[path = "bench_references/seed.rs"]
mod seed;

use dsrload::EMBEDDED;
use dsrload::object::Spec;

fn spec() -> Spec {
    Spec::parse(EMBEDDED).expect("the embedded object")
}
