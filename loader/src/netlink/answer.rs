//! The answer to one request: put together from its messages.

use super::message::{HEADER, attributes, flag, kind, malformed, messages, u32_at};
use std::io;

/// Attribute of an acknowledgement: the kernel's reason, as text.
const NLMSGERR_ATTR_MSG: u16 = 1;

/// A message of the answer, without its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub kind: u16,
    pub body: Vec<u8>,
}

/// Why the kernel refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub error: io::Error,
    pub message: Option<String>,
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self {
            error,
            message: None,
        }
    }
}

/// An answer on its way.
#[derive(Debug)]
pub(super) struct Answer {
    sequence: u32,
    replies: Vec<Reply>,
    interrupted: bool,
}

/// What a datagram did to the answer.
#[derive(Debug)]
pub(super) enum Progress {
    /// More is to come.
    Open(Answer),
    /// All is here.
    Complete(Exchanged),
}

/// A whole answer that is no refusal.
#[derive(Debug)]
pub(super) struct Exchanged {
    pub replies: Vec<Reply>,
    /// What is listed changed meanwhile: ask again.
    pub interrupted: bool,
}

impl Answer {
    /// To the request with this sequence number.
    pub fn new(sequence: u32) -> Self {
        Self {
            sequence,
            replies: Vec::new(),
            interrupted: false,
        }
    }

    /// Adds the messages of a datagram. Those with another sequence number are
    /// what came too late for an earlier request, and are dropped.
    pub fn take(mut self, datagram: &[u8]) -> Result<Progress, Refusal> {
        for message in messages(datagram) {
            let message = message?;
            if message.sequence != self.sequence {
                continue;
            }
            self.interrupted |= message.flags & flag::DUMP_INTERRUPTED != 0;
            match message.kind {
                kind::NOOP => {}
                kind::OVERRUN => return Err(malformed("a note that data were lost").into()),
                kind::ERROR => {
                    refusal(message.flags, message.body, true)?;
                    return Ok(self.complete());
                }
                kind::DONE => {
                    refusal(message.flags, message.body, false)?;
                    return Ok(self.complete());
                }
                kind => self.replies.push(Reply {
                    kind,
                    body: message.body.to_vec(),
                }),
            }
        }
        Ok(Progress::Open(self))
    }

    fn complete(self) -> Progress {
        Progress::Complete(Exchanged {
            replies: self.replies,
            interrupted: self.interrupted,
        })
    }
}

/// Reads the message that ends an answer: a negative error number, or zero; then,
/// in an acknowledgement, the `echoed` request; then attributes.
fn refusal(flags: u16, body: &[u8], echoed: bool) -> Result<(), Refusal> {
    let code = u32_at(body, 0).ok_or_else(|| malformed("an end without a number"))?;
    let code = code.cast_signed();
    if code >= 0 {
        return Ok(());
    }
    let message = if flags & flag::ACK_ATTRIBUTES == 0 {
        None
    } else {
        reason(body, if echoed { echo_length(flags, body)? } else { 0 })
    };
    Err(Refusal {
        error: io::Error::from_raw_os_error(code.saturating_neg()),
        message,
    })
}

/// Bytes of the echoed request, padding included.
fn echo_length(flags: u16, body: &[u8]) -> io::Result<usize> {
    if flags & flag::CAPPED != 0 {
        return Ok(HEADER);
    }
    u32_at(body, 4)
        .and_then(|length| usize::try_from(length).ok())
        .and_then(|length| length.checked_next_multiple_of(4))
        .ok_or_else(|| malformed("an acknowledgement of no request"))
}

/// The kernel's words. None are no error: the number matters more.
fn reason(body: &[u8], echo: usize) -> Option<String> {
    let list = body.get(4..)?.get(echo..)?;
    let text = attributes(list)
        .map_while(Result::ok)
        .find(|attribute| attribute.kind == NLMSGERR_ATTR_MSG)?
        .text();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::Request;

    const SEQUENCE: u32 = 9;
    const NEW_LINK: u16 = 16;

    /// A message as the kernel would send it.
    fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = Request::new("test", kind, 0, body).bytes(sequence);
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes
    }

    fn attribute(kind: u16, data: &[u8]) -> Vec<u8> {
        Request::new("test", 0, 0, &[])
            .attribute(kind, data)
            .bytes(0)
            .split_off(HEADER)
    }

    /// The body of an acknowledgement that echoes a request of this length.
    fn refused(errno: i32, echo: usize, text: &str) -> Vec<u8> {
        let mut body = (-errno).to_ne_bytes().to_vec();
        body.extend(u32::try_from(echo).unwrap().to_ne_bytes());
        body.resize(4 + echo.next_multiple_of(4), 0xee);
        body.extend(attribute(2, &64_u32.to_ne_bytes()));
        body.extend(attribute(NLMSGERR_ATTR_MSG, text.as_bytes()));
        body
    }

    fn complete(datagram: &[u8]) -> Vec<Reply> {
        match Answer::new(SEQUENCE).take(datagram).unwrap() {
            Progress::Complete(exchanged) if !exchanged.interrupted => exchanged.replies,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_ends_with_its_acknowledgement() {
        let reply = message(NEW_LINK, 0, SEQUENCE, &[1; 16]);
        let Progress::Open(answer) = Answer::new(SEQUENCE).take(&reply).unwrap() else {
            panic!("complete without an acknowledgement");
        };
        let ack = message(kind::ERROR, flag::CAPPED, SEQUENCE, &[0; 20]);
        let Progress::Complete(exchanged) = answer.take(&ack).unwrap() else {
            panic!("open after the acknowledgement");
        };
        assert_eq!(
            exchanged.replies,
            [Reply {
                kind: NEW_LINK,
                body: vec![1; 16]
            }]
        );
        assert!(!exchanged.interrupted);
    }

    #[test]
    fn messages_of_another_sequence_number_are_dropped() {
        let foreign = refused(libc::EBUSY, 16, "not yours");
        let datagram = [
            message(
                kind::ERROR,
                flag::CAPPED | flag::ACK_ATTRIBUTES,
                SEQUENCE - 1,
                &foreign,
            ),
            message(NEW_LINK, 0, SEQUENCE + 1, &[2; 16]),
            message(NEW_LINK, 0, SEQUENCE, &[1; 16]),
            message(kind::ERROR, 0, SEQUENCE, &[0; 20]),
        ]
        .concat();
        assert_eq!(
            complete(&datagram),
            [Reply {
                kind: NEW_LINK,
                body: vec![1; 16]
            }]
        );

        let stale = message(kind::DONE, 0, SEQUENCE - 1, &[0; 4]);
        let progress = Answer::new(SEQUENCE).take(&stale).unwrap();
        assert!(matches!(progress, Progress::Open(_)), "{progress:?}");
    }

    #[test]
    fn a_list_that_changed_meanwhile_is_marked() {
        let datagram = [
            message(NEW_LINK, flag::DUMP_INTERRUPTED, SEQUENCE, &[1; 16]),
            message(kind::DONE, 0, SEQUENCE, &[0; 4]),
        ]
        .concat();
        let progress = Answer::new(SEQUENCE).take(&datagram).unwrap();
        assert!(
            matches!(
                progress,
                Progress::Complete(Exchanged {
                    interrupted: true,
                    ..
                })
            ),
            "{progress:?}"
        );
    }

    #[test]
    fn a_refusal_has_number_and_words_whether_the_request_is_echoed_or_not() {
        for (flags, echo) in [(flag::CAPPED, 16), (0, 16), (0, 61)] {
            let body = refused(libc::EEXIST, echo, "XDP program already attached\0");
            let datagram = message(kind::ERROR, flags | flag::ACK_ATTRIBUTES, SEQUENCE, &body);
            let refusal = Answer::new(SEQUENCE).take(&datagram).unwrap_err();
            assert_eq!(refusal.error.raw_os_error(), Some(libc::EEXIST));
            assert_eq!(
                refusal.message.as_deref(),
                Some("XDP program already attached")
            );
        }
    }

    #[test]
    fn a_refusal_without_words_keeps_its_number() {
        let body = refused(libc::EPERM, 16, "not announced by the flag");
        let datagram = message(kind::ERROR, flag::CAPPED, SEQUENCE, &body);
        let refusal = Answer::new(SEQUENCE).take(&datagram).unwrap_err();
        assert_eq!(refusal.error.raw_os_error(), Some(libc::EPERM));
        assert_eq!(refusal.message, None);
    }

    #[test]
    fn a_list_can_end_with_a_refusal() {
        let mut body = (-libc::ENODEV).to_ne_bytes().to_vec();
        body.extend(attribute(NLMSGERR_ATTR_MSG, b"Unknown device\0"));
        let datagram = message(kind::DONE, flag::ACK_ATTRIBUTES, SEQUENCE, &body);
        let refusal = Answer::new(SEQUENCE).take(&datagram).unwrap_err();
        assert_eq!(refusal.error.raw_os_error(), Some(libc::ENODEV));
        assert_eq!(refusal.message.as_deref(), Some("Unknown device"));
    }

    #[test]
    fn a_refusal_cut_anywhere_never_panics_and_never_becomes_a_success() {
        let whole = refused(libc::EEXIST, 61, "reason\0");
        for flags in [flag::ACK_ATTRIBUTES, flag::ACK_ATTRIBUTES | flag::CAPPED] {
            for end in 0..whole.len() {
                let datagram = message(kind::ERROR, flags, SEQUENCE, &whole[..end]);
                let refusal = Answer::new(SEQUENCE).take(&datagram).unwrap_err();
                let number = refusal.error.raw_os_error();
                assert!(
                    number.is_none() || number == Some(libc::EEXIST),
                    "cut at {end}"
                );
            }
        }
    }

    #[test]
    fn an_echo_longer_than_the_message_hides_the_words_but_not_the_number() {
        let mut body = refused(libc::EBUSY, 16, "reason\0");
        body[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        let datagram = message(kind::ERROR, flag::ACK_ATTRIBUTES, SEQUENCE, &body);
        let refusal = Answer::new(SEQUENCE).take(&datagram).unwrap_err();
        assert_eq!(refusal.error.raw_os_error(), Some(libc::EBUSY));
        assert_eq!(refusal.message, None);
    }

    #[test]
    fn lost_data_are_an_error() {
        let datagram = message(kind::OVERRUN, 0, SEQUENCE, &[]);
        let refusal = Answer::new(SEQUENCE).take(&datagram).unwrap_err();
        assert_eq!(refusal.error.kind(), io::ErrorKind::InvalidData);
    }
}
