//! The name that was probably meant.

/// The nearest of `names` to a word, if one is near: a third of its letters, or
/// fewer, would have to change.
#[must_use]
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    // No name is so long; and the time grows with the square.
    if word.len() > 64 {
        return None;
    }
    names
        .into_iter()
        .map(|name| (distance(&word, name), name))
        .filter(|&(distance, name)| distance <= name.len().div_ceil(3))
        .min()
        .map(|(_, name)| name)
}

/// How many letters have to be put in, taken out, changed, or swapped with the
/// next to make `to` of `from` (restricted Damerau-Levenshtein distance).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = [vec![0; to.len() + 1], (0..=to.len()).collect(), vec![]];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let differ = usize::from(from[i - 1] != to[j - 1]);
            let mut best = (rows[1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[1][j - 1] + differ);
            let is_swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
            if is_swapped {
                best = best.min(rows[0][j - 2] + 1);
            }
            row.push(best);
        }
        rows[2] = row;
        rows.rotate_left(1);
    }
    rows[1][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_definition() {
        for (from, to, wanted) in [
            ("", "", 0),
            ("", "vip", 3),
            ("vip", "", 3),
            ("vip", "vip", 0),
            ("vpi", "vip", 1),
            ("vips", "vip", 1),
            ("polcy", "policy", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(from, to), wanted, "{from} {to}");
        }
    }

    #[test]
    fn a_name_is_suggested_only_if_it_is_near() {
        let names = ["vip", "ports", "on_dead", "forward"];
        for (word, wanted) in [
            ("port", Some("ports")),
            ("on-dead", Some("on_dead")),
            ("Vip", Some("vip")),
            ("froward", Some("forward")),
            ("quorum", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names), wanted, "{word}");
        }
    }
}
