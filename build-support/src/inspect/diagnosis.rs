//! What LLVM says when it generates code, in terms of the source.

use crate::llvm::handle::{Function, Instruction};
use crate::llvm::{Diagnosis, Module, opcode};
use crate::symbol::readable;

use super::Rules;
use super::finding::Finding;
use super::position::{definition, positions};
use super::undefined::too_long;

/// `FILE:LINE:COLUMN: in function NAME TYPE: MESSAGE`
#[derive(Debug, PartialEq, Eq)]
struct Said<'a> {
    file: &'a str,
    line: u32,
    function: &'a str,
    message: &'a str,
}

impl<'a> Said<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (position, rest) = text.split_once(": in function ")?;
        let mut position = position.rsplitn(3, ':').skip(1);
        let line = position.next()?.parse().ok()?;
        let file = position.next()?;
        let (function, rest) = rest.split_once(' ')?;
        // The type ends with its parameters, in parentheses.
        let (_, message) = rest.split_once("): ")?;
        Some(Self {
            file,
            line,
            function,
            message: message.trim(),
        })
    }
}

/// The findings that stand for LLVM's words.
pub fn translate(module: &Module, said: &[Diagnosis], rules: &Rules) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for Diagnosis(text) in said {
        let parsed = Said::parse(text);
        let function = parsed.as_ref().and_then(|said| {
            let mut functions = module.functions();
            functions.find(|function| function.name() == said.function)
        });
        let (Some(parsed), Some(function)) = (parsed, function) else {
            found.push(Finding {
                place: None,
                what: text.clone(),
                context: String::new(),
            });
            continue;
        };
        let times = said.iter().filter(|other| other.0 == *text).count();
        found.extend(explain(module, &parsed, times, function, rules));
    }
    // A call that is refused is followed by a complaint about its result.
    let consequence = |finding: &Finding| finding.what.starts_with(CONSEQUENCE);
    if found.iter().any(|finding| !consequence(finding)) {
        found.retain(|finding| !consequence(finding));
    }
    found
}

const CONSEQUENCE: &str = "only small returns supported";
const STACK: &str = "Looks like the BPF stack limit is exceeded";

/// What LLVM means by words that it said so many times.
fn explain(
    module: &Module,
    said: &Said,
    times: usize,
    function: Function<'_>,
    rules: &Rules,
) -> Vec<Finding> {
    if said.message.starts_with(STACK) {
        return vec![stack(module, function, rules)];
    }
    let library = library_call(said.message);
    let what = match library {
        Some("__ashlti3" | "__ashrti3" | "__lshrti3") => "a shift of 128 bits by an amount that \
            is known at run time only: BPF shifts 64-bit numbers"
            .to_owned(),
        Some(name @ ("memcpy" | "memmove" | "memset")) => too_long(name),
        Some(name) => format!("an operation that takes the library function {name}"),
        None => said.message.to_owned(),
    };
    let found: Vec<Finding> = culprits(said, library, times, function)
        .into_iter()
        .flat_map(|instruction| positions(instruction, rules.sources).at(&what))
        .collect();
    if !found.is_empty() {
        return found;
    }
    let mut context = format!("in `{}`", readable(said.function));
    if said.line != 0 {
        context.push_str(&format!(", at {}:{}", said.file, said.line));
    }
    vec![Finding {
        place: definition(function, rules.sources),
        what,
        context,
    }]
}

/// The instructions that LLVM may mean. It names their innermost line, which
/// may be one of `core` that others come from, too.
fn culprits<'m>(
    said: &Said,
    library: Option<&str>,
    times: usize,
    function: Function<'m>,
) -> Vec<Instruction<'m>> {
    let is_here = |instruction: &Instruction| {
        let innermost = instruction.positions().into_iter().next();
        innermost
            .is_some_and(|(file, line)| line == said.line && line != 0 && file.ends_with(said.file))
    };
    let mut culprits: Vec<Instruction> = function
        .instructions()
        .filter(|instruction| may_be(*instruction, library) && is_here(instruction))
        .collect();
    if library.is_some_and(|name| name.starts_with("mem")) {
        // Each copy that is too long is named once: these are the longest.
        let length = |copy: &Instruction| copy.arguments().get(2).and_then(|n| n.as_number());
        culprits.sort_by_key(|copy| std::cmp::Reverse(length(copy)));
        culprits.truncate(times);
    }
    culprits
}

/// The library function that LLVM would need.
fn library_call(message: &str) -> Option<&str> {
    message
        .strip_prefix("A call to built-in function '")?
        .split('\'')
        .next()
}

/// Whether an instruction could be the one that needs a library function.
fn may_be(instruction: Instruction<'_>, library: Option<&str>) -> bool {
    match library {
        Some("__ashlti3" | "__ashrti3" | "__lshrti3") => {
            let wide = instruction.ty().and_then(|ty| ty.integer_bits()) > Some(64);
            // LLVM may make a shift of a funnel shift, an intrinsic.
            wide && matches!(
                instruction.opcode(),
                opcode::SHL | opcode::LSHR | opcode::ASHR | opcode::CALL
            )
        }
        Some(name @ ("memcpy" | "memmove" | "memset")) => {
            let called = instruction.called_function();
            called.is_some_and(|function| function.name().contains(name))
        }
        _ => true,
    }
}

/// The function, and its largest variables: everything that is inlined into it
/// counts.
fn stack(module: &Module, function: Function<'_>, rules: &Rules) -> Finding {
    let mut variables: Vec<(u64, Instruction)> = function
        .instructions()
        .filter_map(|instruction| Some((module.size_of(instruction.allocated()?), instruction)))
        .filter(|(bytes, _)| *bytes >= 64)
        .collect();
    variables.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    let mut what =
        "512 bytes of stack or more: BPF has fewer, keep large values in a table".to_owned();
    for (bytes, variable) in variables.into_iter().take(3) {
        let uses = variable.value().users();
        let mut places = uses
            .filter_map(|user| user.as_instruction())
            .flat_map(|user| {
                let found = positions(user, rules.sources).at("");
                found.into_iter().filter_map(|finding| finding.place)
            });
        if let Some(place) = places.next() {
            what.push_str(&format!("; {bytes} bytes are used at {place}"));
        }
    }
    Finding {
        place: definition(function, rules.sources),
        what,
        context: format!("in `{}`", readable(&function.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llvms_words_are_taken_apart() {
        let said = Said::parse(
            "library/core/src/ptr/mod.rs:547:14: in function prog i64 (ptr): A call to built-in \
             function 'memcpy' is not supported.",
        )
        .expect("it has all parts");
        assert_eq!(said.file, "library/core/src/ptr/mod.rs");
        assert_eq!(said.line, 547);
        assert_eq!(said.function, "prog");
        assert_eq!(library_call(said.message), Some("memcpy"));
    }

    #[test]
    fn words_of_another_form_are_left_as_they_are() {
        assert!(
            Said::parse("<unknown>:0: BSS section '.bss.x' cannot have non-zero bytes").is_none()
        );
        assert!(Said::parse("").is_none());
    }
}
