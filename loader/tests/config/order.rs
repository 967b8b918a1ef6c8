//! What a file means does not depend on its order, and it survives being
//! written.

use crate::file::{GOOD, document, text};
use dsrload::config::{Balancer, write};

/// The blocks of the example, each with its comments, in another order; and the
/// lines inside a block in another order, but for its header.
#[test]
fn the_order_of_tables_and_keys_means_nothing() {
    let example = text("docs/dsrload.toml");
    let lines: Vec<&str> = example
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    for line in lines {
        if line.starts_with('[') {
            blocks.push(Vec::new());
        }
        blocks.last_mut().expect("a table first").push(line);
    }
    let wanted = Balancer::new(&document(&example));
    for turn in 0..blocks.len() {
        let mut turned = blocks.clone();
        turned.rotate_left(turn);
        for block in &mut turned {
            block[1..].reverse();
        }
        let turned = turned.concat().join("\n");
        assert_eq!(Balancer::new(&document(&turned)), wanted, "{turned}");
    }
}

#[test]
fn the_order_of_lists_means_nothing() {
    let services = |vip: &str, ports: &str| {
        let text = GOOD
            .replace("\"192.0.2.10\"", vip)
            .replace("\"80/tcp\"", ports);
        Balancer::new(&document(&text)).config.services
    };
    assert_eq!(
        services(
            "[\"192.0.2.10\", \"192.0.2.9\"]",
            "[\"80/tcp\", \"53/udp\"]"
        ),
        services(
            "[\"192.0.2.9\", \"192.0.2.10\"]",
            "[\"53/udp\", \"80/tcp\"]"
        )
    );
    let lists = |deny: &str, source: &str| {
        let lines = format!("\ndeny = {deny}\nsource = {source}\nforward = \"ipip\"\n\n");
        let text = GOOD.replace("\n\n", &lines) + "b2 = \"2001:db8::3\"\n";
        Balancer::new(&document(&text)).config.services
    };
    assert_eq!(
        lists(
            "[\"10.1.0.0/16\", \"10.0.0.0/16\"]",
            "[\"10.0.0.1\", \"2001:db8::1\"]"
        ),
        lists(
            "[\"10.0.0.0/16\", \"10.1.0.0/16\"]",
            "[\"2001:db8::1\", \"10.0.0.1\"]"
        )
    );
}

#[test]
fn what_is_written_is_read_as_the_same() {
    for text in [GOOD.to_owned(), text("docs/dsrload.toml")] {
        let read = document(&text);
        let written = write::write(&read);
        assert_eq!(document(&written), read, "{written}");
        // Canonical: writing it once more changes nothing.
        assert_eq!(write::write(&document(&written)), written);
    }
    assert_eq!(write::write(&document(GOOD)), GOOD);
}

#[test]
fn text_of_any_kind_is_written_so_that_it_is_read_as_the_same() {
    let seed =
        "a \"quoted\" \\ back, tab \t, bell \u{7}, delete \u{7f}, next line \u{85}, \u{1f600}\nend";
    let mut read = document(&format!("[balancer]\nseed = \"x\"\n{GOOD}"));
    read.balancer.seed.as_mut().expect("a seed").value = seed.to_owned();
    let written = write::write(&read);
    assert_eq!(document(&written), read, "{written}");
}
