//! `--object FILE`: an object that is cut off, not ours, or refused by the
//! kernel is turned away in words, and nothing is changed.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use dsrload::EMBEDDED;
use goblin::elf::Elf;
use lab::product::Product;
use lab::sentinel::{Sentinel, attached};
use lab::web::answers;
use lab::{Lab, VIP};
use std::fs;
use std::path::{Path, PathBuf};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

/// An object in a file of its own, removed when dropped.
struct Object(PathBuf);

impl Object {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let file = format!("dsrload-{}-{name}.o", std::process::id());
        let path = std::env::temp_dir().join(file);
        fs::write(&path, bytes).expect("a temporary file");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = fs::remove_file(&self.0);
    }
}

/// Our object with one section changed.
fn altered(section: &str, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = EMBEDDED.to_vec();
    let elf = Elf::parse(EMBEDDED).expect("our object");
    let header = elf
        .section_headers
        .iter()
        .find(|h| elf.shdr_strtab.get_at(h.sh_name) == Some(section))
        .expect("the section");
    let range = header.file_range().expect("bytes in the file");
    change(&mut bytes[range]);
    bytes
}

/// Our object, but the balancer begins with a read far behind `struct xdp_md`.
fn refused_program() -> Vec<u8> {
    let elf = Elf::parse(EMBEDDED).expect("our object");
    let named = |name: usize| elf.strtab.get_at(name) == Some(xdp_prog::abi::PROGRAM);
    let program = elf.syms.iter().find(|symbol| named(symbol.st_name));
    let start = program.expect("the program").st_value;
    let start = usize::try_from(start).expect("a place in the section");
    altered("xdp", |bytes| {
        // r0 = *(u64 *)(r1 + 4096)
        bytes[start..start + 8].copy_from_slice(&[0x79, 0x10, 0x00, 0x10, 0, 0, 0, 0]);
    })
}

fn refuse(name: &str, bytes: &[u8], code: i32, words: &[&str]) -> String {
    let lab = Lab::seed_alone();
    let sentinel = Sentinel::posted(&lab.balancer);
    let object = Object::new(name, bytes);
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let mut run = dsrload
        .run(&format!("eth0 --mode skb --object {}", object.path()))
        .exits(code);
    for word in words {
        run = run.says(word);
    }
    assert_eq!(attached(&lab.balancer, "eth0"), None);
    sentinel.sees_nothing_left(&lab.balancer);
    run.stderr
}

#[test]
fn a_truncated_object_is_refused() {
    let half = &EMBEDDED[..EMBEDDED.len() / 2];
    refuse("truncated", half, 1, &["--object", "ends"]);
}

#[test]
fn a_program_for_this_machine_is_no_bpf_object() {
    let bytes = fs::read(DSRLOAD).expect("the binary");
    refuse("machine", &bytes, 1, &["--object", "not for BPF"]);
}

#[test]
fn somebody_elses_bpf_object_is_not_taken_for_ours() {
    let foreign = altered(".rodata.settings", |bytes| bytes[0] ^= 1);
    refuse(
        "foreign",
        &foreign,
        1,
        &["--object", "not one of dsrload's"],
    );
}

#[test]
fn an_object_with_other_tables_is_refused_by_its_version() {
    let newer = altered(".rodata.settings", |bytes| bytes[8] = 99);
    refuse("newer", &newer, 1, &["--object", "version 99"]);
}

#[test]
fn an_object_that_is_not_there_is_named() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    dsrload
        .run("eth0 --object /nonexistent/xdp.o")
        .exits(1)
        .says("/nonexistent/xdp.o");
}

#[test]
fn what_the_verifier_refuses_is_told_with_its_reason_and_the_whole_log_is_kept() {
    let bad = refused_program();
    let talk = refuse(
        "refused",
        &bad,
        5,
        &["invalid bpf_context access", "the verifier's log is in "],
    );
    let (_, path) = talk.rsplit_once("log is in ").expect("a path");
    let path = Path::new(path.trim());
    let log = fs::read_to_string(path).expect("the log");
    fs::remove_file(path).expect("the log is ours");
    assert!(
        log.contains("invalid bpf_context access") && log.contains("processed"),
        "{log}"
    );
}

#[test]
fn a_refused_object_leaves_what_was_loaded_before_at_work() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    dsrload.run("eth0 --mode skb").exits(0);
    let before = attached(&lab.balancer, "eth0");
    let bad = Object::new("replacing", &refused_program());
    let run = dsrload
        .run(&format!("eth0 --object {}", bad.path()))
        .exits(5);
    let (_, log) = run.stderr.rsplit_once("log is in ").expect("a path");
    fs::remove_file(log.trim()).expect("the log is ours");
    assert_eq!(attached(&lab.balancer, "eth0"), before);
    assert_eq!(answers(&lab.client, VIP, 10).len(), 10);
}
