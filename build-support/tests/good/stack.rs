//! A header in a packet and one on the stack, both at odd addresses: the kernel
//! lets words be read from the first only.

#![no_std]

#[repr(C)]
pub struct Context {
    data: u32,
    data_end: u32,
}

#[repr(C)]
struct Header {
    destination: [u8; 6],
    source: [u8; 6],
    kind: [u8; 2],
    rest: [u8; 12],
    addresses: [[u8; 4]; 2],
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 4] = *b"GPL\0";

fn load_bytes(context: &Context, offset: u32, to: *mut u8, length: u32) -> i64 {
    type Helper = unsafe extern "C" fn(*const Context, u32, *mut u8, u32) -> i64;
    // SAFETY: the kernel has this helper at this number.
    let helper: Helper = unsafe { core::mem::transmute(189_usize) };
    // SAFETY: the callers pass a place of this length.
    unsafe { helper(context, offset, to, length) }
}

/// A subprogram that is given an address on the stack, and one in the packet.
#[inline(never)]
fn mixed(header: &Header, source: &[u8; 4]) -> u32 {
    let address = u32::from_ne_bytes(header.addresses[0]);
    let mut sum = address ^ u32::from_ne_bytes(*source);
    for byte in header.rest {
        sum = sum.rotate_left(5).wrapping_add(u32::from(byte));
    }
    sum
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(context: &Context) -> u32 {
    let word = |word: &u32| {
        // SAFETY: a reference is valid; volatile, or two become one.
        unsafe { (&raw const *word).read_volatile() as usize as *mut u8 }
    };
    let (start, end) = (word(&context.data), word(&context.data_end));
    if start.wrapping_add(size_of::<Header>()) > end {
        return 2;
    }
    // SAFETY: the packet is that long, and any bits at any address make one.
    let packet: &mut Header = unsafe { &mut *start.cast() };
    // SAFETY: it is bytes alone.
    let mut copy: Header = unsafe { core::mem::zeroed() };
    load_bytes(context, 0, (&raw mut copy).cast(), 34);
    let mut address = [0; 6];
    load_bytes(context, 6, address.as_mut_ptr(), 6);
    if copy.addresses[1] == packet.addresses[0] {
        return 1;
    }
    packet.destination = address;
    packet.source = copy.destination;
    let sum = mixed(&copy, &packet.addresses[1]) ^ mixed(&copy, &packet.addresses[0]);
    packet.addresses[0] = sum.to_be_bytes();
    3
}
