//! One look, or one after the other until a signal comes.

use crate::cli::LookArgs;
use crate::commands::privilege::require;
use crate::commands::{Output, mention_others};
use crate::datapath::{Balancer, find};
use crate::fault::is_broken_pipe;
use crate::netlink::Netlink;
use crate::report::show::Report;
use crate::sys::capabilities::Capability;
use crate::sys::signal::Held;
use crate::sys::terminal;
use anyhow::{Context, Result};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// One look, as text: what stands in the tables now, and how it differs from the
/// last look of the same.
pub type Look<'a> = dyn FnMut(&mut Netlink, &[Balancer], Form) -> Result<Vec<u8>> + 'a;

/// How a look is told.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    is_json: bool,
    /// Milliseconds since the last look.
    passed: u64,
}

/// Makes texts of reports. What does not depend on the kind of report stands
/// elsewhere, so that it is compiled once.
pub fn told<R: Report>(
    mut take: impl FnMut(&mut Netlink, &[Balancer]) -> Result<R>,
) -> impl FnMut(&mut Netlink, &[Balancer], Form) -> Result<Vec<u8>> {
    let mut before: Option<R> = None;
    move |netlink, balancers, form| {
        let mut now = take(netlink, balancers)?;
        if let Some(before) = &before {
            now.compare(before, form.passed);
        }
        let mut text = Vec::new();
        if form.is_json {
            crate::report::json(&mut text, &now)?;
        } else {
            now.write(&mut text)?;
        }
        before = Some(now);
        Ok(text)
    }
}

/// Shows what `look` tells of the balancers.
///
/// # Errors
///
/// Those of `look`; the interface does not exist; what the kernel says. Not that
/// a reader has seen enough, if it was to watch.
pub fn watch(
    arguments: &LookArgs,
    needed: &[(Capability, &str)],
    output: &mut Output<'_>,
    look: &mut Look<'_>,
) -> Result<()> {
    require(needed)?;
    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let interface = arguments.interface.as_deref();
    let (balancers, others) = find::balancers(&mut netlink, interface, false)?;
    mention_others(&others, output)?;
    let mut form = Form {
        is_json: arguments.json,
        passed: 0,
    };
    let mut at = Instant::now();
    let first = look(&mut netlink, &balancers, form)?;
    drop(balancers);
    let Some(interval) = arguments.watch else {
        output.answers.write_all(&first)?;
        return Ok(());
    };
    let mut screen = Screen::new(arguments.json);
    let again = || {
        let (balancers, _) = find::balancers(&mut netlink, interface, false)?;
        let now = Instant::now();
        let passed = now.duration_since(at).as_millis();
        form.passed = u64::try_from(passed).unwrap_or(u64::MAX);
        at = now;
        look(&mut netlink, &balancers, form)
    };
    match go_on(first, interval, again, |text| {
        screen.show(text, output.answers)
    }) {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        done => done,
    }
}

fn go_on(
    first: Vec<u8>,
    interval: Duration,
    mut again: impl FnMut() -> Result<Vec<u8>>,
    mut show: impl FnMut(Vec<u8>) -> io::Result<()>,
) -> Result<()> {
    let held = Held::hold().context("hold back signals")?;
    show(first)?;
    while !held.wait(interval).context("wait for a signal")? {
        show(again()?)?;
    }
    Ok(())
}

/// Where looks are shown.
struct Screen {
    is_json: bool,
    is_terminal: bool,
    is_first: bool,
}

/// Of ECMA-48: to the upper left corner; the rest of the line; the rest of all.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

impl Screen {
    fn new(is_json: bool) -> Self {
        Self {
            is_json,
            is_terminal: !is_json && io::stdout().is_terminal(),
            is_first: true,
        }
    }

    /// Writes one look in one piece, so that none is seen in part.
    fn show(&mut self, mut text: Vec<u8>, answers: &mut dyn Write) -> io::Result<()> {
        if self.is_json {
            text = on_one_line(&text);
        } else if self.is_terminal {
            text = page(&text, terminal::size(io::stdout()));
        } else if !self.is_first {
            text.splice(..0, *b"---\n");
        }
        self.is_first = false;
        answers.write_all(&text)?;
        answers.flush()
    }
}

/// JSON on one line. Line feeds stand between its parts alone: in texts they are
/// escaped.
fn on_one_line(text: &[u8]) -> Vec<u8> {
    let mut line: Vec<u8> = text
        .split(|&byte| byte == b'\n')
        .flat_map(<[u8]>::trim_ascii_start)
        .copied()
        .collect();
    line.push(b'\n');
    line
}

/// A look as a terminal of this size (rows, columns) shows it in place of the one
/// before: what does not fit is cut off, since it would move what is above.
fn page(text: &[u8], size: Option<(usize, usize)>) -> Vec<u8> {
    let (rows, columns) = size.unwrap_or((usize::MAX, usize::MAX));
    let text = String::from_utf8_lossy(text);
    let mut page = HOME.to_owned();
    for line in text.lines().take(rows.saturating_sub(1)) {
        page.extend(line.chars().take(columns));
        page.push_str(CLEAR_LINE);
        page.push('\n');
    }
    page.push_str(CLEAR_BELOW);
    page.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_on_one_line_is_the_same() {
        let json = serde_json::json!({"a": ["x\n  y", 1], "b": null});
        let pretty = serde_json::to_vec_pretty(&json).expect("JSON");
        let line = on_one_line(&pretty);
        assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
        let back: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(back, json);
    }

    #[test]
    fn a_page_is_as_large_as_its_terminal() {
        let page = page("one\ntwo\nthree\n".as_bytes(), Some((3, 2)));
        assert_eq!(page, "\x1b[Hon\x1b[K\ntw\x1b[K\n\x1b[J".as_bytes());
    }
}
