//! Checks of backends in tunnels: through the tunnel, to the VIP, past the real far
//! end.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use dsrload::agent::path::{Paths, Via};
use dsrload::agent::reach::Ports;
use dsrload::agent::tunnel::Tunnels;
use dsrload::model::forward::TunnelKind;
use dsrload::netlink::Netlink;
use lab::behind::{Behind, FAR_BACKENDS, FAR_BACKENDS6, FAR_NAMES};
use lab::deadline::wait_until;
use lab::{BALANCER, BALANCER6, Lab, VIP, VIP6};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::task::LocalSet;
use tokio::time::timeout;

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");
const DEVICE: &str = "dsrload0c";
const PATIENCE: Duration = Duration::from_secs(1);

/// The room of the narrowest of the tunnels: GUE over IPv6.
const ROOM: u16 = 1500 - 48;
/// More than fits one packet.
const LONG: usize = 5000;

const KINDS: [TunnelKind; 2] = [TunnelKind::Ipip, TunnelKind::Gue(6080)];

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A check: of a VIP, at a backend, through a kind of tunnel.
#[derive(Clone, Copy, Debug)]
struct Check {
    vip: IpAddr,
    backend: IpAddr,
    kind: TunnelKind,
    name: &'static str,
}

/// All pairs of versions of IP, for both backends.
fn checks(kinds: &[TunnelKind]) -> Vec<Check> {
    let mut checks = Vec::new();
    for &kind in kinds {
        for vip in [VIP, VIP6].map(address) {
            for nth in [0, 1] {
                for backend in [FAR_BACKENDS[nth], FAR_BACKENDS6[nth]].map(address) {
                    let name = FAR_NAMES[nth];
                    checks.push(Check {
                        vip,
                        backend,
                        kind,
                        name,
                    });
                }
            }
        }
    }
    checks
}

/// A process that checks, on the balancer.
struct Agent {
    netlink: Netlink,
    tunnels: Tunnels,
    paths: Paths,
}

impl Agent {
    fn open() -> Self {
        let mut netlink = Netlink::open().expect("a socket");
        let tunnels = Tunnels::open(&mut netlink, DEVICE, true).expect("an interface");
        let paths = Paths::new(201);
        Self {
            netlink,
            tunnels,
            paths,
        }
    }

    /// The marks of these checks, in their order.
    fn marks(&mut self, checks: &[Check]) -> Vec<u32> {
        let Self {
            netlink,
            tunnels,
            paths,
        } = self;
        tunnels.set(netlink, ROOM).expect("an interface");
        let vias: Vec<Via> = checks
            .iter()
            .map(|check| {
                tunnels
                    .via(netlink, check.vip, check.backend)
                    .expect("a way")
            })
            .collect();
        let wanted: BTreeSet<Via> = vias.iter().copied().collect();
        let set = paths.set(netlink, &wanted).expect("ways");
        assert!(set.refused.is_empty(), "{:?}", set.refused);
        vias.iter().map(|via| set.marks[via]).collect()
    }

    /// What each check comes to, all at once.
    async fn check(&mut self, checks: &[Check]) -> Vec<io::Result<String>> {
        let marks = self.marks(checks);
        let all = LocalSet::new();
        let mut asked = Vec::new();
        for (check, mark) in checks.iter().zip(marks) {
            let source = address(if check.backend.is_ipv4() {
                BALANCER
            } else {
                BALANCER6
            });
            let ports = self.tunnels.ports(check.backend, check.kind, source);
            let ports = ports.expect("a socket for the tunnel");
            asked.push(all.spawn_local(timeout(PATIENCE, ask(check.vip, mark, ports))));
        }
        self.carrying(all).await;
        let mut results = Vec::new();
        for result in asked {
            let result = result.await.expect("it does not panic");
            results.push(result.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())));
        }
        results
    }

    /// Runs `work` while packets are carried.
    async fn carrying<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            ended = self.tunnels.run() => panic!("{ended:?}"),
            result = work => result,
        }
    }
}

fn unspecified(of: IpAddr) -> SocketAddr {
    match of {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// Asks a web server by a socket with this mark; who answers. The question takes more
/// than one packet.
async fn ask(vip: IpAddr, mark: u32, ports: Rc<dyn Ports>) -> io::Result<String> {
    let socket = match vip {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    setsockopt(&socket, sockopt::Mark, &mark)?;
    socket.bind(unspecified(vip))?;
    let local = socket.local_addr()?;
    ports.open(local, false);
    let answer = async {
        let mut stream = socket.connect((vip, 80).into()).await?;
        let question = format!("GET / HTTP/1.0\r\nPad: {}\r\n\r\n", "x".repeat(LONG));
        stream.write_all(question.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer.lines().last().unwrap_or_default().to_owned())
    };
    let answer = answer.await;
    ports.close(local, false);
    answer
}

/// Runs `work` on the balancer, in a runtime as the product has it.
fn on_balancer<T: Send>(lab: &Lab, work: impl AsyncFnOnce() -> T + Send) -> T {
    lab.balancer.inside(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        runtime.block_on(work())
    })
}

fn lab() -> (Lab, Behind) {
    let lab = Lab::seed();
    let behind = lab.behind(1500);
    behind.decap(DSRLOAD, "skb", &[]);
    (lab, behind)
}

#[test]
fn a_check_goes_through_every_kind_of_tunnel_to_its_backend() {
    let (lab, _behind) = lab();
    on_balancer(&lab, async || {
        let checks = checks(&KINDS);
        let results = Agent::open().check(&checks).await;
        for (check, result) in checks.iter().zip(results) {
            assert_eq!(result.expect("an answer"), check.name, "{check:?}");
        }
    });
}

#[test]
fn a_backend_without_its_vip_or_its_far_end_is_found() {
    let (lab, behind) = lab();
    let [far, whole] = behind.backends.each_ref().map(|backend| &backend.host);
    // By its own address, it looks well.
    let lost = |what: &str| {
        let results = on_balancer(&lab, async || {
            let checks = checks(&KINDS);
            let results = Agent::open().check(&checks).await;
            checks.into_iter().zip(results).collect::<Vec<_>>()
        });
        for (check, result) in results {
            let is_well = check.name == whole.name();
            assert_eq!(result.is_ok(), is_well, "{what}: {check:?}: {result:?}");
        }
    };
    far.ip(&format!(
        "addr del {VIP}/32 dev lo
         addr del {VIP6}/128 dev lo"
    ));
    lost("no VIP");
    far.ip(&format!(
        "addr add {VIP}/32 dev lo
         addr add {VIP6}/128 dev lo nodad"
    ));
    far.run("ip link set dev eth0 xdpgeneric off");
    lost("no decap");
}

#[test]
fn the_interface_comes_back_and_packets_of_nobody_are_lost() {
    let (lab, _behind) = lab();
    on_balancer(&lab, async || {
        let checks = checks(&KINDS);
        let mut agent = Agent::open();
        for result in agent.check(&checks[..2]).await {
            result.expect("an answer");
        }
        let marks = agent.marks(&checks[..1]);
        // A socket with the mark, whose port nobody has told.
        let stray = UdpSocket::bind(unspecified(checks[0].vip))
            .await
            .expect("a socket");
        setsockopt(&stray, sockopt::Mark, &marks[0]).expect("a mark");
        let sent = async {
            let sent = stray.send_to(b"stray", (checks[0].vip, 80)).await;
            sent.expect("the kernel takes it");
        };
        agent.carrying(sent).await;

        lab.balancer.ip(&format!("link del {DEVICE}"));
        // It is told that the interface is gone, and goes on waiting.
        let paused = tokio::time::sleep(Duration::from_millis(20));
        agent.carrying(paused).await;
        for result in agent.check(&checks[..2]).await {
            result.expect("an answer");
        }
    });
}

#[test]
fn gue_needs_no_raw_socket_and_all_ends_with_the_process() {
    let (lab, _behind) = lab();
    on_balancer(&lab, async || {
        drop_capability_net_raw();
        let mut agent = Agent {
            tunnels: {
                let mut netlink = Netlink::open().expect("a socket");
                Tunnels::open(&mut netlink, DEVICE, false).expect("an interface")
            },
            netlink: Netlink::open().expect("a socket"),
            paths: Paths::new(201),
        };
        let checks = checks(&KINDS[1..]);
        for result in agent.check(&checks).await {
            result.expect("an answer");
        }
        let backend = address(FAR_BACKENDS[0]);
        let refused = agent
            .tunnels
            .ports(backend, TunnelKind::Ipip, address(BALANCER));
        let refused = refused.err().expect("no raw socket");
        assert_eq!(refused.raw_os_error(), Some(libc::EPERM), "{refused}");
    });
    wait_until("the interface to end", || {
        !lab.balancer.run("ip -o link").contains(DEVICE)
    });
}

/// Takes CAP_NET_RAW from the calling thread, which has no other use for it.
fn drop_capability_net_raw() {
    const VERSION_3: u32 = 0x2008_0522;
    const NET_RAW: u32 = 13;
    let mut header = [VERSION_3, 0];
    let mut sets = [[0_u32; 3]; 2];
    // SAFETY: the kernel reads the header and writes two sets of three words.
    let got = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, &raw mut sets) };
    assert_eq!(got, 0, "capget: {}", io::Error::last_os_error());
    sets[0][0] &= !(1 << NET_RAW);
    // SAFETY: the kernel reads the header and two sets of three words.
    let set = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, &raw const sets) };
    assert_eq!(set, 0, "capset: {}", io::Error::last_os_error());
}
