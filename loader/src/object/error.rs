//! What can be wrong with an object, as sentences.

use std::error::Error;
use std::fmt;

/// Why bytes are not an object that can be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectError {
    /// There are no bytes at all.
    Empty,
    /// The bytes do not begin as an ELF file does.
    NotElf {
        /// What they seem to be, with its article: `a script`.
        found: &'static str,
    },
    /// An ELF file for another machine.
    Machine {
        /// The machine's usual name: `x86-64`.
        machine: String,
    },
    /// BPF of the other byte order. The kernel takes its own only, and both
    /// x86-64 and the usual aarch64 are little-endian.
    BigEndian,
    /// BPF with the file format of 32 bits, which no compiler emits.
    Class32,
    /// An ELF file for BPF which is not the output of a compiler.
    NotRelocatable {
        /// What it is instead, with its article.
        kind: &'static str,
    },
    /// The file ends before something that it announces.
    Truncated {
        /// What is cut off: `section .rodata`.
        what: String,
        /// The offset, in bytes, at which that would end.
        end: u64,
        /// The length of the file in bytes.
        length: u64,
    },
    /// Some part says what cannot be.
    Malformed {
        /// The part: `section .BTF`.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `aya-obj` refuses the object.
    Refused {
        /// Its words, with all causes.
        reason: String,
    },
    /// The object has no program of this name.
    NoProgram {
        /// The name asked for.
        program: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// An instruction cannot be relocated.
    Link {
        /// The function which holds it, as the compiler names it.
        function: String,
        /// Its position in the function, in units of eight bytes.
        instruction: usize,
        /// What is wrong.
        cause: LinkError,
    },
}

/// Why one instruction cannot be relocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// It refers to a symbol which is declared, but nowhere defined.
    UndefinedSymbol {
        /// The symbol's name.
        symbol: String,
    },
    /// A relocation of a type, or on an instruction, that is not known here.
    UnknownRelocation {
        /// The ELF relocation type (LLVM: `BPFRelocationTypes`).
        kind: u32,
        /// The operation code of the instruction.
        code: u8,
        /// The symbol's name.
        symbol: String,
    },
    /// It refers to a table for which the caller gave no descriptor.
    NoDescriptor {
        /// The table's name.
        table: String,
    },
    /// It refers to a place outside of the section that it names.
    OutsideSection {
        /// The section's name.
        section: String,
        /// The place, in bytes from the start of the section.
        offset: i64,
        /// The size of the section in bytes.
        size: u64,
    },
    /// It calls or takes the address of something that is no function.
    NoFunction {
        /// What it refers to.
        symbol: String,
        /// The place, in bytes from the start of its section.
        offset: i64,
    },
    /// A load of 64 bits of which the second half is not there.
    HalfInstruction,
    /// Calls nest deeper than this linker follows.
    TooDeep {
        /// The limit, in functions.
        limit: usize,
    },
    /// The program with all its callees is larger than the kernel takes.
    TooLong {
        /// The limit, in instructions.
        limit: usize,
    },
}

impl ObjectError {
    /// A [`ObjectError::Malformed`], in one line.
    pub(super) fn malformed(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed {
            place: place.into(),
            reason: reason.into(),
        }
    }

    /// Keeps the words of another crate's error and of all its causes.
    pub(super) fn refused(error: &dyn Error) -> Self {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            reason = format!("{reason}: {error}");
            cause = error.source();
        }
        Self::Refused { reason }
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the BPF object is empty"),
            Self::NotElf { found } => {
                write!(f, "the BPF object is not an ELF file, but {found}")
            }
            Self::Machine { machine } => {
                write!(f, "the object is built for {machine}, not for BPF")
            }
            Self::BigEndian => write!(
                f,
                "the object is built for big-endian BPF; only little-endian can be loaded"
            ),
            Self::Class32 => write!(f, "the BPF object is a 32-bit ELF file; BPF has 64 bits"),
            Self::NotRelocatable { kind } => write!(
                f,
                "the BPF object is {kind}, not an object file as a compiler writes it"
            ),
            Self::Truncated { what, end, length } => write!(
                f,
                "the BPF object is cut off: {what} ends at byte {end}, the file at byte {length}"
            ),
            Self::Malformed { place, reason } => {
                write!(f, "the BPF object is malformed: {place}: {reason}")
            }
            Self::Refused { reason } => write!(f, "the BPF object cannot be read: {reason}"),
            Self::NoProgram { program, known } => write!(
                f,
                "the BPF object has no program {program}; it has: {}",
                known.join(", ")
            ),
            Self::Link {
                function,
                instruction,
                cause,
            } => write!(
                f,
                "cannot relocate instruction {instruction} of {function}: {cause}"
            ),
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UndefinedSymbol { symbol } => write!(f, "{symbol} is declared, but not defined"),
            Self::UnknownRelocation { kind, code, symbol } => write!(
                f,
                "relocation type {kind} on operation {code:#04x} for {symbol} is not known"
            ),
            Self::NoDescriptor { table } => write!(f, "table {table} has no descriptor"),
            Self::OutsideSection {
                section,
                offset,
                size,
            } => write!(
                f,
                "offset {offset} lies outside of {section}, which has {size} bytes"
            ),
            Self::NoFunction { symbol, offset } => {
                write!(f, "no function begins at offset {offset} of {symbol}")
            }
            Self::HalfInstruction => write!(f, "its second half is missing"),
            Self::TooDeep { limit } => write!(f, "calls nest deeper than {limit} functions"),
            Self::TooLong { limit } => {
                write!(f, "the program is longer than {limit} instructions")
            }
        }
    }
}

impl Error for ObjectError {}
impl Error for LinkError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_every_cause() {
        let inner = ObjectError::Empty;
        #[derive(Debug)]
        struct Outer(ObjectError);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "BTF error")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        assert_eq!(
            ObjectError::refused(&Outer(inner)).to_string(),
            "the BPF object cannot be read: BTF error: the BPF object is empty"
        );
    }

    #[test]
    fn a_link_error_names_function_instruction_and_cause() {
        let error = ObjectError::Link {
            function: "balance".into(),
            instruction: 7,
            cause: LinkError::OutsideSection {
                section: ".bss".into(),
                offset: -8,
                size: 16,
            },
        };
        assert_eq!(
            error.to_string(),
            "cannot relocate instruction 7 of balance: \
             offset -8 lies outside of .bss, which has 16 bytes"
        );
    }

    #[test]
    fn an_unknown_program_is_answered_with_those_there_are() {
        let error = ObjectError::NoProgram {
            program: "xpd".into(),
            known: vec!["dsrload".into(), "decap".into()],
        };
        assert_eq!(
            error.to_string(),
            "the BPF object has no program xpd; it has: dsrload, decap"
        );
    }
}
