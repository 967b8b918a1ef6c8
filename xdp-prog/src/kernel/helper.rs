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
            // SAFETY: a call of a constant number below 4096 is how BPF calls
            // a helper; the signature is the helper's.
            let helper: unsafe extern "C" fn($($ty),*) -> $result =
                unsafe { core::mem::transmute($number as usize) };
            // SAFETY: the caller's promise.
            unsafe { helper($($argument),*) }
        }
    )*};
}

helpers! {
    /// The CPU that runs the program. Inlined by the verifier.
    8 get_smp_processor_id() -> u32;
    /// `XDP_REDIRECT` through a device map, or `flags` if there is no entry.
    51 redirect_map(map: *const c_void, key: u64, flags: u64) -> u64;
    /// The kernel's clock in ticks (Linux 5.5). Inlined by the verifier.
    118 jiffies64() -> u64;
    /// A line for the trace pipe (Linux 5.16).
    177 trace_vprintk(format: *const u8, format_len: u32, data: *const u64, data_len: u32) -> i64;
}
