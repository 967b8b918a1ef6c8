//! Checks by https against OpenSSL's own server, with certificates of all kinds.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

#[allow(dead_code, reason = "made for more checks than these")]
mod asking;

use asking::{fails_with, inside, made, next, runner};
use dsrload::agent::check::Verdict;
use dsrload::agent::job::Ended;
use dsrload::model::check::{Http, Probe, Tls};
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often a server is asked.
const EVERY: Duration = Duration::from_millis(200);

/// A directory of the test's own, with an authority.
struct Office(PathBuf);

impl Drop for Office {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Office {
    fn open(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dsrload-tls-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        let office = Self(path);
        office.authority("ca");
        office
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn authority(&self, name: &str) {
        self.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {name}.key -out {name}.pem -subj /CN={name} -days 30"
        ));
    }

    /// A certificate for www.example.net, for so many days from now.
    fn certificate(&self, name: &str, days: i32) {
        fs::write(self.path("san"), "subjectAltName=DNS:www.example.net\n").expect("a file");
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -out {name}.pem -days {days} -extfile san"
        ));
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(&self.0)
            .output()
            .expect("openssl");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "openssl {arguments}: {said}");
    }

    /// OpenSSL's server with this certificate.
    fn serve(&self, name: &str, more: &[&str]) -> Server {
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("an address")
        };
        let child = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "openssl",
                "s_server",
                "-www",
                "-quiet",
            ])
            .args(["-accept", &port.to_string()])
            .args([
                "-cert",
                &format!("{name}.pem"),
                "-key",
                &format!("{name}.key"),
            ])
            .args(more)
            .current_dir(&self.0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl");
        let start = Instant::now();
        while TcpStream::connect(port).is_err() {
            assert!(start.elapsed() < PATIENCE, "the server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Server { child, at: port }
    }
}

struct Server {
    child: Child,
    at: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What certificates are taken.
fn trusting(ca: &Path) -> Tls {
    Tls {
        sni: Some("www.example.net".to_owned()),
        verify: true,
        ca: Some(ca.to_str().expect("a plain name").to_owned()),
    }
}

fn ask(server: &Server, tls: Tls) -> Verdict {
    ask_with(
        server,
        Http {
            url: "/".to_owned(),
            host: None,
            status: vec![(200, 299)],
            body: None,
        },
        tls,
    )
}

fn ask_with(server: &Server, http: Http, tls: Tls) -> Verdict {
    ask_again(server, http, tls, 1).remove(0)
}

/// The same so many times, by checks that know each other.
fn ask_again(server: &Server, http: Http, tls: Tls, times: usize) -> Vec<Verdict> {
    let probe = Probe::Https(http, tls);
    let target = asking::target("b", probe, server.at, EVERY, PATIENCE);
    inside(async {
        let (_checks, mut reports) = made(vec![target], runner(Ended::Code(0)));
        let mut verdicts = Vec::new();
        while verdicts.len() < times {
            verdicts.push(next(&mut reports).await);
        }
        verdicts
    })
}

#[test]
fn a_certificate_is_of_who_is_trusted_for_the_name_and_for_today() {
    let office = Office::open("valid");
    office.certificate("good", 30);
    office.certificate("old", -1);
    let ca = office.path("ca.pem");
    let good = office.serve("good", &[]);
    assert_eq!(ask(&good, trusting(&ca)), Verdict::Passed);
    let other = Tls {
        sni: Some("www.example.org".to_owned()),
        ..trusting(&ca)
    };
    fails_with(
        &ask(&good, other),
        "the certificate is not valid: for another name",
    );
    office.authority("stranger");
    let stranger = trusting(&office.path("stranger.pem"));
    fails_with(&ask(&good, stranger), "nobody trusted has signed it");
    let old = office.serve("old", &[]);
    fails_with(
        &ask(&old, trusting(&ca)),
        "the certificate is not valid: expired",
    );
    let anybody = Tls {
        verify: false,
        sni: None,
        ca: None,
    };
    for server in [&good, &old] {
        assert_eq!(ask(server, anybody.clone()), Verdict::Passed);
    }
    let missing = trusting(&office.path("no-such.pem"));
    match ask(&good, missing) {
        Verdict::NotMade(why) => assert!(why.contains("no-such.pem"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_host_is_the_name_if_no_other_is_said() {
    let office = Office::open("host");
    office.certificate("good", 30);
    let good = office.serve("good", &[]);
    let tls = Tls {
        sni: None,
        ..trusting(&office.path("ca.pem"))
    };
    let http = Http {
        url: "/".to_owned(),
        host: Some("www.example.net".to_owned()),
        status: vec![(200, 299)],
        body: Some("Ciphers".to_owned()),
    };
    assert_eq!(ask_with(&good, http, tls), Verdict::Passed);
}

#[test]
fn tls_1_2_will_do_and_no_tls_will_not() {
    let office = Office::open("versions");
    office.certificate("good", 30);
    let ca = office.path("ca.pem");
    let older = office.serve("good", &["-tls1_2"]);
    assert_eq!(ask(&older, trusting(&ca)), Verdict::Passed);
    drop(older);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        use std::io::Write;
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        }
    });
    let plain = Server {
        child: Command::new("true").spawn().expect("a process"),
        at,
    };
    fails_with(&ask(&plain, trusting(&ca)), "TLS");
}

/// A session that is resumed shows no certificate, and so not that it has expired.
#[test]
fn each_check_looks_at_the_certificate() {
    let office = Office::open("resumed");
    office.certificate("good", 30);
    let good = office.serve("good", &[]);
    let http = Http {
        url: "/".to_owned(),
        host: None,
        status: vec![(200, 299)],
        // As OpenSSL's server tells of a session that is not resumed.
        body: Some("New, TLS".to_owned()),
    };
    let verdicts = ask_again(&good, http, trusting(&office.path("ca.pem")), 3);
    assert_eq!(verdicts, vec![Verdict::Passed; 3]);
}

/// Authorities are changed by a new file in the place of the old one.
#[test]
fn a_file_of_authorities_is_read_again_when_it_is_another() {
    let office = Office::open("again");
    office.certificate("good", 30);
    office.authority("stranger");
    let good = office.serve("good", &[]);
    let named = office.path("trusted.pem");
    let put = |name: &str| {
        fs::copy(office.path(name), office.path("new.pem")).expect("a copy");
        fs::rename(office.path("new.pem"), &named).expect("another file");
    };
    put("stranger.pem");
    fails_with(&ask(&good, trusting(&named)), "nobody trusted");
    put("ca.pem");
    assert_eq!(ask(&good, trusting(&named)), Verdict::Passed);
}
