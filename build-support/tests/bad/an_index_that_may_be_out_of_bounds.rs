//~ ERROR an_index_that_may_be_out_of_bounds.rs:9: a panic is reachable: an index may be out of bounds ... panic_bounds_check ... in `entry`

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let table = [a, b, 3, 5];
    table[a as usize]
}
