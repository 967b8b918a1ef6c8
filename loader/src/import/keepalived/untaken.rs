//! Keywords about checks that are known, and not taken.

use super::unknown;
use super::words::Statement;
use crate::import::{Fate, Remarks};

/// What becomes of a keyword about checks that is not taken, if it is one.
pub fn fate(keyword: &str) -> Option<(Fate, &'static str)> {
    Some(match keyword {
        "alpha" => (
            Fate::LeftOut,
            "a new backend is in rotation until its first check fails",
        ),
        "bind_if" | "bind_port" | "bindto" | "connect_ip" | "fwmark" => (
            Fate::LeftOut,
            "a check goes to the backend itself, as the kernel routes it",
        ),
        "delay_before_retry" => (
            Fate::Note,
            "a check that failed is repeated after `every`, like any other",
        ),
        "digest" | "regex" | "regex_max_offset" | "regex_min_offset" | "regex_no_match"
        | "regex_options" | "regex_stack" => (
            Fate::LeftOut,
            "of a page, `body` says what it must contain, as it stands there",
        ),
        "fast_recovery" => (
            Fate::Note,
            "`rise` says how many checks must succeed, here 1",
        ),
        "http_protocol" | "tls_compliant" => {
            (Fate::Note, "checks speak HTTP/1.1 and TLS 1.2 or 1.3")
        }
        "log_all_failures" => (Fate::Note, "changes of state are logged"),
        "max_reply_length" | "min_reply_length" => {
            (Fate::LeftOut, "the length of an answer is not looked at")
        }
        "misc_dynamic" => (Fate::LeftOut, "an exit code is no weight: 0 is well"),
        "user" => (
            Fate::LeftOut,
            "programs run as the user that dsrload runs as",
        ),
        "warmup" => (Fate::Note, "checks are spread at random, see `jitter`"),
        _ => return None,
    })
}

/// Says what becomes of a statement of a checker that is not taken.
pub fn tell(statement: &Statement, remarks: &mut Remarks) {
    match fate(statement.keyword()) {
        Some((fate, why)) => {
            let text = format!("{}: {why}", statement.keyword());
            remarks.add(statement.line, fate, &text);
        }
        None => unknown(statement, remarks),
    }
}
