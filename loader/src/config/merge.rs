//! What a new document leaves as it is, filled in from the one in force.

use super::convert::Balancer;
use super::document::Document;
use super::generate::at;
use super::plan::{former, paired};
use crate::model::State;

/// The document that is in force once `wanted` is: backends whose states it does
/// not say keep theirs, and what is chosen when a balancer is first loaded stays.
///
/// `before` says all states that are not `ready`, as the document in force does.
#[must_use]
pub fn merged(before: &Document, wanted: &Document) -> Document {
    let mut merged = wanted.clone();
    let (old, new) = (Balancer::new(before), Balancer::new(wanted));
    for ((service, of_new), former) in merged
        .services
        .iter_mut()
        .zip(&new.config.services)
        .zip(former(&old.config, &new.config))
    {
        let pairs = former.map(|index| &old.config.services[index]);
        for (backend, of_new) in service.backends.iter_mut().zip(&of_new.backends) {
            let kept = pairs.and_then(|of_old| paired(of_old, of_new)?.state);
            let said = backend.state.as_ref().map(|at| at.value);
            // What is not said is ready: one text for what means the same.
            let state = said.or(kept).filter(|&state| state != State::Ready);
            backend.state = state.map(at);
        }
    }
    let (from, to) = (&before.balancer, &mut merged.balancer);
    to.seed = to.seed.take().or_else(|| from.seed.clone());
    to.mode = to.mode.take().or_else(|| from.mode.clone());
    if !before.services.is_empty() {
        to.flows.clone_from(&from.flows);
        to.slots.clone_from(&from.slots);
    }
    merged
}

/// The same document with states that are said, whatever they are: what a
/// rollback wants.
#[must_use]
pub fn with_states(document: &Document) -> Document {
    let mut said = document.clone();
    for backend in said.services.iter_mut().flat_map(|s| &mut s.backends) {
        backend.state.get_or_insert(at(State::Ready));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::examine;
    use crate::config::write::write;

    const TEXT: &str = "\
[balancer]
seed = \"a\"
flows = 4096

[service.web]
vip = \"192.0.2.10\"
ports = \"80/tcp\"

[service.web.backends]
b1 = { ip = \"10.0.0.3\", state = \"drain\" }
b2 = \"10.0.0.4\"
";

    fn read(text: &str) -> Document {
        let (document, findings) = examine(text);
        assert_eq!(findings, [], "{text}");
        document
    }

    #[test]
    fn what_a_file_does_not_say_stays_as_it_is() {
        let wanted = "[service.www]\nvip = \"192.0.2.10\"\nports = [\"80/tcp\", \"443/tcp\"]\n\n[service.www.backends]\nb9 = \"10.0.0.3\"\nb2 = { ip = \"10.0.0.4\", state = \"ready\" }\n";
        let merged = write(&merged(&read(TEXT), &read(wanted)));
        assert_eq!(
            merged,
            "[balancer]\nseed = \"a\"\nflows = 4096\n\n[service.www]\nvip = \"192.0.2.10\"\nports = [\"80/tcp\", \"443/tcp\"]\n\n[service.www.backends]\nb2 = \"10.0.0.4\"\nb9 = { ip = \"10.0.0.3\", state = \"drain\" }\n"
        );
    }

    #[test]
    fn a_document_with_itself_is_itself_and_a_rollback_says_ready() {
        let document = read(TEXT);
        assert_eq!(write(&merged(&document, &document)), TEXT);
        let mut changed = document.clone();
        changed.services[0].backends[1].state = Some(at(State::Maint));
        assert_eq!(write(&merged(&changed, &with_states(&document))), TEXT);
    }
}
