//! The size of a terminal.

use std::os::fd::{AsFd, AsRawFd};

/// Rows and columns of the terminal behind a descriptor. `None` if it is none, or
/// does not know.
#[must_use]
pub fn size(terminal: impl AsFd) -> Option<(usize, usize)> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the kernel writes a `winsize`, which `size` is, and which outlives
    // the call.
    let answer = unsafe {
        libc::ioctl(
            terminal.as_fd().as_raw_fd(),
            libc::TIOCGWINSZ,
            &raw mut size,
        )
    };
    let is_told = answer == 0 && size.ws_row > 0 && size.ws_col > 0;
    is_told.then(|| (size.ws_row.into(), size.ws_col.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_terminal_has_no_size() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(size(&file), None);
    }
}
