//! The functions of LLVM's C interface that are called, as they are declared in
//! `llvm-c/*.h` of LLVM 22, and nothing else.
//!
//! They are looked up in a library that is opened when the program runs, so
//! that this crate builds without LLVM.

use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};

use libloading::Library;

/// Types that exist only behind pointers: one for each kind of object, so that
/// a function cannot be given an object of another kind.
macro_rules! opaque {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        pub enum $name {}
    )*};
}

opaque! {
    /// `LLVMAttributeRef`
    Attribute;
    /// `LLVMBasicBlockRef`
    Block;
    /// `LLVMMemoryBufferRef`
    Buffer;
    /// `LLVMContextRef`
    Context;
    /// `LLVMTargetDataRef`
    DataLayout;
    /// `LLVMDiagnosticInfoRef`
    Diagnostic;
    /// `LLVMErrorRef`
    Error;
    /// `LLVMValueRef` of a function
    Function;
    /// `LLVMValueRef` of an instruction
    Instruction;
    /// `LLVMTargetMachineRef`
    Machine;
    /// `LLVMMetadataRef`
    Metadata;
    /// `LLVMModuleRef`
    Module;
    /// `LLVMPassBuilderOptionsRef`
    PassOptions;
    /// `LLVMTargetRef`
    Target;
    /// `LLVMTypeRef`
    Type;
    /// `LLVMUseRef`
    Use;
    /// `LLVMValueRef` of anything
    Value;
    /// `LLVMValueRef` of a global variable
    Variable;
}

macro_rules! api {
    ($($name:ident($($argument:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        /// The functions, found. Calling one is subject to the rules of its
        /// declaration: live objects of the right kind, and for some of them
        /// more than that.
        #[expect(non_snake_case, reason = "LLVM's own names, so that they can be looked up")]
        pub struct Api {
            $(pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Api {
            /// Looks every function up; the error is the name of the first one
            /// that is missing.
            pub fn find(library: &Library) -> Result<Self, &'static str> {
                Ok(Self {
                    // SAFETY: a library that has a function of this name is a
                    // libLLVM, where it has the type of its declaration: the
                    // C interface is kept stable. The pointer stays valid since
                    // the caller never closes the library.
                    $($name: *unsafe { library.get(concat!(stringify!($name), "\0").as_bytes()) }
                        .map_err(|_| stringify!($name))?,)*
                })
            }
        }
    };
}

api! {
    // The order is that of the questions asked of an unknown library: is it
    // LLVM, does it know BPF, is it young enough.
    LLVMContextCreate() -> *mut Context;
    LLVMInitializeBPFTargetInfo();
    LLVMInitializeBPFTarget();
    LLVMInitializeBPFTargetMC();
    LLVMInitializeBPFAsmPrinter();
    LLVMGetVersion(*mut c_uint, *mut c_uint, *mut c_uint);

    LLVMContextDispose(*mut Context);
    LLVMContextSetDiagnosticHandler(*mut Context, extern "C" fn(*mut Diagnostic, *mut c_void), *mut c_void);
    LLVMDisposeMessage(*mut c_char);
    LLVMGetDiagInfoDescription(*mut Diagnostic) -> *mut c_char;
    LLVMGetDiagInfoSeverity(*mut Diagnostic) -> c_uint;
    LLVMInstallFatalErrorHandler(extern "C" fn(*const c_char));
    LLVMParseCommandLineOptions(c_int, *const *const c_char, *const c_char);

    LLVMCreateMemoryBufferWithMemoryRangeCopy(*const c_char, usize, *const c_char) -> *mut Buffer;
    LLVMDisposeMemoryBuffer(*mut Buffer);
    LLVMGetBufferSize(*mut Buffer) -> usize;
    LLVMGetBufferStart(*mut Buffer) -> *const c_char;

    LLVMDisposeModule(*mut Module);
    LLVMGetFirstFunction(*mut Module) -> *mut Function;
    LLVMGetFirstGlobal(*mut Module) -> *mut Variable;
    LLVMGetModuleDataLayout(*mut Module) -> *mut DataLayout;
    LLVMParseBitcodeInContext2(*mut Context, *mut Buffer, *mut *mut Module) -> c_int;
    LLVMSetModuleDataLayout(*mut Module, *mut DataLayout);
    LLVMSetTarget(*mut Module, *const c_char);

    LLVMABISizeOfType(*mut DataLayout, *mut Type) -> c_ulonglong;
    LLVMByteOrder(*mut DataLayout) -> c_uint;
    LLVMCreateTargetDataLayout(*mut Machine) -> *mut DataLayout;
    LLVMCreateTargetMachine(
        *mut Target, *const c_char, *const c_char, *const c_char, c_uint, c_uint, c_uint,
    ) -> *mut Machine;
    LLVMDisposeTargetData(*mut DataLayout);
    LLVMDisposeTargetMachine(*mut Machine);
    LLVMGetTargetFromTriple(*const c_char, *mut *mut Target, *mut *mut c_char) -> c_int;
    LLVMPointerSize(*mut DataLayout) -> c_uint;
    LLVMTargetMachineEmitToMemoryBuffer(
        *mut Machine, *mut Module, c_uint, *mut *mut c_char, *mut *mut Buffer,
    ) -> c_int;

    LLVMCreatePassBuilderOptions() -> *mut PassOptions;
    LLVMDisposePassBuilderOptions(*mut PassOptions);
    LLVMDisposeErrorMessage(*mut c_char);
    LLVMGetErrorMessage(*mut Error) -> *mut c_char;
    LLVMRunPasses(*mut Module, *const c_char, *mut Machine, *mut PassOptions) -> *mut Error;

    LLVMAddAttributeAtIndex(*mut Function, c_uint, *mut Attribute);
    LLVMCreateEnumAttribute(*mut Context, c_uint, u64) -> *mut Attribute;
    LLVMGetCallSiteEnumAttribute(*mut Instruction, c_uint, c_uint) -> *mut Attribute;
    LLVMGetEnumAttributeAtIndex(*mut Function, c_uint, c_uint) -> *mut Attribute;
    LLVMGetEnumAttributeKindForName(*const c_char, usize) -> c_uint;
    LLVMRemoveEnumAttributeAtIndex(*mut Function, c_uint, c_uint);
    LLVMRemoveStringAttributeAtIndex(*mut Function, c_uint, *const c_char, c_uint);

    LLVMGetDebugLocDirectory(*mut Value, *mut c_uint) -> *const c_char;
    LLVMGetDebugLocFilename(*mut Value, *mut c_uint) -> *const c_char;
    LLVMGetDebugLocLine(*mut Value) -> c_uint;
    LLVMGetSection(*mut Value) -> *const c_char;
    LLVMGetValueName2(*mut Value, *mut usize) -> *const c_char;
    LLVMIsDeclaration(*mut Value) -> c_int;
    LLVMSetLinkage(*mut Value, c_uint);
    LLVMSetVisibility(*mut Value, c_uint);

    LLVMCountParams(*mut Function) -> c_uint;
    LLVMGetFirstBasicBlock(*mut Function) -> *mut Block;
    LLVMGetNextFunction(*mut Function) -> *mut Function;
    LLVMGetParam(*mut Function, c_uint) -> *mut Value;
    LLVMGetSubprogram(*mut Function) -> *mut Metadata;
    LLVMGlobalGetValueType(*mut Value) -> *mut Type;
    LLVMGetInitializer(*mut Variable) -> *mut Value;
    LLVMGetNextGlobal(*mut Variable) -> *mut Variable;

    LLVMBasicBlockAsValue(*mut Block) -> *mut Value;
    LLVMGetBasicBlockParent(*mut Block) -> *mut Function;
    LLVMGetFirstInstruction(*mut Block) -> *mut Instruction;
    LLVMGetNextBasicBlock(*mut Block) -> *mut Block;

    LLVMGetAlignment(*mut Instruction) -> c_uint;
    LLVMGetAllocatedType(*mut Instruction) -> *mut Type;
    LLVMGetAtomicRMWBinOp(*mut Instruction) -> c_uint;
    LLVMGetCalledFunctionType(*mut Instruction) -> *mut Type;
    LLVMGetCalledValue(*mut Instruction) -> *mut Value;
    LLVMGetInstructionOpcode(*mut Instruction) -> c_uint;
    LLVMGetInstructionParent(*mut Instruction) -> *mut Block;
    LLVMGetNextInstruction(*mut Instruction) -> *mut Instruction;
    LLVMGetNumArgOperands(*mut Instruction) -> c_uint;
    LLVMGetOrdering(*mut Instruction) -> c_uint;
    LLVMInstructionGetDebugLoc(*mut Instruction) -> *mut Metadata;
    LLVMSetAlignment(*mut Instruction, c_uint);
    LLVMSetInstrParamAlignment(*mut Instruction, c_uint, c_uint);
    LLVMSetOrdering(*mut Instruction, c_uint);
    LLVMSetVolatile(*mut Instruction, c_int);

    LLVMConstIntGetZExtValue(*mut Value) -> c_ulonglong;
    LLVMGetConstOpcode(*mut Value) -> c_uint;
    LLVMGetFirstUse(*mut Value) -> *mut Use;
    LLVMGetInlineAsmAsmString(*mut Value, *mut usize) -> *const c_char;
    LLVMGetNextUse(*mut Use) -> *mut Use;
    LLVMGetNumOperands(*mut Value) -> c_int;
    LLVMGetOperand(*mut Value, c_uint) -> *mut Value;
    LLVMGetParamParent(*mut Value) -> *mut Function;
    LLVMGetUser(*mut Use) -> *mut Value;
    LLVMIsAArgument(*mut Value) -> *mut Value;
    LLVMIsAConstantExpr(*mut Value) -> *mut Value;
    LLVMIsAConstantInt(*mut Value) -> *mut Value;
    LLVMIsAFunction(*mut Value) -> *mut Function;
    LLVMIsAGlobalVariable(*mut Value) -> *mut Variable;
    LLVMIsAInlineAsm(*mut Value) -> *mut Value;
    LLVMIsAInstruction(*mut Value) -> *mut Instruction;
    LLVMIsAUser(*mut Value) -> *mut Value;
    LLVMIsConstant(*mut Value) -> c_int;
    LLVMIsNull(*mut Value) -> c_int;
    LLVMTypeOf(*mut Value) -> *mut Type;

    LLVMCountParamTypes(*mut Type) -> c_uint;
    LLVMCountStructElementTypes(*mut Type) -> c_uint;
    LLVMGetArrayLength2(*mut Type) -> u64;
    LLVMGetElementType(*mut Type) -> *mut Type;
    LLVMGetIntTypeWidth(*mut Type) -> c_uint;
    LLVMGetParamTypes(*mut Type, *mut *mut Type);
    LLVMGetReturnType(*mut Type) -> *mut Type;
    LLVMGetTypeKind(*mut Type) -> c_uint;
    LLVMGetVectorSize(*mut Type) -> c_uint;
    LLVMStructGetTypeAtIndex(*mut Type, c_uint) -> *mut Type;

    LLVMDIFileGetDirectory(*mut Metadata, *mut c_uint) -> *const c_char;
    LLVMDIFileGetFilename(*mut Metadata, *mut c_uint) -> *const c_char;
    LLVMDILocationGetInlinedAt(*mut Metadata) -> *mut Metadata;
    LLVMDILocationGetLine(*mut Metadata) -> c_uint;
    LLVMDILocationGetScope(*mut Metadata) -> *mut Metadata;
    LLVMDIScopeGetFile(*mut Metadata) -> *mut Metadata;
    LLVMDISubprogramGetLine(*mut Metadata) -> c_uint;
}
