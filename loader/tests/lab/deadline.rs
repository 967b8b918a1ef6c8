//! Waiting for a condition, never for a time.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a busy machine with two cores; a test that gets here fails.
const DEADLINE: Duration = Duration::from_secs(15);

/// Asks again and again until there is an answer; panics with `what` when there
/// is none in time.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until `condition` holds; panics with `what` when it does not in time.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}
