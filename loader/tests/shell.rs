//! Completions and manual pages. Nothing here takes root.
//!
//! Needs bash, zsh, fish, groff and script, which `make test` installs.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

use clap::CommandFactory;
use dsrload::cli::Cli;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

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

/// What a program says to an input: without a complaint.
fn told(program: &str, arguments: &[&str], input: &str) -> String {
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    // Its output may fill a pipe before it has read all.
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer
        .join()
        .expect("it does not panic")
        .expect("all is read");
    assert!(output.status.success(), "{program}: {output:?}");
    assert!(output.stderr.is_empty(), "{program}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
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
    let text = told("bash", &arguments, &driver);
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_verbs_flags_and_values() {
    assert_eq!(bash_offers(&["dsrload", "stat"]), ["status", "stats"]);
    assert_eq!(bash_offers(&["dsrload", "backend", "se"]), ["setup"]);
    assert_eq!(bash_offers(&["dsrload", "import", "--k"]), ["--keepalived"]);
    assert_eq!(bash_offers(&["dsrload", "eth0", "--po"]), ["--policy"]);
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

/// The words that fish offers for the end of this line.
fn fish_offers(line: &str) -> Vec<String> {
    let script = answer(&["completions", "fish"]);
    let driver = format!("{script}\ncomplete -C \"{line}\"\n");
    let text = told("fish", &["--no-config"], &driver);
    let words = text.lines().map(|line| line.split('\t').next());
    words.flatten().map(str::to_owned).collect()
}

#[test]
fn fish_completes_verbs_flags_and_values() {
    assert_eq!(fish_offers("dsrload stat"), ["stats", "status"]);
    assert_eq!(fish_offers("dsrload backend se"), ["setup"]);
    assert_eq!(fish_offers("dsrload import --k"), ["--keepalived"]);
    assert_eq!(fish_offers("dsrload --mode "), ["auto", "drv", "hw", "skb"]);
}

/// A zsh at a terminal, which completes a line at a tabulator.
struct Zsh {
    terminal: Child,
    keys: ChildStdin,
    screen: Receiver<Vec<u8>>,
    seen: String,
}

impl Zsh {
    fn start() -> Self {
        let file = std::env::temp_dir().join(format!("dsrload-zsh-{}", std::process::id()));
        fs::write(&file, answer(&["completions", "zsh"])).expect("a script");
        let mut terminal = Command::new("script")
            .args(["--quiet", "--command", "zsh -f -i", "/dev/null"])
            .env("TERM", "dumb")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script is there");
        let keys = terminal.stdin.take().expect("a pipe");
        let mut shown = terminal.stdout.take().expect("a pipe");
        let (sender, screen) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = shown.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let mut zsh = Self {
            terminal,
            keys,
            screen,
            seen: String::new(),
        };
        let script = file.display();
        let ready = "print ready-$((1 + 1))";
        zsh.press(&format!(
            "autoload -Uz compinit; compinit -D -u; source {script}; {ready}\n"
        ));
        zsh.shows("ready-2");
        fs::remove_file(&file).expect("it was there");
        zsh
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("it listens");
        self.keys.flush().expect("it listens");
    }

    /// Waits until this is on the screen.
    fn shows(&mut self, text: &str) {
        while !self.seen.contains(text) {
            let more = self.screen.recv_timeout(Duration::from_secs(30));
            let more = more.unwrap_or_else(|_| panic!("no {text} in {}", self.seen));
            self.seen += &String::from_utf8_lossy(&more);
        }
    }

    /// Completes a line, sees this, and throws the line away.
    fn completes(&mut self, line: &str, text: &str) {
        self.seen.clear();
        self.press(&format!("{line}\t\t"));
        self.shows(text);
        // Whatever else is offered comes before the answer to this.
        self.press("\x15print next-$((1 + 1))\n");
        self.shows("next-2");
    }
}

impl Drop for Zsh {
    fn drop(&mut self) {
        let _ = self.keys.write_all(b"\x15exit\n");
        // Until the terminal is closed, or nothing more comes.
        while self.screen.recv_timeout(Duration::from_secs(5)).is_ok() {}
        let _ = self.terminal.kill();
        let _ = self.terminal.wait();
    }
}

#[test]
fn zsh_completes_verbs_flags_and_values() {
    let mut zsh = Zsh::start();
    zsh.completes("dsrload stat", "status  -- Shows");
    zsh.completes("dsrload dra", "dsrload drain ");
    zsh.completes("dsrload backend se", "backend setup ");
    zsh.completes("dsrload import --k", "--keepalived");
    zsh.completes("dsrload --mode ", "drv ");
    zsh.completes("dsrload eth0 --po", "--policy");
    zsh.completes("dsrload eth0 -t 192.0.2.1:80 --on-d", "--on-dead");
    zsh.completes("dsrload agree one.toml --i", "--interface");
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
        told(shell, &["-n"], &script);
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
        let text = told("groff", &arguments, &page);
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
