//! What a program can reach: pieces of memory far apart, and which of their
//! cache lines were touched.

use std::collections::BTreeSet;
use std::ops::Range;

/// Bytes of a cache line.
const LINE: u64 = 64;

/// The high half of an address says which piece is meant, the low half where in
/// it. Piece 0 is none, so that small numbers are no addresses.
const PIECE_BITS: u32 = 32;

/// All memory.
#[derive(Default)]
pub struct Memory {
    pieces: Vec<Piece>,
}

/// Memory of one purpose. It begins with a cache line of its own.
pub struct Piece {
    /// What it is, in messages.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Where the program may read.
    pub reach: Range<usize>,
    /// It may write there, too.
    pub is_writable: bool,
    lines: BTreeSet<u64>,
}

impl Piece {
    /// Memory that holds these bytes, all of which may be read.
    pub fn new(name: &str, bytes: Vec<u8>, is_writable: bool) -> Self {
        Self {
            name: name.to_owned(),
            reach: 0..bytes.len(),
            bytes,
            is_writable,
            lines: BTreeSet::new(),
        }
    }

    /// How many of its cache lines were touched.
    pub fn touched(&self) -> usize {
        self.lines.len()
    }
}

impl Memory {
    /// Adds a piece; gives its address.
    pub fn add(&mut self, piece: Piece) -> u64 {
        self.pieces.push(piece);
        (self.pieces.len() as u64) << PIECE_BITS
    }

    /// All pieces, in the order in which they were added.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The piece at this address, as [`add`](Self::add) gave it.
    pub fn piece(&mut self, address: u64) -> Result<&mut Piece, String> {
        let number = usize::try_from(address >> PIECE_BITS).unwrap_or(0);
        let piece = number
            .checked_sub(1)
            .and_then(|index| self.pieces.get_mut(index));
        piece.ok_or_else(|| format!("{address:#x} is no address"))
    }

    /// Forgets which lines were touched.
    pub fn begin(&mut self) {
        self.pieces.iter_mut().for_each(|piece| piece.lines.clear());
    }

    /// Reads a number of this many bytes, eight at the most.
    pub fn read(&mut self, address: u64, size: usize) -> Result<u64, String> {
        let (piece, place) = self.touch(address, size)?;
        let mut word = [0; 8];
        word[..size].copy_from_slice(&piece.bytes[place]);
        Ok(u64::from_le_bytes(word))
    }

    /// Writes the low bytes of a number.
    pub fn write(&mut self, address: u64, size: usize, value: u64) -> Result<(), String> {
        let (piece, place) = self.touch(address, size)?;
        if !piece.is_writable {
            return Err(format!("{} may not be written", piece.name));
        }
        piece.bytes[place].copy_from_slice(&value.to_le_bytes()[..size]);
        Ok(())
    }

    fn touch(&mut self, address: u64, size: usize) -> Result<(&mut Piece, Range<usize>), String> {
        let piece = self.piece(address)?;
        let offset = address & ((1 << PIECE_BITS) - 1);
        let start = usize::try_from(offset).map_err(|error| error.to_string())?;
        let place = start..start + size;
        if place.start < piece.reach.start || place.end > piece.reach.end {
            let (name, reach) = (&piece.name, &piece.reach);
            return Err(format!("bytes {place:?} of {name}, which has {reach:?}"));
        }
        let last = offset + size as u64 - 1;
        piece.lines.extend(offset / LINE..=last / LINE);
        Ok((piece, place))
    }
}
