//! What the agent goes on doing.

use crate::alone::{alone, own_files};
use crate::apart::apart;
use crate::confined;
use crate::deadline::wait_until;
use dsrload::agent::confine::{Needs, places};
use dsrload::agent::job::{Ended, Job};
use dsrload::agent::notify::Notify;
use dsrload::agent::spawn::Handle;
use dsrload::cli::Cli;
use dsrload::commands::{self, Output};
use dsrload::netlink::{Address, Netlink};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Bytes;
use hyper::{Request, Response, service::service_fn};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::fs::{self, File};
use std::future::Future;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

const PINS: &str = "/sys/fs/bpf/dsrload";

fn dsrload(words: &str) -> String {
    let cli = Cli::read(words.split(' ').map(Into::into)).unwrap();
    let (mut answers, mut talk) = (Vec::new(), Vec::new());
    let done = commands::run(
        &cli,
        &mut Output {
            answers: &mut answers,
            talk: &mut talk,
        },
    );
    let talk = String::from_utf8(talk).unwrap();
    assert!(done.is_ok(), "{words}: {:?} {talk}", done.unwrap_err());
    String::from_utf8(answers).unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let bound = Duration::from_secs(30);
        tokio::time::timeout(bound, work)
            .await
            .expect("an end in time")
    })
}

#[test]
fn a_balancer_is_loaded_changed_and_taken_off() {
    apart(|| {
        alone();
        confined(&Needs {
            pins: Some(PathBuf::from(PINS)),
            ..Needs::default()
        });
        let load = "dsrload near --mode skb -t 192.0.2.10:80 -r 10.0.0.2=02:00:00:00:00:09";
        dsrload(load);
        let pins = dsrload::datapath::pins::directory("near").unwrap();
        assert!(pins.join("program").exists());
        let status = dsrload("dsrload status -j");
        assert!(status.contains("192.0.2.10:80"), "{status}");
        // Again, as when an interface has come back: over what is there.
        dsrload(load);
        dsrload("dsrload add -t 192.0.2.10:80 -r 10.0.0.3=02:00:00:00:00:0a");
        dsrload("dsrload settle");
        dsrload("dsrload show flows");
        dsrload("dsrload --unload near");
        assert!(!pins.exists());
    });
}

#[test]
fn neighbours_routes_and_addresses_are_asked_for_and_changed() {
    apart(|| {
        alone();
        confined(&Needs::default());
        let mut netlink = Netlink::open().unwrap();
        let near = netlink.link_by_name("near").unwrap().unwrap();
        let own = Address {
            address: [10, 0, 0, 2].into(),
            prefix_len: 24,
        };
        netlink.add_address(near.index, own).unwrap();
        assert!(netlink.addresses(near.index).unwrap().contains(&own));
        netlink.neighbours(near.index).unwrap();
        netlink.qdiscs(near.index).unwrap();
        assert_eq!(netlink.links().unwrap().len(), 3);
        netlink.set_up(near.index, false).unwrap();
        let wait = |up: bool, netlink: &mut Netlink| {
            wait_until("the change", || {
                let near = netlink.link_by_index(near.index).unwrap().unwrap();
                near.up == up
            });
        };
        wait(false, &mut netlink);
        netlink.set_up(near.index, true).unwrap();
        wait(true, &mut netlink);
        netlink.remove_veth(near.index).unwrap();
        assert_eq!(netlink.links().unwrap().len(), 1);
    });
}

#[test]
fn a_device_that_lives_as_long_as_the_process_is_made() {
    apart(|| {
        alone();
        confined(&Needs::default());
        let tun = File::options()
            .read(true)
            .write(true)
            .open("/dev/net/tun")
            .unwrap();
        let mut request = [0_u8; 40];
        request[..8].copy_from_slice(b"dsrload0");
        request[16..18].copy_from_slice(&(libc::IFF_TUN | libc::IFF_NO_PI).to_le_bytes()[..2]);
        // SAFETY: the kernel reads and writes a `struct ifreq`, which has 40 bytes.
        let made = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, request.as_mut_ptr()) };
        assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
        let mut netlink = Netlink::open().unwrap();
        let device = netlink.link_by_name("dsrload0").unwrap().unwrap();
        netlink.set_up(device.index, true).unwrap();
        drop(tun);
        assert!(netlink.link_by_name("dsrload0").unwrap().is_none());
    });
}

#[test]
fn checks_are_made_and_the_page_is_served() {
    apart(|| {
        alone();
        confined(&Needs::default());
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move {
                let (stream, _) = listener.accept().await.unwrap();
                let page = service_fn(|_| async {
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("well"))))
                });
                let http = hyper::server::conn::http1::Builder::new();
                http.serve_connection(TokioIo::new(stream), page)
                    .await
                    .unwrap();
            });
            let stream = TcpStream::connect(address).await.unwrap();
            let (mut send, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            let request = Request::get("/")
                .header("Host", "a")
                .body(Empty::<Bytes>::new());
            let answer = send.send_request(request.unwrap()).await.unwrap();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(&body[..], b"well");
            // As a query of DNS is sent.
            let server = UdpSocket::bind("[::1]:0").await.unwrap();
            let client = UdpSocket::bind("[::]:0").await.unwrap();
            client.connect(server.local_addr().unwrap()).await.unwrap();
            client.send(b"query").await.unwrap();
            let mut query = [0; 16];
            let (length, from) = server.recv_from(&mut query).await.unwrap();
            server.send_to(&query[..length], from).await.unwrap();
            assert_eq!(client.recv(&mut query).await.unwrap(), 5);
            // A mark takes CAP_NET_ADMIN.
            nix::sys::socket::setsockopt(&client, nix::sys::socket::sockopt::Mark, &7).unwrap();
        });
    });
}

#[test]
fn programs_are_run_and_a_config_that_they_replace_is_read() {
    apart(|| {
        own_files();
        let folder = PathBuf::from("/tmp/config");
        fs::create_dir(&folder).unwrap();
        let config = folder.join("dsrload.toml");
        fs::write(&config, "old").unwrap();
        let handle = Handle::start().unwrap();
        confined(&Needs {
            reads: vec![folder.clone()],
            ..Needs::default()
        });
        assert_eq!(fs::read_to_string(&config).unwrap(), "old");
        // A new file in its place, as editors and packages do it; and a file that
        // the agent may not read.
        let script = "cat /etc/passwd && echo new >new && mv new dsrload.toml && exit 5";
        let script = format!("cd {} && {script}", folder.display());
        let job = Job {
            argv: ["/bin/sh", "-c", &script].map(str::to_owned).into(),
            env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
            timeout: Duration::from_secs(20),
        };
        block_on(async {
            let runner = handle.runner().unwrap();
            assert_eq!(runner(job).await, Ended::Code(5));
        });
        assert_eq!(fs::read_to_string(&config).unwrap(), "new\n");
    });
}

#[test]
fn a_config_that_is_a_link_is_read_where_it_is() {
    let check = |count, is_read| {
        apart(|| {
            own_files();
            let folder = Path::new("/tmp");
            for name in ["etc", "store"] {
                fs::create_dir(folder.join(name)).unwrap();
            }
            fs::write(folder.join("store/dsrload.toml"), "text").unwrap();
            let config = folder.join("etc/dsrload.toml");
            std::os::unix::fs::symlink("../store/dsrload.toml", &config).unwrap();
            let mut reads = places(&config);
            assert_eq!(reads, [folder.join("etc"), folder.join("store")]);
            reads.truncate(count);
            confined(&Needs {
                reads,
                ..Needs::default()
            });
            assert_eq!(fs::read(&config).is_ok(), is_read);
        });
    };
    check(2, true);
    check(1, false);
    assert_eq!(places(Path::new("dsrload.toml")), [PathBuf::from(".")]);
}

#[test]
fn the_service_manager_is_told() {
    apart(|| {
        own_files();
        let manager = UnixDatagram::bind("/tmp/manager").unwrap();
        let notify = Notify::to("/tmp/manager", None).unwrap();
        confined(&Needs::default());
        notify.ready("1 service");
        let mut told = [0; 64];
        let length = manager.recv(&mut told).unwrap();
        assert_eq!(&told[..length], b"READY=1\nSTATUS=1 service");
        drop(manager);
        notify.stopping("nobody hears this");
    });
}

#[test]
fn authorities_and_settings_of_the_network_are_read() {
    apart(|| {
        confined(&Needs::default());
        let authorities = fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap();
        assert!(authorities.starts_with(b"-----BEGIN"));
        assert!(fs::read_dir("/etc/ssl/certs").unwrap().count() > 1);
        for path in ["/proc/sys/net/ipv4/ip_forward", "/proc/self/stat"] {
            assert_ne!(fs::read_to_string(path).unwrap(), "");
        }
        assert!(dsrload::sys::machine::online_cpus().unwrap().contains(&0));
    });
}
