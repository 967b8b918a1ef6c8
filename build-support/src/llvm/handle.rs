//! References into a module: functions, variables, instructions and what they
//! consist of.

use std::ffi::{c_char, c_uint};
use std::iter;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::Module;
use super::api::{self, Api};

/// One object of a module, of the kind `K`. It borrows the module, so that no
/// pass can remove the object while somebody looks at it.
pub struct Handle<'m, K> {
    pub(super) raw: NonNull<K>,
    pub(super) api: &'static Api,
    module: PhantomData<&'m Module>,
}

/// A function, defined or declared.
pub type Function<'m> = Handle<'m, api::Function>;
/// A global variable: a static, or a constant that the compiler made.
pub type Variable<'m> = Handle<'m, api::Variable>;
/// An instruction.
pub type Instruction<'m> = Handle<'m, api::Instruction>;
/// A basic block.
pub type Block<'m> = Handle<'m, api::Block>;
/// Anything that can be an operand.
pub type Value<'m> = Handle<'m, api::Value>;
/// The type of a value.
pub type Type<'m> = Handle<'m, api::Type>;
/// A node of the debug info.
pub type Metadata<'m> = Handle<'m, api::Metadata>;

impl<K> Clone for Handle<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Handle<'_, K> {}

impl<K> PartialEq for Handle<'_, K> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

/// Calls a function of the C interface on a handle.
macro_rules! ask {
    ($handle:expr, $name:ident $(, $argument:expr)*) => {
        // SAFETY: the object lives as long as its module is borrowed, which
        // the handle's lifetime says, and it is of the kind that the function
        // is declared for, which its type says. The functions called through
        // this macro require nothing else, or the lines around the call say
        // why it is given.
        unsafe { ($handle.api.$name)($handle.raw.as_ptr() $(, $argument)*) }
    };
}
pub(super) use ask;

impl<'m, K> Handle<'m, K> {
    /// Takes what LLVM answered, null for "there is none".
    pub(super) fn new(api: &'static Api, raw: *mut K) -> Option<Self> {
        Some(Self {
            raw: NonNull::new(raw)?,
            api,
            module: PhantomData,
        })
    }

    /// An object of the same module.
    pub(super) fn other<L>(self, raw: *mut L) -> Option<Handle<'m, L>> {
        Handle::new(self.api, raw)
    }
}

/// Kinds of objects that are values, too: in C they share one type.
pub trait IsValue {}
impl IsValue for api::Function {}
impl IsValue for api::Instruction {}
impl IsValue for api::Value {}
impl IsValue for api::Variable {}

impl<'m, K: IsValue> Handle<'m, K> {
    /// The same object, seen as a value.
    pub fn value(self) -> Value<'m> {
        Handle {
            raw: self.raw.cast(),
            api: self.api,
            module: PhantomData,
        }
    }

    /// What it consists of: the operands of an instruction, the parts of a
    /// constant, the initial value of a variable.
    pub fn operands(self) -> impl Iterator<Item = Value<'m>> {
        let value = self.value();
        let user = value.other(ask!(value, LLVMIsAUser));
        // Only users have operands; others are not asked.
        let count = user.map_or(0, |user| ask!(user, LLVMGetNumOperands).cast_unsigned());
        (0..count).filter_map(move |index| value.operand(index))
    }

    /// The values that have this one among their operands.
    pub fn users(self) -> impl Iterator<Item = Value<'m>> {
        let value = self.value();
        let first = value.other(ask!(value, LLVMGetFirstUse));
        let uses = iter::successors(first, |usage| usage.other(ask!(usage, LLVMGetNextUse)));
        uses.filter_map(|usage| usage.other(ask!(usage, LLVMGetUser)))
    }

    /// Its type.
    pub fn ty(self) -> Option<Type<'m>> {
        let value = self.value();
        value.other(ask!(value, LLVMTypeOf))
    }
}

impl<'m> Value<'m> {
    /// One operand; `None` past the last of them. The callers know that the
    /// value is a user.
    pub(super) fn operand(self, index: c_uint) -> Option<Value<'m>> {
        let count = ask!(self, LLVMGetNumOperands).cast_unsigned();
        // In bounds, as LLVM requires.
        (index < count)
            .then(|| ask!(self, LLVMGetOperand, index))
            .and_then(|raw| self.other(raw))
    }

    /// This value as a function, if it is one.
    pub fn as_function(self) -> Option<Function<'m>> {
        self.other(ask!(self, LLVMIsAFunction))
    }

    /// This value as a variable, if it is one.
    pub fn as_variable(self) -> Option<Variable<'m>> {
        self.other(ask!(self, LLVMIsAGlobalVariable))
    }

    /// This value as an instruction, if it is one.
    pub fn as_instruction(self) -> Option<Instruction<'m>> {
        self.other(ask!(self, LLVMIsAInstruction))
    }

    /// The function that this value is a parameter of, if it is one.
    pub fn parameter_of(self) -> Option<Function<'m>> {
        let parameter = self.other(ask!(self, LLVMIsAArgument))?;
        // LLVM has just said that it is a parameter, as is required.
        self.other(ask!(parameter, LLVMGetParamParent))
    }

    /// The template of inline assembly, if it is that.
    pub fn as_assembly(self) -> Option<String> {
        let assembly = self.other(ask!(self, LLVMIsAInlineAsm))?;
        let mut length = 0;
        // LLVM has just said that it is inline assembly, as is required.
        let start = ask!(assembly, LLVMGetInlineAsmAsmString, &raw mut length);
        Some(text(self, start, length))
    }

    /// The operation of a constant expression, if it is that: an opcode.
    pub fn as_expression(self) -> Option<c_uint> {
        let expression = self.other(ask!(self, LLVMIsAConstantExpr))?;
        // LLVM has just said that it is a constant expression, as is required.
        Some(ask!(expression, LLVMGetConstOpcode))
    }

    /// Its number, if it is a constant integer of up to 64 bits.
    pub fn as_number(self) -> Option<u64> {
        let number = self.other(ask!(self, LLVMIsAConstantInt))?;
        let width = self.ty()?.integer_bits()?;
        // A constant that fits: of wider ones LLVM has no such number.
        (width <= 64).then(|| ask!(number, LLVMConstIntGetZExtValue))
    }

    /// Whether it is a constant: a number, an address, or made of these.
    pub fn is_constant(self) -> bool {
        ask!(self, LLVMIsConstant) != 0
    }

    /// Whether all its bits are zero.
    pub fn is_zero(self) -> bool {
        ask!(self, LLVMIsNull) != 0
    }
}

/// Kinds of objects that have a name in the symbol table.
pub trait IsSymbol: IsValue {}
impl IsSymbol for api::Function {}
impl IsSymbol for api::Variable {}

const INTERNAL_LINKAGE: c_uint = 8;
const DEFAULT_VISIBILITY: c_uint = 0;

impl<K: IsSymbol> Handle<'_, K> {
    /// Its name as the symbol table has it.
    pub fn name(self) -> String {
        let value = self.value();
        let mut length = 0;
        let start = ask!(value, LLVMGetValueName2, &raw mut length);
        text(value, start, length)
    }

    /// Whether it is only declared here.
    pub fn is_declaration(self) -> bool {
        ask!(self.value(), LLVMIsDeclaration) != 0
    }

    /// The section that the source asks for, if it does.
    pub fn section(self) -> Option<String> {
        let value = self.value();
        let start = ask!(value, LLVMGetSection);
        // An absent section is a null pointer, or an empty name.
        let name = super::message(start);
        (!name.is_empty()).then_some(name)
    }

    /// Hides it from other objects, so that unused ones are dropped.
    pub fn make_internal(self) {
        ask!(self.value(), LLVMSetLinkage, INTERNAL_LINKAGE);
        ask!(self.value(), LLVMSetVisibility, DEFAULT_VISIBILITY);
    }
}

impl<'m> Variable<'m> {
    /// The value that it starts with; `None` if it is only declared.
    pub fn initializer(self) -> Option<Value<'m>> {
        self.other(ask!(self, LLVMGetInitializer))
    }

    /// File and line of its definition; `None` for what the compiler made.
    pub fn definition(self) -> Option<(String, u32)> {
        let value = self.value();
        let line = ask!(value, LLVMGetDebugLocLine);
        let mut length: c_uint = 0;
        let start = ask!(value, LLVMGetDebugLocDirectory, &raw mut length);
        let directory = text(value, start, length as usize);
        length = 0;
        let start = ask!(value, LLVMGetDebugLocFilename, &raw mut length);
        let file = text(value, start, length as usize);
        (line != 0).then(|| (joined(&directory, file), line))
    }

    pub(super) fn next(self) -> Option<Self> {
        self.other(ask!(self, LLVMGetNextGlobal))
    }
}

/// The path of a file as the debug info has it: in two parts, or whole.
pub(super) fn joined(directory: &str, file: String) -> String {
    if directory.is_empty() || file.starts_with('/') {
        file
    } else {
        format!("{directory}/{file}")
    }
}

/// Copies a string that LLVM keeps beside the object `owner`.
pub(super) fn text<K>(_owner: Handle<'_, K>, start: *const c_char, length: usize) -> String {
    if start.is_null() {
        return String::new();
    }
    // SAFETY: LLVM answered with the start and the length of a string that is
    // part of the owner or of its context; both live while the handle does, and
    // nobody changes them in between.
    let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) };
    String::from_utf8_lossy(bytes).into_owned()
}
