//! `dsrload import`: words, exit codes, and that its output is taken.

use crate::files;
use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn dsrload(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dsrload"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    // One that does not read its input ends before it is written.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

fn file(name: &str) -> String {
    format!("{}/tests/import/files/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn what_carries_over_wholly_is_exit_code_0() {
    let output = dsrload(&["import", "--ipvsadm", &file("web.rules")], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let wanted = fs::read_to_string(file("web.toml")).expect("the file");
    assert_eq!(text(&output.stdout), wanted);
    let talk = text(&output.stderr);
    assert!(
        talk.ends_with("web.rules: 4 services, 8 backends\n"),
        "{talk}"
    );
}

#[test]
fn notes_alone_are_exit_code_0() {
    let rules = "-A -t 192.0.2.10:80 -s wrr\n-a -t 192.0.2.10:80 -r 10.0.0.3:80 -g -w 1\n";
    let output = dsrload(&["import", "--ipvsadm", "-"], rules);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let talk = text(&output.stderr);
    assert!(
        talk.starts_with("standard input:1: note: scheduler wrr"),
        "{talk}"
    );
}

#[test]
fn what_carries_over_in_part_is_exit_code_1_and_is_printed() {
    let path = file("site.conf");
    let output = dsrload(&["import", "--keepalived", &path], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let wanted = fs::read_to_string(file("site.toml")).expect("the file");
    assert_eq!(text(&output.stdout), wanted);
    let remarks = fs::read_to_string(file("site.remarks")).expect("the file");
    let talk = text(&output.stderr);
    for remark in remarks.lines() {
        assert!(
            talk.contains(&format!("{path}:{remark}\n")),
            "{remark}: {talk}"
        );
    }
    let left_out = remarks.matches(": left out: ").count();
    let last = format!("dsrload: {path}: 2 services, 4 backends; {left_out} left out, as listed\n");
    assert!(talk.ends_with(&last), "{talk}");
}

#[test]
fn nothing_is_printed_where_nothing_can_be_made() {
    let refused = |arguments: &[&str], input: &str, code: i32, words: &str| {
        let output = dsrload(arguments, input);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let talk = text(&output.stderr);
        assert!(talk.contains(words), "no '{words}' in: {talk}");
        assert!(!talk.contains("panicked"), "{talk}");
    };
    let ipvsadm = &["import", "--ipvsadm", "-"];
    let keepalived = &["import", "--keepalived", "-"];
    refused(ipvsadm, "", 3, "standard input: no service carries over");
    refused(
        ipvsadm,
        "IP Virtual Server version 1.2.1\n",
        3,
        "standard input:1: this is",
    );
    refused(
        keepalived,
        "\nvirtual_server {\n",
        3,
        "standard input:2: the block of",
    );
    refused(
        keepalived,
        "include *.conf\n",
        3,
        "standard input:1: include is not followed",
    );
    refused(
        ipvsadm,
        &services(1025),
        3,
        "1025 addresses (VIP, port, protocol): one balancer holds 1024",
    );
    refused(ipvsadm, &" ".repeat((4 << 20) + 1), 1, "longer than 4 MiB");
    refused(
        &["import", "--ipvsadm", "/nonexistent/rules"],
        "",
        1,
        "/nonexistent/rules: No such file",
    );
    refused(&["import"], "", 2, "--ipvsadm");
    refused(
        &["import", "--ipvsadm", "a", "--keepalived", "b"],
        "",
        2,
        "cannot be used with",
    );
}

/// A service at each of this many ports.
fn services(ports: u16) -> String {
    let service = |port: u16| {
        format!("-A -t 192.0.2.10:{port}\n-a -t 192.0.2.10:{port} -r 10.0.0.3:{port} -g -w 1\n")
    };
    (1..=ports).map(service).collect()
}

/// This host has nothing to do with these addresses, which makes warnings alone.
#[test]
fn check_takes_what_is_printed() {
    for (path, _) in files::all() {
        let path = path.with_extension("toml");
        let path = path.to_str().expect("a plain name");
        let output = dsrload(&["check", path], "");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}
