//! What a type needs: bits, registers, floating point.

use std::ffi::c_uint;
use std::ptr;

use super::handle::{Type, ask};

/// `LLVMTypeKind`, as far as it matters here.
mod kind {
    use std::ffi::c_uint;

    pub const HALF: c_uint = 1;
    pub const PPC_FP128: c_uint = 6;
    pub const INTEGER: c_uint = 8;
    pub const FUNCTION: c_uint = 9;
    pub const STRUCT: c_uint = 10;
    pub const ARRAY: c_uint = 11;
    pub const POINTER: c_uint = 12;
    pub const VECTOR: c_uint = 13;
    pub const BFLOAT: c_uint = 18;
}

impl<'m> Type<'m> {
    fn kind(self) -> c_uint {
        ask!(self, LLVMGetTypeKind)
    }

    /// Whether it is a pointer.
    pub fn is_pointer(self) -> bool {
        self.kind() == kind::POINTER
    }

    /// Whether it is a floating point number, or a vector of these.
    pub fn is_float(self) -> bool {
        match self.kind() {
            kind::HALF..=kind::PPC_FP128 | kind::BFLOAT => true,
            kind::VECTOR => self.element().is_some_and(Type::is_float),
            _ => false,
        }
    }

    /// The width of an integer, or of the integers of a vector; `None` for
    /// other types.
    pub fn integer_bits(self) -> Option<c_uint> {
        match self.kind() {
            // An integer, as is required.
            kind::INTEGER => Some(ask!(self, LLVMGetIntTypeWidth)),
            kind::VECTOR => self.element()?.integer_bits(),
            _ => None,
        }
    }

    /// How many 64-bit registers a value of it takes.
    pub fn registers(self) -> u64 {
        let of_elements = |count| count * self.element().map_or(0, Type::registers);
        match self.kind() {
            kind::INTEGER => u64::from(self.integer_bits().unwrap_or(0).div_ceil(64)),
            kind::POINTER => 1,
            kind::STRUCT => self.fields().map(Type::registers).sum(),
            // An array and a vector, as is required.
            kind::ARRAY => of_elements(ask!(self, LLVMGetArrayLength2)),
            kind::VECTOR => of_elements(u64::from(ask!(self, LLVMGetVectorSize))),
            _ => u64::from(self.is_float()),
        }
    }

    /// The result of a function; `None` for other types.
    pub fn result(self) -> Option<Type<'m>> {
        // A function type, as is required.
        (self.kind() == kind::FUNCTION)
            .then(|| ask!(self, LLVMGetReturnType))
            .and_then(|raw| self.other(raw))
    }

    /// The parameters of a function; none for other types.
    pub fn parameters(self) -> Vec<Type<'m>> {
        if self.kind() != kind::FUNCTION {
            return Vec::new();
        }
        // A function type, as is required.
        let count = ask!(self, LLVMCountParamTypes) as usize;
        let mut raw = vec![ptr::null_mut(); count];
        // There is room for as many types as LLVM has just counted.
        ask!(self, LLVMGetParamTypes, raw.as_mut_ptr());
        raw.into_iter().filter_map(|raw| self.other(raw)).collect()
    }

    /// The type of the elements of an array or a vector, the callers know that
    /// it is one of these.
    fn element(self) -> Option<Type<'m>> {
        self.other(ask!(self, LLVMGetElementType))
    }

    /// The types of the fields of a struct, the caller knows that it is one.
    fn fields(self) -> impl Iterator<Item = Type<'m>> {
        let count = ask!(self, LLVMCountStructElementTypes);
        // In bounds, as is required.
        (0..count).filter_map(move |index| self.other(ask!(self, LLVMStructGetTypeAtIndex, index)))
    }
}
