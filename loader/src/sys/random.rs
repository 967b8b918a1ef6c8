//! Random numbers for keys.

use std::io;

/// `N` random words from the kernel (`getrandom`, Linux 3.17), which needs no
/// file. Waits, if the machine has only just started, until they are good.
///
/// # Errors
///
/// A signal came in between; the kernel gave fewer than asked for.
pub fn random_words<const N: usize>() -> io::Result<[u64; N]> {
    let mut words = [0; N];
    let length = size_of_val(&words);
    // SAFETY: the kernel writes at most `length` bytes, which is what the array
    // has; any bytes are a valid `u64`.
    let written = unsafe { libc::getrandom(words.as_mut_ptr().cast(), length, 0) };
    match usize::try_from(written) {
        Ok(written) if written == length => Ok(words),
        Ok(_) => Err(io::Error::other("the kernel gave too few random bytes")),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_not_given_twice() {
        let first: [u64; 4] = random_words().expect("random words");
        let second: [u64; 4] = random_words().expect("random words");
        assert_ne!(first, second);
    }
}
