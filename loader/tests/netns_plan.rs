//! The config of what is loaded: loaded from a file, exported, changed by files and
//! by one-liners, and compared.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use lab::config::{File, balancing, both, digest, exported, generation, guards, until, web};
use lab::product::Product;
use lab::web::answers;
use lab::{BACKENDS, Lab, VIP};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

#[test]
fn what_is_exported_is_a_config_without_a_step_to_it() {
    let (lab, dsrload, first) = balancing(DSRLOAD, "export");
    assert_eq!(answers(&lab.client, VIP, 20).len(), 20);
    let export = File::new("export", &dsrload.answer("export"));
    for file in [&first, &export] {
        let path = file.path();
        assert!(
            dsrload
                .answer(&format!("check {path}"))
                .contains("no error")
        );
        assert!(
            dsrload
                .answer(&format!("plan {path}"))
                .starts_with("nothing to do")
        );
        assert_eq!(dsrload.answer(&format!("apply {path}")), "nothing to do\n");
    }
    assert_eq!(generation(&dsrload), 1);
    dsrload.run(&format!("agree {}", export.path())).exits(0);
    // It is loaded anew from itself, also after it was taken off.
    let before = digest(&dsrload);
    dsrload.run("--unload eth0").exits(0);
    dsrload.run(&format!("eth0 -c {}", export.path())).exits(0);
    assert_eq!(digest(&dsrload), before);
}

#[test]
fn what_was_loaded_by_the_command_line_can_be_exported_and_changed_by_name() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let [a, b] = BACKENDS;
    let line = format!("-t {VIP}:80,{VIP}:81,192.0.2.1:443 -r {a} -w 3 -r {b} --on-dead reset");
    dsrload.run(&format!("eth0 --mode skb {line}")).exits(0);
    let export = File::new("words", &dsrload.answer("export"));
    let path = export.path();
    assert!(
        dsrload
            .answer(&format!("check {path}"))
            .contains("no error")
    );
    assert_eq!(dsrload.answer(&format!("apply {path}")), "nothing to do\n");
    let text = exported(&dsrload);
    assert!(
        text.contains("also = ") && text.contains("weight = 3"),
        "{text}"
    );
    dsrload
        .run("drain 192-168-25-10-80-tcp/172-17-0-3")
        .exits(0);
    assert!(
        exported(&dsrload)
            .contains("172-17-0-3 = { ip = \"172.17.0.3\", weight = 3, state = \"drain\" }")
    );
    // Loading by words again keeps states, and names.
    dsrload.run(&format!("eth0 {line}")).exits(0);
    assert!(exported(&dsrload).contains("state = \"drain\""));
    assert_eq!(answers(&lab.client, VIP, 20), ["backend-b"; 20]);
}

#[test]
fn one_liners_go_by_names_and_addresses_and_the_config_follows() {
    let (lab, dsrload, first) = balancing(DSRLOAD, "words");
    let third = lab.third_backend();
    let [a, b] = BACKENDS;
    let service = format!("-t {VIP}:80");
    dsrload.run("drain web/a").exits(0);
    dsrload.run(&format!("set {service} -r {b} -w 3")).exits(0);
    dsrload
        .run(&format!("add {service} -r {} --name c", third.address))
        .exits(0);
    let text = exported(&dsrload);
    assert_eq!(
        text,
        "\n".to_owned()
            + &web(
                "",
                &format!(
                    "a = {{ ip = \"{a}\", state = \"drain\" }}\nb = {{ ip = \"{b}\", weight = 3 }}\nc = \"{}\"\n",
                    third.address
                )
            )
    );
    let names = answers(&lab.client, VIP, 60);
    assert!(names.iter().any(|n| n == "backend-c") && !names.iter().any(|n| n == "backend-a"));
    assert_eq!(generation(&dsrload), 4);

    // The file says nothing of a's state: it stays. Back to it, and once more back.
    let plan = dsrload.answer(&format!("plan {}", first.path()));
    assert!(
        plan.contains("change web/b: weight 3 to 1") && plan.contains("remove web/c"),
        "{plan}"
    );
    assert!(
        plan.contains("digest") && plan.contains("slots get another owner"),
        "{plan}"
    );
    dsrload.run(&format!("apply {}", first.path())).exits(0);
    assert!(exported(&dsrload).contains("state = \"drain\""));
    dsrload.run("rollback").exits(0);
    assert_eq!(exported(&dsrload), text);
    dsrload.run("ready web/a").exits(0);
    dsrload.run("rollback").exits(0);
    assert_eq!(
        exported(&dsrload),
        text,
        "a state that is not said is ready, too"
    );
    dsrload.run("maint web/b").exits(0);
    dsrload
        .run("maint web/c")
        .exits(0)
        .says("no backend in rotation");
}

#[test]
fn one_liners_that_are_mistaken_change_nothing() {
    let (_lab, dsrload, _first) = balancing(DSRLOAD, "mistakes");
    let [a, b] = BACKENDS;
    let service = format!("-t {VIP}:80");
    for (line, code, words) in [
        ("drain web/z".to_owned(), 1, "has no backend z"),
        ("drain www/a".to_owned(), 1, "service www"),
        (
            format!("set {service} -r 172.17.0.9 -w 3"),
            1,
            "no backend 172.17.0.9",
        ),
        (format!("set {service} -r {a}"), 2, "say what to set"),
        (
            format!("add {service} -r 172.17.0.9=02:00:00:00:00:09 --name a"),
            3,
            "is called a",
        ),
        (format!("del {service} -r {a},{b}"), 3, "no backend"),
    ] {
        dsrload.run(&line).exits(code).says(words);
    }
    assert_eq!(generation(&dsrload), 1);
}

#[test]
fn what_cannot_be_applied_changes_nothing() {
    let (lab, dsrload, _first) = balancing(DSRLOAD, "refused");
    let (before, digest_before) = (exported(&dsrload), digest(&dsrload));
    let silent = both() + "z = \"172.17.0.99\"\n";
    for (name, text, code, words) in [
        ("silent", web("", &silent), 1, "172.17.0.99 did not answer"),
        (
            "far",
            web("", &(both() + "z = \"10.9.9.9\"\n")),
            3,
            "10.9.9.9",
        ),
        ("wrong", web("polcy = 1", &both()), 3, "line 8"),
        (
            "affinity",
            web("affinity = \"client\"", &both()),
            3,
            "affinity",
        ),
        (
            "seed",
            web("", &both()).replace("a site", "another"),
            1,
            "seed",
        ),
        ("mode", web("", &both()).replace("skb", "drv"), 1, "unload"),
    ] {
        let file = File::new(name, &text);
        for verb in ["apply", "plan", "eth0 -c"] {
            dsrload
                .run(&format!("{verb} {}", file.path()))
                .exits(code)
                .says(words);
            assert_eq!(exported(&dsrload), before, "{verb} {name}");
        }
        let confirm = format!("apply {} --confirm 30s", file.path());
        dsrload.run(&confirm).exits(code).says(words);
    }
    assert_eq!((generation(&dsrload), digest(&dsrload)), (1, digest_before));
    assert_eq!(answers(&lab.client, VIP, 20).len(), 20);
    until("guards of nothing end", || guards(&lab.balancer).is_empty());
}

#[test]
fn two_balancers_with_one_config_agree_until_one_is_changed() {
    let (lab, dsrload, first) = balancing(DSRLOAD, "agree");
    let second = lab.add_host("balancer-2", "172.17.0.7", "02:00:00:00:07:07");
    let second = Product::new(&second, DSRLOAD);
    second.run(&format!("eth0 -c {}", first.path())).exits(0);
    let export = |name: &str, of: &Product| File::new(name, &of.answer("export"));
    let (one, two) = (export("agree-1", &dsrload), export("agree-2", &second));
    let agree = format!("agree {} {} {}", one.path(), two.path(), first.path());
    dsrload.run(&agree).exits(0);
    // Another way to the same config.
    second.run("drain web/a").exits(0);
    second
        .run(&format!("set -t {VIP}:80 -r {} -w 2", BACKENDS[0]))
        .exits(0);
    let two = export("agree-3", &second);
    let run = dsrload
        .run(&format!("agree {} {}", one.path(), two.path()))
        .exits(1);
    assert!(
        run.stdout.contains("change web/a: weight 1 to 2"),
        "{run:?}"
    );
    dsrload
        .run(&format!(
            "set -t {VIP}:80 -r {} -w 2 --state drain",
            BACKENDS[0]
        ))
        .exits(0);
    let one = export("agree-4", &dsrload);
    dsrload
        .run(&format!("agree {} {}", one.path(), two.path()))
        .exits(0);
    assert_eq!(digest(&dsrload), digest(&second));
}

/// One half of a change is never in force, whoever stops reading.
#[test]
fn a_change_whose_answer_nobody_reads_is_whole_and_points_to_the_status() {
    let (lab, dsrload, _first) = balancing(DSRLOAD, "unread");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let line = format!("set -t {VIP}:80 -r {} -w 3", BACKENDS[0]);
    let output = lab
        .balancer
        .command(DSRLOAD)
        .args(line.split(' '))
        .stdout(writer)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("`dsrload status` shows it"), "{told}");
    let text = exported(&dsrload);
    assert!(text.contains("weight = 3"), "{text}");
    assert_eq!(answers(&lab.client, VIP, 20).len(), 20);
}
