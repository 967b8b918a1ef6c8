//~ ERROR a_panic_in_a_function_that_is_inlined.rs:8: a panic is reachable: an index may be out of bounds ... in `entry`, reached from a_panic_in_a_function_that_is_inlined.rs:14

//! The line to change is that of `pick`; who reached it is said, too.

#![no_std]

fn pick(table: &[u64; 4], index: u64) -> u64 {
    table[index as usize]
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    pick(&[a, b, 3, 5], a)
}
