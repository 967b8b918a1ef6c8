//! One compilation: bitcode in, BPF object out.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_uint, c_void};
use std::ptr::{self, NonNull};
use std::slice;

use super::api::{self, Api};
use super::code::AttributeKind;
use super::handle::{Function, Handle, Type, Variable};
use super::{Library, message};

const TRIPLE: &CStr = c"bpfel-unknown-none";
/// `LLVMCodeGenLevelAggressive`
const OPTIMIZE_MOST: c_uint = 3;
/// `LLVMRelocDefault` and `LLVMCodeModelDefault`
const DEFAULT: c_uint = 0;
/// `LLVMObjectFile`
const OBJECT_FILE: c_uint = 1;
/// `LLVMDSWarning`; errors are 0, remarks and notes come after it.
const WARNING: c_uint = 1;
/// `LLVMLittleEndian`
const LITTLE_ENDIAN: c_uint = 1;

/// Something that LLVM says about the program: an error or a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis(pub String);

/// Why a file of bitcode is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// This LLVM cannot read it; its own words.
    Bitcode(String),
    /// It was made for a machine whose memory looks different from BPF's.
    Layout,
}

/// What a module's diagnostics are collected in.
struct Log {
    api: &'static Api,
    entries: RefCell<Vec<Diagnosis>>,
}

/// A module, and all that goes with it. It stays on the thread that made it,
/// as the pointers in it make sure.
pub struct Module {
    api: &'static Api,
    context: NonNull<api::Context>,
    module: NonNull<api::Module>,
    machine: NonNull<api::Machine>,
    log: Box<Log>,
}

impl Module {
    /// Reads bitcode for a 64-bit little-endian machine, and makes it BPF's.
    /// `cpu` is a BPF instruction set that LLVM knows: `v3`.
    pub fn read(library: Library, bitcode: &[u8], cpu: &CStr) -> Result<Self, Unreadable> {
        let api = library.api;
        let machine = machine(api, cpu)
            .ok_or_else(|| Unreadable::Bitcode("there is no BPF back end".to_owned()))?;
        let log = Box::new(Log {
            api,
            entries: RefCell::default(),
        });
        let (context, module) = parse(api, bitcode, &log);
        let (Some(context), Some(module)) = (context, module) else {
            // SAFETY: live, and not used again.
            unsafe { (api.LLVMDisposeTargetMachine)(machine.as_ptr()) };
            let said = log.entries.take().into_iter().map(|entry| entry.0);
            return Err(Unreadable::Bitcode(said.collect::<Vec<_>>().join("; ")));
        };
        let module = Self {
            api,
            context,
            module,
            machine,
            log,
        };
        module.check_layout()?;
        module.retarget();
        Ok(module)
    }

    /// BPF code reads the same numbers at the same places only if it was
    /// compiled for words and pointers like BPF's.
    fn check_layout(&self) -> Result<(), Unreadable> {
        let layout = self.layout();
        // SAFETY: the layout belongs to the live module.
        let order = unsafe { (self.api.LLVMByteOrder)(layout) };
        // SAFETY: as above.
        let pointer = unsafe { (self.api.LLVMPointerSize)(layout) };
        if order == LITTLE_ENDIAN && pointer == 8 {
            Ok(())
        } else {
            Err(Unreadable::Layout)
        }
    }

    fn retarget(&self) {
        // SAFETY: a live module and a literal.
        unsafe { (self.api.LLVMSetTarget)(self.module.as_ptr(), TRIPLE.as_ptr()) };
        // SAFETY: a live machine; the answer is ours to dispose of.
        let layout = unsafe { (self.api.LLVMCreateTargetDataLayout)(self.machine.as_ptr()) };
        // SAFETY: both are live; the module takes a copy.
        unsafe { (self.api.LLVMSetModuleDataLayout)(self.module.as_ptr(), layout) };
        // SAFETY: ours, and not used again.
        unsafe { (self.api.LLVMDisposeTargetData)(layout) };
    }

    fn layout(&self) -> *mut api::DataLayout {
        // SAFETY: a live module, which the answer is a part of.
        unsafe { (self.api.LLVMGetModuleDataLayout)(self.module.as_ptr()) }
    }

    /// The functions, defined and declared, in the order of the bitcode.
    pub fn functions(&self) -> impl Iterator<Item = Function<'_>> {
        // SAFETY: a live module, which the answer borrows.
        let first = unsafe { (self.api.LLVMGetFirstFunction)(self.module.as_ptr()) };
        std::iter::successors(Handle::new(self.api, first), |function: &Function| {
            function.next()
        })
    }

    /// The variables, in the order of the bitcode.
    pub fn variables(&self) -> impl Iterator<Item = Variable<'_>> {
        // SAFETY: a live module, which the answer borrows.
        let first = unsafe { (self.api.LLVMGetFirstGlobal)(self.module.as_ptr()) };
        std::iter::successors(Handle::new(self.api, first), |variable: &Variable| {
            variable.next()
        })
    }

    /// The size of a type in memory, in bytes.
    pub fn size_of(&self, ty: Type<'_>) -> u64 {
        // SAFETY: the layout belongs to this live module, the type to a live
        // one; only types with a size are asked about: those of variables.
        unsafe { (self.api.LLVMABISizeOfType)(self.layout(), ty.raw.as_ptr()) }
    }

    /// The number of an attribute, by its name in LLVM's language.
    pub fn attribute(&self, name: &'static str) -> AttributeKind {
        // SAFETY: a string and its length.
        let kind =
            unsafe { (self.api.LLVMGetEnumAttributeKindForName)(name.as_ptr().cast(), name.len()) };
        AttributeKind(kind)
    }

    /// Adds an attribute to a function of this module.
    pub fn add_attribute(&self, function: Function<'_>, kind: AttributeKind) {
        // SAFETY: a live context and the number of an attribute.
        let attribute =
            unsafe { (self.api.LLVMCreateEnumAttribute)(self.context.as_ptr(), kind.0, 0) };
        let function = function.raw.as_ptr();
        // SAFETY: a live function; the attribute belongs to the same context.
        unsafe { (self.api.LLVMAddAttributeAtIndex)(function, c_uint::MAX, attribute) };
    }

    /// Runs passes, named as for LLVM's `opt`.
    pub fn optimize(&mut self, passes: &CStr) -> Result<(), String> {
        let (module, machine) = (self.module.as_ptr(), self.machine.as_ptr());
        // SAFETY: makes options, which are disposed of below.
        let options = unsafe { (self.api.LLVMCreatePassBuilderOptions)() };
        // SAFETY: all are live, and `&mut self` says that nobody holds a handle
        // to something that a pass may remove.
        let error = unsafe { (self.api.LLVMRunPasses)(module, passes.as_ptr(), machine, options) };
        // SAFETY: ours, and not used again.
        unsafe { (self.api.LLVMDisposePassBuilderOptions)(options) };
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: a live error, which this call consumes.
        let text = unsafe { (self.api.LLVMGetErrorMessage)(error) };
        let said = message(text);
        // SAFETY: the text of an error, ours, and not used again.
        unsafe { (self.api.LLVMDisposeErrorMessage)(text) };
        Err(said)
    }

    /// Generates code: an ELF object. Whatever LLVM has to say, be it a
    /// warning, makes it fail.
    pub fn emit(&mut self) -> Result<Vec<u8>, Vec<Diagnosis>> {
        let (module, machine) = (self.module.as_ptr(), self.machine.as_ptr());
        let (mut text, mut buffer) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: all are live, `&mut self` says that nobody holds a handle,
        // and there are places for both answers.
        let failed = unsafe {
            (self.api.LLVMTargetMachineEmitToMemoryBuffer)(
                machine,
                module,
                OBJECT_FILE,
                &raw mut text,
                &raw mut buffer,
            )
        };
        let mut said = self.log.entries.take();
        if failed != 0 {
            said.push(Diagnosis(message(text)));
            // SAFETY: the text that came with the failure, ours.
            unsafe { (self.api.LLVMDisposeMessage)(text) };
            return Err(said);
        }
        let object = bytes(self.api, buffer);
        // SAFETY: ours, and not used again.
        unsafe { (self.api.LLVMDisposeMemoryBuffer)(buffer) };
        if said.is_empty() {
            Ok(object)
        } else {
            Err(said)
        }
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: live, and not used again.
        unsafe { (self.api.LLVMDisposeTargetMachine)(self.machine.as_ptr()) };
        // SAFETY: as above; all handles are gone, for they borrow the module.
        unsafe { (self.api.LLVMDisposeModule)(self.module.as_ptr()) };
        // SAFETY: as above, and the last that belongs to it is gone.
        unsafe { (self.api.LLVMContextDispose)(self.context.as_ptr()) };
    }
}

/// A context and the module that the bitcode makes in it; no module, and no
/// context then, if LLVM cannot read it. The log must outlive the context.
fn parse(
    api: &Api,
    bitcode: &[u8],
    log: &Log,
) -> (Option<NonNull<api::Context>>, Option<NonNull<api::Module>>) {
    // SAFETY: makes a context; the caller gets it, or it is disposed of below.
    let context = unsafe { (api.LLVMContextCreate)() };
    let log = (&raw const *log).cast_mut().cast();
    // SAFETY: the context is live, and the log outlives it.
    unsafe { (api.LLVMContextSetDiagnosticHandler)(context, take_note, log) };

    let start = bitcode.as_ptr().cast();
    // SAFETY: bytes with their length, which are copied, and a name.
    let buffer = unsafe {
        (api.LLVMCreateMemoryBufferWithMemoryRangeCopy)(start, bitcode.len(), c"xdp".as_ptr())
    };
    let mut module = ptr::null_mut();
    // SAFETY: a live context and buffer, and a place for the answer.
    let failed = unsafe { (api.LLVMParseBitcodeInContext2)(context, buffer, &raw mut module) };
    // SAFETY: ours: the parser leaves the buffer to its caller.
    unsafe { (api.LLVMDisposeMemoryBuffer)(buffer) };
    if failed == 0 {
        return (NonNull::new(context), NonNull::new(module));
    }
    // SAFETY: live, and nothing refers to it: there is no module.
    unsafe { (api.LLVMContextDispose)(context) };
    (None, None)
}

fn machine(api: &Api, cpu: &CStr) -> Option<NonNull<api::Machine>> {
    let (mut target, mut text) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: a literal and two places for the answers.
    let failed =
        unsafe { (api.LLVMGetTargetFromTriple)(TRIPLE.as_ptr(), &raw mut target, &raw mut text) };
    if failed != 0 {
        // SAFETY: the text that came with the failure, ours.
        unsafe { (api.LLVMDisposeMessage)(text) };
        return None;
    }
    // SAFETY: the target was just found, and the strings are copied.
    let machine = unsafe {
        (api.LLVMCreateTargetMachine)(
            target,
            TRIPLE.as_ptr(),
            cpu.as_ptr(),
            c"".as_ptr(),
            OPTIMIZE_MOST,
            DEFAULT,
            DEFAULT,
        )
    };
    NonNull::new(machine)
}

fn bytes(api: &Api, buffer: *mut api::Buffer) -> Vec<u8> {
    // SAFETY: the caller has just got this buffer.
    let start: *const c_char = unsafe { (api.LLVMGetBufferStart)(buffer) };
    // SAFETY: as above.
    let length = unsafe { (api.LLVMGetBufferSize)(buffer) };
    // SAFETY: the bytes of the buffer, which nobody changes.
    unsafe { slice::from_raw_parts(start.cast::<u8>(), length) }.to_vec()
}

/// LLVM calls this with each diagnosis about a module.
extern "C" fn take_note(diagnostic: *mut api::Diagnostic, log: *mut c_void) {
    // SAFETY: `log` is the box that `Module::read` set, which lives as long as
    // the context. It is only ever borrowed shared.
    let log = unsafe { &*log.cast::<Log>() };
    // SAFETY: LLVM passes a live diagnosis.
    if unsafe { (log.api.LLVMGetDiagInfoSeverity)(diagnostic) } > WARNING {
        return;
    }
    // SAFETY: as above; the answer is ours.
    let text = unsafe { (log.api.LLVMGetDiagInfoDescription)(diagnostic) };
    let said = message(text).trim().to_owned();
    // SAFETY: ours, and not used again.
    unsafe { (log.api.LLVMDisposeMessage)(text) };
    log.entries.borrow_mut().push(Diagnosis(said));
}
