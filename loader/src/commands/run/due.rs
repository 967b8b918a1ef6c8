//! When things are due.

use std::time::Instant;

/// When things are due.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// A look at the ways.
    pub look: Instant,
    /// Not before this, whatever is heard of them.
    pub look_rest: Instant,
    /// Earliest next change of the tables.
    pub change: Instant,
    /// A look at the interfaces.
    pub links: Instant,
    /// Working out what backends do: time alone may have changed it.
    pub health: Instant,
    /// Not before this, whatever checks say.
    pub health_rest: Instant,
    /// A check has said something new.
    pub is_health: bool,
    /// The announcements, which somebody may have removed.
    pub announce: Instant,
    /// A sweep of the flow table.
    pub sweep: Instant,
    /// The file is to be read again.
    pub is_reload: bool,
}

impl Due {
    /// All at once.
    #[must_use]
    pub fn now() -> Self {
        let now = Instant::now();
        Self {
            look: now,
            look_rest: now,
            change: now,
            links: now,
            health: now,
            health_rest: now,
            is_health: true,
            announce: now,
            sweep: now,
            is_reload: false,
        }
    }
}
