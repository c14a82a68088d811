//! Philox4x32-10, a generator that is a function of a counter (Salmon, Moraes, Dror and Shaw, "Parallel random numbers:
//! as easy as 1, 2, 3", SC 2011): any part of a stream can be computed at once, by any thread.

use crate::simd::Words;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Golden ratio and √3 − 1, in 32 bits.
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// Blocks that are computed together; fixed, so that the order of a stream does not depend on the instruction set.
pub(super) const LANES: usize = 16;
/// Words of a group of [`LANES`] blocks. Word `16 i + j` of a group is word `i` of its block `j`.
pub(super) const GROUP: usize = 4 * LANES;

/// Vectors that are computed together, so that one works while another waits.
const CHAINS: usize = 2;

/// A word of several blocks, in the low halves of 64 bits: so a product is one instruction, and nothing has to be moved
/// between lanes. What the high halves hold does not matter.
type Chains<B> = [<B as Words>::W; CHAINS];

#[inline(always)]
fn rounds<B: Words>(b: B, mut x: [Chains<B>; 4], seed: u64) -> [Chains<B>; 4] {
    let multipliers = [b.words(MULTIPLIERS[0] as u64), b.words(MULTIPLIERS[1] as u64)];
    let step = [b.words(WEYL[0] as u64), b.words(WEYL[1] as u64)];
    let mut keys = [b.words(seed), b.words(seed >> 32)];
    for _ in 0..ROUNDS {
        for c in 0..CHAINS {
            let (p, q) = (b.multiply(multipliers[0], x[0][c]), b.multiply(multipliers[1], x[2][c]));
            let even = b.xor(b.xor(b.high(q), x[1][c]), keys[0]);
            let odd = b.xor(b.xor(b.high(p), x[3][c]), keys[1]);
            (x[0][c], x[1][c], x[2][c], x[3][c]) = (even, q, odd, p);
        }
        keys = [b.add_words(keys[0], step[0]), b.add_words(keys[1], step[1])];
    }
    x
}

/// The words of the blocks `first..first + 16` of the stream of `seed`.
#[inline(always)]
pub(super) fn group<B: Words>(b: B, seed: u64, first: u64) -> [u32; GROUP] {
    const { assert!(LANES.is_multiple_of(CHAINS * B::WORDS)) };
    let mut words = [0; GROUP];
    let mut at = 0;
    while at < LANES {
        let mut x = [[b.words(0); CHAINS]; 4];
        for c in 0..CHAINS {
            x[0][c] = b.count_from(first.wrapping_add((at + c * B::WORDS) as u64));
            x[1][c] = b.high(x[0][c]);
        }
        let x = rounds(b, x, seed);
        for i in 0..4 {
            for c in 0..CHAINS {
                // SAFETY: `at + CHAINS · WORDS` is at most LANES, as asserted.
                unsafe { b.store_low(words.as_mut_ptr().add(i * LANES + at + c * B::WORDS), x[i][c]) };
            }
        }
        at += CHAINS * B::WORDS;
    }
    words
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;
    use crate::isa::{self, Isa};
    use crate::simd::{Kernel, Scalar, Simd, vectorize};

    /// One block, without vectors.
    fn block(counter: [u32; 4], seed: u64) -> [u32; 4] {
        let x = counter.map(|word| [Scalar.words(word as u64); CHAINS]);
        rounds(Scalar, x, seed).map(|chains| chains[1][2] as u32)
    }

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
            let seed = (key[1] as u64) << 32 | key[0] as u64;
            assert_eq!(block(counter, seed), expected);
        }
    }

    struct Group(u64, u64);

    impl Kernel<f32> for Group {
        type Output = [u32; GROUP];
        #[inline(always)]
        fn run<S: Simd<f32>>(self, s: S) -> [u32; GROUP] {
            group(s, self.0, self.1)
        }
    }

    #[test]
    fn a_group_is_sixteen_blocks_of_the_stream() {
        let (seed, first) = (0x0123_4567_89ab_cdef, (7u64 << 32) - 3);
        for isa in Isa::available() {
            let words = isa::with(isa, || vectorize(Group(seed, first)));
            for j in 0..LANES {
                let counter = first + j as u64;
                let alone = block([counter as u32, (counter >> 32) as u32, 0, 0], seed);
                for i in 0..4 {
                    assert_eq!(words[i * LANES + j], alone[i], "{isa}");
                }
            }
        }
    }
}
