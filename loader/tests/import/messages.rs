//! Each message about lines of ipvsadm, by a text that is wrong in that way, and why a
//! file is refused.

use crate::{Reader, remarks};
use dsrload::import::{Refusal, ipvsadm, keepalived};

/// A text gives this remark, among others.
pub fn says(reader: Reader, text: &str, wanted: &str) {
    let import = reader(text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
    let remarks = remarks(&import);
    let is_there = remarks.lines().any(|remark| remark.starts_with(wanted));
    assert!(is_there, "no '{wanted}' of:\n{text}\nbut:\n{remarks}");
}

/// The rest of the dump of a service, behind its `-A`.
fn service(rest: &str) -> String {
    format!("-A -t 192.0.2.10:80 {rest}\n-a -t 192.0.2.10:80 -r 10.0.0.3:80 -g -w 2\n")
}

/// A service with the rest of the line of a second backend.
fn backend(rest: &str) -> String {
    format!(
        "{}-a -t 192.0.2.10:80 {rest}\n",
        service("-s mh -b mh-port")
    )
}

#[test]
fn lines_of_ipvsadm_that_say_nothing() {
    let says = |text: &str, wanted: &str| says(ipvsadm::import, text, wanted);
    says(
        "-X\n",
        "1: left out: a line starts with -A or -a, not with '-X'",
    );
    says("-A\n", "1: left out: the line names no service");
    says("-A -t\n", "1: left out: -t lacks a value");
    says("-A --foo 1\n", "1: left out: '--foo' is not known");
    says(
        "-A -t web:http -s rr\n",
        "1: left out: 'web' is not an IP address",
    );
    says(
        "-A -t web:http -s rr\n",
        "1: left out: 'web' is not an IP address such as 192.0.2.10 or 2001:db8::10; `ipvsadm -Sn` prints numbers",
    );
    says(
        "-A -t 192.0.2.10:http\n",
        "1: left out: port 'http' is no number from 0 to 65535; `ipvsadm -Sn`",
    );
    says(
        "-A -t 127.0.0.1:80\n",
        "1: left out: 127.0.0.1 is not the address of one host",
    );
    says(
        "-a -t 192.0.2.10:80 -r 10.0.0.3\n",
        "1: left out: TCP service 192.0.2.10:80 has no -A before this line",
    );
    says(
        &format!("{}{}", service(""), service("")),
        "3: left out: TCP service 192.0.2.10:80 is there already",
    );
    says(
        "-A --sctp-service 192.0.2.10:80\n",
        "1: left out: SCTP service 192.0.2.10:80: dsrload balances TCP and UDP",
    );
    says(
        "-A -f 7\n\n-a -f 7 -r 10.0.0.3:0\n",
        "1: left out: service of mark 7: netfilter marks packets after XDP",
    );
    says(
        "-A -f 7\n\n-a -f 7 -r 10.0.0.3:0\n",
        "3: left out: a backend of service of mark 7, which is left out",
    );
    says(
        "-A -t 192.0.2.10:80\n",
        "1: left out: service 192.0.2.10:80/tcp: no backend of it carries over",
    );
}

#[test]
fn services_of_ipvsadm() {
    let says = |text: &str, wanted: &str| says(ipvsadm::import, &service(text), wanted);
    says("", "1: note: scheduler wlc becomes policy maglev");
    says("-s wrr", "1: note: scheduler wrr becomes policy maglev");
    says(
        "-s nosuch",
        "1: left out: scheduler 'nosuch' is not known; policy maglev is used",
    );
    says(
        "-s fo",
        "1: left out: scheduler fo: it sends everything to the backend with the greatest weight",
    );
    says("-s ovf", "1: left out: scheduler ovf: it fills");
    says(
        "-s dh",
        "1: left out: scheduler dh: it chooses by the address that the client turns to",
    );
    says(
        "-s sh",
        "1: note: scheduler sh without sh-port looks at the client's address alone, so affinity is \"client\"",
    );
    says(
        "-s rr",
        "2: note: backend 10.0.0.3:80: weight 2 is not taken, since scheduler rr does not look at it",
    );
    says(
        "-p",
        "1: note: persistence becomes affinity \"client\": a client keeps its backend while that is in rotation, not for 360 seconds",
    );
    says(
        "-p 60 -M 255.255.0.0",
        "1: note: persistence becomes affinity \"client/16\"",
    );
    says(
        "-p 60 -M 255.0.255.0",
        "1: left out: persistence mask '255.0.255.0' is no prefix; whole addresses",
    );
    says(
        "-p 60 --pe sip",
        "1: left out: persistence engine sip: dsrload does not look into packets",
    );
    says("-o", "1: note: one-packet scheduling (-o)");
}

#[test]
fn backends_of_ipvsadm() {
    let says = |text: &str, wanted: &str| says(ipvsadm::import, &backend(text), wanted);
    says("-g", "3: left out: the line names no backend (-r)");
    says(
        "-r 10.0.0.4:80 -m",
        "3: left out: backend 10.0.0.4:80 is reached by NAT (masquerading)",
    );
    says(
        "-r 10.0.0.4:80 -i --tun-type gre",
        "3: left out: backend 10.0.0.4:80 is reached by GRE",
    );
    says(
        "-r 10.0.0.4:80 -i --tun-type vxlan",
        "3: left out: tunnels of kind 'vxlan' are not known",
    );
    says(
        "-r 10.0.0.4:80 -i --tun-type gue",
        "3: left out: a tunnel of kind gue lacks a port",
    );
    says(
        "-r 10.0.0.4:80 -i --tun-type gue --tun-port 0",
        "3: left out: tunnel port '0' is no number",
    );
    says(
        "-r 10.0.0.4:80 -i --tun-type gue --tun-port 6080",
        "3: note: backend 10.0.0.4:80: dsrload sends GUE of variant 1",
    );
    says(
        "-r 10.0.0.4:80 -i --tun-type gue --tun-port 6080 --tun-csum",
        "3: note: backend 10.0.0.4:80: --tun-csum has no counterpart",
    );
    says(
        "-r 10.0.0.3:80 -g",
        "3: left out: backend 10.0.0.3:80 is a backend of this service already",
    );
    says(
        "-r 192.0.2.10:80 -g",
        "3: left out: backend 192.0.2.10:80 is the VIP itself",
    );
    says(
        "-r [2001:db8::3]:80 -g",
        "3: left out: backend [2001:db8::3]:80 is of another IP version than VIP 192.0.2.10",
    );
    says(
        "-r 127.0.0.1:80 -g",
        "3: left out: 127.0.0.1 is not the address of one host",
    );
    says(
        "-r 10.0.0.4:80 -g -w 0",
        "3: note: backend 10.0.0.4:80: weight 0 becomes state \"drain\"",
    );
    says(
        "-r 10.0.0.4:80 -g -w 65536",
        "3: left out: backend 10.0.0.4:80: weight '65536' is no number from 0 to 65535",
    );
    says(
        "-r 10.0.0.4:80 -g -w -1",
        "3: left out: backend 10.0.0.4:80: weight '-1' is no number",
    );
    says(
        "-r 10.0.0.4:8080 -g",
        "3: note: backend 10.0.0.4:8080: packets keep the service's port",
    );
    says(
        "-r 10.0.0.4:80 -g -x 9 -y 3",
        "3: left out: backend 10.0.0.4:80: bounds of connections",
    );
}

#[test]
fn what_makes_a_file_unreadable() {
    let refused = |reader: Reader, text: &str, line: usize, words: &str| {
        let Refusal {
            line: at,
            text: why,
        } = reader(text).expect_err(text);
        assert_eq!(at, line, "{text}: {why}");
        assert!(why.contains(words), "{text}: {why}");
    };
    refused(
        ipvsadm::import,
        "\nIP Virtual Server version 1.2.1 (size=4096)\n",
        2,
        "`ipvsadm -Sn`",
    );
    refused(
        keepalived::import,
        "a {\n",
        1,
        "the block of a is not closed",
    );
    refused(
        keepalived::import,
        "a\n}\n",
        2,
        "closes a block that is not open",
    );
    refused(
        keepalived::import,
        "a {\n}\n{\n}\n",
        3,
        "a block opens here that has no name",
    );
    refused(keepalived::import, "a \"b\n", 1, "a quote is not closed");
    refused(
        keepalived::import,
        "a {\n includea b.conf\n}\n",
        2,
        "includea is not followed",
    );
    refused(
        keepalived::import,
        "$VIP=192.0.2.10\n",
        1,
        "'$VIP=192.0.2.10' makes text of text",
    );
    refused(
        keepalived::import,
        "~LST(A, 1, 2) a\n",
        1,
        "'~LST(A,' makes text of text",
    );
    refused(
        keepalived::import,
        &"a {\n".repeat(20),
        17,
        "more than 16 deep",
    );
}
