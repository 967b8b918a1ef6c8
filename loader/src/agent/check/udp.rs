//! A datagram, and what comes back.

use super::socket::{datagrams, told};
use super::{Answer, Target, failed};
use crate::model::check::Udp;

/// Sends it and waits: for the answer, or for an ICMP error.
pub async fn ask(target: &Target, udp: &Udp) -> Answer {
    let (socket, _port) = datagrams(target).await?;
    let sent = socket.send(&udp.send).await;
    sent.map_err(|error| told(&error))?;
    // What is not looked at is cut off: thousands may wait at the same time.
    let expected = udp.expect.as_deref().unwrap_or_default();
    let mut answer = vec![0; expected.len().max(1)];
    let length = socket
        .recv(&mut answer)
        .await
        .map_err(|error| told(&error))?;
    match answer[..length].starts_with(expected) {
        true => Ok(()),
        false => failed(format!(
            "the answer does not begin with \"{}\"",
            expected.escape_ascii()
        )),
    }
}
