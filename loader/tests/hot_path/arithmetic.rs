//! What BPF instructions compute (RFC 9669, 4.1 to 4.3), without any state.

/// The low 32 bits.
pub fn low(value: u64) -> u64 {
    value & 0xffff_ffff
}

/// A number of this many bits, extended by its sign.
pub fn signed(value: u64, bits: u32) -> u64 {
    let unused = 64 - bits;
    ((value << unused) as i64 >> unused) as u64
}

/// The result of an operation on numbers of 32 or 64 bits. `operation` is the
/// high half of the code; `offset` tells variants of it. `None` for one that
/// does not exist.
pub fn compute(operation: u8, offset: i16, bits: u32, [a, b]: [u64; 2]) -> Option<u64> {
    let whole = |value: u64| if bits == 32 { low(value) } else { value };
    let (a, b) = (whole(a), whole(b));
    let [signed_a, signed_b] = [a, b].map(|value| signed(value, bits) as i64);
    let shift = u32::try_from(b & u64::from(bits - 1)).ok()?;
    let result = match (operation, offset) {
        (0x0, 0) => a.wrapping_add(b),
        (0x1, 0) => a.wrapping_sub(b),
        (0x2, 0) => a.wrapping_mul(b),
        (0x3, 0) => a.checked_div(b).unwrap_or(0),
        (0x3, 1) if b == 0 => 0,
        (0x3, 1) => signed_a.wrapping_div(signed_b) as u64,
        (0x4, 0) => a | b,
        (0x5, 0) => a & b,
        (0x6, 0) => a << shift,
        (0x7, 0) => a >> shift,
        (0x8, 0) => a.wrapping_neg(),
        (0x9, 0) => a.checked_rem(b).unwrap_or(a),
        (0x9, 1) if b == 0 => a,
        (0x9, 1) => signed_a.wrapping_rem(signed_b) as u64,
        (0xa, 0) => a ^ b,
        (0xb, 0) => b,
        (0xb, 8) => signed(b, 8),
        (0xb, 16) => signed(b, 16),
        (0xb, 32) if bits == 64 => signed(b, 32),
        (0xc, 0) => (signed_a >> shift) as u64,
        _ => return None,
    };
    Some(whole(result))
}

/// The low bits of a number, their bytes turned round if `swaps`. `None` for a
/// width that does not exist.
pub fn reorder(value: u64, bits: i32, swaps: bool) -> Option<u64> {
    let unused = match bits {
        16 => 48,
        32 => 32,
        64 => 0,
        _ => return None,
    };
    let kept = value << unused >> unused;
    Some(if swaps {
        kept.swap_bytes() >> unused
    } else {
        kept
    })
}

/// Whether a jump is taken. `None` for a condition that does not exist.
pub fn holds(operation: u8, bits: u32, [a, b]: [u64; 2]) -> Option<bool> {
    let whole = |value: u64| if bits == 32 { low(value) } else { value };
    let (a, b) = (whole(a), whole(b));
    let [signed_a, signed_b] = [a, b].map(|value| signed(value, bits) as i64);
    Some(match operation {
        0x1 => a == b,
        0x2 => a > b,
        0x3 => a >= b,
        0x4 => a & b != 0,
        0x5 => a != b,
        0x6 => signed_a > signed_b,
        0x7 => signed_a >= signed_b,
        0xa => a < b,
        0xb => a <= b,
        0xc => signed_a < signed_b,
        0xd => signed_a <= signed_b,
        _ => return None,
    })
}

/// What an atomic instruction leaves in memory where `old` stood: `immediate`
/// says what it does, `compared` is register 0. `None` for one that does not
/// exist.
pub fn exchange(immediate: i32, old: u64, operand: u64, compared: u64) -> Option<u64> {
    Some(match immediate {
        0x00 | 0x01 => old.wrapping_add(operand),
        0x40 | 0x41 => old | operand,
        0x50 | 0x51 => old & operand,
        0xa0 | 0xa1 => old ^ operand,
        0xe1 => operand,
        0xf1 if old == compared => operand,
        0xf1 => old,
        _ => return None,
    })
}
