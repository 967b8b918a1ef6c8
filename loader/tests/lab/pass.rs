//! An XDP program that passes everything: what the lab puts on a bridge port,
//! and the foreign program that the balancer must leave alone.
//!
//! Loaded by hand, without any code of the product: what the product does to
//! it is what is tested.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::host::Host;

// include/uapi/linux/bpf.h and if_link.h.
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_OBJ_PIN: libc::c_int = 6;
const BPF_LINK_CREATE: libc::c_int = 28;
const BPF_PROG_TYPE_SCHED_CLS: u32 = 3;
const BPF_PROG_TYPE_XDP: u32 = 6;
const BPF_XDP: u32 = 37;
const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;

/// `r0 = XDP_PASS; exit`.
static INSTRUCTIONS: [u64; 2] = [0x0000_0002_0000_00b7, 0x0000_0000_0000_0095];

/// The head of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
struct LoadRequest {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log: [u64; 2],
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

/// The head of `union bpf_attr` for `BPF_LINK_CREATE`.
#[repr(C)]
struct LinkRequest {
    program: i32,
    interface: u32,
    attach_type: u32,
    flags: u32,
}

/// The head of `union bpf_attr` for `BPF_OBJ_PIN`.
#[repr(C)]
struct PinRequest {
    path: u64,
    program: i32,
    flags: u32,
}

/// A loaded program; the kernel forgets it when nothing holds it any more.
#[derive(Debug)]
pub struct PassProgram(OwnedFd);

/// An attachment that ends with its descriptor.
#[derive(Debug)]
#[expect(dead_code, reason = "held for its drop")]
pub struct XdpLink(OwnedFd);

impl PassProgram {
    /// Loads the program under a name of at most 15 characters.
    pub fn load(name: &str) -> Self {
        Self::load_as(BPF_PROG_TYPE_XDP, name)
    }

    /// The same as a tc filter, for which 2 is to drop everything.
    pub fn load_filter(name: &str) -> Self {
        Self::load_as(BPF_PROG_TYPE_SCHED_CLS, name)
    }

    fn load_as(kind: u32, name: &str) -> Self {
        let mut padded = [0; 16];
        padded[..name.len()].copy_from_slice(name.as_bytes());
        let mut request = LoadRequest {
            kind,
            instruction_count: 2,
            instructions: INSTRUCTIONS.as_ptr() as u64,
            license: c"".as_ptr() as u64,
            log: [0; 2],
            kernel_version: 0,
            flags: 0,
            name: padded,
        };
        Self(owned(
            bpf(BPF_PROG_LOAD, &mut request).expect("load XDP_PASS: the lab needs root"),
        ))
    }

    /// The id by which the kernel lists the program.
    pub fn id(&self) -> u32 {
        let path = format!("/proc/self/fdinfo/{}", self.0.as_raw_fd());
        let facts = fs::read_to_string(path).expect("facts about an open descriptor");
        let id = facts.lines().find_map(|line| line.strip_prefix("prog_id:"));
        id.and_then(|id| id.trim().parse().ok())
            .expect("the kernel tells a program's id")
    }

    /// Attaches in native mode until the link is dropped.
    pub fn attach_native(&self, host: &Host, interface: &str) -> XdpLink {
        self.link(host, interface, XDP_FLAGS_DRV_MODE)
    }

    /// Attaches in generic mode until the link is dropped.
    pub fn attach_generic(&self, host: &Host, interface: &str) -> XdpLink {
        self.link(host, interface, XDP_FLAGS_SKB_MODE)
    }

    fn link(&self, host: &Host, interface: &str, flags: u32) -> XdpLink {
        let link = host.inside(|| {
            let interface = nix::net::if_::if_nametoindex(interface).expect("the interface exists");
            let program = self.0.as_raw_fd();
            let mut request = LinkRequest {
                program,
                interface,
                attach_type: BPF_XDP,
                flags,
            };
            bpf(BPF_LINK_CREATE, &mut request)
        });
        XdpLink(owned(link.unwrap_or_else(|error| {
            panic!("XDP_PASS on {interface}: {error}")
        })))
    }

    /// Gives the program a name in the host's BPF file system, which holds it.
    pub fn pin(&self, host: &Host, path: &str) {
        let path = CString::new(path).expect("a path");
        let pinned = host.inside(|| {
            let program = self.0.as_raw_fd();
            let mut request = PinRequest {
                path: path.as_ptr() as u64,
                program,
                flags: 0,
            };
            bpf(BPF_OBJ_PIN, &mut request)
        });
        pinned.expect("pin XDP_PASS on the lab's bpffs");
    }

    /// Attaches as `ip` does: the attachment outlives its maker.
    pub fn leave_on(&self, host: &Host, interface: &str) {
        let path = "/sys/fs/bpf/lab_pass";
        self.pin(host, path);
        host.run(&format!(
            "ip link set dev {interface} xdpgeneric pinned {path}"
        ));
        host.inside(|| fs::remove_file(path))
            .expect("take the pin away again");
    }
}

fn bpf<Request>(command: libc::c_int, request: &mut Request) -> io::Result<i32> {
    // SAFETY: the kernel reads as many bytes as are passed as the size, all of
    // them in `request`; what that points to outlives the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(request),
            size_of::<Request>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    i32::try_from(result).map_err(io::Error::other)
}

fn owned(descriptor: i32) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}
