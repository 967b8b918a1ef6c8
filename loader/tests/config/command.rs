//! `dsrload check FILE`: words, exit codes, no privileges.

use crate::file::{GOOD, path};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Debian's `nobody`.
const NOBODY: u32 = 65_534;

/// A file that is gone at the end of the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, contents: impl AsRef<[u8]>) -> Self {
        let name = format!("dsrload-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, contents).expect("a file is written");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn check(file: &Scratch, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dsrload"))
        .arg("check")
        .arg(&file.0)
        .args(arguments)
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn a_file_without_errors_is_exit_code_0_and_one_line() {
    let file = Scratch::new("good", GOOD);
    let output = check(&file, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let name = file.0.display();
    let last = text(&output.stdout).lines().last().expect("a line");
    let wanted = format!("{name}: 1 service, 1 backend, no error");
    assert!(last.starts_with(&wanted), "{last}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_file_with_errors_is_exit_code_3_and_all_of_them() {
    let file = Scratch::new(
        "bad",
        GOOD.replace("ports", "prts").replace("10.0.0.3", "x"),
    );
    let output = check(&file, &[]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let name = file.0.display();
    let told = text(&output.stdout);
    let wanted = format!(
        "\
error: unknown key `prts` in [service.web]
 --> {name}:3:1
  |
3 | prts = \"80/tcp\"
  | ^^^^
  = did you mean `ports`?
"
    );
    assert!(told.contains(&wanted), "{told}");
    assert!(told.contains("'x' is not an IP address"), "{told}");
    let summary = format!("dsrload: {name}: 3 errors");
    assert!(text(&output.stderr).starts_with(&summary), "{output:?}");
}

#[test]
fn json_has_the_same_for_machines() {
    let file = Scratch::new("json", GOOD.replace("ports", "prts"));
    let output = check(&file, &["-j"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let list = list.as_array().expect("a list");
    let unknown = list.iter().find(|f| f["key"] == "service.web.prts");
    assert_eq!(
        *unknown.expect("the finding"),
        serde_json::json!({
            "file": file.0.display().to_string(),
            "line": 3,
            "column": 1,
            "severity": "error",
            "key": "service.web.prts",
            "message": "unknown key `prts` in [service.web]",
            "remedy": "did you mean `ports`?",
        })
    );
}

#[test]
fn what_cannot_be_read_is_exit_code_1_and_what_is_no_text_is_3() {
    let gone = Scratch(PathBuf::from("/nonexistent/dsrload.toml"));
    let output = check(&gone, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("/nonexistent/dsrload.toml: No such file"));

    let long = Scratch::new("long", vec![b'#'; (4 << 20) + 1]);
    let output = check(&long, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("longer than 4 MiB"));

    let bytes = Scratch::new("bytes", b"[service.web]\nvip = \"\xff\"\n");
    let output = check(&bytes, &[]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(text(&output.stdout).contains(":2:8"), "{output:?}");
}

#[test]
fn of_more_mistakes_than_anybody_reads_the_first_thousand_are_shown() {
    let unknown: Vec<String> = (0..1500).map(|n| format!("x{n} = 1\n")).collect();
    let file = Scratch::new("many", unknown.concat() + GOOD);
    let output = check(&file, &["-j"]);
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(list.as_array().map(Vec::len), Some(1000));
    let talk = text(&output.stderr);
    assert!(talk.contains("the first 1000 of 150"), "{talk}");
    assert!(talk.contains(": 1500 errors"), "{talk}");
}

/// The tests run as root, so that this is a change of user and not a mere call.
#[test]
fn nobody_may_check() {
    // Neither the tree nor the target folder need be open to others.
    let binary = Scratch::new(
        "nobody",
        fs::read(env!("CARGO_BIN_EXE_dsrload")).expect("the binary"),
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&binary.0, mode).expect("it is made executable");
    let file = Scratch::new(
        "example",
        fs::read(path("docs/dsrload.toml")).expect("the example"),
    );
    let output = Command::new(&binary.0)
        .arg("check")
        .arg(&file.0)
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir("/")
        .output()
        .expect("the binary runs as nobody; this test takes root");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // It could ask this host: otherwise it would say so.
    assert!(output.stderr.is_empty(), "{output:?}");
}

/// A file with one of everything that may not fit a host.
const ELSEWHERE: &str = "\
[service.web]
vip = [\"10.0.0.10\", \"192.0.2.10\"]
ports = \"80/tcp\"

[service.web.backends]
near = \"10.0.0.3\"
far = \"10.0.1.3\"
tunnelled = { ip = \"10.0.2.3\", forward = \"ipip\" }
lost = { ip = \"203.0.113.3\", forward = \"gue\" }
myself = \"10.0.0.1\"

[service.dns]
vip = \"10.0.0.1\"
ports = \"53/udp\"
source = \"10.0.0.9\"
forward = \"ipip\"

[service.dns.backends]
b1 = \"10.0.2.4\"
";

/// The namespace dies with the process.
#[test]
fn what_does_not_fit_this_host_is_a_warning() {
    let file = Scratch::new("elsewhere", ELSEWHERE);
    let script = "\
        ip link add lb0 type veth peer name lb1 && ip link set lb1 up && ip link set lb0 up && \
        ip address add 10.0.0.1/24 dev lb0 && ip route add 10.0.2.0/24 via 10.0.0.254 && \
        exec \"$0\" check \"$1\" -j";
    let output = Command::new("unshare")
        .args(["--net", "sh", "-c", script])
        .arg(env!("CARGO_BIN_EXE_dsrload"))
        .arg(&file.0)
        .output()
        .expect("unshare runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let told: Vec<String> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|f| format!("{} {} {}", f["severity"], f["line"], f["message"]).replace('"', ""))
        .collect();
    assert_eq!(
        told,
        [
            "warning 2 VIP 10.0.0.10 is in the subnet of lb0 (10.0.0.1/24): hosts there look for it by ARP, and this host does not answer",
            "warning 7 backend far (10.0.1.3) is in no subnet of this host, and l2 reaches it by its MAC alone",
            "warning 9 backend lost (203.0.113.3) has no route from this host (RTM_GETROUTE failed: Network is unreachable (os error 101))",
            "warning 10 backend myself (10.0.0.1) is this host itself, which does not hold the VIP 10.0.0.10",
            "warning 13 VIP 10.0.0.1 is in the subnet of lb0 (10.0.0.1/24): hosts there look for it by ARP, and a backend that is not silent answers as well",
            "warning 15 source 10.0.0.9 is no address of this host",
        ]
    );
}
