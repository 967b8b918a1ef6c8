//! What `status` looks like.

use super::*;

fn l2() -> BackendStatus {
    BackendStatus {
        address: [172, 17, 0, 3].into(),
        forward: "l2".into(),
        is_this_host: false,
        source: None,
        mtu: None,
        mac: Some("02:42:ac:11:00:03".into()),
        interface: Some("eth0".into()),
        weight: 2,
        state: "drain",
        wanted: "drain",
        reason: None,
        slots: 0,
    }
}

fn ipip() -> BackendStatus {
    BackendStatus {
        address: [10, 0, 1, 7].into(),
        forward: "ipip".into(),
        source: Some([172, 17, 0, 2].into()),
        mtu: Some(1480),
        mac: Some("02:42:ac:11:00:01".into()),
        state: "ready",
        wanted: "ready",
        reason: None,
        ..l2()
    }
}

fn this_host() -> BackendStatus {
    BackendStatus {
        address: [172, 17, 0, 2].into(),
        is_this_host: true,
        mac: None,
        interface: None,
        weight: 1,
        state: "ready",
        wanted: "ready",
        reason: None,
        slots: 16384,
        ..l2()
    }
}

fn status() -> Status {
    Status {
        balancers: vec![BalancerStatus {
            run: None,
            interfaces: vec![InterfaceStatus {
                interface: "eth0".into(),
                index: 2,
                mode: "skb",
                mac: "02:00:00:00:00:01".into(),
                mtu: 1500,
                program: ProgramStatus {
                    id: 412,
                    name: "dsrload".into(),
                    tag: "0123456789abcdef".into(),
                    abi: 1,
                    map_ids: vec![1, 2],
                },
                trace: false,
                pins: Some("/sys/fs/bpf/dsrload/4026531840/eth0".into()),
            }],
            config: Some(ConfigStatus {
                generation: 3,
                digest: "00ff".into(),
                rolled_back_in: Some(-7),
                waiting: Some("confirm it".into()),
                given_up: Some(2),
            }),
            services: vec![ServiceStatus {
                addresses: vec!["192.168.25.10:80/tcp".into()],
                vip: Some([192, 168, 25, 10].into()),
                port: 80,
                protocol: "tcp",
                manner: MannerStatus {
                    policy: "maglev",
                    tracking: "changed",
                    affinity: "flow".into(),
                    on_dead: "rehash",
                    allow: vec!["10.0.0.0/8".into()],
                    deny: vec![],
                },
                slots: 16384,
                unsettled: 3,
                vip_is_local: false,
                backends: vec![l2(), ipip(), this_host()],
            }],
            flows: 17,
            flow_capacity: 131_072,
            memory_bytes: 6 << 20,
        }],
        decaps: vec![],
    }
}

#[test]
fn the_report_for_people_names_everything_on_a_line_of_its_own() {
    let mut out = Vec::new();
    status().write(&mut out).expect("a vector takes all");
    let expected = "\
eth0: skb, program 412 (dsrload, tag 0123456789abcdef), mac 02:00:00:00:00:01, mtu 1500
  pinned in /sys/fs/bpf/dsrload/4026531840/eth0
flows: 17 of 131072; tables: 6.0 MiB
config: generation 3, digest 00ff
  generation 2 was not confirmed in time and has been rolled back
  confirm it
192.168.25.10:80/tcp maglev, tracking changed, affinity flow, on dead rehash, 16384 slots, 3 unsettled
  allow 10.0.0.0/8
  172.17.0.3 drain, weight 2, 0 slots, mac 02:42:ac:11:00:03 via eth0
  10.0.1.7 ready, weight 2, 0 slots, ipip from 172.17.0.2, mtu 1480, next hop mac 02:42:ac:11:00:01 via eth0
  172.17.0.2 ready, weight 1, 16384 slots, this host
";
    assert_eq!(String::from_utf8(out).expect("text"), expected);
}

#[test]
fn nothing_loaded_is_said_in_words_and_an_empty_list() {
    let nothing = Status {
        balancers: vec![],
        decaps: vec![],
    };
    let mut out = Vec::new();
    nothing.write(&mut out).expect("a vector takes all");
    assert_eq!(out, b"not loaded\n");
    let json = serde_json::to_string(&nothing).expect("JSON");
    assert_eq!(json, r#"{"balancers":[]}"#);
}
