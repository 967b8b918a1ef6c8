//! A datagram, and what comes back.

use super::socket::{datagrams, told};
use super::{Answer, Target, failed};
use crate::model::check::Udp;

/// What an answer can have at the most: bytes. More is not looked at.
const ANSWER_MAX: usize = 65_535;

/// Sends it and waits: for the answer, or for an ICMP error.
pub async fn ask(target: &Target, udp: &Udp) -> Answer {
    let (socket, _port) = datagrams(target).await?;
    let sent = socket.send(&udp.send).await;
    sent.map_err(|error| told(&error))?;
    let mut answer = vec![0; ANSWER_MAX];
    let length = socket
        .recv(&mut answer)
        .await
        .map_err(|error| told(&error))?;
    match &udp.expect {
        Some(expected) if !answer[..length].starts_with(expected) => failed(format!(
            "the answer does not begin with \"{}\"",
            expected.escape_ascii()
        )),
        _ => Ok(()),
    }
}
