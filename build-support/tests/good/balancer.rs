//! A program with a bit of everything that ours is made of.

#![no_std]

pub mod kernel {
    use core::ffi::c_void;
    use core::sync::atomic::AtomicU64;

    #[repr(C)]
    pub struct Context {
        pub data: u32,
        pub data_end: u32,
    }

    #[repr(C)]
    pub struct Map<K, V, const TYPE: usize, const MAX: usize> {
        r#type: *const [i32; TYPE],
        key: *const K,
        value: *const V,
        max_entries: *const [i32; MAX],
    }

    // SAFETY: nobody reads it, its type is all there is.
    unsafe impl<K, V, const TYPE: usize, const MAX: usize> Sync for Map<K, V, TYPE, MAX> {}

    #[repr(C)]
    pub struct Key {
        pub address: [u8; 4],
        pub port: u16,
        pub zero: u16,
    }

    #[repr(C)]
    pub struct Slots {
        pub owners: [AtomicU64; 64],
        pub packets: AtomicU64,
    }

    macro_rules! statics {
        ($($section:literal $name:ident: $type:ty;)*) => {$(
            #[unsafe(no_mangle)]
            #[unsafe(link_section = $section)]
            // SAFETY: null pointers and zeros are what these types start as.
            pub static $name: $type = unsafe { core::mem::zeroed() };
        )*};
    }

    statics! {
        ".maps" BACKENDS: Map<Key, Option<u32>, 1, 256>;
        ".bss" SLOTS: Slots;
        ".rodata.settings" SETTINGS: [u64; 2];
    }

    #[unsafe(no_mangle)]
    #[unsafe(link_section = "license")]
    static LICENSE: [u8; 4] = *b"GPL\0";

    pub fn look_up(key: &Key) -> Option<&'static Option<u32>> {
        type Helper = unsafe extern "C" fn(*const c_void, *const c_void) -> *const Option<u32>;
        // SAFETY: the kernel has this helper at this number.
        let helper: Helper = unsafe { core::mem::transmute(1_usize) };
        // SAFETY: a map and a key of its type; what is found stays.
        unsafe { helper((&raw const BACKENDS).cast(), (&raw const *key).cast()).as_ref() }
    }

    pub struct Packet {
        start: *mut u8,
        end: *mut u8,
    }

    impl Packet {
        pub fn of(context: &Context) -> Self {
            let word = |word: &u32| {
                // SAFETY: a reference is valid; volatile, or two become one.
                unsafe { (&raw const *word).read_volatile() as usize as *mut u8 }
            };
            Self {
                start: word(&context.data),
                end: word(&context.data_end),
            }
        }

        pub fn view<T>(&mut self) -> Option<&mut T> {
            const { assert!(align_of::<T>() == 1) };
            if self.start.wrapping_add(size_of::<T>()) > self.end {
                return None;
            }
            // SAFETY: it is that long, and any bits at any address make a `T`.
            Some(unsafe { &mut *self.start.cast() })
        }
    }
}

use core::sync::atomic::Ordering::Relaxed;
use kernel::{Context, Key, Packet, SETTINGS, SLOTS};

#[repr(C)]
struct Frame {
    destination: [u8; 6],
    source: [u8; 6],
    kind: [u8; 2],
    header: [u8; 12],
    addresses: [[u8; 4]; 2],
    ports: [[u8; 2]; 2],
}

enum Pass {
    Short,
    NotIp,
    Unknown,
}

/// A subprogram, called twice.
#[inline(never)]
fn mix(word: u64, key: u64) -> u64 {
    let mut word = word ^ key;
    for shift in 1..6 {
        word = word.rotate_left(shift).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    word ^ word >> 32
}

/// A subprogram that is rarely called.
#[cold]
#[inline(never)]
fn take_slot(slot: u64, hash: u64) -> u64 {
    let owner = &SLOTS.owners[slot as usize & 63];
    match owner.compare_exchange(0, hash, Relaxed, Relaxed) {
        Ok(_) => hash,
        Err(other) => other,
    }
}

fn steer(packet: &mut Packet) -> Result<(), Pass> {
    let frame = packet.view::<Frame>().ok_or(Pass::Short)?;
    if frame.kind != [8, 0] {
        return Err(Pass::NotIp);
    }
    // SAFETY: a reference is valid; volatile, because the loader fills it in.
    let settings = unsafe { (&raw const SETTINGS).read_volatile() };
    let source = u64::from(u32::from_be_bytes(frame.addresses[0]));
    let hash = mix(mix(source, settings[0]), settings[1]);
    let mut owner = SLOTS.owners[hash as usize & 63].load(Relaxed);
    if owner == 0 {
        owner = take_slot(hash, hash | 1);
    }
    let key = Key {
        address: frame.addresses[1],
        port: u16::from_ne_bytes(frame.ports[1]),
        zero: 0,
    };
    let backend = kernel::look_up(&key).copied().flatten();
    let backend = backend.ok_or(Pass::Unknown)?;
    frame.source = frame.destination;
    frame.destination[..4].copy_from_slice(&backend.to_be_bytes());
    frame.destination[4..].copy_from_slice(&(owner as u16).to_be_bytes());
    Ok(())
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn balance(context: &Context) -> u32 {
    SLOTS.packets.fetch_add(1, Relaxed);
    match steer(&mut Packet::of(context)) {
        Ok(()) => 3,
        Err(Pass::Short) => 1,
        Err(Pass::NotIp | Pass::Unknown) => 2,
    }
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn count(context: &Context) -> u32 {
    let packet = Packet::of(context).view::<[u8; 14]>().is_some();
    SLOTS.packets.fetch_add(u64::from(packet), Relaxed);
    2
}
