//! What the figures were measured on: asked of the kernel here, since the page is
//! made where the bench runs. No names of hosts, no paths.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// A table of machine, kernel and toolchain. `measured` is the time of the
/// bench's file. What cannot be found out is left out.
pub fn table(measured: SystemTime) -> String {
    let mut out = "| | |\n| --- | --- |\n".to_owned();
    let mut row = |what: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            out += &format!("| {what} | {} |\n", value.replace('|', "/"));
        }
    };
    row("date", day(measured));
    row(
        "processor",
        read("/proc/cpuinfo").map(|text| processor(&text)),
    );
    row("caches of a CPU", caches());
    row("kernel", kernel());
    row("BPF", read("/proc/sys/net/core/bpf_jit_enable").map(jit));
    row("mitigations that calls pay for", mitigations());
    row("toolchain", toolchain());
    out
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim().to_owned())
}

/// `2 vCPUs, AMD EPYC ...`.
fn processor(cpuinfo: &str) -> String {
    let value = |key: &str| {
        cpuinfo.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim())
        })
    };
    let count = cpuinfo
        .lines()
        .filter(|line| {
            line.split_once(':')
                .is_some_and(|(k, _)| k.trim() == "processor")
        })
        .count();
    let flags = value("flags").unwrap_or_default();
    let virtual_machine = flags.split_whitespace().any(|flag| flag == "hypervisor");
    let kind = if virtual_machine { "vCPU" } else { "CPU" };
    let plural = if count == 1 { "" } else { "s" };
    let mut text = format!("{count} {kind}{plural}");
    if let Some(model) = value("model name") {
        text += &format!(", {model}");
    }
    if let (Some(family), Some(model)) = (value("cpu family"), value("model")) {
        text += &format!(" (family {family}, model {model})");
    }
    if virtual_machine {
        text += ", in a virtual machine";
    }
    text
}

/// `L1d 32K, L1i 32K, L2 1024K, L3 ...` of the first CPU.
fn caches() -> Option<String> {
    let folder = Path::new("/sys/devices/system/cpu/cpu0/cache");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let of = |name: &str| {
            let text = fs::read_to_string(entry.path().join(name)).ok()?;
            Some(text.trim().to_owned())
        };
        let (Some(level), Some(kind), Some(size)) = (of("level"), of("type"), of("size")) else {
            continue;
        };
        let suffix = match kind.as_str() {
            "Data" => "d",
            "Instruction" => "i",
            _ => "",
        };
        found.push(format!("L{level}{suffix} {size}"));
    }
    found.sort();
    Some(found.join(", "))
}

fn kernel() -> Option<String> {
    let release = read("/proc/sys/kernel/osrelease")?;
    Some(format!("Linux {release}, {}", std::env::consts::ARCH))
}

fn jit(setting: String) -> String {
    match setting.as_str() {
        "0" => "interpreted: the JIT is off".to_owned(),
        _ => "JIT on".to_owned(),
    }
}

/// Those that make calls and returns dear, and so helpers.
fn mitigations() -> Option<String> {
    let of = |name: &str| {
        let state = read(&format!("/sys/devices/system/cpu/vulnerabilities/{name}"))?;
        let state = state.strip_prefix("Mitigation: ")?.to_owned();
        Some(format!("{name}: {state}"))
    };
    let names = [
        "spectre_v2",
        "retbleed",
        "spec_rstack_overflow",
        "indirect_target_selection",
    ];
    let found: Vec<String> = names.into_iter().filter_map(of).collect();
    Some(found.join("; "))
}

/// `rustc 1.95.0, LLVM 22.1`.
fn toolchain() -> Option<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).arg("-vV").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let of = |key: &str| said.lines().find_map(|line| line.strip_prefix(key));
    Some(format!(
        "rustc {}, LLVM {}",
        of("release: ")?,
        of("LLVM version: ")?
    ))
}

/// `2026-01-31`, in UTC.
fn day(time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let mut days = seconds / 86_400;
    let mut year = 1970;
    while days >= length_of_year(year) {
        days -= length_of_year(year);
        year += 1;
    }
    let february = length_of_year(year) - 337;
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in months {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    Some(format!("{year}-{month:02}-{:02}", days + 1))
}

fn length_of_year(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    if leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_processor_is_named_and_its_kind_told() {
        let one = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD X\n";
        let flags = "flags\t\t: fpu hypervisor\n\n";
        assert_eq!(
            processor(&format!("{one}{flags}{one}{flags}")),
            "2 vCPUs, AMD X (family 25, model 17), in a virtual machine"
        );
        assert_eq!(processor(one), "1 CPU, AMD X (family 25, model 17)");
        assert_eq!(processor(""), "0 CPUs");
    }

    #[test]
    fn days_follow_the_calendar() {
        let at = |days: u64| day(UNIX_EPOCH + Duration::from_secs(days * 86_400 + 86_399)).unwrap();
        assert_eq!(at(0), "1970-01-01");
        assert_eq!(at(59), "1970-03-01");
        assert_eq!(at(11_016), "2000-02-29");
        assert_eq!(at(20_454), "2026-01-01");
        assert_eq!(at(20_453), "2025-12-31");
    }

    #[test]
    fn the_table_names_this_kernel_and_no_host() {
        let table = table(SystemTime::now());
        assert!(table.contains("| kernel | Linux "), "{table}");
        assert!(table.contains("| processor | "), "{table}");
    }
}
