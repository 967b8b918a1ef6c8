//! A page that is written by hand, with parts that are generated:
//!
//! ```text
//! <!-- begin NAME -->
//! what the generator says
//! <!-- end NAME -->
//! ```

/// Replaces what stands between the markers of each part. Everything else stays
/// to the byte. Refuses a page on which a part has no place, or two, and one
/// with markers of a part that is not given: it would keep old figures.
pub fn replace(page: &str, parts: &[(&str, String)]) -> Result<String, String> {
    for name in names(page)? {
        if !parts.iter().any(|(given, _)| *given == name) {
            return Err(format!(
                "nothing is generated for <!-- begin {name} -->: take its markers out"
            ));
        }
    }
    let mut page = page.to_owned();
    for (name, body) in parts {
        let (from, to) = place(&page, name)?;
        page.replace_range(from..to, &format!("\n{}\n", body.trim_matches('\n')));
    }
    Ok(page)
}

/// Where the part stands, without its markers.
fn place(page: &str, name: &str) -> Result<(usize, usize), String> {
    let begin = format!("<!-- begin {name} -->");
    let end = format!("<!-- end {name} -->");
    let start = once(page, &begin)? + begin.len();
    let stop = once(page, &end)?;
    if stop < start {
        return Err(format!("{end} stands before {begin}"));
    }
    if page[start..stop].contains("<!-- begin ") || page[start..stop].contains("<!-- end ") {
        return Err(format!("{begin} and {end} have other markers between them"));
    }
    Ok((start, stop))
}

/// Where the only such marker stands.
fn once(page: &str, marker: &str) -> Result<usize, String> {
    let mut places = page.match_indices(marker).map(|(at, _)| at);
    let first = places
        .next()
        .ok_or_else(|| format!("{marker} is missing: put it where the part belongs"))?;
    match places.next() {
        None => Ok(first),
        Some(_) => Err(format!("{marker} stands there twice")),
    }
}

/// The parts that the page has markers for.
fn names(page: &str) -> Result<Vec<&str>, String> {
    page.split("<!-- begin ")
        .skip(1)
        .map(|rest| {
            rest.split_once(" -->")
                .map(|(name, _)| name)
                .ok_or_else(|| "a <!-- begin marker does not end".to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "# T\n<!-- begin a -->\nold\n<!-- end a -->\nby hand\n<!-- begin b --><!-- end b -->\n";

    fn parts() -> [(&'static str, String); 2] {
        [("a", "new\n".to_owned()), ("b", "b".to_owned())]
    }

    #[test]
    fn the_parts_are_replaced_and_the_rest_stays() {
        let page = replace(PAGE, &parts()).unwrap();
        assert_eq!(
            page,
            "# T\n<!-- begin a -->\nnew\n<!-- end a -->\nby hand\n\
             <!-- begin b -->\nb\n<!-- end b -->\n"
        );
        assert_eq!(replace(&page, &parts()).unwrap(), page, "again");
    }

    #[test]
    fn a_page_without_the_markers_is_refused() {
        let without = |gone: &str| replace(&PAGE.replace(gone, ""), &parts()).unwrap_err();
        assert_eq!(
            without("<!-- begin a -->"),
            "<!-- begin a --> is missing: put it where the part belongs"
        );
        assert!(without("<!-- end b -->").contains("<!-- end b --> is missing"));
        assert!(replace("", &parts()).is_err());
    }

    #[test]
    fn markers_in_disorder_are_refused() {
        let cases = [
            ("<!-- end a --><!-- begin a -->", "stands before"),
            (
                "<!-- begin a --><!-- end a --><!-- begin a -->",
                "there twice",
            ),
            (
                "<!-- begin a --><!-- begin b --><!-- end b --><!-- end a -->",
                "between them",
            ),
            ("<!-- begin c --><!-- end c -->", "nothing is generated"),
            ("<!-- begin ", "does not end"),
        ];
        for (page, why) in cases {
            let error = replace(page, &parts()).unwrap_err();
            assert!(error.contains(why), "{page}: {error}");
        }
    }
}
