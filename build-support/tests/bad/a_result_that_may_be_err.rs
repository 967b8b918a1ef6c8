//~ ERROR a_result_that_may_be_err.rs:9: a panic is reachable: a Result may be Err

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let small = u32::try_from(a);
    u64::from(small.expect("it is small")) ^ b
}
