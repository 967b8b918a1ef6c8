//! The status page in a browser: what it shows, what it asks for, and whether it can
//! be used without a mouse, without colours, and on a telephone.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

mod browser;
#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;
#[allow(dead_code, reason = "each test binary uses its part")]
mod served;

use browser::Browser;
use serde_json::{Value, json};
use served::figures::{empty, hostile, large, put, troubled};
use served::{Served, now};

fn opened(served: &Served) -> Browser {
    let mut browser = Browser::on(&served.host);
    browser.looks(1280, 900, "light");
    browser.go(&format!("http://{}/", served.address));
    browser.wait_until("document.getElementById('link')?.className == 'ready'");
    browser
}

/// What the page says of a backend, in words.
fn row(browser: &mut Browser, backend: &str) -> String {
    let script = format!(
        "[...document.querySelectorAll('article tbody tr')]
            .find((row) => row.querySelector('th').innerText.startsWith('{backend}')).innerText"
    );
    browser.run(&script).as_str().expect("a row").to_owned()
}

/// Nothing was said on the console, and nothing was asked of anybody else.
fn was_quiet(browser: &mut Browser, served: &Served) {
    let origin = format!("http://{}/", served.address);
    let mut requests = 0;
    for event in browser.events() {
        let params = &event["params"];
        match event["method"].as_str() {
            Some("Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded") => {
                panic!("the console: {event}")
            }
            Some("Network.requestWillBeSent") => {
                let url = params["request"]["url"].as_str().expect("an address");
                let is_ours = url.strip_prefix(&origin);
                let is_known = is_ours.is_some_and(|path| ["", "api/v1/state"].contains(&path));
                assert!(is_known || url.starts_with("data:"), "it asked for {url}");
                requests += 1;
            }
            _ => {}
        }
    }
    assert!(requests >= 2, "{requests} requests: were they seen?");
}

#[test]
fn a_backend_that_dies_is_shown_and_told_without_a_reload() {
    let mut after = troubled();
    let served = Served::with(after.clone());
    let mut browser = opened(&served);
    browser.run("window.stillHere = true");
    let before = row(&mut browser, "web-1");
    assert!(
        before.contains("ready") && before.contains("20 %"),
        "{before}"
    );
    let services = "[...document.querySelectorAll('h3')].map((h) => h.innerText)";
    assert_eq!(browser.run(services), json!(["mail", "dns", "web"]));

    after.time = now();
    let web = &mut after.services[2];
    put(&mut web.backends[0], "down", "HTTP status 503", now());
    web.in_rotation = 2;
    let mut event = after.events[0].clone();
    event.time = now();
    event.service = "web".into();
    event.backend = "web-1".into();
    event.reason = "HTTP status 503".into();
    after.events.insert(0, event);
    after.outcomes[0].packets += 1_000_000;
    served.now_is(after);
    browser.wait_until("document.getElementById('say').innerText.includes('web-1 is now down')");

    let row = row(&mut browser, "web-1");
    assert!(
        row.contains("down") && row.contains("HTTP status 503"),
        "{row}"
    );
    assert!(
        row.contains("0 %") && row.contains("failed, 2.0 s"),
        "{row}"
    );
    let page = browser.run("document.body.innerText");
    let page = page.as_str().expect("text");
    assert!(
        page.contains("Backends: 6 ready, 1 drain, 1 maint, 7 down."),
        "{page}"
    );
    assert!(page.contains("2 in rotation, quorum 1"), "{page}");
    assert_eq!(
        browser.run("window.stillHere"),
        json!(true),
        "it was loaded anew"
    );
    let rate = browser.run("document.querySelector('#outcomes tbody').innerText");
    assert!(
        rate.as_str()
            .is_some_and(|r| r.contains(" k\t") || r.contains(" M\t")),
        "{rate}"
    );
    was_quiet(&mut browser, &served);
}

#[test]
fn figures_that_are_old_and_a_server_that_is_gone_are_told() {
    let mut snapshot = troubled();
    let mut served = Served::with(snapshot.clone());
    let mut browser = opened(&served);
    snapshot.time -= 60.0;
    served.now_is(snapshot);
    browser.wait_until("document.getElementById('link').innerText.includes('Stale')");
    let alarm = "document.getElementById('alarm').innerText";
    assert!(browser.run(alarm).to_string().contains("figures are"));

    served.stop();
    browser.wait_until("document.getElementById('link').innerText.includes('No answer')");
    let told = browser.run(alarm).to_string();
    assert!(told.contains("has not answered for"), "{told}");
    assert!(
        row(&mut browser, "web-1").contains("ready"),
        "what was known is kept"
    );
    browser.photograph("gone");
}

#[test]
fn a_page_that_nobody_sees_asks_for_nothing() {
    let served = Served::with(troubled());
    let mut browser = opened(&served);
    let hide = "Object.defineProperty(document, 'hidden', { value: true, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'))";
    browser.run(hide);
    browser.run("new Promise((done) => setTimeout(done, 500))"); // for what is on its way
    browser.events();
    browser.run("new Promise((done) => setTimeout(done, 5000))");
    let asked = |event: &Value| event["method"] == "Network.requestWillBeSent";
    assert!(!browser.events().iter().any(asked), "it goes on polling");
    let show = "Object.defineProperty(document, 'hidden', { value: false, configurable: true });
        document.dispatchEvent(new Event('visibilitychange')); new Promise((d) => setTimeout(d, 500))";
    browser.run(show);
    assert!(browser.events().iter().any(asked), "it does not go on");
}

#[test]
fn names_are_text_whatever_they_are() {
    let served = Served::with(hostile());
    let mut browser = opened(&served);
    assert_eq!(browser.run("document.images.length"), json!(0));
    let page = browser.run("document.body.textContent").to_string();
    assert!(
        page.matches("onerror=alert(1)").count() >= 5,
        "names are missing"
    );
    assert!(row(&mut browser, "__proto__").contains("ready"));
    was_quiet(&mut browser, &served);
    served.now_is(empty());
    browser.wait_until("document.querySelectorAll('article').length == 0");
    was_quiet_since(&mut browser);
}

fn was_quiet_since(browser: &mut Browser) {
    for event in browser.events() {
        let method = event["method"].as_str().unwrap_or_default();
        let is_loud = [
            "Runtime.consoleAPICalled",
            "Runtime.exceptionThrown",
            "Log.entryAdded",
        ];
        assert!(!is_loud.contains(&method), "the console: {event}");
    }
}

#[test]
fn backends_are_sorted_and_found_by_keyboard() {
    let served = Served::with(troubled());
    let mut browser = opened(&served);
    press(&mut browser, "Tab");
    let first = browser.run("document.activeElement.innerText");
    assert_eq!(first, json!("Skip to the services"));
    let names = "[...document.querySelectorAll('#service-web tbody tr:not([hidden]) th')]
        .map((h) => h.innerText.split('\\n')[0].trim()).join(' ')";
    let by = |browser: &mut Browser| {
        browser.run(
            "document.querySelector('#service-web [aria-sort$=ing]').innerText + ' ' +
            document.querySelector('#service-web [aria-sort$=ing]').getAttribute('aria-sort')",
        )
    };
    assert_eq!(browser.run(names), json!("web-2 web-4 web-1 web-3 web-5"));
    assert_eq!(by(&mut browser), json!("State ascending"));
    browser.run("document.querySelector('#service-web .of-packets button').focus()");
    press(&mut browser, "Enter");
    assert_eq!(by(&mut browser), json!("Packets/s descending"));
    assert_eq!(browser.run(names), json!("web-5 web-3 web-1 web-2 web-4"));
    press(&mut browser, "Enter");
    assert_eq!(by(&mut browser), json!("Packets/s ascending"));
    browser.run("document.getElementById('find').focus()");
    browser.call("Input.insertText", json!({"text": "WEB-4"}));
    assert_eq!(browser.run(names), json!("web-4"));
}

fn press(browser: &mut Browser, key: &str) {
    let code = if key == "Tab" { 9 } else { 13 };
    let text = if key == "Tab" { "" } else { "\r" };
    for kind in ["keyDown", "keyUp"] {
        let params = json!({"type": kind, "key": key, "code": key, "text": text,
            "windowsVirtualKeyCode": code});
        browser.call("Input.dispatchKeyEvent", params);
    }
}

#[test]
fn who_cannot_see_it_finds_his_way() {
    let served = Served::with(troubled());
    let mut browser = opened(&served);
    for width in [1280, 390] {
        browser.looks(width, 900, "light");
        let tree = browser.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().expect("nodes");
        let seen = |role: &str| -> Vec<String> {
            let of_role = nodes.iter().filter(|n| n["ignored"] == false);
            let of_role = of_role.filter(|n| n["role"]["value"] == role);
            let names = of_role.map(|n| n["name"]["value"].as_str().unwrap_or_default());
            names.map(str::to_owned).collect()
        };
        for landmark in ["main", "banner", "contentinfo", "navigation"] {
            assert_eq!(seen(landmark).len(), 1, "{landmark} at {width}");
        }
        for role in [
            "button",
            "link",
            "region",
            "table",
            "article",
            "heading",
            "searchbox",
            "checkbox",
        ] {
            let names = seen(role);
            assert!(!names.is_empty(), "no {role} at {width}");
            assert!(
                names.iter().all(|n| !n.is_empty()),
                "a {role} without a name at {width}"
            );
        }
        assert_eq!(seen("table").len(), 5, "tables at {width}");
        assert_eq!(seen("rowheader").len(), 16, "backends at {width}");
        assert!(seen("columnheader").len() >= 24, "columns at {width}");
        let cells = seen("cell").concat();
        assert!(
            cells.contains("maint") && cells.contains("drain"),
            "states are words"
        );
    }
}

/// WCAG 2.2, success criterion 1.4.3: 4.5 to 1 for text of this size.
#[test]
fn text_stands_out_from_its_ground() {
    let served = Served::with(troubled());
    let mut browser = opened(&served);
    for scheme in ["light", "dark"] {
        browser.looks(1280, 900, scheme);
        let worst = browser.run(include_str!("browser/contrast.js"));
        let ratio = worst["ratio"].as_f64().expect("a ratio");
        assert!(ratio >= 4.5, "{scheme}: {worst}");
        assert!(
            worst["texts"].as_u64().is_some_and(|n| n > 100),
            "{scheme}: {worst}"
        );
    }
}

#[test]
fn a_narrow_window_needs_no_scrolling_sideways() {
    let served = Served::with(troubled());
    let mut browser = opened(&served);
    for (name, width, scheme) in [
        ("light", 1280, "light"),
        ("dark", 1280, "dark"),
        ("phone", 390, "light"),
        ("phone-dark", 320, "dark"),
    ] {
        browser.looks(width, 1700, scheme);
        let wide = browser.run("document.documentElement.scrollWidth");
        assert_eq!(wide, json!(width), "{name}");
        browser.photograph(name);
    }
}

/// A frame of a screen takes 16 ms, but this machine may be busy: the bound tells a
/// page that is usable from one that is not.
#[test]
fn a_thousand_backends_stay_usable() {
    let served = Served::with(large(1_000));
    let mut browser = opened(&served);
    let rows = browser.run("document.querySelectorAll('article tbody tr').length");
    assert_eq!(rows, json!(1_000));
    let again = browser.run(
        "fetch('/api/v1/state').then((a) => a.json()).then((s) => {
            for (const v of s.services) for (const b of v.backends) {
                b.packet_rates.push(5); b.byte_rates.push(7); b.live_flows += 1;
            }
            s.time += 1;
            const start = performance.now(); show(s); document.body.offsetHeight;
            return performance.now() - start; })",
    );
    let again = again.as_f64().expect("milliseconds");
    eprintln!("1,000 backends: all rows anew in {again:.0} ms");
    assert!(again < 1_000.0, "all rows anew take {again} ms");
    browser.photograph("thousand");
    was_quiet(&mut browser, &served);
}
