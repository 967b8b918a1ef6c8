//! `keepalived.conf`: its `virtual_server` blocks.
//!
//! Keywords and their defaults are those of `keepalived.conf(5)`, version 2.3.

mod checker;
mod group;
mod server;
mod untaken;
mod words;

use super::assemble::assemble;
use super::service::Virtual;
use super::{Import, Refusal, Remarks};
use group::Groups;
use words::Statement;
use xdp_prog::abi::limits;

/// Addresses of all services, some of which may be there twice.
const ADDRESSES_MAX: usize = 8 * limits::SERVICES as usize;

/// Blocks and keywords of the file that are about something else than balancing.
const OTHERS: &[&str] = &[
    "bfd_instance",
    "config_save_dir",
    "garp_group",
    "global_defs",
    "instance",
    "interface_up_down_delays",
    "linkbeat_interfaces",
    "linkbeat_use_polling",
    "namespace_with_ipsets",
    "net_namespace",
    "net_namespace_ipvs",
    "process_name",
    "process_names",
    "static_ipaddress",
    "static_routes",
    "static_rules",
    "track_file",
    "track_group",
    "track_process",
    "use_pid_dir",
    "vrrp_instance",
    "vrrp_script",
    "vrrp_sync_group",
    "vrrp_track_file",
    "vrrp_track_process",
];

/// Makes a document of it.
///
/// # Errors
///
/// It is something else, or takes other files to understand.
pub fn import(text: &str) -> Result<Import, Refusal> {
    let statements = words::read(text)?;
    let mut remarks = Remarks::default();
    let groups = Groups::read(&statements, &mut remarks);
    let mut services: Vec<Virtual> = Vec::new();
    let mut addresses = 0;
    for statement in &statements {
        match statement.keyword() {
            // A short file may name a large group again and again.
            "virtual_server" if addresses > ADDRESSES_MAX => remarks.left_out(
                statement.line,
                "there are more addresses before it than a balancer holds",
            ),
            "virtual_server" => match server::read(statement, &groups, &mut remarks) {
                Ok(service) => {
                    addresses += service.addresses.len();
                    services.push(service);
                }
                Err(why) => remarks.left_out(statement.line, why),
            },
            "virtual_server_group" => {}
            "SSL" => remarks.left_out(
                statement.line,
                "SSL: checks show no certificate of their own",
            ),
            _ => other(statement, &mut remarks),
        }
    }
    Ok(assemble(&services, remarks))
}

/// Whatever is no service.
fn other(statement: &Statement, remarks: &mut Remarks) {
    let (line, keyword) = (statement.line, statement.keyword());
    if OTHERS.contains(&keyword) {
        let title = statement.title();
        remarks.note(
            line,
            format!("{title} is not about balancing: keepalived may go on doing it"),
        );
    } else {
        unknown(statement, remarks);
    }
}

/// What stands where it is not known.
fn unknown(statement: &Statement, remarks: &mut Remarks) {
    let (line, keyword) = (statement.line, statement.keyword());
    if keyword.starts_with('@') {
        remarks.left_out(
            line,
            format!(
                "{keyword}: the line holds for one host alone; without the {keyword} it is read"
            ),
        );
    } else {
        remarks.left_out(line, format!("'{keyword}' is not known here"));
    }
}
