//! `dsrload plan|apply|confirm|rollback|export|agree`: the config of what is
//! loaded.

use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// The longest time that a confirmation is waited for.
const CONFIRM_MAX: Duration = Duration::from_secs(24 * 3600);

/// Arguments of `plan`.
#[derive(Args, Debug)]
pub struct PlanArgs {
    /// The config file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The balancer that has this interface, if there are several.
    #[arg(long, value_name = "IFACE")]
    pub interface: Option<String>,
    /// As JSON.
    #[arg(short, long)]
    pub json: bool,
}

/// Arguments of `apply`.
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// The config file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Rolls back after this time, such as 60s or 10m, unless `dsrload confirm`
    /// comes before.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub confirm: Option<Duration>,
    /// The balancer that has this interface, if there are several.
    #[arg(long, value_name = "IFACE")]
    pub interface: Option<String>,
}

/// Arguments of `confirm` and `rollback`.
#[derive(Args, Debug)]
pub struct OneArgs {
    /// The balancer that has this interface, if there are several.
    #[arg(long, value_name = "IFACE")]
    pub interface: Option<String>,
}

/// Arguments of `export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// The balancer that has this interface, if there are several.
    #[arg(long, value_name = "IFACE")]
    pub interface: Option<String>,
}

/// Arguments of `agree`.
#[derive(Args, Debug)]
pub struct AgreeArgs {
    /// Exports or config files; a single one is compared with what is loaded.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The balancer that has this interface, if there are several.
    #[arg(long, value_name = "IFACE")]
    pub interface: Option<String>,
}

/// A time with its unit.
fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let wrong = || format!("'{text}' is no time such as 60s, 10m or 1h");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let (_, length) = units
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(wrong)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let duration = Duration::from_millis(number.saturating_mul(*length));
    if duration < Duration::from_secs(1) || duration > CONFIRM_MAX {
        return Err(format!("'{text}': 1s to 24h is expected"));
    }
    Ok(duration)
}
