//! What the kernel's tables under `/proc/net` say about sockets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The UDP sockets of `/proc/net/udp` or `/proc/net/udp6` that take datagrams
/// from everybody: their addresses and ports.
#[must_use]
pub fn udp_servers(table: &str) -> Vec<(IpAddr, u16)> {
    table.lines().skip(1).filter_map(server).collect()
}

fn server(line: &str) -> Option<(IpAddr, u16)> {
    let mut words = line.split_whitespace().skip(1);
    let (local, remote) = (endpoint(words.next()?)?, endpoint(words.next()?)?);
    // One that is connected takes datagrams of one sender alone.
    (remote.1 == 0 && local.1 != 0).then_some(local)
}

/// `0100007F:0035`: words of the address as the machine reads them, and a port.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let mut bytes = Vec::new();
    for start in (0..address.len()).step_by(8) {
        let word = u32::from_str_radix(address.get(start..start + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let address = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).to_canonical(),
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}

/// A counter of `/proc/net/snmp`: a line of names, and one of values.
#[must_use]
pub fn snmp(table: &str, protocol: &str, name: &str) -> Option<u64> {
    let mut lines = table
        .lines()
        .filter_map(|line| line.strip_prefix(protocol)?.strip_prefix(':'));
    let (names, values) = (lines.next()?, lines.next()?);
    let place = names.split_whitespace().position(|n| n == name)?;
    values.split_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: &str = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  512: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 0
  513: 0A19A8C0:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 0
  514: 0100007F:8000 0100007F:0035 01 00000000:00000000 00:00000000 00000000     0        0 1 2 0 0
  garbage
";

    const UDP6: &str = "\
  sl  local_address                         remote_address                        st
  1: 00000000000000000000000000000000:14E9 00000000000000000000000000000000:0000 07
  2: B80D0120000000000000000010000000:0035 00000000000000000000000000000000:0000 07
  3: 0000000000000000FFFF00000A19A8C0:0036 00000000000000000000000000000000:0000 07
";

    #[cfg(target_endian = "little")]
    #[test]
    fn servers_are_those_that_are_not_connected() {
        let of = |table| -> Vec<String> {
            let servers = udp_servers(table).into_iter();
            servers.map(|(a, p)| format!("{a} {p}")).collect()
        };
        assert_eq!(of(UDP), ["0.0.0.0 53", "192.168.25.10 53"]);
        assert_eq!(of(UDP6), [":: 5353", "2001:db8::10 53", "192.168.25.10 54"]);
    }

    #[test]
    fn a_counter_is_found_by_its_name() {
        let table = "Ip: A B\nIp: 1 2\nTcp: RtoMin MaxConn InCsumErrors\nTcp: 200 -1 7\n";
        assert_eq!(snmp(table, "Tcp", "InCsumErrors"), Some(7));
        assert_eq!(snmp(table, "Tcp", "MaxConn"), None, "it is no count");
        assert_eq!(snmp(table, "Udp", "InCsumErrors"), None);
        assert_eq!(snmp("Tcp: A\n", "Tcp", "A"), None);
    }
}
