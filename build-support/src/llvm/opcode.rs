//! Numbers of LLVM's C interface (`LLVMOpcode` and others in `llvm-c/Core.h`),
//! as far as they matter here. They never change: the interface is stable.

#![expect(missing_docs, reason = "the names are the documentation")]

use std::ffi::c_uint;

pub const INVOKE: c_uint = 5;
pub const FADD: c_uint = 9;
pub const FSUB: c_uint = 11;
pub const MUL: c_uint = 12;
pub const FMUL: c_uint = 13;
pub const UDIV: c_uint = 14;
pub const SDIV: c_uint = 15;
pub const FDIV: c_uint = 16;
pub const UREM: c_uint = 17;
pub const SREM: c_uint = 18;
pub const FREM: c_uint = 19;
pub const SHL: c_uint = 20;
pub const LSHR: c_uint = 21;
pub const ASHR: c_uint = 22;
pub const ALLOCA: c_uint = 26;
pub const LOAD: c_uint = 27;
pub const STORE: c_uint = 28;
pub const GET_ELEMENT_PTR: c_uint = 29;
pub const FP_TO_UI: c_uint = 33;
pub const FP_EXT: c_uint = 38;
pub const INT_TO_PTR: c_uint = 40;
pub const FCMP: c_uint = 43;
pub const PHI: c_uint = 44;
pub const CALL: c_uint = 45;
pub const SELECT: c_uint = 46;
pub const FENCE: c_uint = 55;
pub const ATOMIC_CMPXCHG: c_uint = 56;
pub const ATOMIC_RMW: c_uint = 57;
pub const FNEG: c_uint = 66;
pub const FREEZE: c_uint = 68;

/// `LLVMAtomicOrdering`: Rust's `Relaxed` is LLVM's monotonic.
pub mod ordering {
    use std::ffi::c_uint;

    pub const NOT_ATOMIC: c_uint = 0;
    pub const MONOTONIC: c_uint = 2;
    pub const ACQUIRE: c_uint = 4;
    pub const RELEASE: c_uint = 5;
}

/// `LLVMAtomicRMWBinOp`
pub mod rmw {
    use std::ffi::c_uint;

    pub const XCHG: c_uint = 0;
    pub const ADD: c_uint = 1;
    pub const SUB: c_uint = 2;
    pub const AND: c_uint = 3;
    pub const NAND: c_uint = 4;
    pub const OR: c_uint = 5;
    pub const XOR: c_uint = 6;
}
