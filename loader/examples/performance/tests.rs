//! The picture and the page as a whole.

use super::*;
use plot::{LABEL, apart, draw};

const FIXTURE: &str = include_str!("fixture.json");

/// Tags of a well-formed picture; panics where it is none. Knows what XML needs
/// here, no more: no comments, no CDATA.
fn tags(svg: &str) -> Vec<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut seen = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a tag ends");
        assert!(!text.contains('>'), "a bare > in {text}");
        let entities = text.split('&').skip(1);
        for entity in entities {
            let known = ["amp;", "lt;", "gt;", "quot;"];
            assert!(known.iter().any(|k| entity.starts_with(k)), "&{entity}");
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> ends another");
            continue;
        }
        let (tag, ends) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        assert!(
            tag.matches('"').count().is_multiple_of(2),
            "quotes in {tag}"
        );
        let name = tag.split(' ').next().expect("a name");
        assert!(!name.is_empty() && (seen.is_empty() || !open.is_empty()));
        seen.push(tag.to_owned());
        if !ends {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} do not end");
    for bad in ["NaN", "inf"] {
        assert!(!svg.contains(bad), "{bad} in the picture");
    }
    seen
}

fn count(svg: &str, start: &str) -> usize {
    tags(svg)
        .iter()
        .filter(|tag| tag.starts_with(start))
        .count()
}

fn figures(rows: &str) -> Figures {
    Figures::parse(&format!("[{rows}]")).expect("figures")
}

#[test]
fn the_plot_has_a_line_and_points_for_each_program() {
    let svg = draw(&Figures::parse(FIXTURE).expect("figures"));
    // Five lines, and a sample of each in the table.
    assert_eq!(count(&svg, "polyline class=\"line s"), 10);
    // Five points of each, and one in the table.
    let discs = count(&svg, "circle class=\"mark s0\"");
    assert_eq!(discs + count(&svg, "polygon class=\"mark s"), 30);
    assert!(svg.contains("<title id=\"t\">") && svg.contains("<desc id=\"d\">"));
    assert!(svg.contains("@media (prefers-color-scheme: dark)"));
    for number in ["7.0", "211.7", "827.0"] {
        assert!(svg.contains(&format!(">{number}</text>")), "{number}");
    }
    assert!(!svg.contains("1,168.2"), "the median is not drawn");
    assert_eq!(
        svg,
        draw(&Figures::parse(FIXTURE).expect("figures")),
        "again"
    );
}

#[test]
fn what_was_not_measured_is_not_drawn() {
    let svg = draw(&figures(
        r#"{"case":"v4-tcp-est-1","program":"dsrload","net_ns_min":7},
           {"case":"v4-tcp-est-1M","program":"dsrload","net_ns_min":null},
           {"case":"v4-syn-new","program":"dsrload"},
           {"case":"v4-syn-new","program":"seed","net_ns_min":300}"#,
    ));
    assert_eq!(count(&svg, "polyline class=\"line s"), 5, "samples alone");
    assert_eq!(count(&svg, "circle"), 2);
    assert_eq!(count(&svg, "polyline class=\"leader"), 2);
    assert_eq!(svg.matches(">–</text>").count(), 23);

    let nothing = draw(&figures(r#"{"case":"v4-tcp-est-1","program":"floor"}"#));
    assert_eq!(count(&nothing, "circle"), 1);
    assert!(nothing.contains(">Not measured.</text>"));
}

#[test]
fn costs_of_nothing_and_of_very_much_are_drawn_in_the_frame() {
    for cost in ["0", "-3", "0.2", "5", "999999", "1e9"] {
        let svg = draw(&figures(&format!(
            r#"{{"case":"v4-tcp-est-1","program":"dsrload","net_ns_min":{cost}}}"#
        )));
        let disc = tags(&svg).into_iter().find(|tag| tag.starts_with("circle"));
        let disc = disc.expect("a point");
        let y = disc.split("cy=\"").nth(1).and_then(|y| y.split('"').next());
        let y: f64 = y.expect("a height").parse().expect("a number");
        assert!((79.9..=416.1).contains(&y), "{cost}: {disc}");
    }
}

#[test]
fn labels_are_pushed_apart_and_stay_in_order() {
    for wanted in [
        vec![100.0, 100.0, 100.0],
        vec![390.0, 70.0, 395.0, 399.0, 398.0],
        vec![64.0, 65.0, 400.0],
        vec![],
        vec![200.0, 150.0],
    ] {
        let places = apart(&wanted, 64.0, 400.0);
        for (a, place) in places.iter().enumerate() {
            assert!((64.0..=400.0).contains(place), "{wanted:?}: {places:?}");
            for (b, other) in places.iter().enumerate().skip(a + 1) {
                let gap = (place - other).abs();
                assert!(gap >= LABEL - 1e-9, "{wanted:?}: {places:?}");
                let in_order = (wanted[a] - wanted[b]) * (place - other) >= 0.0;
                assert!(in_order, "{wanted:?}: {places:?}");
            }
        }
    }
    assert_eq!(apart(&[200.0, 150.0], 64.0, 400.0), [200.0, 150.0]);
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("dsrload-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).expect("a file");
    }

    fn get(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.0.join(name)).ok()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_page_of_the_project_takes_the_figures() {
    let page = fs::read_to_string(root().join("docs/PERFORMANCE.md")).expect("the page");
    let folder = Folder::new("page");
    folder.put("PERFORMANCE.md", &page);
    folder.put("bench.json", FIXTURE);
    let said = write_page(&folder.0, &folder.0).expect("written");
    assert!(said.contains(" targets are met, "), "{said}");

    let new = folder.get("PERFORMANCE.md").expect("the page");
    assert!(new.contains("| `v4-syn-new` | 9.8 / 15.1 |"), "{new}");
    let by_hand = |page: &str| -> Vec<String> {
        let parts = page.split("<!-- end ").map(|part| {
            let by_hand = part.split("<!-- begin ").next().unwrap_or_default();
            by_hand.to_owned()
        });
        parts.collect()
    };
    assert_eq!(by_hand(&new), by_hand(&page));
    assert!(!tags(&folder.get("performance.svg").expect("the plot")).is_empty());
    // Made again from the same figures, it is the same page.
    write_page(&folder.0, &folder.0).expect("written");
    assert_eq!(folder.get("PERFORMANCE.md"), Some(new));
}

#[test]
fn nothing_is_written_when_anything_is_wrong() {
    let folder = Folder::new("wrong");
    let refused = |why: &str| {
        let error = write_page(&folder.0, &folder.0).unwrap_err();
        assert!(error.contains(why), "{error}");
        assert_eq!(folder.get("performance.svg"), None);
    };
    refused("run the bench first");
    folder.put("bench.json", "[{\"case\":1}]");
    refused("run the bench again");
    folder.put("bench.json", FIXTURE);
    refused("PERFORMANCE.md");
    folder.put("PERFORMANCE.md", "no markers\n");
    refused("<!-- begin machine --> is missing");
    assert_eq!(
        folder.get("PERFORMANCE.md").as_deref(),
        Some("no markers\n")
    );
    folder.put("bench-control.json", "{}");
    refused("bench-control.json");
}
