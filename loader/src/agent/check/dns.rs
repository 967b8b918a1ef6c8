//! A DNS query over UDP (RFC 1035), and what is looked at of the answer.

use super::socket::{datagrams, told};
use super::{Answer, Target, failed};
use crate::model::check::Dns;
use crate::sys::random::random_words;

/// Bytes of the header.
const HEADER: usize = 12;
/// Class IN.
const IN: u16 = 1;

/// Asks, and takes any answer without an error.
pub async fn ask(target: &Target, dns: &Dns) -> Answer {
    let [random] = random_words::<1>().unwrap_or([0]);
    let [low, high, ..] = random.to_le_bytes();
    let query = query(u16::from_le_bytes([low, high]), dns);
    let (socket, _port) = datagrams(target).await?;
    socket.send(&query).await.map_err(|error| told(&error))?;
    // Its head and its question are looked at; the rest is cut off.
    let mut answer = vec![0; query.len()];
    loop {
        let length = socket
            .recv(&mut answer)
            .await
            .map_err(|error| told(&error))?;
        // Another one may be late, or a stranger's: ours may still come.
        if let Some(judged) = judge(&query, &answer[..length]) {
            return judged.or_else(failed);
        }
    }
}

/// A query for one name, with recursion desired.
fn query(id: u16, dns: &Dns) -> Vec<u8> {
    let mut query = Vec::with_capacity(HEADER + dns.name.len() + 6);
    query.extend(id.to_be_bytes());
    // RD; one question.
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in dns.name.split('.').filter(|label| !label.is_empty()) {
        query.extend(u8::try_from(label.len()).ok());
        query.extend(label.bytes());
    }
    query.push(0);
    query.extend(dns.record.to_be_bytes());
    query.extend(IN.to_be_bytes());
    query
}

/// What an answer says; none if it is to another question.
fn judge(query: &[u8], answer: &[u8]) -> Option<Result<(), String>> {
    let head = answer.get(..HEADER)?;
    let question = query.get(HEADER..)?;
    let is_ours = head[..2] == query[..2] && head[2] & 0x80 != 0;
    // Some servers leave the question out of an error.
    let has_question = head[4..6] == [0, 1];
    let asked = answer
        .get(HEADER..)
        .and_then(|rest| rest.get(..question.len()));
    let is_same = asked.is_some_and(|asked| asked.eq_ignore_ascii_case(question));
    if !is_ours || has_question && !is_same {
        return None;
    }
    Some(match head[3] & 0x0f {
        0 if has_question => Ok(()),
        0 => Err("the answer has no question".to_owned()),
        code => Err(format!("the answer is {}", name(code))),
    })
}

/// Codes of RFC 1035 (4.1.1), RFC 2136 and what all else is.
fn name(code: u8) -> String {
    match code {
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        code => format!("error {code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Vec<u8> {
        let dns = Dns {
            name: "example.net.".to_owned(),
            record: 6,
        };
        query(0x1234, &dns)
    }

    fn answer(code: u8) -> Vec<u8> {
        let mut answer = asked();
        answer[2] |= 0x80;
        answer[3] = code;
        answer
    }

    #[test]
    fn a_query_is_labels_type_and_class() {
        let mut wanted = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        wanted.extend(b"\x07example\x03net\x00\x00\x06\x00\x01");
        assert_eq!(asked(), wanted);
    }

    #[test]
    fn an_answer_is_judged_by_its_code() {
        assert_eq!(judge(&asked(), &answer(0)), Some(Ok(())));
        let told = judge(&asked(), &answer(3)).expect("ours").unwrap_err();
        assert!(told.contains("NXDOMAIN"), "{told}");
        // Without the question, and an error.
        let mut short = answer(5);
        short[5] = 0;
        short.truncate(HEADER);
        assert!(judge(&asked(), &short).expect("ours").is_err());
    }

    #[test]
    fn what_is_not_ours_is_waited_past() {
        let mut other = answer(0);
        other[0] ^= 1;
        assert_eq!(judge(&asked(), &other), None);
        let mut other = answer(0);
        other[HEADER + 1] = b'x';
        assert_eq!(judge(&asked(), &other), None);
        assert_eq!(judge(&asked(), &asked()), None, "a query is no answer");
        for end in 0..HEADER {
            assert_eq!(judge(&asked(), &answer(0)[..end]), None);
        }
    }
}
