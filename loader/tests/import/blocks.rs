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
        "sorry_server_inhibit",
        "3: left out: sorry_server_inhibit: a sorry backend is there or not",
    );
    says(
        "smtp_alert",
        "3: left out: smtp_alert: `hook` of [run] names a program",
    );
    says("omega", "3: left out: omega: `on_exit` of [run] says");
    says("alpha", "3: left out: alpha: a new backend is in rotation");
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
    says(
        "inhibit_on_failure",
        "5: left out: inhibit_on_failure: `on_dead` says what becomes",
    );
    says(
        "uthreshold 9",
        "5: left out: uthreshold: bounds of connections",
    );
    says(
        "notify_up /bin/true",
        "5: left out: notify_up: `hook` of [run] names a program",
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

#[test]
fn checkers_of_keepalived() {
    let says = |check: &str, wanted: &str| says(keepalived::import, &server("", check), wanted);
    for check in ["BFD_CHECK", "FILE_CHECK", "PING_CHECK", "SMTP_CHECK"] {
        says(
            &format!("{check} {{\n }}"),
            &format!("5: left out: {check}: there is no such check; `exec` runs a program"),
        );
    }
    says(
        "TCP_CHECK {\n }",
        "5: note: TCP_CHECK becomes a check of type tcp of backends' own addresses",
    );
    says(
        "TCP_CHECK {\n }\n HTTP_GET {\n url {\n }\n }",
        "7: left out: HTTP_GET: a backend has one check, here TCP_CHECK of line 5",
    );
    says(
        "TCP_CHECK {\n connect_port 0\n }",
        "6: left out: connect_port '0' is no port",
    );
    says(
        "TCP_CHECK {\n retry -1\n }",
        "6: left out: retry '-1' is no number",
    );
    says(
        "TCP_CHECK {\n connect_timeout soon\n }",
        "6: left out: connect_timeout 'soon' is no time",
    );
    says(
        "TCP_CHECK {\n connect_timeout 90\n }",
        "6: note: connect_timeout 90 becomes 1m",
    );
    says(
        "TCP_CHECK {\n delay_loop 0\n }",
        "6: note: delay_loop 0 becomes 100ms",
    );
    says(
        "TCP_CHECK {\n delay_before_retry 1\n }",
        "6: note: delay_before_retry: a check that failed is repeated after `every`",
    );
    says(
        "TCP_CHECK {\n path /\n }",
        "6: left out: 'path' is not known here",
    );
}

#[test]
fn what_checkers_of_keepalived_ask() {
    let says = |check: &str, wanted: &str| says(keepalived::import, &server("", check), wanted);
    says(
        "HTTP_GET {\n }",
        "5: left out: HTTP_GET: it asks for no url",
    );
    says(
        "HTTP_GET {\n url {\n path ready\n status_code 200 600\n digest 00\n nosuch\n }\n }",
        "6: left out: 'ready' is no path of an HTTP request",
    );
    says(
        "HTTP_GET {\n url {\n status_code 200 600\n }\n }",
        "6: left out: '600' is no status",
    );
    says(
        "HTTP_GET {\n url {\n digest 00\n }\n }",
        "7: left out: digest: of a page, `body` says what it must contain",
    );
    says(
        "DNS_CHECK {\n type loc\n }",
        "6: left out: 'LOC' is no type of DNS records",
    );
    says(
        "UDP_CHECK {\n payload 0x00\n }",
        "6: left out: payload '0x00' is not hexadecimal",
    );
}

#[test]
fn programs_that_check_for_keepalived() {
    let says = |check: &str, wanted: &str| says(keepalived::import, &server("", check), wanted);
    says(
        "MISC_CHECK {\n }",
        "5: left out: MISC_CHECK: it runs nothing that can be run here",
    );
    says(
        "MISC_CHECK {\n misc_path check\n }",
        "6: left out: misc_path: 'check' is no absolute path",
    );
    says(
        "MISC_CHECK {\n misc_path \"/bin/check 'a b'\"\n }",
        "6: left out: misc_path: words in quotes are not told apart",
    );
    says(
        "MISC_CHECK {\n misc_path \"/bin/check 10.0.0.3\"\n }",
        "6: left out: misc_path: 10.0.0.3 is one backend's own",
    );
}

#[test]
fn who_stands_in_for_keepalived() {
    let says = |line: &str, wanted: &str| says(keepalived::import, &server(line, ""), wanted);
    says(
        "sorry_server web 80",
        "3: left out: sorry_server: 'web' is not an IP address",
    );
    says(
        "sorry_server 10.0.0.3 80",
        "3: left out: sorry_server 10.0.0.3:80 is a backend of this service already",
    );
    says(
        "sorry_server 192.0.2.10 80",
        "3: left out: sorry_server 192.0.2.10:80 is the VIP itself",
    );
    says(
        "sorry_server 2001:db8::9 80",
        "3: left out: sorry_server [2001:db8::9]:80 is of another IP version than VIP 192.0.2.10",
    );
    says(
        "sorry_server 10.0.0.9 80\n sorry_server_lvs_method NAT",
        "3: left out: sorry_server 10.0.0.9:80 is reached by NAT",
    );
    says(
        "sorry_server 10.0.0.9 80\n sorry_server_lvs_method TUN",
        "3: left out: sorry_server 10.0.0.9:80 is reached by ipip, and what is said of the service is l2",
    );
    says(
        "quorum many",
        "3: left out: quorum 'many' is no number from 1 on",
    );
    says(
        "quorum 4",
        "3: note: quorum 4 becomes 1: it is of backends, not of their weights",
    );
}
