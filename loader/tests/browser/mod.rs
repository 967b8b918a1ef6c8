//! Chromium without a screen, on a host of the lab, driven by its DevTools protocol
//! over a pipe: JSON messages, each with a NUL behind it.
//!
//! It has its profile in the host's own `/run`, which nobody has to delete, and dies
//! with the thread that started it.

use crate::lab::host::Host;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// A cold start on a busy machine takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Root needs `--no-sandbox`. Nothing is asked of the world: it would fail, there is
/// no way out of the host, but it would take time.
const FLAGS: &str = "--headless --no-sandbox --no-zygote --disable-gpu --hide-scrollbars \
    --disable-dev-shm-usage --disable-background-networking --disable-component-update \
    --disable-breakpad --disable-crash-reporter --no-first-run --no-default-browser-check \
    --disable-extensions --disable-sync --user-data-dir=/run/profile \
    --remote-debugging-pipe about:blank";

/// Chromium reads messages from descriptor 3 and writes them to 4.
const PIPES: &str = "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

/// A browser with one page.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    events: VecDeque<Value>,
    session: Option<String>,
    last: u64,
}

impl Browser {
    /// Starts it on a host.
    pub fn on(host: &Host) -> Self {
        let mut command = host.command("sh");
        command
            .args(["-c", PIPES, "sh"])
            .args(FLAGS.split_whitespace())
            .envs([("HOME", "/run"), ("TMPDIR", "/run"), ("TZ", "UTC")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("sh starts");
        let to = child.stdin.take().expect("it is piped");
        let out = child.stdout.take().expect("it is piped");
        let (sender, from) = mpsc::channel();
        thread::spawn(move || {
            let mut out = BufReader::new(out);
            let mut message = Vec::new();
            while out.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                message.pop();
                let parsed = serde_json::from_slice(&message).expect("a message is JSON");
                message.clear();
                if sender.send(parsed).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self {
            child,
            to,
            from,
            events: VecDeque::new(),
            session: None,
            last: 0,
        };
        browser.open_page();
        browser
    }

    fn open_page(&mut self) {
        let target = self.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.call("Target.attachToTarget", attach);
        self.session = session["sessionId"].as_str().map(str::to_owned);
        assert!(self.session.is_some(), "no session: {session}");
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    /// Calls a method of the protocol, which must succeed; its result.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser reads");
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let answer = self.from.recv_timeout(left);
            let mut answer =
                answer.unwrap_or_else(|error| panic!("{method}: no answer from Chromium: {error}"));
            if answer["id"] == self.last {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
            self.events.push_back(answer);
        }
    }

    /// What has happened so far.
    pub fn events(&mut self) -> Vec<Value> {
        self.run("0");
        self.events.drain(..).collect()
    }

    /// A window of this size, in points, at this hour.
    pub fn looks(&mut self, width: u32, height: u32, scheme: &str) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600
        });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", media);
    }

    /// Goes to an address.
    pub fn go(&mut self, url: &str) {
        let there = self.call("Page.navigate", json!({"url": url}));
        assert!(there["errorText"].is_null(), "{url}: {there}");
    }

    /// The value of an expression, or of what it promises.
    pub fn run(&mut self, script: &str) -> Value {
        let params = json!({"expression": script, "returnByValue": true, "awaitPromise": true});
        let mut result = self.call("Runtime.evaluate", params);
        let error = &result["exceptionDetails"];
        assert!(error.is_null(), "{script}: {error}");
        result["result"]["value"].take()
    }

    /// Waits until a condition holds.
    pub fn wait_until(&mut self, condition: &str) {
        let end = Instant::now() + PATIENCE;
        while self.run(condition) != json!(true) {
            if Instant::now() > end {
                let page = self.run("document.body.innerText");
                panic!("waited in vain for {condition}; the page: {page}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Writes what the window shows into `target/page-NAME.png`.
    pub fn photograph(&mut self, name: &str) {
        let params = json!({"format": "png", "captureBeyondViewport": false});
        let photo = self.call("Page.captureScreenshot", params);
        let png = decode(photo["data"].as_str().expect("a picture"));
        assert!(png.starts_with(b"\x89PNG"), "a PNG file");
        let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        fs::write(path.join(format!("page-{name}.png")), png).expect("target is writable");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its processes watch each other's sockets: the others end by themselves.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// RFC 4648, section 4.
fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in text.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 255).expect("a byte"));
        }
    }
    bytes
}
