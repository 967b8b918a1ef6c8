//! What BPF v3 can do, and the inspection must let pass.

#![no_std]

use core::hint::black_box;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss")]
static WORD: AtomicU64 = AtomicU64::new(0);
#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss")]
static HALF: AtomicU32 = AtomicU32::new(0);
#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss")]
static BYTE: AtomicU8 = AtomicU8::new(0);

/// More arguments and results than BPF passes, and too large for the optimizer
/// to make it a part of its callers without being told.
fn large(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> (u64, Option<u64>) {
    let mut sum = a ^ b.rotate_left(7) ^ c.swap_bytes() ^ d ^ e ^ f;
    macro_rules! steps {
        ($($step:literal)*) => {$(
            let word = WORD.load(Ordering::Relaxed);
            sum = sum.wrapping_mul(word | $step).rotate_left($step) ^ sum % (word | 3);
            WORD.store(sum, Ordering::Relaxed);
        )*};
    }
    steps!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
    (sum, (sum != b).then_some(c ^ d))
}

/// Makes a program of an expression of two numbers.
macro_rules! programs {
    ($($name:ident($a:ident, $b:ident) $body:block)*) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "xdp")]
        extern "C" fn $name($a: u64, $b: u64) -> u64 $body
    )*};
}

programs! {
    masked_index(a, b) {
        [a, b, 3, 5][a as usize & 3]
    }
    checked_index(a, b) {
        [a, b, 3, 5].get(b as usize).copied().unwrap_or(7)
    }
    matches(a, b) {
        match a { 0 => 17, 1 => b, 2 => 99, 3 => b + 1, 4 => 1, 5 => 3, _ => 0 }
    }
    constants(a, b) {
        static ODD: [u32; 8] = [1, 5, 3, 4, 2, 6, 7, 8];
        u64::from(ODD[(a ^ b) as usize & 7])
    }
    loops(a, b) {
        (0..b & 15).map(|step| a.rotate_left(step as u32)).fold(0, u64::wrapping_add)
    }
    swaps(a, b) {
        a.swap_bytes() ^ u64::from((b as u16).to_be())
    }
    counts_bits(a, b) {
        u64::from(a.count_ones() + b.leading_zeros() + a.trailing_zeros())
    }
    compares_arrays(a, b) {
        let (left, right) = (a as *const [u8; 16], b as *const [u8; 16]);
        // SAFETY: never run.
        u64::from(unsafe { *left == *right })
    }
    compares_odd_arrays(a, b) {
        let (left, right) = (a as *const [u8; 25], b as *const [u8; 25]);
        // SAFETY: never run.
        u64::from(unsafe { *left == *right })
    }
    copies(a, b) {
        // SAFETY: never run.
        unsafe { (a as *const [u8; 40]).copy_to(b as *mut [u8; 40], 1) };
        0
    }
    divides(a, b) {
        a / (b | 1) + a % 10 + a.checked_div(b).unwrap_or(0)
    }
    divides_signed_by_constants(a, b) {
        (a.cast_signed() / 16).cast_unsigned() ^ (b as i32 / 10) as u64
    }
    adds_128_bits(a, b) {
        let sum = (u128::from(a) << 64 | u128::from(b)).wrapping_add(u128::from(a));
        (sum >> 64) as u64 ^ sum as u64
    }
    shifts_128_bits(a, b) {
        let wide = u128::from(a) << 64 | u128::from(b);
        (wide >> 13) as u64 ^ (wide << (a & 63)) as u64
    }
    multiplies_checked(a, b) {
        u64::from((a as u32).checked_mul(b as u32).unwrap_or(9)) + a.saturating_sub(b)
    }
    moves_floats(a, b) {
        let (a, b) = (a as *const f64, b as *mut f64);
        // SAFETY: never run.
        unsafe { b.write_volatile(a.read_volatile()) };
        0
    }
    calls_much(a, b) {
        let (first, second) = large(a, b, 1, 2, 3, 4);
        let (third, fourth) = large(first, a, b, 5, 6, 7);
        third ^ large(a, third, 8, b, 9, 1).0 ^ second.or(fourth).unwrap_or(11)
    }
    calls_much_again(a, b) {
        let (first, second) = large(b, a, 4, 3, 2, 1);
        first ^ large(b, first, 8, a, 9, 1).1.or(second).unwrap_or(12)
    }
    has_no_end(a, b) {
        WORD.store(a ^ b, Ordering::Relaxed);
        // SAFETY: never run.
        unsafe { core::hint::unreachable_unchecked() }
    }
    hides_from_the_optimizer(a, b) {
        black_box(a) + b
    }
    atomics(a, b) {
        let half = HALF.fetch_sub(b as u32, Ordering::Relaxed);
        let old = WORD.swap(a, Ordering::AcqRel) ^ WORD.fetch_xor(b, Ordering::SeqCst);
        let changed = WORD.compare_exchange(a, b, Ordering::SeqCst, Ordering::Relaxed);
        old ^ u64::from(half) ^ changed.unwrap_or_else(|other| other)
    }
    relaxed_atomics(a, b) {
        BYTE.store(a as u8, Ordering::Relaxed);
        HALF.store(b as u32, Ordering::Relaxed);
        WORD.load(Ordering::Relaxed) + u64::from(BYTE.load(Ordering::Relaxed))
    }
}
