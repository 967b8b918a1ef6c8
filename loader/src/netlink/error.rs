//! What the kernel says when it refuses.

use std::fmt;
use std::io;

/// A request that failed.
#[derive(Debug)]
pub struct NetlinkError {
    /// Name of the request, such as `RTM_SETLINK`.
    pub request: &'static str,
    /// The kernel's number; or what was wrong with its answer.
    pub error: io::Error,
    /// The kernel's reason in its own words (extended acknowledgement), where it
    /// gave one.
    pub message: Option<String>,
}

impl NetlinkError {
    pub(super) fn new(request: &'static str, error: io::Error) -> Self {
        Self {
            request,
            error,
            message: None,
        }
    }

    /// The kernel's error number, or `None` when its answer made no sense.
    pub fn errno(&self) -> Option<i32> {
        self.error.raw_os_error()
    }
}

impl fmt::Display for NetlinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: ", self.request)?;
        if let Some(message) = &self.message {
            write!(f, "{message}: ")?;
        }
        self.error.fmt(f)
    }
}

// No `source`: the number is part of the sentence, and would be told twice.
impl std::error::Error for NetlinkError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_request_the_reason_and_the_number() {
        let mut error =
            NetlinkError::new("RTM_SETLINK", io::Error::from_raw_os_error(libc::EEXIST));
        assert_eq!(
            error.to_string(),
            "RTM_SETLINK failed: File exists (os error 17)"
        );
        error.message = Some("Native and generic XDP can't be active at the same time".to_owned());
        assert_eq!(
            error.to_string(),
            "RTM_SETLINK failed: Native and generic XDP can't be active at the same time: \
             File exists (os error 17)"
        );
        assert_eq!(error.errno(), Some(libc::EEXIST));
    }
}
