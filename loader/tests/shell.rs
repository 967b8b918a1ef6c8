//! Completions and manual pages. Nothing here takes root.
//!
//! bash is always there. zsh, fish and groff are asked where they are installed: what
//! they would say is not known where they are not.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

use clap::CommandFactory;
use dsrload::cli::Cli;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn dsrload(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dsrload"))
        .args(arguments)
        .output()
        .expect("the binary runs")
}

fn answer(arguments: &[&str]) -> String {
    let output = dsrload(arguments);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// What a program says to an input; `None` where it is not installed.
fn told(program: &str, arguments: &[&str], input: &str) -> Option<Output> {
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        eprintln!("{program} is not installed: not tried");
        return None;
    };
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    // Its output may fill a pipe before it has read all.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer
        .join()
        .expect("it does not panic")
        .expect("all is read");
    Some(output)
}

/// The words that bash offers for the last of these.
fn bash_offers(words: &[&str]) -> Vec<String> {
    let script = answer(&["completions", "bash"]);
    let last = words.len() - 1;
    let driver = format!(
        "{script}\n\
         COMP_WORDS=(\"$@\"); COMP_CWORD={last}\n\
         function=$(complete -p dsrload | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n\
         \"$function\" dsrload \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{}]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        last.saturating_sub(1)
    );
    let arguments: Vec<&str> = ["-s", "--"]
        .into_iter()
        .chain(words.iter().copied())
        .collect();
    let output = told("bash", &arguments, &driver).expect("bash is there");
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_verbs_flags_and_values() {
    assert_eq!(bash_offers(&["dsrload", "stat"]), ["status", "stats"]);
    assert_eq!(bash_offers(&["dsrload", "backend", "se"]), ["setup"]);
    assert_eq!(bash_offers(&["dsrload", "import", "--k"]), ["--keepalived"]);
    assert_eq!(bash_offers(&["dsrload", "completions", ""]), {
        ["-h", "--help", "bash", "zsh", "fish"]
    });
    assert_eq!(
        bash_offers(&["dsrload", "--mode", ""]),
        ["skb", "drv", "hw", "auto"]
    );
    let verbs = bash_offers(&["dsrload", ""]);
    for verb in Cli::command().get_subcommands() {
        let name = verb.get_name();
        assert!(verbs.iter().any(|v| v == name), "no {name} in {verbs:?}");
    }
}

#[test]
fn each_script_is_one_of_its_shell_and_knows_every_verb() {
    for shell in ["bash", "zsh", "fish"] {
        let script = answer(&["completions", shell]);
        for verb in Cli::command().get_subcommands() {
            assert!(script.contains(verb.get_name()), "{shell}: {verb}");
            for flag in verb.get_arguments().filter_map(|a| a.get_long()) {
                assert!(script.contains(flag), "{shell}: {verb} --{flag}");
            }
        }
        if let Some(output) = told(shell, &["-n"], &script) {
            assert!(output.status.success(), "{shell}: {output:?}");
            assert!(output.stderr.is_empty(), "{shell}: {output:?}");
        }
    }
    let output = dsrload(&["completions", "ksh"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

/// All pages, by their names.
fn pages() -> Vec<(String, String)> {
    let folder = Folder::new();
    let path = folder.0.to_str().expect("a plain name");
    let listed = answer(&["man", "--dir", path]);
    let mut pages = Vec::new();
    for entry in fs::read_dir(&folder.0).expect("the folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a plain name");
        assert!(listed.contains(&format!("{path}/{name}\n")), "{listed}");
        pages.push((name, fs::read_to_string(entry.path()).expect("a page")));
    }
    pages.sort();
    assert_eq!(listed.lines().count(), pages.len());
    pages
}

/// A folder that is gone at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let id = std::thread::current().id();
        let name = format!("dsrload-{}-{id:?}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_verb_has_a_page() {
    let mut wanted = vec!["dsrload.1".to_owned()];
    for verb in Cli::command().get_subcommands() {
        wanted.push(format!("dsrload-{}.1", verb.get_name()));
        for inner in verb.get_subcommands() {
            wanted.push(format!(
                "dsrload-{}-{}.1",
                verb.get_name(),
                inner.get_name()
            ));
        }
    }
    wanted.sort();
    let pages = pages();
    let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, wanted);
    for (name, page) in &pages {
        assert!(page.contains(".SH EXAMPLES\n.nf\n"), "{name}: {page}");
    }
    // A single page is the same one.
    let page = |name: &str| &pages.iter().find(|page| page.0 == name).expect(name).1;
    assert_eq!(&answer(&["man"]), page("dsrload.1"));
    assert_eq!(&answer(&["man", "drain"]), page("dsrload-drain.1"));
    let setup = answer(&["man", "backend", "setup"]);
    assert_eq!(&setup, page("dsrload-backend-setup.1"));
}

#[test]
fn groff_renders_every_page_without_a_warning() {
    for (name, page) in pages() {
        let arguments = ["-man", "-Tutf8", "-P-cbou", "-ww"];
        let Some(output) = told("groff", &arguments, &page) else {
            return;
        };
        assert!(output.status.success(), "{name}: {output:?}");
        assert!(output.stderr.is_empty(), "{name}: {output:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES"] {
            assert!(text.contains(&format!("\n{heading}\n")), "{name}: {text}");
        }
        assert!(text.contains(env!("CARGO_PKG_VERSION")), "{name}: {text}");
    }
}

#[test]
fn what_has_no_page_is_told() {
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let output = dsrload(arguments);
        let talk = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(code), "{talk}");
        assert!(talk.contains(words) && output.stdout.is_empty(), "{talk}");
    };
    refused(
        &["man", "nosuch"],
        2,
        "there is no verb 'nosuch': there are status, stats, show, drain",
    );
    refused(&["man", "drain", "now"], 2, "there is no verb 'drain now'");
    refused(
        &["man", "--dir", "/nonexistent"],
        1,
        "/nonexistent/dsrload-",
    );
    refused(&["man", "drain", "--dir", "/tmp"], 2, "cannot be used with");
}
