//! Executes the linked program, instruction by instruction, and counts.
//!
//! The instruction set is that of RFC 9669 with what LLVM makes of it for CPU v3
//! and v4. Whatever the kernel would refuse or do in another way is an error: an
//! access out of bounds, a helper that no test needs.

use super::arithmetic::{compute, exchange, holds, low, reorder, signed};
use super::memory::{Memory, Piece};
use std::collections::BTreeMap;

/// Memory before a frame, as drivers leave it (`XDP_PACKET_HEADROOM`).
const HEADROOM: usize = 256;
/// Memory after a frame.
const TAILROOM: usize = 320;
/// What the kernel keeps of the first for itself (`struct xdp_frame`), and the shortest
/// frame that it lets a program leave.
const XDP_FRAME: usize = 40;
const ETHERNET: usize = 14;
/// Stack of one function, and how many may be active (`MAX_BPF_STACK`,
/// `MAX_CALL_FRAMES`).
const STACK: usize = 512;
const DEPTH: usize = 8;
/// No run takes as many instructions: it does not end.
const TOO_MANY: u64 = 100_000;

/// What registers hold that nobody may read.
const POISON: u64 = 0xdead_beef;

/// Helper functions that the verifier replaces by a few instructions.
const INLINED: [i32; 2] = [GET_SMP_PROCESSOR_ID, JIFFIES64];
const GET_SMP_PROCESSOR_ID: i32 = 8;
const XDP_ADJUST_HEAD: i32 = 44;
const JIFFIES64: i32 = 118;
const XDP_GET_BUFF_LEN: i32 = 188;

const EINVAL: i64 = 22;

/// Offsets in `struct xdp_md`, whose fields are loaded as 32 bits and are
/// addresses.
const DATA: i16 = 0;
const DATA_END: i16 = 4;

/// One instruction.
#[derive(Clone, Copy, Debug)]
pub struct Instruction {
    code: u8,
    to: usize,
    from: usize,
    offset: i16,
    immediate: i32,
}

impl Instruction {
    fn of([code, registers, o0, o1, i0, i1, i2, i3]: [u8; 8]) -> Self {
        Self {
            code,
            to: usize::from(registers & 15),
            from: usize::from(registers >> 4),
            offset: i16::from_le_bytes([o0, o1]),
            immediate: i32::from_le_bytes([i0, i1, i2, i3]),
        }
    }

    fn is_64(self) -> bool {
        matches!(self.code & 7, 5 | 7)
    }

    /// Bytes that a load or a store moves.
    fn size(self) -> usize {
        [4, 2, 1, 8][usize::from(self.code >> 3 & 3)]
    }
}

/// What one run cost.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// Instructions executed; a load of 64 bits is one.
    pub instructions: u64,
    /// Calls of functions of the program.
    pub calls: u64,
    /// Calls of helper functions, by number.
    pub helpers: BTreeMap<i32, u64>,
    /// And of those that are replaced by a few instructions.
    pub inlined: BTreeMap<i32, u64>,
    /// Cache lines touched, by piece of memory, where any was.
    pub lines: BTreeMap<String, usize>,
}

/// A program in memory of its own.
pub struct Machine {
    code: Vec<Instruction>,
    /// Context, frame, stack and tables.
    pub memory: Memory,
    context: u64,
    packet: u64,
    stack: u64,
    /// Address by descriptor.
    tables: BTreeMap<i32, u64>,
    /// The CPU that runs it.
    pub cpu: u64,
    /// The kernel's clock.
    pub ticks: u64,
    registers: [u64; 11],
    /// Where callers go on: instruction, registers 6 to 10.
    callers: Vec<(usize, [u64; 5])>,
    work: Work,
}

/// How the run goes on.
enum Next {
    At(usize),
    End,
}

impl Machine {
    /// The program that [`link`](dsrload::object::Spec::link) made, with tables
    /// by the descriptors that it was linked with.
    pub fn new(instructions: &[u8], tables: BTreeMap<i32, Piece>) -> Self {
        let mut memory = Memory::default();
        let mut add = |name, bytes, is_writable| {
            let piece = Piece::new(name, vec![0; bytes], is_writable);
            memory.add(piece)
        };
        let context = add("context", 0, false);
        let packet = add("packet", 0, true);
        let stack = add("stack", STACK * DEPTH, true);
        let words = instructions.as_chunks().0;
        Self {
            code: words.iter().copied().map(Instruction::of).collect(),
            tables: tables
                .into_iter()
                .map(|(descriptor, piece)| (descriptor, memory.add(piece)))
                .collect(),
            memory,
            context,
            packet,
            stack,
            cpu: 0,
            ticks: 0,
            registers: [POISON; 11],
            callers: Vec::new(),
            work: Work::default(),
        }
    }

    /// Where a table is in memory.
    pub fn address_of(&self, descriptor: i32) -> Option<u64> {
        self.tables.get(&descriptor).copied()
    }

    /// Runs the program on a frame, which it may change. Gives the verdict.
    ///
    /// # Errors
    ///
    /// Where the program did what the kernel does not let it do.
    pub fn run(&mut self, frame: &mut Vec<u8>) -> Result<(u64, Work), String> {
        let packet = self.memory.piece(self.packet)?;
        packet.reach = HEADROOM..HEADROOM + frame.len();
        packet.bytes = [&[0; HEADROOM][..], frame, &[0; TAILROOM]].concat();
        self.memory.begin();
        self.work = Work::default();
        self.callers.clear();
        self.registers = [POISON; 11];
        self.registers[1] = self.context;
        self.registers[10] = self.stack + (STACK * DEPTH) as u64;
        let mut at = 0;
        loop {
            let next = self.step(at);
            match next.map_err(|error| format!("instruction {at}: {error}"))? {
                Next::At(next) => at = next,
                Next::End => break,
            }
        }
        let packet = self.memory.piece(self.packet)?;
        *frame = packet.bytes[packet.reach.clone()].to_vec();
        let mut work = std::mem::take(&mut self.work);
        let touched = self.memory.pieces().iter().filter(|p| p.touched() > 0);
        work.lines = touched.map(|p| (p.name.clone(), p.touched())).collect();
        Ok((low(self.registers[0]), work))
    }

    fn fetch(&self, at: usize) -> Result<Instruction, String> {
        let found = self.code.get(at).copied();
        found.ok_or_else(|| "the program ends before".to_owned())
    }

    fn step(&mut self, at: usize) -> Result<Next, String> {
        let one = self.fetch(at)?;
        self.work.instructions += 1;
        if self.work.instructions > TOO_MANY {
            return Err("the program does not end".to_owned());
        }
        let unknown = || format!("no such instruction: {one:x?}");
        match one.code & 7 {
            0 if one.code == 0x18 => {
                let second = self.fetch(at + 1)?;
                self.registers[one.to] = self.load_64(one, second)?;
                return Ok(Next::At(at + 2));
            }
            1 => self.load(one)?.ok_or_else(unknown)?,
            2 | 3 => self.store(one)?.ok_or_else(unknown)?,
            4 | 7 => self.calculate(one).ok_or_else(unknown)?,
            5 | 6 => return self.jump(one, at),
            _ => return Err(unknown()),
        }
        Ok(Next::At(at + 1))
    }

    fn load_64(&self, one: Instruction, second: Instruction) -> Result<u64, String> {
        let table = self.tables.get(&one.immediate).copied();
        match one.from {
            0 => Ok(low(one.immediate as u64) | (second.immediate as u64) << 32),
            // What helper functions take stands for the table alone.
            1 => Ok(one.immediate as u64),
            2 => table
                .map(|address| address.wrapping_add(second.immediate as u64))
                .ok_or_else(|| format!("no table has descriptor {}", one.immediate)),
            other => Err(format!("a load of 64 bits from {other}")),
        }
    }

    fn address(&self, register: usize, offset: i16) -> u64 {
        self.registers[register].wrapping_add(offset as u64)
    }

    fn load(&mut self, one: Instruction) -> Result<Option<()>, String> {
        let size = one.size();
        let value = if self.registers[one.from] == self.context {
            let reach = &self.memory.piece(self.packet)?.reach;
            match (size, one.offset) {
                (4, DATA) => self.packet + reach.start as u64,
                (4, DATA_END) => self.packet + reach.end as u64,
                _ => return Err(format!("{size} bytes at {} of the context", one.offset)),
            }
        } else {
            self.memory.read(self.address(one.from, one.offset), size)?
        };
        self.registers[one.to] = match one.code & 0xe0 {
            0x60 => value,
            0x80 if size < 8 => signed(value, 8 << size.ilog2()),
            _ => return Ok(None),
        };
        Ok(Some(()))
    }

    fn store(&mut self, one: Instruction) -> Result<Option<()>, String> {
        let (size, address) = (one.size(), self.address(one.to, one.offset));
        let is_register = one.code & 7 == 3;
        let operand = if is_register {
            self.registers[one.from]
        } else {
            one.immediate as u64
        };
        match one.code & 0xe0 {
            0x60 => self.memory.write(address, size, operand)?,
            0xc0 if is_register && size >= 4 => {
                let whole = |value: u64| if size == 4 { low(value) } else { value };
                let old = self.memory.read(address, size)?;
                let compared = whole(self.registers[0]);
                let new = exchange(one.immediate, old, whole(operand), compared);
                let Some(new) = new else { return Ok(None) };
                self.memory.write(address, size, new)?;
                match one.immediate {
                    0xf1 => self.registers[0] = old,
                    fetches if fetches & 1 != 0 => self.registers[one.from] = old,
                    _ => {}
                }
            }
            _ => return Ok(None),
        }
        Ok(Some(()))
    }

    /// The operands of an instruction; the second is a register or a number.
    fn operands(&self, one: Instruction) -> [u64; 2] {
        let second = if one.code & 8 != 0 {
            self.registers[one.from]
        } else {
            one.immediate as u64
        };
        [self.registers[one.to], second]
    }

    fn calculate(&mut self, one: Instruction) -> Option<()> {
        let operation = one.code >> 4;
        self.registers[one.to] = if operation == 0xd {
            let swaps = one.is_64() || one.code & 8 != 0;
            reorder(self.registers[one.to], one.immediate, swaps)?
        } else {
            let bits = if one.is_64() { 64 } else { 32 };
            compute(operation, one.offset, bits, self.operands(one))?
        };
        Some(())
    }

    fn jump(&mut self, one: Instruction, at: usize) -> Result<Next, String> {
        let by = |distance: i64| {
            let next = (at as i64 + 1).checked_add(distance);
            let next = next.and_then(|next| usize::try_from(next).ok());
            next.map(Next::At)
                .ok_or_else(|| format!("a jump by {distance}"))
        };
        match (one.code >> 4, one.is_64()) {
            (0x0, true) => by(one.offset.into()),
            (0x0, false) => by(one.immediate.into()),
            (0x8, true) if one.from == 0 => {
                self.help(one.immediate)?;
                by(0)
            }
            (0x8, true) if one.from == 1 => {
                self.call(at + 1)?;
                by(one.immediate.into())
            }
            (0x9, true) => Ok(self.leave()),
            (operation, is_64) => {
                let bits = if is_64 { 64 } else { 32 };
                let holds = holds(operation, bits, self.operands(one));
                let taken = holds.ok_or_else(|| format!("no such jump: {one:x?}"))?;
                by(if taken { one.offset.into() } else { 0 })
            }
        }
    }

    fn call(&mut self, back: usize) -> Result<(), String> {
        if self.callers.len() + 1 == DEPTH {
            return Err("calls are nested too deep".to_owned());
        }
        self.work.calls += 1;
        let [.., r6, r7, r8, r9, r10] = self.registers;
        self.callers.push((back, [r6, r7, r8, r9, r10]));
        self.registers[6..10].fill(POISON);
        self.registers[10] -= STACK as u64;
        Ok(())
    }

    fn leave(&mut self) -> Next {
        let Some((back, kept)) = self.callers.pop() else {
            return Next::End;
        };
        self.registers[1..6].fill(POISON);
        self.registers[6..].copy_from_slice(&kept);
        Next::At(back)
    }

    fn help(&mut self, number: i32) -> Result<(), String> {
        let is_inlined = INLINED.contains(&number);
        let count = if is_inlined {
            &mut self.work.inlined
        } else {
            &mut self.work.helpers
        };
        *count.entry(number).or_default() += 1;
        self.registers[0] = match number {
            GET_SMP_PROCESSOR_ID => self.cpu,
            JIFFIES64 => self.ticks,
            XDP_GET_BUFF_LEN => self.memory.piece(self.packet)?.reach.len() as u64,
            XDP_ADJUST_HEAD => self.adjust_head(signed(self.registers[2], 32) as i64)?,
            _ => return Err(format!("helper {number} is not played here")),
        };
        if !is_inlined {
            self.registers[1..6].fill(POISON);
        }
        Ok(())
    }

    fn adjust_head(&mut self, by: i64) -> Result<u64, String> {
        let reach = &mut self.memory.piece(self.packet)?.reach;
        let start = usize::try_from(reach.start as i64 + by).unwrap_or(0);
        if start < XDP_FRAME || start + ETHERNET > reach.end {
            return Ok(-EINVAL as u64);
        }
        reach.start = start;
        Ok(0)
    }
}
