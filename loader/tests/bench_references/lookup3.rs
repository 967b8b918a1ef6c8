//! Bob Jenkins' hash of any bytes (`lookup3`, 2006), after his description, as
//! an oracle: it shares nothing with the program's.

/// The hash of these bytes, and a seed.
pub fn hash(bytes: &[u8], seed: u32) -> u32 {
    let length = u32::try_from(bytes.len()).expect("a short key");
    let mut state = [0xdead_beef_u32.wrapping_add(length).wrapping_add(seed); 3];
    let mut rest = bytes;
    while rest.len() > 12 {
        let (twelve, behind) = rest.split_at(12);
        add(&mut state, twelve);
        // Each line of the description: what is changed, by whom, by how much
        // that is rotated, and who then grows by the third.
        for (x, z, bits) in [
            (0, 2, 4),
            (1, 0, 6),
            (2, 1, 8),
            (0, 2, 16),
            (1, 0, 19),
            (2, 1, 4),
        ] {
            let y = 3 - x - z;
            state[x] = state[x].wrapping_sub(state[z]) ^ state[z].rotate_left(bits);
            state[z] = state[z].wrapping_add(state[y]);
        }
        rest = behind;
    }
    if rest.is_empty() {
        return state[2];
    }
    add(&mut state, rest);
    for (x, y, bits) in [
        (2, 1, 14),
        (0, 2, 11),
        (1, 0, 25),
        (2, 1, 16),
        (0, 2, 4),
        (1, 0, 14),
        (2, 1, 24),
    ] {
        state[x] = (state[x] ^ state[y]).wrapping_sub(state[y].rotate_left(bits));
    }
    state[2]
}

/// Adds up to twelve bytes, as little-endian words that zeros fill up.
fn add(state: &mut [u32; 3], bytes: &[u8]) {
    for (word, four) in state.iter_mut().zip(bytes.chunks(4)) {
        let mut whole = [0; 4];
        whole[..four.len()].copy_from_slice(four);
        *word = word.wrapping_add(u32::from_le_bytes(whole));
    }
}

#[test]
fn the_oracle_knows_the_examples_of_the_description() {
    assert_eq!(hash(b"", 0), 0xdead_beef);
    assert_eq!(hash(b"", 0xdead_beef), 0xbd5b_7dde);
    assert_eq!(hash(b"Four score and seven years ago", 0), 0x1777_0551);
    assert_eq!(hash(b"Four score and seven years ago", 1), 0xcd62_8161);
}
