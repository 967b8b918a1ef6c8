//~ ERROR a_panic_in_a_subprogram.rs:7: a panic is reachable: an index may be out of bounds ... in `xdp_prog::pick`

#![no_std]

#[inline(never)]
fn pick(table: &[u64; 4], index: u64) -> u64 {
    table[index as usize]
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    pick(&[a, b, 3, 5], a) + pick(&[b, a, 7, 9], b)
}
