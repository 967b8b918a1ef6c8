//! Messages and attributes, as bytes.
//!
//! A datagram holds messages; a message is a header of 16 bytes, a fixed part
//! that depends on its kind, and attributes; an attribute is a length, a kind and
//! data, which may be attributes again. All begin at multiples of four, integers
//! are in the machine's byte order. See `include/uapi/linux/netlink.h`.

use std::io;

/// Bytes of a message's header (`struct nlmsghdr`).
pub(super) const HEADER: usize = 16;
/// Bytes of an attribute's header (`struct nlattr`).
const ATTRIBUTE_HEADER: usize = 4;
/// Messages and attributes begin at multiples of this.
const ALIGNMENT: usize = 4;

/// Message kinds that are the same for all requests.
pub(super) mod kind {
    pub const NOOP: u16 = 1;
    pub const ERROR: u16 = 2;
    pub const DONE: u16 = 3;
    pub const OVERRUN: u16 = 4;
}

/// Flags of a message's header.
pub(super) mod flag {
    pub const REQUEST: u16 = 0x1;
    pub const ACK: u16 = 0x4;
    /// In the messages of a list: it changed meanwhile (3.1).
    pub const DUMP_INTERRUPTED: u16 = 0x10;
    pub const DUMP: u16 = 0x300;
    /// In a request that makes something: it must not be there yet.
    pub const EXCLUSIVE: u16 = 0x200;
    /// In a request that makes something.
    pub const CREATE: u16 = 0x400;
    /// In an acknowledgement: the request's header is echoed, not its body (4.3).
    pub const CAPPED: u16 = 0x100;
    /// In an acknowledgement: attributes follow (4.12).
    pub const ACK_ATTRIBUTES: u16 = 0x200;
}

/// In an attribute's kind: the data are attributes.
const NESTED: u16 = 1 << 15;
/// In an attribute's kind: the data are in network order.
const NETWORK_ORDER: u16 = 1 << 14;

/// A message to the kernel, being written.
#[derive(Debug)]
pub(super) struct Request {
    /// The kernel's name for it, for errors.
    pub name: &'static str,
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Request {
    /// `fixed` is the part between header and attributes, of a size that is a
    /// multiple of four.
    pub fn new(name: &'static str, kind: u16, flags: u16, fixed: &[u8]) -> Self {
        Self {
            name,
            kind,
            flags: flags | flag::REQUEST,
            body: fixed.to_vec(),
        }
    }

    /// Adds an attribute.
    pub fn attribute(mut self, kind: u16, data: &[u8]) -> Self {
        push_attribute(&mut self.body, kind, data);
        self
    }

    /// Adds an attribute that holds attributes.
    pub fn nested(self, kind: u16, attributes: &AttributeList) -> Self {
        self.attribute(kind | NESTED, &attributes.0)
    }

    /// The message, to be sent with this sequence number.
    pub fn bytes(&self, sequence: u32) -> Vec<u8> {
        let length = HEADER + self.body.len();
        let mut bytes = Vec::with_capacity(length);
        // No request of ours comes near the limit; one that did would be refused
        // for a length that is not its own.
        bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend(self.flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes()); // port: the kernel fills it in
        bytes.extend(&self.body);
        bytes
    }
}

/// Attributes inside an attribute, being written.
#[derive(Debug, Default)]
pub(super) struct AttributeList(Vec<u8>);

impl AttributeList {
    /// A list with a fixed part before it, of a size that is a multiple of four.
    pub fn behind(fixed: &[u8]) -> Self {
        Self(fixed.to_vec())
    }

    /// Adds an attribute.
    pub fn attribute(mut self, kind: u16, data: &[u8]) -> Self {
        push_attribute(&mut self.0, kind, data);
        self
    }

    /// Adds an attribute that holds attributes.
    pub fn nested(self, kind: u16, attributes: &Self) -> Self {
        self.attribute(kind | NESTED, &attributes.0)
    }
}

fn push_attribute(bytes: &mut Vec<u8>, kind: u16, data: &[u8]) {
    // As for the length of a message.
    let length = u16::try_from(ATTRIBUTE_HEADER + data.len()).unwrap_or(u16::MAX);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
}

/// A message from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

/// The messages of a datagram; an error ends them.
pub(super) fn messages(datagram: &[u8]) -> impl Iterator<Item = io::Result<Message<'_>>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let message = first_message(&mut rest);
        if message.is_none() {
            rest = &[];
        }
        Some(message.ok_or_else(|| malformed("a message shorter or longer than it says")))
    })
}

fn first_message<'a>(rest: &mut &'a [u8]) -> Option<Message<'a>> {
    let length = usize::try_from(u32_at(rest, 0)?).ok()?;
    let message = rest.get(..length)?;
    let body = message.get(HEADER..)?;
    *rest = rest
        .get(length.next_multiple_of(ALIGNMENT)..)
        .unwrap_or_default();
    Some(Message {
        kind: u16_at(message, 4)?,
        flags: u16_at(message, 6)?,
        sequence: u32_at(message, 8)?,
        body,
    })
}

/// An attribute from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    /// Without the two flags that may stand in it.
    pub kind: u16,
    pub data: &'a [u8],
}

impl Attribute<'_> {
    /// The data as an integer of the machine's byte order.
    pub fn u32(&self) -> io::Result<u32> {
        let bytes = self
            .data
            .try_into()
            .map_err(|_| malformed("a number of another size"))?;
        Ok(u32::from_ne_bytes(bytes))
    }

    /// The data as text, without the NUL that ends it.
    pub fn text(&self) -> String {
        let end = self
            .data
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(self.data.len());
        String::from_utf8_lossy(&self.data[..end]).into_owned()
    }

    /// The data as an Ethernet address, which not every hardware has.
    pub fn mac(&self) -> Option<[u8; 6]> {
        self.data.try_into().ok()
    }
}

/// The attributes in these bytes; an error ends them.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = io::Result<Attribute<'_>>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let attribute = first_attribute(&mut rest);
        if attribute.is_none() {
            rest = &[];
        }
        Some(attribute.ok_or_else(|| malformed("an attribute shorter or longer than it says")))
    })
}

fn first_attribute<'a>(rest: &mut &'a [u8]) -> Option<Attribute<'a>> {
    let length = usize::from(u16_at(rest, 0)?);
    let attribute = rest.get(..length)?;
    let data = attribute.get(ATTRIBUTE_HEADER..)?;
    *rest = rest
        .get(length.next_multiple_of(ALIGNMENT)..)
        .unwrap_or_default();
    Some(Attribute {
        kind: u16_at(attribute, 2)? & !(NESTED | NETWORK_ORDER),
        data,
    })
}

/// Splits a body into its fixed part and the attributes behind it.
pub(super) fn split_fixed(body: &[u8], fixed: usize) -> io::Result<(&[u8], &[u8])> {
    body.split_at_checked(fixed)
        .ok_or_else(|| malformed("a message without its fixed part"))
}

/// The `u16` at this offset, if it is there.
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(
        bytes.get(offset..)?.first_chunk().copied()?,
    ))
}

/// The `u32` at this offset, if it is there.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(
        bytes.get(offset..)?.first_chunk().copied()?,
    ))
}

/// An answer that makes no sense.
pub(super) fn malformed(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the answer holds {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_header_fixed_part_and_padded_attributes() {
        let inner = AttributeList::default().attribute(1, &(-1_i32).to_ne_bytes());
        let request = Request::new("RTM_SETLINK", 19, flag::ACK, &[7; 4])
            .attribute(3, b"veth0\0")
            .nested(43, &inner);
        let bytes = request.bytes(5);

        assert_eq!(u32_at(&bytes, 0), Some(16 + 4 + 12 + 12));
        assert_eq!(bytes.len(), 44);
        assert_eq!(u16_at(&bytes, 4), Some(19));
        assert_eq!(u16_at(&bytes, 6), Some(flag::REQUEST | flag::ACK));
        assert_eq!(u32_at(&bytes, 8), Some(5));
        assert_eq!(u32_at(&bytes, 12), Some(0));
        assert_eq!(&bytes[16..20], &[7; 4]);
        assert_eq!(
            u16_at(&bytes, 20),
            Some(10),
            "the length is without padding"
        );
        assert_eq!(&bytes[24..32], b"veth0\0\0\0");
        assert_eq!(u16_at(&bytes, 34), Some(43 | 1 << 15));

        let read: Vec<_> = messages(&bytes).map(Result::unwrap).collect();
        assert_eq!(read.len(), 1);
        let read: Vec<_> = attributes(&read[0].body[4..]).map(Result::unwrap).collect();
        assert_eq!(read[0].text(), "veth0");
        assert_eq!(read[1].kind, 43);
        let nested: Vec<_> = attributes(read[1].data).map(Result::unwrap).collect();
        assert_eq!(nested[0].u32().unwrap(), u32::MAX);
    }

    #[test]
    fn a_datagram_cut_anywhere_is_an_error_or_a_shorter_list() {
        let one = Request::new("A", 20, 0, &[1; 8])
            .attribute(1, &[2; 6])
            .bytes(1);
        let two = [one.clone(), one.clone()].concat();
        for end in 0..two.len() {
            let found: Vec<_> = messages(&two[..end]).collect();
            let whole = found.iter().filter(|message| message.is_ok()).count();
            assert_eq!(whole, end / one.len(), "cut at {end}");
            assert_eq!(found.len(), end.div_ceil(one.len()), "cut at {end}");
        }
    }

    #[test]
    fn a_message_that_lies_about_its_length_ends_the_list() {
        for length in [0_u32, 1, 15, 25, u32::MAX] {
            let mut bytes = Request::new("A", 20, 0, &[0; 8]).bytes(1);
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            let found: Vec<_> = messages(&bytes).collect();
            assert_eq!(found.len(), 1, "length {length}");
            assert!(found[0].is_err(), "length {length}");
        }
    }

    #[test]
    fn an_attribute_that_lies_about_its_length_ends_the_list() {
        for length in [0_u16, 1, 3, 9, u16::MAX] {
            let mut bytes = Vec::new();
            push_attribute(&mut bytes, 1, &[1; 4]);
            bytes[..2].copy_from_slice(&length.to_ne_bytes());
            let found: Vec<_> = attributes(&bytes).collect();
            assert_eq!(found.len(), 1, "length {length}");
            assert!(found[0].is_err(), "length {length}");
        }
    }

    #[test]
    fn the_last_attribute_may_lack_its_padding() {
        let mut bytes = Vec::new();
        push_attribute(&mut bytes, 1, b"ab\0");
        bytes.truncate(7);
        let found: Vec<_> = attributes(&bytes).map(Result::unwrap).collect();
        assert_eq!(
            found,
            [Attribute {
                kind: 1,
                data: b"ab\0"
            }]
        );
    }

    #[test]
    fn a_number_of_another_size_is_an_error() {
        for data in [&[][..], &[1], &[1; 3], &[1; 8]] {
            assert!(Attribute { kind: 1, data }.u32().is_err(), "{data:?}");
        }
    }
}
