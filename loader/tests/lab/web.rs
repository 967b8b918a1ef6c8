//! The backends' web servers, real nginx, and curl on the client.

use std::fs;
use std::ops::Range;
use std::process::{Child, Stdio};

use super::deadline::wait_until;
use super::host::Host;
use super::mounts::RUN;

/// nginx on a host: answers `/` with the host's name, keeps what is PUT under
/// `/files/` and gives it back.
#[derive(Debug)]
pub struct Nginx {
    host: Host,
    process: Child,
}

impl Nginx {
    /// Starts nginx on the ports 80 and 8080 of all addresses and waits until
    /// it listens.
    ///
    /// One process without workers: it is our child itself, so it cannot
    /// outlive us, and it needs no user to change to.
    pub fn start(host: &Host) -> Self {
        let directory = format!("{RUN}/{}", host.name());
        let config = format!("{directory}/nginx.conf");
        host.inside(|| {
            fs::create_dir_all(format!("{directory}/files")).expect("the lab's own /run");
            fs::write(&config, configuration(host.name(), &directory)).expect("the lab's own /run");
        });
        let mut nginx = host.command("nginx");
        nginx.args(["-e", &format!("{directory}/error.log"), "-c", &config]);
        nginx
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        let process = nginx.spawn().expect("nginx (package nginx-core) starts");
        let mut nginx = Self {
            host: host.clone(),
            process,
        };
        wait_until("nginx to listen", || nginx.listens());
        nginx
    }

    fn listens(&mut self) -> bool {
        if let Some(status) = self.process.try_wait().expect("nginx is our child") {
            let log = self
                .host
                .read(&format!("{RUN}/{}/error.log", self.host.name()));
            panic!(
                "nginx ended with {status}: {}",
                String::from_utf8_lossy(&log)
            );
        }
        self.host
            .inside(|| std::net::TcpStream::connect("127.0.0.1:80").is_ok())
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The bytes that were PUT to `/files/NAME`, if any were.
    pub fn stored(&self, name: &str) -> Option<Vec<u8>> {
        let path = format!("{RUN}/{}/files/{name}", self.host.name());
        self.host.inside(|| fs::read(path).ok())
    }

    /// Puts a file under `/files/NAME` for download.
    pub fn offer(&self, name: &str, content: &[u8]) {
        let path = format!("{RUN}/{}/files/{name}", self.host.name());
        self.host
            .inside(|| fs::write(path, content))
            .expect("the lab's own /run");
    }

    /// Kills the server: its port is closed from now on.
    pub fn kill(&mut self) {
        self.process.kill().expect("nginx is our child");
        self.process.wait().expect("nginx is our child");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Both fail only for a server that has been killed before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(name: &str, directory: &str) -> String {
    format!(
        "daemon off;
         master_process off;
         pid {directory}/nginx.pid;
         error_log {directory}/error.log;
         events {{ worker_connections 2000; }}
         http {{
             access_log off;
             client_body_temp_path {directory}/body;
             proxy_temp_path {directory}/proxy;
             fastcgi_temp_path {directory}/fastcgi;
             uwsgi_temp_path {directory}/uwsgi;
             scgi_temp_path {directory}/scgi;
             client_max_body_size 64m;
             keepalive_requests 1000000;
             keepalive_timeout 1h;
             default_type text/plain;
             server {{
                 listen 80 backlog=1000;
                 listen 8080;
                 listen [::]:80 backlog=1000;
                 location / {{ return 200 \"{name}\\n\"; }}
                 location = /changing {{ return 200 \"{name}-$connection_requests\\n\"; }}
                 location /files/ {{ alias {directory}/files/; dav_methods PUT; }}
             }}
         }}\n"
    )
}

/// What curl got.
#[derive(Debug)]
pub struct Fetched {
    /// curl's exit code: 0 is success, 7 refused, 28 timeout, 56 reset.
    pub code: i32,
    /// The body or, for several requests, the bodies one after the other.
    pub body: Vec<u8>,
    /// What curl complained about.
    pub complaint: String,
}

impl Fetched {
    /// The lines of the body; panics unless curl succeeded.
    pub fn lines(&self) -> Vec<&str> {
        assert_eq!(self.code, 0, "curl: {}", self.complaint);
        std::str::from_utf8(&self.body)
            .expect("an answer of text")
            .lines()
            .collect()
    }
}

/// Runs curl with `arguments` on `host`; a request gets ten seconds, HTTP
/// errors are failures, and the first failure ends a series.
pub fn curl(host: &Host, arguments: &[&str]) -> Fetched {
    let mut curl = host.command("curl");
    curl.args(["-q", "--silent", "--show-error", "--fail", "--fail-early"]);
    curl.args(["--noproxy", "*", "--max-time", "10"])
        .args(arguments);
    let output = curl.output().expect("curl starts");
    Fetched {
        code: output.status.code().unwrap_or(-1),
        body: output.stdout,
        complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// PUTs `content` as `/files/NAME` at `address`.
pub fn upload(host: &Host, address: &str, name: &str, content: &[u8]) {
    let source = format!("{RUN}/upload-{name}");
    host.inside(|| fs::write(&source, content))
        .expect("the lab's own /run");
    let fetched = curl(
        host,
        &["-T", &source, &format!("http://{address}/files/{name}")],
    );
    assert_eq!(fetched.code, 0, "{}", fetched.complaint);
}

/// The names that answered `count` connections to `address`, one request each.
pub fn answers(host: &Host, address: &str, count: usize) -> Vec<String> {
    let url = format!("http://{address}/?[1-{count}]");
    let fetched = curl(host, &["-H", "Connection: close", &url]);
    fetched.lines().into_iter().map(str::to_owned).collect()
}

/// The names that answered `count` requests on one connection to `address`.
pub fn answers_on_one_connection(host: &Host, address: &str, count: usize) -> Vec<String> {
    let url = format!("http://{address}/?[1-{count}]");
    let fetched = curl(host, &["-w", "%{num_connects}\n", &url]);
    let lines = fetched.lines();
    let opened: usize = lines
        .iter()
        .skip(1)
        .step_by(2)
        .map(|n| n.parse().unwrap_or(count))
        .sum();
    assert_eq!(
        opened, 1,
        "curl opened {opened} connections for {count} requests"
    );
    lines.into_iter().step_by(2).map(str::to_owned).collect()
}

/// `length` bytes that repeat nowhere, so that a lost, doubled or displaced
/// piece is seen; another `seed` gives other bytes.
pub fn content(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut words = Vec::with_capacity(length.next_multiple_of(8));
    while words.len() < length {
        // Marsaglia's xorshift64.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        words.extend_from_slice(&state.to_le_bytes());
    }
    words.truncate(length);
    words
}

/// Where two byte strings differ first, for a message of readable length.
pub fn difference(left: &[u8], right: &[u8]) -> Option<Range<usize>> {
    let same = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    (left != right).then_some(same..left.len().max(right.len()))
}
