//! Rules about the source itself, checked by `cargo test` like any other.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

use std::fs;
use std::path::{Path, PathBuf};
use xdp_prog::abi::decap;
use xdp_prog::abi::outcome::{Outcome, Verdict};

/// Which modules of the loader each of its modules may name.
const LOADER: &[(&str, &[&str])] = &[
    (
        "agent",
        &["datapath", "fault", "model", "netlink", "report", "sys"],
    ),
    (
        "bench",
        &[
            "datapath", "fault", "model", "netlink", "object", "report", "sys",
        ],
    ),
    ("cli", &["config", "model"]), // of `config` the units alone
    (
        "commands",
        &[
            "agent", "bench", "cli", "config", "datapath", "fault", "import", "model", "netlink",
            "object", "report", "sys", "EMBEDDED",
        ],
    ),
    ("config", &["model"]),
    ("datapath", &["fault", "model", "netlink", "object", "sys"]),
    ("fault", &[]),
    ("import", &["config", "model"]),
    ("model", &[]),
    ("netlink", &["sys"]),
    ("object", &[]),
    ("report", &[]),
    ("sys", &[]),
];

/// The same for the datapath.
const XDP_PROG: &[(&str, &[&str])] = &[
    ("abi", &["select", "track"]), // in documentation alone
    (
        "balance",
        &[
            "abi", "choose", "forward", "packet", "parse", "reply", "select", "tables", "verifier",
            "vip",
        ],
    ),
    ("choose", &["abi", "packet", "select", "tables", "track"]),
    ("decap", &["abi", "host", "packet"]),
    ("forward", &["abi", "packet", "tables"]),
    ("host", &["abi", "balance", "forward", "packet", "tables"]),
    (
        "kernel",
        &[
            "abi", "balance", "choose", "decap", "packet", "parse", "select", "tables", "track",
            "verifier",
        ],
    ),
    ("packet", &["parse", "verifier"]), // `parse` in documentation alone
    ("parse", &["abi", "packet", "select"]),
    ("reply", &["abi", "packet", "parse", "select", "tables"]),
    ("select", &["abi"]),
    ("tables", &["abi", "choose", "track"]),
    ("track", &["abi", "tables", "verifier"]),
    ("verifier", &[]),
    ("vip", &["abi", "packet", "select", "tables"]),
];

/// What the loader may name of the datapath. Its tests may use all.
const OF_XDP_PROG: &[&str] = &["abi", "select", "track"];

/// Modules that know no I/O, and words that would show that they do.
const PURE: &[&str] = &[
    "model", "config", "import", "report", "object", "cli", "fault",
];
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::process",
    "libc::",
    "nix::",
    "Instant",
];

const LINES_MAX: usize = 400;

#[test]
fn modules_name_only_what_the_architecture_allows() {
    for (krate, rules) in [("loader", LOADER), ("xdp-prog", XDP_PROG)] {
        for source in sources(&root().join(krate).join("src")) {
            let Some(module) = source.module() else {
                continue;
            };
            let (_, allowed) = rules
                .iter()
                .find(|(name, _)| *name == module)
                .unwrap_or_else(|| panic!("{krate}: {module} has no rule here"));
            for (number, named) in source.named("crate::") {
                assert!(
                    named == module || allowed.contains(&named.as_str()),
                    "{}:{number}: {module} may not use {named}",
                    source.path.display()
                );
            }
        }
    }
}

#[test]
fn the_loader_uses_only_the_tables_and_hashes_of_the_datapath() {
    for source in sources(&root().join("loader/src")) {
        for (number, named) in source.named("xdp_prog::") {
            assert!(
                OF_XDP_PROG.contains(&named.as_str()),
                "{}:{number}: the loader may not use xdp_prog::{named}",
                source.path.display()
            );
        }
    }
}

#[test]
fn the_reference_shares_nothing_with_the_datapath() {
    for source in sources(&root().join("loader/tests/reference")) {
        for (number, line) in (1..).zip(source.text.lines()) {
            let named = ["xdp_prog", "dsrload::"]
                .iter()
                .find(|n| line.contains(**n));
            assert!(
                named.is_none(),
                "{}:{number}: the reference may not use {named:?}",
                source.path.display()
            );
        }
    }
}

#[test]
fn pure_modules_do_no_input_or_output() {
    for source in sources(&root().join("loader/src")) {
        if !source.module().is_some_and(|m| PURE.contains(&m.as_str())) {
            continue;
        }
        for (number, line) in (1..).zip(source.text.lines()) {
            for word in IMPURE {
                assert!(
                    !line.contains(word),
                    "{}:{number}: {word} in a module that is pure",
                    source.path.display()
                );
            }
        }
    }
}

#[test]
fn no_file_outgrows_its_reader() {
    for folder in ["loader", "xdp-prog", "build-support"] {
        for source in sources(&root().join(folder)) {
            let lines = source.text.lines().count();
            assert!(
                lines <= LINES_MAX,
                "{}: {lines} lines, {LINES_MAX} allowed: split it",
                source.path.display()
            );
        }
    }
}

#[test]
fn modules_are_named_after_things_of_the_domain() {
    for folder in ["loader", "xdp-prog", "build-support"] {
        for source in sources(&root().join(folder)) {
            let stem = source.path.file_stem().and_then(|s| s.to_str());
            let stem = stem.expect("a file name");
            for drawer in ["utils", "util", "types", "common", "helpers", "misc"] {
                assert_ne!(stem, drawer, "{}: name the thing", source.path.display());
            }
        }
    }
}

#[test]
fn parents_are_named_and_nothing_is_imported_wholesale() {
    for folder in ["loader/src", "xdp-prog/src", "build-support/src"] {
        for source in sources(&root().join(folder)) {
            for (number, line) in (1..).zip(source.text.lines()) {
                let wholesale = line.trim_start().starts_with("use ")
                    && line.contains("::*")
                    && !line.contains("super::*");
                assert!(
                    !line.contains("super::super") && !wholesale,
                    "{}:{number}: {line}",
                    source.path.display()
                );
            }
        }
    }
}

#[test]
fn unsafe_stands_only_behind_its_doors() {
    let doors = [
        "loader/src/sys/",
        "xdp-prog/src/kernel/",
        "xdp-prog/src/packet/",
        "xdp-prog/src/abi/",
        "xdp-prog/src/host.rs",
        "build-support/src/llvm/",
    ];
    for folder in ["loader/src", "xdp-prog/src", "build-support/src"] {
        for source in sources(&root().join(folder)) {
            let path = source.path.strip_prefix(root()).expect("below the root");
            let path = path.to_str().expect("a plain name");
            if doors.iter().any(|door| path.starts_with(door)) {
                continue;
            }
            for (number, line) in (1..).zip(source.text.lines()) {
                let code = line.split("//").next().unwrap_or_default();
                assert!(
                    !code.contains("unsafe {") && !code.contains("unsafe fn"),
                    "{path}:{number}: unsafe outside its doors"
                );
            }
        }
    }
}

#[test]
fn every_outcome_is_explained_in_the_readme() {
    let readme = read(&root().join("README.md"));
    let row = |name, verdict: Verdict, help| format!("| `{name}` | {} | {help} |", verdict.name());
    let of_balancer = Outcome::ALL
        .iter()
        .map(|outcome| row(outcome.name(), outcome.verdict(), outcome.help()));
    let of_decap = decap::Outcome::ALL
        .iter()
        .map(|outcome| row(outcome.name(), outcome.verdict(), outcome.help()));
    for row in of_balancer.chain(of_decap) {
        assert!(readme.contains(&row), "README.md lacks: {row}");
    }
}

#[test]
fn every_flag_and_command_is_in_the_readme() {
    use clap::CommandFactory;
    let readme = read(&root().join("README.md"));
    let command = dsrload::cli::Cli::command();
    for argument in command.get_arguments() {
        if let Some(long) = argument.get_long() {
            assert!(
                readme.contains(&format!("--{long}")),
                "README.md lacks --{long}"
            );
        }
    }
    for command in command.get_subcommands() {
        let name = format!("dsrload {}", command.get_name());
        assert!(readme.contains(&name), "README.md lacks `{name}`");
        for long in command.get_arguments().filter_map(|a| a.get_long()) {
            assert!(
                readme.contains(&format!("--{long}")),
                "README.md lacks --{long}"
            );
        }
    }
}

/// The clock on the wall may jump. What `run` decides goes by the time since the
/// machine started; these alone ask for the other one, to show it.
#[test]
fn nothing_is_decided_by_the_clock_on_the_wall() {
    let shown = [
        "loader/src/agent/http/answer.rs",
        "loader/src/agent/log.rs",
        "loader/src/commands/run/mod.rs",
    ];
    let mut found = Vec::new();
    for directory in ["loader/src/agent", "loader/src/commands/run"] {
        for source in sources(&root().join(directory)) {
            if source.text.contains("SystemTime::now") {
                let path = source.path.strip_prefix(root()).expect("in the tree");
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    assert_eq!(found, shown);
}

#[test]
fn no_built_file_and_no_foreign_path_is_in_the_tree() {
    let tracked = std::process::Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    let list = String::from_utf8(tracked.stdout).expect("plain names");
    assert!(
        tracked.status.success() && !list.is_empty(),
        "git ls-files gave nothing"
    );
    for name in list.lines() {
        let extension = Path::new(name).extension().and_then(|e| e.to_str());
        let built = ["o", "bc", "so", "a", "pcap", "deb", "elf"];
        assert!(
            !extension.is_some_and(|e| built.contains(&e)),
            "{name} is a built file"
        );
    }
}

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The module right below the crate's root; `None` for the root itself.
    fn module(&self) -> Option<String> {
        let mut parts = self.path.components().map(|c| c.as_os_str());
        parts.find(|part| *part == "src")?;
        let first = Path::new(parts.next()?).file_stem()?.to_str()?;
        (!matches!(first, "lib" | "main")).then(|| first.to_owned())
    }

    /// Line and first word behind each `prefix`.
    fn named(&self, prefix: &str) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (number, line) in (1..).zip(self.text.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            for rest in code.split(prefix).skip(1) {
                let rest = rest.trim_start_matches('{');
                let word: String = rest
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if word.is_empty() || word == "fault" {
                    // `crate::fault!` is the macro of the same module.
                    continue;
                }
                found.push((number, word));
            }
        }
        found
    }
}

fn root() -> PathBuf {
    let loader = Path::new(env!("CARGO_MANIFEST_DIR"));
    loader.parent().expect("the workspace").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sources(folder: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = read(&path);
                found.push(Source { path, text });
            }
        }
    }
    assert!(!found.is_empty(), "no source below {}", folder.display());
    found
}
