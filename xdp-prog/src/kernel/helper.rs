//! The kernel's helper functions that the program calls, by number
//! (`include/uapi/linux/bpf.h`).

use core::ffi::c_void;

macro_rules! helpers {
    ($($(#[$meta:meta])* $number:literal $name:ident($($argument:ident: $ty:ty),*) -> $result:ty;)*) => {$(
        $(#[$meta])*
        ///
        /// # Safety
        ///
        /// The arguments are what this helper takes; the verifier checks them.
        #[inline(always)]
        pub unsafe fn $name($($argument: $ty),*) -> $result {
            type Helper = unsafe extern "C" fn($($ty),*) -> $result;
            // SAFETY: a call of a constant number below 4096 is how BPF calls
            // a helper; the signature is the helper's.
            let helper: Helper = unsafe { core::mem::transmute($number as usize) };
            // SAFETY: the caller's promise.
            unsafe { helper($($argument),*) }
        }
    )*};
}

helpers! {
    /// The value of a key in a map, or null.
    1 map_lookup(map: *const c_void, key: *const c_void) -> *const u32;
    /// Puts a value into a map under a key.
    2 map_update(map: *const c_void, key: *const c_void, value: *const c_void, flags: u64) -> i64;
    /// The kernel's clock in nanoseconds (`CLOCK_MONOTONIC`).
    5 ktime_get_ns() -> u64;
    /// A random number.
    7 get_prandom_u32() -> u32;
    /// The CPU that runs the program. Inlined by the verifier.
    8 get_smp_processor_id() -> u32;
    /// Writes bytes into the packet of a tc program. All pointers into it are
    /// void afterwards.
    9 skb_store_bytes(context: *mut c_void, at: u32, from: *const c_void, length: u32, flags: u64) -> i64;
    /// Adjusts a TCP or UDP checksum of the packet of a tc program, if it is
    /// not left to the hardware. All pointers into it are void afterwards.
    11 l4_csum_replace(context: *mut c_void, at: u32, old: u64, new: u64, flags: u64) -> i64;
    /// Goes on with another program, of a map of programs; returns only if
    /// there is none.
    12 tail_call(context: *mut c_void, map: *const c_void, index: u32) -> i64;
    /// Moves the start of the frame by this many bytes, back if they are fewer
    /// than none. All pointers into it are void afterwards.
    44 xdp_adjust_head(context: *mut c_void, by: i32) -> i64;
    /// `XDP_REDIRECT` through a device map, or `flags` if there is no entry.
    51 redirect_map(map: *const c_void, key: u64, flags: u64) -> u64;
    /// Makes the frame longer or shorter at its end by this many bytes. All
    /// pointers into it are void afterwards.
    65 xdp_adjust_tail(context: *mut c_void, by: i32) -> i64;
    /// The kernel's clock in ticks (Linux 5.5). Inlined by the verifier.
    118 jiffies64() -> u64;
    /// A line for the trace pipe (Linux 5.16).
    177 trace_vprintk(format: *const u8, format_len: u32, data: *const u64, data_len: u32) -> i64;
    /// Length of the frame in all of its buffers (Linux 5.18).
    188 xdp_get_buff_len(context: *mut c_void) -> u64;
}
