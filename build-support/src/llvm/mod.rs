//! LLVM, through its C interface: the only unsafe code of this crate.
//!
//! A [`Library`] is opened once and never closed. It reads bitcode into a
//! [`Module`], which owns everything that belongs to one compilation; what can
//! be looked at in a module are [`handle::Handle`]s, which borrow it.
//!
//! The rules that make this sound: each object is of the kind that its pointer
//! type says (`api.rs`), no object outlives its module (the handles' lifetime),
//! nothing is removed from a module but by [`Module::optimize`] and
//! [`Module::emit`], which borrow it alone, and a module stays on its thread.

mod api;
pub mod code;
pub mod handle;
mod library;
mod module;
pub mod opcode;
mod ty;

pub use code::AttributeKind;
pub use library::{Library, OpenError};
pub use module::{Diagnosis, Module, Unreadable};

use std::ffi::{CStr, c_char};

/// Copies a string of LLVM's; an absent one is empty.
fn message(start: *const c_char) -> String {
    if start.is_null() {
        return String::new();
    }
    // SAFETY: LLVM's strings that come without a length end with a zero byte,
    // and live longer than this call.
    unsafe { CStr::from_ptr(start) }
        .to_string_lossy()
        .into_owned()
}
