//! Each message about blocks of keepalived, by a text that is wrong in that way.

use crate::messages::says;
use dsrload::import::keepalived;

/// A `virtual_server` with these lines before its backend, which is in line 4 and has
/// these lines in its block.
fn server(lines: &str, of_backend: &str) -> String {
    format!(
        "virtual_server 192.0.2.10 80 {{\n lvs_method DR\n {lines}\n real_server 10.0.0.3 80 {{\n {of_backend}\n }}\n}}\n"
    )
}

#[test]
fn settings_of_keepalived() {
    let says = |line: &str, wanted: &str| says(keepalived::import, &server(line, ""), wanted);
    says("", "1: note: scheduler wlc becomes policy maglev");
    says("lb_algo rr", "3: note: scheduler rr becomes policy maglev");
    says(
        "lvs_sched loadbalance",
        "3: left out: scheduler 'loadbalance' is not known",
    );
    says(
        "persistence_timeout",
        "3: note: persistence becomes affinity \"client\": a client keeps its backend while that is in rotation, not for 360 seconds",
    );
    says(
        "persistence_engine sip",
        "3: left out: persistence engine sip",
    );
    says("ops", "3: note: one-packet scheduling (ops)");
    says(
        "lvs_method nosuch",
        "4: left out: backend 10.0.0.3 80: lvs_method 'nosuch' is not known",
    );
    says(
        "lb_kind NAT",
        "4: left out: backend 10.0.0.3:80 is reached by NAT",
    );
    says(
        "lb_kind TUN type gue",
        "4: left out: backend 10.0.0.3 80: a tunnel of kind gue lacks a port",
    );
    says(
        "protocol SCTP",
        "1: left out: service 192.0.2.10 80 of protocol SCTP",
    );
    says(
        "sorry_server 10.0.0.9 80",
        "3: left out: sorry_server 10.0.0.9 80: a backend for when all others are down comes later",
    );
    says(
        "sorry_server_inhibit",
        "3: left out: sorry_server_inhibit: it belongs to the sorry_server",
    );
    says("quorum 2", "3: left out: quorum: a quorum comes later");
    says(
        "delay_loop 6",
        "3: left out: delay_loop: it belongs to health checks, which come later",
    );
    says(
        "smtp_alert",
        "3: left out: smtp_alert: telling of changes comes later",
    );
    says(
        "nat_mask 255.255.255.0",
        "3: left out: nat_mask: it belongs to NAT",
    );
    says(
        "snmp_name web",
        "3: left out: snmp_name: dsrload does not speak SNMP",
    );
    says("nosuch 1", "3: left out: 'nosuch' is not known here");
    says(
        "@lb-a weight 2",
        "3: left out: @lb-a: the line holds for one host alone",
    );
    says(
        "real_server web 80 {\n }",
        "3: left out: backend web 80: 'web' is not an IP address",
    );
    says(
        "real_server 10.0.0.4 http {\n }",
        "3: left out: backend 10.0.0.4 http: port 'http' is no number",
    );
}

#[test]
fn backends_of_keepalived() {
    let says = |line: &str, wanted: &str| says(keepalived::import, &server("", line), wanted);
    for check in [
        "HTTP_GET",
        "SSL_GET",
        "TCP_CHECK",
        "SMTP_CHECK",
        "DNS_CHECK",
        "MISC_CHECK",
    ] {
        says(
            &format!("{check} {{\n }}"),
            &format!("5: left out: {check}: health checks come later"),
        );
    }
    for check in ["BFD_CHECK", "UDP_CHECK", "PING_CHECK", "FILE_CHECK"] {
        says(
            &format!("{check} {{\n }}"),
            &format!("5: left out: {check}: health checks come later"),
        );
    }
    says(
        "inhibit_on_failure",
        "5: left out: inhibit_on_failure: it belongs to health checks",
    );
    says(
        "uthreshold 9",
        "5: left out: uthreshold: bounds of connections",
    );
    says(
        "notify_up /bin/true",
        "5: left out: notify_up: telling of changes comes later",
    );
    says(
        "weight 0",
        "5: note: backend 10.0.0.3:80: weight 0 becomes state \"drain\"",
    );
    says(
        "weight x",
        "4: left out: backend 10.0.0.3:80: weight 'x' is no number",
    );
    says("nosuch", "5: left out: 'nosuch' is not known here");
}

#[test]
fn blocks_of_keepalived() {
    let says = |text: &str, wanted: &str| says(keepalived::import, text, wanted);
    let twice = format!("{}{}", server("", ""), server("", ""));
    says(
        &twice,
        "8: left out: service 192.0.2.10:80/tcp is there already, by line 1",
    );
    says(
        "virtual_server web 80 {\n}\n",
        "1: left out: 'web' is not an IP address",
    );
    says(
        "virtual_server 192.0.2.10 http {\n}\n",
        "1: left out: port 'http' is no number",
    );
    says("virtual_server\n", "1: left out: '' is not an IP address");
    says(
        "virtual_server fwmark 3 {\n}\n",
        "1: left out: service of mark 3: netfilter marks packets after XDP",
    );
    says(
        "virtual_server group g {\n}\n",
        "1: left out: there is no group g",
    );
    says(
        "virtual_server_group g {\n}\nvirtual_server group g {\n}\n",
        "3: left out: service of group g, which has no address",
    );
    says(
        "virtual_server_group g {\n fwmark 3\n}\n",
        "2: left out: group g: mark 3: netfilter",
    );
    says(
        "virtual_server_group g {\n 192.0.2.9-1 80\n}\n",
        "2: left out: group g: '192.0.2.9-1' is no address, and no range",
    );
    says(
        "virtual_server_group g {\n 192.0.0.0/16 80\n}\n",
        "2: left out: group g: 192.0.0.0/16 is more than the 1024 addresses of a balancer leave room for",
    );
    says(
        &format!(
            "virtual_server_group g {{\n{}}}\n",
            " 192.0.2.0/23 80\n".repeat(3)
        ),
        "4: left out: group g: 192.0.2.0/23 is more than the 1024 addresses of a balancer leave room for",
    );
    let group = "virtual_server_group g {\n 192.0.2.0-192.0.5.255 80\n}\n";
    says(
        &format!("{group}{}", "virtual_server group g {\n}\n".repeat(10)),
        "22: left out: there are more addresses before it than a balancer holds",
    );
    says(
        "virtual_server_group g {\n 192.0.2.9 x\n}\n",
        "2: left out: group g: port 'x' is no number",
    );
    says(
        "virtual_server_group g {\n}\nvirtual_server_group g {\n}\n",
        "3: left out: group g is there already, in line 1",
    );
    says("SSL {\n}\n", "1: left out: SSL: health checks come later");
    says(
        "vrrp_instance VI_1 {\n}\n",
        "1: note: vrrp_instance VI_1 is not about balancing: keepalived may go on doing it",
    );
    says(
        "@lb-a virtual_server 192.0.2.10 80 {\n}\n",
        "1: left out: @lb-a: the line holds for one host alone",
    );
    says("nosuch\n", "1: left out: 'nosuch' is not known here");
    says("\u{1b}[2J\n", "1: left out: '\\u{1b}[2J' is not known here");
}
