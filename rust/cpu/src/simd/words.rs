//! Vectors of 64-bit words, for integer arithmetic whose products of 32 bits need the room.

use super::Scalar;

/// Operations on vectors of words; every token of an instruction set has them.
pub trait Words: Copy + Send + Sync + 'static {
    /// A vector register.
    type W: Copy;
    /// Words of a vector.
    const WORDS: usize;

    fn words(self, x: u64) -> Self::W;
    /// `first, first + 1, …`, modulo 2⁶⁴.
    fn count_from(self, first: u64) -> Self::W;
    /// Sums modulo 2⁶⁴.
    fn add_words(self, a: Self::W, b: Self::W) -> Self::W;
    /// The products of the low halves.
    fn multiply(self, a: Self::W, b: Self::W) -> Self::W;
    /// The high halves, moved down.
    fn high(self, a: Self::W) -> Self::W;
    fn xor(self, a: Self::W, b: Self::W) -> Self::W;
    /// Writes the low halves.
    /// # Safety
    /// `WORDS` numbers are writable at `p`.
    unsafe fn store_low(self, p: *mut u32, a: Self::W);
}

const N: usize = 4;

impl Words for Scalar {
    type W = [u64; N];
    const WORDS: usize = N;

    #[inline(always)]
    fn words(self, x: u64) -> Self::W {
        [x; N]
    }

    #[inline(always)]
    fn count_from(self, first: u64) -> Self::W {
        std::array::from_fn(
            #[inline(always)]
            |i| first.wrapping_add(i as u64),
        )
    }

    #[inline(always)]
    fn add_words(self, a: Self::W, b: Self::W) -> Self::W {
        std::array::from_fn(
            #[inline(always)]
            |i| a[i].wrapping_add(b[i]),
        )
    }

    #[inline(always)]
    fn multiply(self, a: Self::W, b: Self::W) -> Self::W {
        std::array::from_fn(
            #[inline(always)]
            |i| (a[i] as u32 as u64) * (b[i] as u32 as u64),
        )
    }

    #[inline(always)]
    fn high(self, a: Self::W) -> Self::W {
        std::array::from_fn(
            #[inline(always)]
            |i| a[i] >> 32,
        )
    }

    #[inline(always)]
    fn xor(self, a: Self::W, b: Self::W) -> Self::W {
        std::array::from_fn(
            #[inline(always)]
            |i| a[i] ^ b[i],
        )
    }

    #[inline(always)]
    unsafe fn store_low(self, p: *mut u32, a: Self::W) {
        for i in 0..N {
            // SAFETY: the caller promises N numbers.
            unsafe { *p.add(i) = a[i] as u32 };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::super::{Avx2, Avx512};
    use super::Words;

    // SAFETY (every block below): the token exists only on a machine that has the instructions.
    #[allow(clippy::undocumented_unsafe_blocks)]
    impl Words for Avx2 {
        type W = __m256i;
        const WORDS: usize = 4;

        #[inline(always)]
        fn words(self, x: u64) -> __m256i {
            unsafe { _mm256_set1_epi64x(x as i64) }
        }

        #[inline(always)]
        fn count_from(self, first: u64) -> __m256i {
            unsafe { _mm256_add_epi64(self.words(first), _mm256_setr_epi64x(0, 1, 2, 3)) }
        }

        #[inline(always)]
        fn add_words(self, a: __m256i, b: __m256i) -> __m256i {
            unsafe { _mm256_add_epi64(a, b) }
        }

        #[inline(always)]
        fn multiply(self, a: __m256i, b: __m256i) -> __m256i {
            unsafe { _mm256_mul_epu32(a, b) }
        }

        #[inline(always)]
        fn high(self, a: __m256i) -> __m256i {
            unsafe { _mm256_srli_epi64::<32>(a) }
        }

        #[inline(always)]
        fn xor(self, a: __m256i, b: __m256i) -> __m256i {
            unsafe { _mm256_xor_si256(a, b) }
        }

        #[inline(always)]
        unsafe fn store_low(self, p: *mut u32, a: __m256i) {
            unsafe {
                let low = _mm256_permutevar8x32_epi32(a, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
                _mm_storeu_si128(p.cast(), _mm256_castsi256_si128(low));
            }
        }
    }

    #[allow(clippy::undocumented_unsafe_blocks)]
    impl Words for Avx512 {
        type W = __m512i;
        const WORDS: usize = 8;

        #[inline(always)]
        fn words(self, x: u64) -> __m512i {
            unsafe { _mm512_set1_epi64(x as i64) }
        }

        #[inline(always)]
        fn count_from(self, first: u64) -> __m512i {
            unsafe { _mm512_add_epi64(self.words(first), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7)) }
        }

        #[inline(always)]
        fn add_words(self, a: __m512i, b: __m512i) -> __m512i {
            unsafe { _mm512_add_epi64(a, b) }
        }

        #[inline(always)]
        fn multiply(self, a: __m512i, b: __m512i) -> __m512i {
            unsafe { _mm512_mul_epu32(a, b) }
        }

        #[inline(always)]
        fn high(self, a: __m512i) -> __m512i {
            unsafe { _mm512_srli_epi64::<32>(a) }
        }

        #[inline(always)]
        fn xor(self, a: __m512i, b: __m512i) -> __m512i {
            unsafe { _mm512_xor_si512(a, b) }
        }

        #[inline(always)]
        unsafe fn store_low(self, p: *mut u32, a: __m512i) {
            unsafe { _mm256_storeu_si256(p.cast(), _mm512_cvtepi64_epi32(a)) }
        }
    }
}
