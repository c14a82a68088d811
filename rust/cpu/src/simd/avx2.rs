use std::arch::x86_64::*;

use super::{Float, Kernel, Simd};

/// AVX2 with FMA: sixteen registers of 256 bits.
#[derive(Clone, Copy)]
pub struct Avx2;

/// # Safety
/// The machine has AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
pub(super) unsafe fn enter<T: Float, K: Kernel<T>>(kernel: K) -> K::Output
where
    Avx2: Simd<T>,
{
    kernel.run(Avx2)
}

const MASK32: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
const MASK64: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];

// Stores of halves: one through a mask is up to forty operations on processors of AMD.

/// # Safety
/// `n ≤ 8` elements are writable at `p`, and the machine has AVX2.
#[inline(always)]
unsafe fn store_first_ps(mut p: *mut f32, n: usize, v: __m256) {
    debug_assert!(n <= 8);
    // SAFETY: the parts lie one after the other and end at `n`.
    unsafe {
        if n == 8 {
            return _mm256_storeu_ps(p, v);
        }
        let mut left = _mm256_castps256_ps128(v);
        if n & 4 != 0 {
            _mm_storeu_ps(p, left);
            (p, left) = (p.add(4), _mm256_extractf128_ps::<1>(v));
        }
        if n & 2 != 0 {
            _mm_storel_pd(p.cast(), _mm_castps_pd(left));
            (p, left) = (p.add(2), _mm_movehl_ps(left, left));
        }
        if n & 1 != 0 {
            _mm_store_ss(p, left);
        }
    }
}

/// # Safety
/// `n ≤ 4` elements are writable at `p`, and the machine has AVX2.
#[inline(always)]
unsafe fn store_first_pd(mut p: *mut f64, n: usize, v: __m256d) {
    debug_assert!(n <= 4);
    // SAFETY: the parts lie one after the other and end at `n`.
    unsafe {
        if n == 4 {
            return _mm256_storeu_pd(p, v);
        }
        let mut left = _mm256_castpd256_pd128(v);
        if n & 2 != 0 {
            _mm_storeu_pd(p, left);
            (p, left) = (p.add(2), _mm256_extractf128_pd::<1>(v));
        }
        if n & 1 != 0 {
            _mm_store_sd(p, left);
        }
    }
}

macro_rules! avx2 {
    ($t:ty, $v:ty, $lanes:expr, $mask:expr, $mask_load:ident, $maskload:ident, $maskstore:ident, $store_first:ident, $suffix:ident,
     $set1:ident, $loadu:ident, $storeu:ident, $stream:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $fma:ident, $sqrt:ident,
     $xor:ident, $and:ident, $andnot:ident, $or:ident, $max:ident, $min:ident, $round:ident, $cmp:ident,
     $movemask:ident, $blend:ident) => {
        #[inline(always)]
        unsafe fn $mask_load(n: usize) -> __m256i {
            debug_assert!(n <= $lanes);
            // SAFETY: the window starts inside the table and has the length of a register.
            unsafe { _mm256_loadu_si256($mask.as_ptr().add($lanes - n).cast()) }
        }

        // SAFETY (every block below): the token exists only inside `enter`, on a machine that has the instructions.
        #[allow(clippy::undocumented_unsafe_blocks)]
        impl Simd<$t> for Avx2 {
            type V = $v;
            type M = $v;
            const LANES: usize = $lanes;
            const REGISTERS: usize = 16;
            const FUSED: bool = true;

            #[inline(always)]
            fn splat(self, x: $t) -> $v {
                unsafe { $set1(x) }
            }
            #[inline(always)]
            unsafe fn load(self, p: *const $t) -> $v {
                unsafe { $loadu(p) }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $t, v: $v) {
                unsafe { $storeu(p, v) }
            }
            #[inline(always)]
            unsafe fn stream(self, p: *mut $t, v: $v) {
                unsafe { $stream(p, v) }
            }
            #[inline(always)]
            unsafe fn load_partial(self, p: *const $t, n: usize) -> $v {
                unsafe { $maskload(p, $mask_load(n)) }
            }
            #[inline(always)]
            unsafe fn store_partial(self, p: *mut $t, n: usize, v: $v) {
                unsafe { $maskstore(p, $mask_load(n), v) }
            }
            #[inline(always)]
            unsafe fn store_some(self, p: *mut $t, n: usize, v: $v) {
                unsafe { $store_first(p, n, v) }
            }
            #[inline(always)]
            fn add(self, a: $v, b: $v) -> $v {
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            fn sub(self, a: $v, b: $v) -> $v {
                unsafe { $sub(a, b) }
            }
            #[inline(always)]
            fn mul(self, a: $v, b: $v) -> $v {
                unsafe { $mul(a, b) }
            }
            #[inline(always)]
            fn div(self, a: $v, b: $v) -> $v {
                unsafe { $div(a, b) }
            }
            #[inline(always)]
            fn fma(self, a: $v, b: $v, c: $v) -> $v {
                unsafe { $fma(a, b, c) }
            }
            #[inline(always)]
            fn sqrt(self, a: $v) -> $v {
                unsafe { $sqrt(a) }
            }
            #[inline(always)]
            fn neg(self, a: $v) -> $v {
                unsafe { $xor(a, $set1(-0.0)) }
            }
            #[inline(always)]
            fn abs(self, a: $v) -> $v {
                unsafe { $andnot($set1(-0.0), a) }
            }
            #[inline(always)]
            fn copysign(self, a: $v, b: $v) -> $v {
                unsafe { $or($andnot($set1(-0.0), a), $and($set1(-0.0), b)) }
            }
            #[inline(always)]
            fn max(self, a: $v, b: $v) -> $v {
                unsafe { $max(a, b) }
            }
            #[inline(always)]
            fn min(self, a: $v, b: $v) -> $v {
                unsafe { $min(a, b) }
            }
            #[inline(always)]
            fn round(self, a: $v) -> $v {
                unsafe { $round::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
            }
            #[inline(always)]
            fn floor(self, a: $v) -> $v {
                unsafe { $round::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(a) }
            }
            #[inline(always)]
            fn lt(self, a: $v, b: $v) -> $v {
                unsafe { $cmp::<_CMP_LT_OQ>(a, b) }
            }
            #[inline(always)]
            fn le(self, a: $v, b: $v) -> $v {
                unsafe { $cmp::<_CMP_LE_OQ>(a, b) }
            }
            #[inline(always)]
            fn eq(self, a: $v, b: $v) -> $v {
                unsafe { $cmp::<_CMP_EQ_OQ>(a, b) }
            }
            #[inline(always)]
            fn ne(self, a: $v, b: $v) -> $v {
                unsafe { $cmp::<_CMP_NEQ_UQ>(a, b) }
            }
            #[inline(always)]
            fn mask_and(self, a: $v, b: $v) -> $v {
                unsafe { $and(a, b) }
            }
            #[inline(always)]
            fn mask_or(self, a: $v, b: $v) -> $v {
                unsafe { $or(a, b) }
            }
            #[inline(always)]
            fn mask_any(self, a: $v) -> bool {
                unsafe { $movemask(a) != 0 }
            }
            #[inline(always)]
            fn select(self, mask: $v, a: $v, b: $v) -> $v {
                unsafe { $blend(b, a, mask) }
            }
            #[inline(always)]
            fn ldexp(self, a: $v, n: $v) -> $v {
                // Two steps, so that results below the normal range are reached by one rounding.
                unsafe {
                    let bias = $set1($suffix::BIAS);
                    let shifted = $fma(n, $set1(0.5), bias);
                    let rest = $sub(n, $sub(shifted, bias));
                    $mul($mul(a, $suffix::power(shifted)), $suffix::power($add(rest, bias)))
                }
            }
            #[inline(always)]
            fn power(self, n: $v) -> $v {
                unsafe { $suffix::power($add(n, $set1($suffix::BIAS))) }
            }
            #[inline(always)]
            fn frexp(self, a: $v) -> ($v, $v) {
                unsafe { $suffix::frexp(a) }
            }
            #[inline(always)]
            fn unzip(self, a: $v, b: $v) -> ($v, $v) {
                unsafe { $suffix::unzip(a, b) }
            }
            #[inline(always)]
            fn zip(self, a: $v, b: $v) -> ($v, $v) {
                unsafe { $suffix::zip(a, b) }
            }
            #[inline(always)]
            unsafe fn load_index(self, p: *const i64) -> $v {
                unsafe { $suffix::load_index(p) }
            }
            #[inline(always)]
            unsafe fn store_index(self, p: *mut i64, v: $v, base: i64, past: bool) {
                unsafe { $suffix::store_index(p, v, base, past) }
            }
            #[inline(always)]
            fn sum(self, a: $v) -> $t {
                unsafe { $suffix::sum(a) }
            }
            #[inline(always)]
            fn hmax(self, a: $v) -> $t {
                let mut lanes = [0.0; $lanes];
                unsafe { Simd::<$t>::store(self, lanes.as_mut_ptr(), a) };
                lanes.into_iter().fold(
                    lanes[0],
                    #[inline(always)]
                    |m, x| if x > m || Float::is_nan(x) { x } else { m },
                )
            }
            #[inline(always)]
            fn hmin(self, a: $v) -> $t {
                let mut lanes = [0.0; $lanes];
                unsafe { Simd::<$t>::store(self, lanes.as_mut_ptr(), a) };
                lanes.into_iter().fold(
                    lanes[0],
                    #[inline(always)]
                    |m, x| if x < m || Float::is_nan(x) { x } else { m },
                )
            }
        }
    };
}

avx2!(
    f32,
    __m256,
    8,
    MASK32,
    mask32,
    _mm256_maskload_ps,
    _mm256_maskstore_ps,
    store_first_ps,
    ps,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_stream_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_fmadd_ps,
    _mm256_sqrt_ps,
    _mm256_xor_ps,
    _mm256_and_ps,
    _mm256_andnot_ps,
    _mm256_or_ps,
    _mm256_max_ps,
    _mm256_min_ps,
    _mm256_round_ps,
    _mm256_cmp_ps,
    _mm256_movemask_ps,
    _mm256_blendv_ps
);
avx2!(
    f64,
    __m256d,
    4,
    MASK64,
    mask64,
    _mm256_maskload_pd,
    _mm256_maskstore_pd,
    store_first_pd,
    pd,
    _mm256_set1_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_stream_pd,
    _mm256_add_pd,
    _mm256_sub_pd,
    _mm256_mul_pd,
    _mm256_div_pd,
    _mm256_fmadd_pd,
    _mm256_sqrt_pd,
    _mm256_xor_pd,
    _mm256_and_pd,
    _mm256_andnot_pd,
    _mm256_or_pd,
    _mm256_max_pd,
    _mm256_min_pd,
    _mm256_round_pd,
    _mm256_cmp_pd,
    _mm256_movemask_pd,
    _mm256_blendv_pd
);

/// What differs between f32 and f64 beyond a suffix.
// SAFETY (both modules): called by the token's methods only.
#[allow(clippy::undocumented_unsafe_blocks)]
mod ps {
    use std::arch::x86_64::*;

    /// Adding this leaves an integer, biased as an exponent is, in the lowest bits: cheaper than a conversion.
    pub const BIAS: f32 = (3 << 22) as f32 + 127.0;

    /// `2ⁿ` from `n + BIAS`.
    #[inline(always)]
    pub unsafe fn power(biased: __m256) -> __m256 {
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(biased))) }
    }

    #[inline(always)]
    pub unsafe fn frexp(a: __m256) -> (__m256, __m256) {
        unsafe {
            // Subtracting the bits of √½ puts the break of the exponent field there.
            let bits = _mm256_castps_si256(a);
            let root_half = _mm256_set1_epi32(std::f32::consts::FRAC_1_SQRT_2.to_bits() as i32);
            let e = _mm256_srai_epi32::<23>(_mm256_sub_epi32(bits, root_half));
            let m = _mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32::<23>(e)));
            (m, _mm256_cvtepi32_ps(e))
        }
    }

    #[inline(always)]
    pub unsafe fn unzip(a: __m256, b: __m256) -> (__m256, __m256) {
        unsafe {
            // The halves of the registers are taken apart, then put in order.
            let even = _mm256_castps_pd(_mm256_shuffle_ps::<0b10_00_10_00>(a, b));
            let odd = _mm256_castps_pd(_mm256_shuffle_ps::<0b11_01_11_01>(a, b));
            let (even, odd) =
                (_mm256_permute4x64_pd::<0b11_01_10_00>(even), _mm256_permute4x64_pd::<0b11_01_10_00>(odd));
            (_mm256_castpd_ps(even), _mm256_castpd_ps(odd))
        }
    }

    #[inline(always)]
    pub unsafe fn zip(a: __m256, b: __m256) -> (__m256, __m256) {
        unsafe {
            let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            (_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high))
        }
    }

    #[inline(always)]
    pub unsafe fn load_index(p: *const i64) -> __m256 {
        unsafe {
            let (a, b) = (_mm256_loadu_ps(p.cast()), _mm256_loadu_ps(p.add(4).cast()));
            let (low, high) = unzip(a, b);
            let (low, high) = (_mm256_castps_si256(low), _mm256_castps_si256(high));
            let beyond = _mm256_or_si256(high, _mm256_srai_epi32::<31>(low));
            let fits = _mm256_castsi256_ps(_mm256_cmpeq_epi32(beyond, _mm256_setzero_si256()));
            _mm256_blendv_ps(_mm256_set1_ps(f32::NAN), _mm256_cvtepi32_ps(low), fits)
        }
    }

    #[inline(always)]
    pub unsafe fn store_index(p: *mut i64, v: __m256, base: i64, past: bool) {
        unsafe {
            let (index, base) = (_mm256_cvttps_epi32(v), _mm256_set1_epi64x(base));
            let low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(index));
            let high = _mm256_cvtepi32_epi64(_mm256_extracti128_si256::<1>(index));
            let (low, high) = (_mm256_add_epi64(low, base), _mm256_add_epi64(high, base));
            if past {
                _mm256_stream_si256(p.cast(), low);
                _mm256_stream_si256(p.add(4).cast(), high);
            } else {
                _mm256_storeu_si256(p.cast(), low);
                _mm256_storeu_si256(p.add(4).cast(), high);
            }
        }
    }

    #[inline(always)]
    pub unsafe fn sum(a: __m256) -> f32 {
        unsafe {
            let s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let s = _mm_add_ps(s, _mm_movehl_ps(s, s));
            _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps::<1>(s, s)))
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
mod pd {
    use std::arch::x86_64::*;

    pub const BIAS: f64 = (3u64 << 51) as f64 + 1023.0;

    #[inline(always)]
    pub unsafe fn power(biased: __m256d) -> __m256d {
        unsafe { _mm256_castsi256_pd(_mm256_slli_epi64::<52>(_mm256_castpd_si256(biased))) }
    }

    #[inline(always)]
    pub unsafe fn frexp(a: __m256d) -> (__m256d, __m256d) {
        unsafe {
            let bits = _mm256_castpd_si256(a);
            let root_half = _mm256_set1_epi64x(std::f64::consts::FRAC_1_SQRT_2.to_bits() as i64);
            let shifted = _mm256_sub_epi64(bits, root_half);
            // AVX2 shifts 64-bit lanes arithmetically only through their 32-bit halves.
            let high = _mm256_srai_epi32::<20>(_mm256_shuffle_epi32::<0b11_11_01_01>(shifted));
            let m = _mm256_castsi256_pd(_mm256_sub_epi64(bits, _mm256_slli_epi64::<52>(high)));
            let low = _mm256_permutevar8x32_epi32(high, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
            (m, _mm256_cvtepi32_pd(_mm256_castsi256_si128(low)))
        }
    }

    #[inline(always)]
    pub unsafe fn unzip(a: __m256d, b: __m256d) -> (__m256d, __m256d) {
        unsafe {
            let (even, odd) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
            (_mm256_permute4x64_pd::<0b11_01_10_00>(even), _mm256_permute4x64_pd::<0b11_01_10_00>(odd))
        }
    }

    #[inline(always)]
    pub unsafe fn zip(a: __m256d, b: __m256d) -> (__m256d, __m256d) {
        unsafe {
            let (low, high) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
            (_mm256_permute2f128_pd::<0x20>(low, high), _mm256_permute2f128_pd::<0x31>(low, high))
        }
    }

    #[inline(always)]
    pub unsafe fn load_index(p: *const i64) -> __m256d {
        unsafe {
            let index = _mm256_loadu_si256(p.cast());
            let fits = _mm256_cmpeq_epi64(_mm256_srli_epi64::<31>(index), _mm256_setzero_si256());
            // As the significand of 2⁵², which is then taken away.
            let base = _mm256_set1_pd((1u64 << 52) as f64);
            let v = _mm256_sub_pd(_mm256_or_pd(_mm256_castsi256_pd(index), base), base);
            _mm256_blendv_pd(_mm256_set1_pd(f64::NAN), v, _mm256_castsi256_pd(fits))
        }
    }

    #[inline(always)]
    pub unsafe fn store_index(p: *mut i64, v: __m256d, base: i64, past: bool) {
        unsafe {
            let index = _mm256_cvtepi32_epi64(_mm256_cvttpd_epi32(v));
            let index = _mm256_add_epi64(index, _mm256_set1_epi64x(base));
            if past {
                _mm256_stream_si256(p.cast(), index);
            } else {
                _mm256_storeu_si256(p.cast(), index);
            }
        }
    }

    #[inline(always)]
    pub unsafe fn sum(a: __m256d) -> f64 {
        unsafe {
            let s = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd::<1>(a));
            _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)))
        }
    }
}
