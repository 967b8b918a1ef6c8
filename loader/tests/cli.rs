//! The binary's words and exit codes, without a kernel: nothing here needs
//! root, and nothing is attached: the interface does not exist, should a
//! command line get as far as that.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

use std::process::{Command, Output, Stdio};

fn dsrload(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dsrload"))
        .args(line.split_whitespace())
        .output()
        .expect("the binary runs")
}

fn refuse(line: &str, code: i32, words: &[&str]) {
    let output = dsrload(line);
    let talk = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(code), "dsrload {line}: {talk}");
    for word in words {
        assert!(
            talk.contains(word),
            "dsrload {line}: no '{word}' in: {talk}"
        );
    }
    assert!(!talk.contains("panicked"), "dsrload {line}: {talk}");
    assert!(output.stdout.is_empty(), "dsrload {line}: an answer");
}

#[test]
fn mistakes_on_the_command_line_are_exit_code_2() {
    refuse("", 2, &["IFACE"]);
    refuse("nosuch0 --mode fast", 2, &["fast", "skb"]);
    refuse("nosuch0 -t 192.0.2.1", 2, &["VIP:PORT"]);
    refuse("nosuch0 -t 192.0.2.1:0 -r 10.0.0.3", 2, &["1 to 65535"]);
    refuse("nosuch0 -t 192.0.2.1:65536 -r 10.0.0.3", 2, &["1 to 65535"]);
    refuse(
        "nosuch0 -t 192.0.2.999:80 -r 10.0.0.3",
        2,
        &["192.0.2.999", "IP address"],
    );
    refuse(
        "nosuch0 -t 192.0.2.1:80 -r 10.0.0",
        2,
        &["10.0.0", "IP address"],
    );
    refuse(
        "nosuch0 -t 192.0.2.1:80 -r 10.0.0.3=02:zz",
        2,
        &["02:zz", "MAC"],
    );
    for vip in ["127.0.0.1", "[::1]", "224.0.0.1", "255.255.255.255"] {
        refuse(&format!("nosuch0 -t {vip}:80"), 2, &["one host"]);
    }
    refuse(
        "nosuch0 -t [::ffff:192.0.2.1]:80 -r 2001:db8::3",
        2,
        &["write 192.0.2.1"],
    );
    refuse("nosuch0 -r 10.0.0.3", 2, &["10.0.0.3", "-t"]);
    refuse(
        "nosuch0 -t 192.0.2.1:80 --forward gre -r 10.0.0.3",
        2,
        &["gre", "gue:PORT"],
    );
    refuse("nosuch0 --forward ipip", 2, &["--forward ipip", "-t"]);
    refuse("nosuch0 --unload --mode skb", 2, &["--unload"]);
    for verb in ["add", "del"] {
        refuse(
            &format!("{verb} -t 192.0.2.1:80,192.0.2.2:80 -r 10.0.0.3"),
            2,
            &["one of its addresses"],
        );
    }
    refuse("trace-pipe nosuch0 perhaps", 2, &["perhaps"]);
    refuse("nosuch0 --nosuch", 2, &["--nosuch"]);
    refuse("check", 2, &["FILE"]);
    refuse("show nosuch", 2, &["nosuch"]);
    refuse("show services --watch 0", 2, &["100ms is the least"]);
    refuse(
        "show flows --client 192.0.2.0/24",
        2,
        &["192.0.2.0/24", "a prefix", "ADDR:PORT"],
    );
    refuse("show flows --limit many", 2, &["many"]);
    let drain = "drain 192.0.2.1:80/10.0.0.3";
    refuse(&format!("{drain} --wait soon"), 2, &["soon", "10m"]);
    refuse(&format!("{drain} --idle 5s"), 2, &["--wait"]);
    refuse(
        "backend setup 192.0.2.0/24",
        2,
        &["192.0.2.0/24", "IP address"],
    );
    refuse("backend check ff02::1", 2, &["ff02::1", "multicast"]);
    refuse(
        "backend undo 192.0.2.10 192.0.2.10",
        2,
        &["192.0.2.10", "given twice"],
    );
}

#[test]
fn what_is_said_twice_or_not_at_all_is_exit_code_2() {
    refuse("--unload nosuch0 nosuch0", 2, &["nosuch0", "given twice"]);
    refuse("nosuch0 --seed=", 2, &["--seed"]);
    refuse(
        "nosuch0 -t 192.0.2.1:80 -r 10.0.0.3 -w 3 -w 4",
        2,
        &["-w 4", "have a weight already"],
    );
    refuse("apply x.toml --confirm 60", 2, &["60", "60s"]);
    refuse(
        "set -t 192.0.2.1:80 -r 10.0.0.3 -w 1 -r 10.0.0.4",
        2,
        &["one -r"],
    );
    refuse("set -t 192.0.2.1:80 -r 10.0.0.3", 2, &["what to set"]);
    refuse("drain web", 2, &["web/b1"]);
}

#[test]
fn services_that_cannot_be_are_exit_code_3_and_all_faults_are_named() {
    refuse(
        "nosuch0 -t 192.0.2.1:80 -r 10.0.0.3,10.0.0.3 -t 192.0.2.1:80 -r 192.0.2.1",
        3,
        &["10.0.0.3", "given twice", "192.0.2.1:80/tcp", "VIP itself"],
    );
    refuse(
        "nosuch0 -t 192.0.2.1:80",
        3,
        &["192.0.2.1:80/tcp", "no backend"],
    );
    refuse(
        "nosuch0 -t 192.0.2.1:80 -r 2001:db8::3",
        3,
        &["2001:db8::3", "IP version", "--forward ipip"],
    );
    refuse(
        "nosuch0 -t 192.0.2.1:80 --forward ipip --source 10.0.0.1,10.0.0.2 -r 10.0.0.3",
        3,
        &["two outer sources"],
    );
    refuse(
        "nosuch0 -t 192.0.2.1:80 --source 10.0.0.1 -r 10.0.0.3",
        3,
        &["--source 10.0.0.1", "used by no tunnel"],
    );
}

#[test]
fn a_config_file_that_is_wrong_or_not_there_is_told_of_before_anything_else() {
    for verb in ["plan", "apply", "nosuch0 -c", "agree"] {
        refuse(&format!("{verb} /nosuch.toml"), 1, &["/nosuch.toml"]);
        refuse(
            &format!("{verb} ../loader/Cargo.toml"),
            3,
            &["line 1", "package", "dsrload check"],
        );
    }
}

#[test]
fn more_services_than_a_balancer_holds_are_refused_with_the_limit() {
    let services: Vec<String> = (1..=1025)
        .map(|port| format!("-t 192.0.2.1:{port} -r 10.0.0.3"))
        .collect();
    let line = format!("nosuch0 {}", services.join(" "));
    refuse(&line, 3, &["1025 services", "1024"]);
}

#[test]
fn more_backends_than_a_balancer_holds_are_refused_with_the_limit() {
    let backends: Vec<String> = (0..8192)
        .map(|n| format!("10.1.{}.{}", n / 256, n % 256))
        .collect();
    let line = format!("nosuch0 -t 192.0.2.1:80 -r {}", backends.join(","));
    refuse(&line, 3, &["8192 backends", "8191"]);
}

#[test]
fn help_and_version_go_to_standard_output_and_succeed() {
    for line in [
        "--help",
        "--version",
        "status --help",
        "stats --help",
        "refresh --help",
        "trace-pipe --help",
        "check --help",
        "plan --help",
        "apply --help",
        "export --help",
        "backend --help",
        "backend setup --help",
    ] {
        let output = dsrload(line);
        assert!(output.status.success(), "dsrload {line}");
        assert!(
            !output.stdout.is_empty() && output.stderr.is_empty(),
            "dsrload {line}"
        );
    }
}

/// Runs it with a standard output that nobody reads.
fn unread(line: &str) -> Output {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    Command::new(env!("CARGO_BIN_EXE_dsrload"))
        .args(line.split(' '))
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .expect("the binary runs")
}

#[test]
fn an_answer_that_nobody_reads_is_no_success_and_needs_no_sentence() {
    for line in ["completions bash", "man", "check tests/cli.rs"] {
        let output = unread(line);
        assert_eq!(output.status.code(), Some(1), "{line}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
    }
}
