//! From an instruction to the line that somebody wrote.

use crate::llvm::handle::{Function, Instruction};
use crate::sources::Sources;
use crate::symbol::readable;

use super::finding::{Finding, Place};

/// The lines that an instruction comes from: one, unless the optimizer merged
/// several into it.
pub struct Positions {
    origins: Vec<Origin>,
    function: String,
}

/// One line, and how it got into the function that it was found in.
struct Origin {
    place: Place,
    /// Whether the optimizer merged the line with others, so that this is only
    /// close to it.
    near: bool,
    /// The line of the standard library that the place leads to.
    inside: Option<Place>,
    /// The line of the compiled function from which the place was reached.
    from: Option<Place>,
}

impl Origin {
    fn near(place: Place) -> Self {
        Self {
            place,
            near: true,
            inside: None,
            from: None,
        }
    }
}

impl Positions {
    /// The same finding for each line.
    pub fn at(self, what: &str) -> Vec<Finding> {
        let finding = |place, context| Finding {
            place,
            what: what.to_owned(),
            context,
        };
        let mut found = Vec::new();
        for origin in self.origins {
            let mut context = vec![format!("in `{}`", self.function)];
            context.extend(origin.inside.map(|place| format!("through {place}")));
            context.extend(origin.from.map(|place| format!("reached from {place}")));
            context.extend(origin.near.then(|| "near this line".to_owned()));
            found.push(finding(Some(origin.place), context.join(", ")));
        }
        if found.is_empty() {
            found.push(finding(None, format!("in `{}`", self.function)));
        }
        found
    }
}

/// The lines that an instruction comes from. If the optimizer could not keep
/// its line, as when two instructions became one, then lines close to it.
pub fn positions(instruction: Instruction<'_>, sources: &Sources) -> Positions {
    let block = instruction.block();
    let function = block.and_then(|block| block.function());
    Positions {
        origins: origins(instruction, sources),
        function: function.map_or_else(String::new, |function| readable(&function.name())),
    }
}

fn origins(instruction: Instruction<'_>, sources: &Sources) -> Vec<Origin> {
    if let Some(origin) = origin(instruction, sources) {
        return vec![origin];
    }
    let place = |other| origin(other, sources).map(|origin| origin.place);
    let Some(block) = instruction.block() else {
        return Vec::new();
    };
    let mut places: Vec<Place> = block.jumps_here().filter_map(place).collect();
    if places.is_empty() {
        places.extend(block.instructions().find_map(place));
    }
    if places.is_empty() {
        let function = block.function();
        places.extend(function.and_then(|function| definition(function, sources)));
    }
    places.into_iter().map(Origin::near).collect()
}

/// The line where a function is defined.
pub fn definition(function: Function<'_>, sources: &Sources) -> Option<Place> {
    let (file, line) = function.definition()?;
    Some(Place::new(sources, &file, line))
}

/// The innermost line of the program itself, among those that were inlined
/// into each other.
fn origin(instruction: Instruction<'_>, sources: &Sources) -> Option<Origin> {
    let mut chain = instruction.positions();
    chain.retain(|(_, line)| *line != 0);
    let place = |(file, line): &(String, u32)| Place::new(sources, file, *line);
    let own = chain.iter().find(|(file, _)| sources.contains(file))?;
    let (first, last) = (chain.first()?, chain.last()?);
    Some(Origin {
        place: place(own),
        near: false,
        inside: (first != own).then(|| place(first)),
        from: (last != own).then(|| place(last)),
    })
}
