use std::arch::x86_64::*;

use super::{Float, Kernel, Simd};

/// AVX-512 (F, BW, DQ, VL): thirty-two registers of 512 bits.
#[derive(Clone, Copy)]
pub struct Avx512;

/// # Safety
/// The machine has AVX-512 F, BW, DQ and VL, AVX2, FMA and F16C.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
pub(super) unsafe fn enter<T: Float, K: Kernel<T>>(kernel: K) -> K::Output
where
    Avx512: Simd<T>,
{
    kernel.run(Avx512)
}

macro_rules! avx512 {
    ($t:ty, $v:ty, $m:ty, $lanes:expr, $mantissa:expr, $root_half:expr, $set1:ident, $loadu:ident, $storeu:ident, $stream:ident, $maskz_loadu:ident,
     $mask_storeu:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $fma:ident, $sqrt:ident, $xor:ident,
     $and:ident, $andnot:ident, $or:ident, $max:ident, $min:ident, $round:ident, $cmp:ident, $blend:ident,
     $scalef:ident, $reduce_add:ident, $to_bits:ident, $from_bits:ident, $iset1:ident, $isub:ident, $srai:ident,
     $slli:ident, $to_float:ident, $suffix:ident) => {
        // SAFETY (every block below): the token exists only inside `enter`, on a machine that has the instructions.
        #[allow(clippy::undocumented_unsafe_blocks)]
        impl Simd<$t> for Avx512 {
            type V = $v;
            type M = $m;
            const LANES: usize = $lanes;
            const REGISTERS: usize = 32;
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
                unsafe { $maskz_loadu(((1u32 << n) - 1) as $m, p) }
            }
            #[inline(always)]
            unsafe fn store_partial(self, p: *mut $t, n: usize, v: $v) {
                unsafe { $mask_storeu(p, ((1u32 << n) - 1) as $m, v) }
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
            fn lt(self, a: $v, b: $v) -> $m {
                unsafe { $cmp::<_CMP_LT_OQ>(a, b) }
            }
            #[inline(always)]
            fn le(self, a: $v, b: $v) -> $m {
                unsafe { $cmp::<_CMP_LE_OQ>(a, b) }
            }
            #[inline(always)]
            fn eq(self, a: $v, b: $v) -> $m {
                unsafe { $cmp::<_CMP_EQ_OQ>(a, b) }
            }
            #[inline(always)]
            fn ne(self, a: $v, b: $v) -> $m {
                unsafe { $cmp::<_CMP_NEQ_UQ>(a, b) }
            }
            #[inline(always)]
            fn mask_and(self, a: $m, b: $m) -> $m {
                a & b
            }
            #[inline(always)]
            fn mask_or(self, a: $m, b: $m) -> $m {
                a | b
            }
            #[inline(always)]
            fn mask_any(self, a: $m) -> bool {
                a != 0
            }
            #[inline(always)]
            fn select(self, mask: $m, a: $v, b: $v) -> $v {
                unsafe { $blend(mask, b, a) }
            }
            #[inline(always)]
            fn ldexp(self, a: $v, n: $v) -> $v {
                unsafe { $scalef(a, n) }
            }
            #[inline(always)]
            fn power(self, n: $v) -> $v {
                unsafe { $scalef($set1(1.0), n) }
            }
            #[inline(always)]
            fn frexp(self, a: $v) -> ($v, $v) {
                unsafe {
                    // Subtracting the bits of √½ puts the break of the exponent field there.
                    let bits = $to_bits(a);
                    let e = $srai::<$mantissa>($isub(bits, $iset1($root_half.to_bits() as _)));
                    ($from_bits($isub(bits, $slli::<$mantissa>(e))), $to_float(e))
                }
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
                unsafe { $reduce_add(a) }
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

avx512!(
    f32,
    __m512,
    __mmask16,
    16,
    23,
    std::f32::consts::FRAC_1_SQRT_2,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_stream_ps,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_fmadd_ps,
    _mm512_sqrt_ps,
    _mm512_xor_ps,
    _mm512_and_ps,
    _mm512_andnot_ps,
    _mm512_or_ps,
    _mm512_max_ps,
    _mm512_min_ps,
    _mm512_roundscale_ps,
    _mm512_cmp_ps_mask,
    _mm512_mask_blend_ps,
    _mm512_scalef_ps,
    _mm512_reduce_add_ps,
    _mm512_castps_si512,
    _mm512_castsi512_ps,
    _mm512_set1_epi32,
    _mm512_sub_epi32,
    _mm512_srai_epi32,
    _mm512_slli_epi32,
    _mm512_cvtepi32_ps,
    ps
);
avx512!(
    f64,
    __m512d,
    __mmask8,
    8,
    52,
    std::f64::consts::FRAC_1_SQRT_2,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_stream_pd,
    _mm512_maskz_loadu_pd,
    _mm512_mask_storeu_pd,
    _mm512_add_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    _mm512_div_pd,
    _mm512_fmadd_pd,
    _mm512_sqrt_pd,
    _mm512_xor_pd,
    _mm512_and_pd,
    _mm512_andnot_pd,
    _mm512_or_pd,
    _mm512_max_pd,
    _mm512_min_pd,
    _mm512_roundscale_pd,
    _mm512_cmp_pd_mask,
    _mm512_mask_blend_pd,
    _mm512_scalef_pd,
    _mm512_reduce_add_pd,
    _mm512_castpd_si512,
    _mm512_castsi512_pd,
    _mm512_set1_epi64,
    _mm512_sub_epi64,
    _mm512_srai_epi64,
    _mm512_slli_epi64,
    _mm512_cvtepi64_pd,
    pd
);

/// What differs between f32 and f64 beyond a suffix.
// SAFETY (both modules): called by the token's methods only.
#[allow(clippy::undocumented_unsafe_blocks)]
mod ps {
    use std::arch::x86_64::*;

    /// Lanes of `a` (from 0 on) and of `b` (from 16 on).
    #[inline(always)]
    unsafe fn lanes(index: [i32; 16], a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_permutex2var_ps(a, _mm512_loadu_si512(index.as_ptr().cast()), b) }
    }

    #[inline(always)]
    pub unsafe fn unzip(a: __m512, b: __m512) -> (__m512, __m512) {
        const EVEN: [i32; 16] = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30];
        const ODD: [i32; 16] = [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31];
        unsafe { (lanes(EVEN, a, b), lanes(ODD, a, b)) }
    }

    #[inline(always)]
    pub unsafe fn zip(a: __m512, b: __m512) -> (__m512, __m512) {
        const FIRST: [i32; 16] = [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23];
        const SECOND: [i32; 16] = [8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31];
        unsafe { (lanes(FIRST, a, b), lanes(SECOND, a, b)) }
    }

    #[inline(always)]
    pub unsafe fn load_index(p: *const i64) -> __m512 {
        unsafe {
            let (a, b) = (_mm512_loadu_si512(p.cast()), _mm512_loadu_si512(p.add(8).cast()));
            let end = _mm512_set1_epi64(1 << 31);
            let beyond = (_mm512_cmpge_epu64_mask(a, end) as u16, _mm512_cmpge_epu64_mask(b, end) as u16);
            let low = _mm512_castsi256_si512(_mm512_cvtepi64_epi32(a));
            let index = _mm512_inserti64x4::<1>(low, _mm512_cvtepi64_epi32(b));
            let nan = _mm512_set1_ps(f32::NAN);
            _mm512_mask_blend_ps(beyond.0 | beyond.1 << 8, _mm512_cvtepi32_ps(index), nan)
        }
    }

    #[inline(always)]
    pub unsafe fn store_index(p: *mut i64, v: __m512, base: i64, past: bool) {
        unsafe {
            let (index, base) = (_mm512_cvttps_epi32(v), _mm512_set1_epi64(base));
            let low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(index));
            let high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64::<1>(index));
            let (low, high) = (_mm512_add_epi64(low, base), _mm512_add_epi64(high, base));
            if past {
                _mm512_stream_si512(p.cast(), low);
                _mm512_stream_si512(p.add(8).cast(), high);
            } else {
                _mm512_storeu_si512(p.cast(), low);
                _mm512_storeu_si512(p.add(8).cast(), high);
            }
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
mod pd {
    use std::arch::x86_64::*;

    #[inline(always)]
    unsafe fn lanes(index: [i64; 8], a: __m512d, b: __m512d) -> __m512d {
        unsafe { _mm512_permutex2var_pd(a, _mm512_loadu_si512(index.as_ptr().cast()), b) }
    }

    #[inline(always)]
    pub unsafe fn unzip(a: __m512d, b: __m512d) -> (__m512d, __m512d) {
        unsafe { (lanes([0, 2, 4, 6, 8, 10, 12, 14], a, b), lanes([1, 3, 5, 7, 9, 11, 13, 15], a, b)) }
    }

    #[inline(always)]
    pub unsafe fn zip(a: __m512d, b: __m512d) -> (__m512d, __m512d) {
        unsafe { (lanes([0, 8, 1, 9, 2, 10, 3, 11], a, b), lanes([4, 12, 5, 13, 6, 14, 7, 15], a, b)) }
    }

    #[inline(always)]
    pub unsafe fn load_index(p: *const i64) -> __m512d {
        unsafe {
            let index = _mm512_loadu_si512(p.cast());
            let beyond = _mm512_cmpge_epu64_mask(index, _mm512_set1_epi64(1 << 31));
            _mm512_mask_blend_pd(beyond, _mm512_cvtepi64_pd(index), _mm512_set1_pd(f64::NAN))
        }
    }

    #[inline(always)]
    pub unsafe fn store_index(p: *mut i64, v: __m512d, base: i64, past: bool) {
        unsafe {
            let index = _mm512_add_epi64(_mm512_cvttpd_epi64(v), _mm512_set1_epi64(base));
            if past {
                _mm512_stream_si512(p.cast(), index);
            } else {
                _mm512_storeu_si512(p.cast(), index);
            }
        }
    }
}
