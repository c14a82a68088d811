//! Philox4x32-10, a generator that is a function of a counter (Salmon, Moraes, Dror and Shaw, "Parallel random numbers:
//! as easy as 1, 2, 3", SC 2011): any part of a stream can be computed at once, by any thread.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Golden ratio and √3 − 1, in 32 bits.
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// Blocks that are computed together; fixed, so that the order of a stream does not depend on the instruction set.
pub(super) const LANES: usize = 16;
/// Words of a group of [`LANES`] blocks. Word `16 i + j` of a group is word `i` of its block `j`.
pub(super) const GROUP: usize = 4 * LANES;

/// One word of each block, in the low halves: as vectors of 64 bits a product is one instruction, and nothing has to be
/// moved between lanes. What the high halves hold does not matter.
type Words = [u64; LANES];

/// The products of low halves.
#[inline(always)]
fn multiply(a: u32, b: Words) -> Words {
    let mut product = [0; LANES];
    for j in 0..LANES {
        product[j] = a as u64 * (b[j] & u32::MAX as u64);
    }
    product
}

#[inline(always)]
fn rounds(mut x: [Words; 4], mut key: [u32; 2]) -> [Words; 4] {
    for _ in 0..ROUNDS {
        let (p, q) = (multiply(MULTIPLIERS[0], x[0]), multiply(MULTIPLIERS[1], x[2]));
        let (mut a, mut c) = ([0; LANES], [0; LANES]);
        for j in 0..LANES {
            a[j] = (q[j] >> 32) ^ x[1][j] ^ key[0] as u64;
            c[j] = (p[j] >> 32) ^ x[3][j] ^ key[1] as u64;
        }
        x = [a, q, c, p];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    x
}

/// The words of the blocks `first..first + 16` of the stream of `seed`. Marked to be inlined into kernels, where the
/// compiler turns its loops into vectors.
#[inline(always)]
pub(super) fn group(seed: u64, first: u64) -> [u32; GROUP] {
    let mut x = [[0; LANES]; 4];
    for j in 0..LANES {
        let counter = first.wrapping_add(j as u64);
        (x[0][j], x[1][j]) = (counter, counter >> 32);
    }
    let x = rounds(x, [seed as u32, (seed >> 32) as u32]);
    let mut words = [0; GROUP];
    for i in 0..4 {
        for j in 0..LANES {
            words[i * LANES + j] = x[i][j] as u32;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that the authors publish with Random123 (`kat_vectors`, philox4x32 10).
    #[test]
    fn known_answers() {
        for (counter, key, expected) in [
            ([0; 4], [0; 2], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]),
            (
                [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
                [0xa4093822, 0x299f31d0],
                [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1u32],
            ),
        ] {
            let got = rounds(counter.map(|word: u32| [word as u64; LANES]), key);
            assert_eq!(got.map(|words| words[7] as u32), expected);
        }
    }

    #[test]
    fn a_group_is_sixteen_blocks_of_the_stream() {
        let (seed, first) = (0x0123_4567_89ab_cdef, (7u64 << 32) - 3);
        let words = group(seed, first);
        for j in 0..LANES {
            let counter = first + j as u64;
            let block = [counter & u32::MAX as u64, counter >> 32, 0, 0];
            let alone = rounds(block.map(|word| [word; LANES]), [seed as u32, (seed >> 32) as u32]);
            for i in 0..4 {
                assert_eq!(words[i * LANES + j], alone[i][0] as u32);
            }
        }
    }
}
