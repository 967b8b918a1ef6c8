//! The socket: carries a request there and its answer back.

use super::answer::{Answer, Exchanged, Progress, Refusal, Reply};
use super::error::NetlinkError;
use super::message::Request;
use crate::sys::socket::set_option;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvmsg, sendto,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::ffi::c_int;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// Options of `SOL_NETLINK` (`include/uapi/linux/netlink.h`).
const SOL_NETLINK: c_int = 270;
/// Do not echo the request in an acknowledgement (4.3).
const NETLINK_CAP_ACK: c_int = 10;
/// Give reasons in words (4.12).
const NETLINK_EXT_ACK: c_int = 11;
/// List only what was asked for (4.20).
const NETLINK_GET_STRICT_CHK: c_int = 12;

/// The kernel's own address: port 0.
const KERNEL: u32 = 0;
/// The kernel answers before `sendto` returns, so this is for the case that an
/// answer was lost; a caller must not hang.
const PATIENCE_SECONDS: i64 = 10;
/// The kernel fills datagrams of a list up to this much where the reader has
/// room for it. One object can take more; then the buffer grows.
const BUFFER: usize = 32 * 1024;
/// How often a list is asked for that changes while it is read.
const ATTEMPTS: u32 = 16;

#[derive(Debug)]
pub(super) struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// For requests.
    pub fn open() -> io::Result<Self> {
        Self::bound(0)
    }

    /// For what the kernel tells of its own accord in these groups.
    pub fn listen(groups: u32) -> io::Result<Self> {
        Self::bound(groups)
    }

    fn bound(groups: u32) -> io::Result<Self> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        // Port 0: the kernel chooses ours.
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        for option in [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK] {
            match set_option(&fd, SOL_NETLINK, option, 1) {
                // An older kernel: fewer words, longer lists. Both are allowed for.
                Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {}
                answer => answer?,
            }
        }
        let patience = TimeVal::seconds(PATIENCE_SECONDS);
        setsockopt(&fd, sockopt::ReceiveTimeout, &patience)?;
        Ok(Self {
            fd,
            sequence: 0,
            buffer: vec![0; BUFFER],
        })
    }

    /// Sends a request and waits until its answer is whole. A list that changed
    /// while it was read is asked for again.
    pub fn request(&mut self, request: &Request) -> Result<Vec<Reply>, NetlinkError> {
        undisturbed(|| self.exchange(request)).map_err(|refusal| NetlinkError {
            request: request.name,
            error: refusal.error,
            message: refusal.message,
        })
    }

    /// Sends two requests at once, and waits for the answers to both. Whoever
    /// is killed meanwhile has made both or none: the kernel reads to the end
    /// what it was sent. The second is tried whatever becomes of the first.
    pub fn request_both(&mut self, requests: [&Request; 2]) -> [Result<(), NetlinkError>; 2] {
        let first = self.sequence.wrapping_add(1);
        self.sequence = first.wrapping_add(1);
        let bytes = [requests[0].bytes(first), requests[1].bytes(self.sequence)].concat();
        let sent = self.send(&bytes);
        let mut outcome = |request: &Request, sequence| {
            let answer = match &sent {
                Ok(()) => self.answer(sequence).map(drop),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string()).into()),
            };
            answer.map_err(|refusal: Refusal| NetlinkError {
                request: request.name,
                error: refusal.error,
                message: refusal.message,
            })
        };
        let one = outcome(requests[0], first);
        [one, outcome(requests[1], first.wrapping_add(1))]
    }

    fn exchange(&mut self, request: &Request) -> Result<Exchanged, Refusal> {
        self.sequence = self.sequence.wrapping_add(1);
        self.send(&request.bytes(self.sequence))?;
        self.answer(self.sequence)
    }

    fn answer(&mut self, sequence: u32) -> Result<Exchanged, Refusal> {
        let mut answer = Answer::new(sequence);
        loop {
            match answer.take(self.receive()?)? {
                Progress::Open(more) => answer = more,
                Progress::Complete(exchanged) => return Ok(exchanged),
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let kernel = NetlinkAddr::new(KERNEL, 0);
        let sent = retried(|| sendto(self.fd.as_raw_fd(), bytes, &kernel, MsgFlags::empty()))?;
        if sent == bytes.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    /// The next datagram that the kernel sends within this time, or `None`.
    /// `ENOBUFS`: there were more than there was room for, and some are lost.
    pub fn heard(&mut self, patience: Duration) -> io::Result<Option<&[u8]>> {
        let milliseconds = u16::try_from(patience.as_millis()).unwrap_or(u16::MAX);
        let mut ready = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        if retried(|| poll(&mut ready, PollTimeout::from(milliseconds)))? == 0 {
            return Ok(None);
        }
        self.receive().map(Some)
    }

    /// The next datagram from the kernel, whole.
    fn receive(&mut self) -> io::Result<&[u8]> {
        loop {
            // MSG_TRUNC makes the answer the datagram's length, not the part
            // that fitted; MSG_PEEK leaves it in place until there is room.
            let (length, _) = self.receive_with(MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC)?;
            if length > self.buffer.len() {
                self.buffer.resize(length, 0);
            }
            let (length, sender) = self.receive_with(MsgFlags::MSG_TRUNC)?;
            // Any process may write to our port.
            if sender != Some(KERNEL) {
                continue;
            }
            if length > self.buffer.len() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("an answer of {length} bytes was cut off"),
                ));
            }
            return Ok(&self.buffer[..length]);
        }
    }

    fn receive_with(&mut self, flags: MsgFlags) -> io::Result<(usize, Option<u32>)> {
        let Self { fd, buffer, .. } = self;
        retried(|| {
            let mut slices = [IoSliceMut::new(buffer)];
            let received = recvmsg::<NetlinkAddr>(fd.as_raw_fd(), &mut slices, None, flags)?;
            Ok((
                received.bytes,
                received.address.map(|address| address.pid()),
            ))
        })
        .map_err(|errno| match errno {
            Errno::EAGAIN => io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer for {PATIENCE_SECONDS} seconds"),
            ),
            errno => errno.into(),
        })
    }
}

/// Asks again while what is listed changes meanwhile.
fn undisturbed(mut ask: impl FnMut() -> Result<Exchanged, Refusal>) -> Result<Vec<Reply>, Refusal> {
    for _ in 0..ATTEMPTS {
        let exchanged = ask()?;
        if !exchanged.interrupted {
            return Ok(exchanged.replies);
        }
    }
    let error = io::Error::other(format!("the list changed in each of {ATTEMPTS} readings"));
    Err(error.into())
}

/// Repeats a call that a signal has cut short.
fn retried<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::flag;

    /// `RTM_GETLINK` of the loopback interface, which every namespace has.
    fn loopback() -> Request {
        let mut fixed = [0; 16];
        fixed[4..8].copy_from_slice(&1_i32.to_ne_bytes());
        Request::new("RTM_GETLINK", 18, flag::ACK, &fixed)
    }

    #[test]
    fn a_list_that_changes_is_asked_for_again_but_not_for_ever() {
        let mut asked = 0;
        let replies = undisturbed(|| {
            asked += 1;
            let replies = vec![Reply {
                kind: asked,
                body: Vec::new(),
            }];
            Ok(Exchanged {
                replies,
                interrupted: asked < 3,
            })
        });
        assert_eq!(replies.unwrap()[0].kind, 3);

        asked = 0;
        let answer = undisturbed(|| {
            asked += 1;
            Ok(Exchanged {
                replies: Vec::new(),
                interrupted: true,
            })
        });
        assert!(answer.unwrap_err().error.to_string().contains("changed"));
        assert_eq!(u32::from(asked), ATTEMPTS);
    }

    #[test]
    fn an_answer_larger_than_the_buffer_is_read_whole() {
        let mut socket = Socket::open().unwrap();
        let whole = socket.request(&loopback()).unwrap();
        socket.buffer = vec![0; 20];
        let again = socket.request(&loopback()).unwrap();
        assert_eq!(again[0].body.len(), whole[0].body.len());
        assert!(socket.buffer.len() > 20);
    }

    #[test]
    fn what_an_earlier_request_left_behind_is_no_answer() {
        let mut socket = Socket::open().unwrap();
        // Its two messages stay in the queue.
        socket.send(&loopback().bytes(1000)).unwrap();
        let mut missing = [0; 16];
        missing[4..8].copy_from_slice(&i32::MAX.to_ne_bytes());
        let request = Request::new("RTM_GETLINK", 18, flag::ACK, &missing);
        let error = socket.request(&request).unwrap_err();
        assert_eq!(error.errno(), Some(libc::ENODEV));
    }
}
