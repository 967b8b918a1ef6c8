//~ ERROR a_call_through_a_dyn.rs:23: a call of an address that is known at run time only (a function pointer, a `dyn`) ... in `xdp_prog::hash`

#![no_std]

trait Hash {
    fn hash(&self, word: u64) -> u64;
}
struct Add;
struct Multiply(u64);
impl Hash for Add {
    fn hash(&self, word: u64) -> u64 {
        word.wrapping_add(7)
    }
}
impl Hash for Multiply {
    fn hash(&self, word: u64) -> u64 {
        word.wrapping_mul(self.0)
    }
}

#[inline(never)]
fn hash(by: &dyn Hash, word: u64) -> u64 {
    by.hash(word)
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let multiply = Multiply(b);
    hash(if a == 1 { &Add } else { &multiply }, a)
}
