//! Functions, blocks and instructions, their types and their source positions.

use std::ffi::c_uint;
use std::iter;

use super::handle::{
    Block, Function, Instruction, IsSymbol, Metadata, Type, Value, Variable, ask, joined, text,
};
use super::opcode;

/// Where an attribute of a function stands: the function itself, or one of its
/// parameters, counted from one.
const ON_FUNCTION: c_uint = c_uint::MAX;

/// The number that LLVM gives to a named attribute.
#[derive(Clone, Copy)]
pub struct AttributeKind(pub(super) c_uint);

impl<'m> Function<'m> {
    /// Its instructions, block by block; none if it is only declared.
    pub fn instructions(self) -> impl Iterator<Item = Instruction<'m>> {
        let first = self.other(ask!(self, LLVMGetFirstBasicBlock));
        let blocks = iter::successors(first, |block| {
            block.other(ask!(block, LLVMGetNextBasicBlock))
        });
        blocks.flat_map(Block::instructions)
    }

    /// Its parameters and its result.
    pub fn signature(self) -> Option<Type<'m>> {
        self.other(ask!(self.value(), LLVMGlobalGetValueType))
    }

    /// Its parameters, as the values that its instructions use.
    pub fn parameters(self) -> impl Iterator<Item = Value<'m>> {
        let count = ask!(self, LLVMCountParams);
        // In bounds, as is required.
        (0..count).filter_map(move |index| self.other(ask!(self, LLVMGetParam, index)))
    }

    /// File and line of its definition; `None` for what the compiler made.
    pub fn definition(self) -> Option<(String, u32)> {
        let subprogram = self.other(ask!(self, LLVMGetSubprogram))?;
        // A subprogram, as is required: it was just got as one.
        let line = ask!(subprogram, LLVMDISubprogramGetLine);
        Some((subprogram.file()?, line))
    }

    /// Whether it has this attribute.
    pub fn has(self, kind: AttributeKind) -> bool {
        !ask!(self, LLVMGetEnumAttributeAtIndex, ON_FUNCTION, kind.0).is_null()
    }

    /// Whether its parameter, counted from zero, has this attribute.
    pub fn parameter_has(self, parameter: c_uint, kind: AttributeKind) -> bool {
        !ask!(self, LLVMGetEnumAttributeAtIndex, parameter + 1, kind.0).is_null()
    }

    /// Removes an attribute, if it is there.
    pub fn remove(self, kind: AttributeKind) {
        ask!(self, LLVMRemoveEnumAttributeAtIndex, ON_FUNCTION, kind.0);
    }

    /// Removes an attribute that has no number, if it is there.
    pub fn remove_named(self, name: &'static str) {
        let start = name.as_ptr().cast();
        #[expect(clippy::cast_possible_truncation, reason = "a short literal")]
        let length = name.len() as c_uint;
        // The name is a string literal: it lives through the call.
        ask!(
            self,
            LLVMRemoveStringAttributeAtIndex,
            ON_FUNCTION,
            start,
            length
        );
    }

    pub(super) fn next(self) -> Option<Self> {
        self.other(ask!(self, LLVMGetNextFunction))
    }
}

impl<'m> Block<'m> {
    /// Its instructions, in their order.
    pub fn instructions(self) -> impl Iterator<Item = Instruction<'m>> {
        let first = self.other(ask!(self, LLVMGetFirstInstruction));
        iter::successors(first, |instruction| {
            instruction.other(ask!(instruction, LLVMGetNextInstruction))
        })
    }

    /// The jumps that lead to it.
    pub fn jumps_here(self) -> impl Iterator<Item = Instruction<'m>> {
        let value: Option<Value> = self.other(ask!(self, LLVMBasicBlockAsValue));
        value
            .into_iter()
            .flat_map(|value| value.users())
            .filter_map(Value::as_instruction)
    }

    /// The function that it belongs to.
    pub fn function(self) -> Option<Function<'m>> {
        self.other(ask!(self, LLVMGetBasicBlockParent))
    }
}

impl<'m> Instruction<'m> {
    /// What it does: one of [`opcode`].
    pub fn opcode(self) -> c_uint {
        ask!(self, LLVMGetInstructionOpcode)
    }

    /// The block that it belongs to.
    pub fn block(self) -> Option<Block<'m>> {
        self.other(ask!(self, LLVMGetInstructionParent))
    }

    /// Where it comes from: the position itself first, then the calls that were
    /// inlined to get it here, innermost first, each as file and line. A line
    /// of 0 stands for a position that the optimizer could not keep.
    pub fn positions(self) -> Vec<(String, u32)> {
        let first: Option<Metadata> = self.other(ask!(self, LLVMInstructionGetDebugLoc));
        let chain = iter::successors(first, |location| {
            // What an instruction is located by are locations, and so is
            // what these are inlined at.
            location.other(ask!(location, LLVMDILocationGetInlinedAt))
        });
        chain
            .filter_map(|location| {
                let line = ask!(location, LLVMDILocationGetLine);
                let scope: Metadata = location.other(ask!(location, LLVMDILocationGetScope))?;
                Some((scope.file()?, line))
            })
            .collect()
    }

    /// What a call calls; `None` for other instructions.
    pub fn callee(self) -> Option<Value<'m>> {
        let is_call = matches!(self.opcode(), opcode::CALL | opcode::INVOKE);
        // A call, as is required.
        is_call
            .then(|| ask!(self, LLVMGetCalledValue))
            .and_then(|raw| self.other(raw))
    }

    /// The function that a call names; `None` for calls of an address, and for
    /// other instructions.
    pub fn called_function(self) -> Option<Function<'m>> {
        self.callee()?.as_function()
    }

    /// The parameters and the result that a call supposes.
    pub fn called_signature(self) -> Option<Type<'m>> {
        // A call, as is required: only calls have a callee.
        self.callee()
            .and_then(|_| self.other(ask!(self, LLVMGetCalledFunctionType)))
    }

    /// The arguments of a call; none for other instructions.
    pub fn arguments(self) -> Vec<Value<'m>> {
        let Some(_) = self.callee() else {
            return Vec::new();
        };
        // A call, as is required.
        let count = ask!(self, LLVMGetNumArgOperands);
        self.operands().take(count as usize).collect()
    }

    /// Whether an argument of a call, counted from zero, has this attribute.
    pub fn argument_has(self, argument: c_uint, kind: AttributeKind) -> bool {
        // A call, as is required.
        self.callee().is_some_and(|_| {
            !ask!(self, LLVMGetCallSiteEnumAttribute, argument + 1, kind.0).is_null()
        })
    }

    /// The ordering of an atomic load or store: one of [`opcode::ordering`].
    /// `None` for other instructions.
    pub fn ordering(self) -> Option<c_uint> {
        // A load or a store, as is required.
        matches!(self.opcode(), opcode::LOAD | opcode::STORE).then(|| ask!(self, LLVMGetOrdering))
    }

    /// Turns an atomic load or store into a volatile one.
    pub fn make_volatile(self) {
        if self.ordering().is_some() {
            // A load or a store, as is required.
            ask!(self, LLVMSetOrdering, opcode::ordering::NOT_ATOMIC);
            ask!(self, LLVMSetVolatile, 1);
        }
    }

    /// The alignment in bytes of a local variable, or that a load or a store
    /// relies on; `None` for other instructions.
    pub fn alignment(self) -> Option<c_uint> {
        // One of these, as is required.
        self.has_alignment().then(|| ask!(self, LLVMGetAlignment))
    }

    /// Gives a local variable an alignment, or lets a load or a store rely on
    /// one: a power of two in bytes.
    pub fn set_alignment(self, bytes: c_uint) {
        if self.has_alignment() && bytes.is_power_of_two() {
            // One of these and a power of two, as is required.
            ask!(self, LLVMSetAlignment, bytes);
        }
    }

    fn has_alignment(self) -> bool {
        matches!(self.opcode(), opcode::ALLOCA | opcode::LOAD | opcode::STORE)
    }

    /// Lets a call rely on the alignment of what an argument points to; the
    /// argument is counted from zero.
    pub fn set_argument_alignment(self, argument: c_uint, bytes: c_uint) {
        if self.callee().is_some() && bytes.is_power_of_two() {
            // A call and a power of two, as is required; LLVM counts from one.
            ask!(self, LLVMSetInstrParamAlignment, argument + 1, bytes);
        }
    }

    /// What an atomic read-modify-write does: one of [`opcode::rmw`].
    pub fn rmw(self) -> Option<c_uint> {
        // Such an instruction, as is required.
        (self.opcode() == opcode::ATOMIC_RMW).then(|| ask!(self, LLVMGetAtomicRMWBinOp))
    }

    /// The type of the variable that an `alloca` puts on the stack.
    pub fn allocated(self) -> Option<Type<'m>> {
        // An alloca, as is required.
        (self.opcode() == opcode::ALLOCA)
            .then(|| ask!(self, LLVMGetAllocatedType))
            .and_then(|raw| self.other(raw))
    }
}

impl Metadata<'_> {
    /// The file of a scope: of a function, or of a block in it.
    fn file(self) -> Option<String> {
        // Called for the scopes of locations and for subprograms alone: these
        // are scopes, as is required.
        let file = self.other(ask!(self, LLVMDIScopeGetFile))?;
        let mut length: c_uint = 0;
        // The file of a scope is a file, as is required.
        let start = ask!(file, LLVMDIFileGetDirectory, &raw mut length);
        let directory = text(file, start, length as usize);
        length = 0;
        let start = ask!(file, LLVMDIFileGetFilename, &raw mut length);
        Some(joined(&directory, text(file, start, length as usize)))
    }
}

/// The instructions that use a symbol, directly or inside of a constant; and
/// the variables whose initial value holds its address.
pub fn users_of<K: IsSymbol>(
    symbol: super::handle::Handle<'_, K>,
) -> (Vec<Instruction<'_>>, Vec<Variable<'_>>) {
    let (mut instructions, mut variables) = (Vec::new(), Vec::new());
    let mut pending: Vec<Value> = symbol.users().collect();
    while let Some(user) = pending.pop() {
        if let Some(instruction) = user.as_instruction() {
            if !instructions.contains(&instruction) {
                instructions.push(instruction);
            }
        } else if let Some(variable) = user.as_variable() {
            if !variables.contains(&variable) {
                variables.push(variable);
            }
        } else if user.as_function().is_none() {
            pending.extend(user.users());
        }
    }
    (instructions, variables)
}
