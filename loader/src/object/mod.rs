//! From the embedded bytes to a description, and from that to instructions.
//!
//! A [`Spec`] says what our BPF object holds: tables, programs, type
//! information. It is the same on every machine; only the one who creates the
//! tables and loads the programs looks at the running kernel. Nothing here
//! does I/O.
//!
//! The steps, each in its file:
//!
//! 1. `inspect` (with `goblin`): is it an ELF object for BPF, is it whole?
//!    What is it otherwise?
//! 2. `survey` (with `object`): do sections, symbols and relocations agree?
//!    `btf`: does the type information?
//! 3. `spec` (with `aya-obj`): sections and symbols become tables (`table`)
//!    and functions (`code`).
//! 4. `link`: our own relocation, for the descriptors of the moment.
//!
//! Steps 1 and 2 come first because `aya-obj` takes its input on trust: where
//! bytes are wrong it indexes out of range, and once even reads an enum of
//! which there is no such value. A release build aborts on a panic, so nothing
//! could be caught afterwards.

mod btf;
mod code;
mod error;
mod inspect;
mod link;
mod spec;
mod survey;
mod table;

pub use error::{LinkError, ObjectError};
pub use link::Linked;
pub use spec::Spec;
pub use table::TableSpec;
