//! Elementary functions over vectors: exp, expm1, log, log1p, tanh, sigmoid, erf.
//!
//! The f32 forms are within 3 units in the last place over the whole range, on every instruction set, with and
//! without fused multiply-add; they have no branches, so each costs the same for all arguments. `exp_flushed` and
//! `normal_cdf` have their own bounds. The polynomials come from `tools/minimax.py`. The f64 forms are libm's, lane by lane: they are the reference that the f32 forms and the
//! gradients are checked against.
//!
//! The largest errors over all 2³² arguments, in units in the last place of the f32 nearest to libm's f64 result
//! (`exhaustive_every_number_is_within_3_ulp`); AVX2 and AVX-512 agree:
//!
//! | | exp | expm1 | log | log1p | tanh | sigmoid | erf |
//! |---|---|---|---|---|---|---|---|
//! | fused | 1.04 | 1.53 | 0.86 | 1.44 | 2.57 | 2.41 | 1.13 |
//! | not fused | 1.01 | 1.66 | 0.86 | 1.44 | 2.61 | 2.41 | 1.33 |

use super::{Float, Simd};

/// The elementary functions of a float type.
pub trait Elementary: Sized {
    fn exp<S: Simd<Self>>(s: S, x: S::V) -> S::V
    where
        Self: Float;
    /// `eˣ` for `x ≤ 0`, and 0 where that is below the normal range: cheaper than [`exp`](Self::exp), for sums of which
    /// one term is 1 and for factors. NaN stays.
    fn exp_flushed<S: Simd<Self>>(s: S, x: S::V) -> S::V
    where
        Self: Float;
    /// `Φ(x)` and `e^(−x²/2)`: the standard normal distribution, and its density times √(2π). The smaller of `Φ(x)` and
    /// `1 − Φ(x)` is within `4e-7 (1 + x²/3)` of itself, and 0 with the density below the normal range.
    fn normal_cdf<S: Simd<Self>>(s: S, x: S::V) -> (S::V, S::V)
    where
        Self: Float;
    /// `eˣ − 1`, accurate near zero.
    fn expm1<S: Simd<Self>>(s: S, x: S::V) -> S::V
    where
        Self: Float;
    fn log<S: Simd<Self>>(s: S, x: S::V) -> S::V
    where
        Self: Float;
    /// `log(1 + x)`, accurate near zero.
    fn log1p<S: Simd<Self>>(s: S, x: S::V) -> S::V
    where
        Self: Float;
    fn tanh<S: Simd<Self>>(s: S, x: S::V) -> S::V
    where
        Self: Float;
    /// `1 / (1 + e⁻ˣ)`.
    fn sigmoid<S: Simd<Self>>(s: S, x: S::V) -> S::V
    where
        Self: Float;
    /// `1 / (1 + e⁻ˣ)` as [`sigmoid`](Self::sigmoid), except that it stops where it leaves the normal range: for a thread
    /// that flushes what lies below.
    fn sigmoid_flushed<S: Simd<Self>>(s: S, x: S::V) -> S::V
    where
        Self: Float;
    fn erf<S: Simd<Self>>(s: S, x: S::V) -> S::V
    where
        Self: Float;
}

/// log 2 in two parts: the high one has 15 bits, so that its product with an exponent is exact without fused
/// multiply-add.
const LN2_HIGH: f32 = 0.693_145_75;
const LN2_LOW: f32 = (std::f64::consts::LN_2 - LN2_HIGH as f64) as f32;
/// Added and subtracted again, rounds a number below 2²² to an integer; the scalar path has no instruction for it.
const ROUNDER: f32 = (3 << 22) as f32;

/// `(eʳ − 1 − r) / r²` for |r| ≤ ½ log 2; eʳ − 1 is off by 1.5e-8 of itself at most.
const EXPM1: [f32; 5] = [0.499_999_97, 0.166_665_43, 0.041_667_305, 0.008_366_509, 0.001_388_252_4];

/// `(log(1 + f) − f + f²/2) / f³` for √½ ≤ 1 + f ≤ √2; the logarithm is off by 5.9e-9 of itself at most.
const LOG1P: [f32; 8] =
    [0.333_333_3, -0.250_008_2, 0.200_012_31, -0.166_233_78, 0.142_017_78, -0.131_601_9, 0.127_615_8, -0.076_345_01];

/// Where erf passes from one form to the other.
const ERF_SPLIT: f32 = 0.92;
/// `erf(x)/x − 1` in x² for |x| ≤ 0.92; erf is off by 1.6e-8 of itself at most.
const ERF: [f32; 6] = [0.128_379_15, -0.376_124_98, 0.112_818_48, -0.026_767_725, 0.004_994_830_6, -0.000_599_940_66];
/// `log(1 − erf(x))` for 0.92 ≤ x ≤ 4; erf is off by 2.5e-9 of itself at most.
const LOG_ERFC: [f32; 7] =
    [-0.000_195_676_56, -1.127_675_7, -0.637_182_24, -0.103_931_576, 0.022_226_911, -0.003_043_214_8, 0.000_195_937_14];

/// `Φ(−a) · e^(a²/2)` for 0 ≤ a ≤ 13.25 as a quotient of polynomials; off by 1.4e-8 of itself at most.
const NORMAL_TAIL: ([f32; 5], [f32; 6]) = (
    [0.5, 0.435_569_9, 0.181_221_11, 0.039_955_415, 0.004_015_952_3],
    [1.0, 1.669_024_7, 1.194_127_3, 0.464_154_18, 0.100_160_815, 0.010_066_355],
);

#[inline(always)]
fn polynomial<S: Simd<f32>, const N: usize>(s: S, coefficients: [f32; N], x: S::V) -> S::V {
    let mut sum = s.splat(coefficients[N - 1]);
    for i in (0..N - 1).rev() {
        sum = s.fma(sum, x, s.splat(coefficients[i]));
    }
    sum
}

/// `(n, eʳ − 1)` with `x = n log 2 + r`, `n` integral and |r| ≤ ½ log 2; |x| ≤ 110.
#[inline(always)]
fn exp_parts<S: Simd<f32>>(s: S, x: S::V) -> (S::V, S::V) {
    let rounder = s.splat(ROUNDER);
    let n = s.sub(s.fma(x, s.splat(std::f32::consts::LOG2_E), rounder), rounder);
    let r = s.fma(n, s.splat(-LN2_LOW), s.fma(n, s.splat(-LN2_HIGH), x));
    (n, s.fma(s.mul(r, r), polynomial(s, EXPM1, r), r))
}

/// `log((1 + f) · 2ᵉ)` with `√½ ≤ 1 + f ≤ √2`.
#[inline(always)]
fn log_sum<S: Simd<f32>>(s: S, f: S::V, e: S::V) -> S::V {
    let square = s.mul(f, f);
    let tail = s.mul(s.mul(f, square), polynomial(s, LOG1P, f));
    let tail = s.fma(square, s.splat(-0.5), s.fma(e, s.splat(LN2_LOW), tail));
    s.fma(e, s.splat(LN2_HIGH), s.add(f, tail))
}

// `max(constant, x)` and `min(constant, x)` below pass a NaN in x on: of two operands, the second wins.
impl Elementary for f32 {
    #[inline(always)]
    fn exp<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        // Beyond these bounds the result is 0 or infinite, and comes out so.
        let (n, expm1) = exp_parts(s, s.max(s.splat(-105.0), s.min(s.splat(89.0), x)));
        s.ldexp(s.add(s.splat(1.0), expm1), n)
    }

    #[inline(always)]
    fn exp_flushed<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        let (n, expm1) = exp_parts(s, x);
        let power = s.power(n);
        // What comes out below the bound, −126 log 2 and a little, is not a number to look at.
        s.select(s.lt(x, s.splat(-87.3)), s.zero(), s.fma(expm1, power, power))
    }

    #[inline(always)]
    fn normal_cdf<S: Simd<Self>>(s: S, x: S::V) -> (S::V, S::V) {
        let a = s.abs(x);
        let density = Self::exp_flushed(s, s.mul(s.mul(x, x), s.splat(-0.5)));
        // Beyond the bound the density is 0.
        let a = s.min(s.splat(13.25), a);
        let tail = s.div(polynomial(s, NORMAL_TAIL.0, a), polynomial(s, NORMAL_TAIL.1, a));
        let tail = s.mul(tail, density);
        (s.select(s.lt(x, s.zero()), tail, s.sub(s.splat(1.0), tail)), density)
    }

    #[inline(always)]
    fn expm1<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        let one = s.splat(1.0);
        let (n, expm1) = exp_parts(s, s.max(s.splat(-18.0), s.min(s.splat(89.0), x)));
        // 2ⁿ (expm1(r) + 1 − 2⁻ⁿ): scaled last, so that it overflows only where the result does.
        let inverse = s.power(s.max(s.splat(-126.0), s.neg(n)));
        s.copysign(s.ldexp(s.add(expm1, s.sub(one, inverse)), n), x)
    }

    #[inline(always)]
    fn log<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        let small = s.lt(x, s.splat(f32::MIN_POSITIVE));
        let (m, e) = s.frexp(s.select(small, s.mul(x, s.splat((1 << 24) as f32)), x));
        let e = s.select(small, s.sub(e, s.splat(24.0)), e);
        let log = log_sum(s, s.sub(m, s.splat(1.0)), e);
        // +∞ is its own logarithm.
        let infinity = s.splat(f32::INFINITY);
        let log = s.select(s.lt(x, infinity), log, x);
        let pole = s.select(s.eq(x, s.zero()), s.neg(infinity), s.splat(f32::NAN));
        s.select(s.gt(x, s.zero()), log, pole)
    }

    #[inline(always)]
    fn log1p<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        let one = s.splat(1.0);
        let u = s.add(one, x);
        // What 1 + x lost by rounding; it matters where the exponent is small, and is exact there.
        let lost = s.sub(x, s.sub(u, one));
        let (m, e) = s.frexp(u);
        let scale = s.power(s.max(s.splat(-100.0), s.neg(e)));
        let log = log_sum(s, s.fma(lost, scale, s.sub(m, one)), e);
        let infinity = s.splat(f32::INFINITY);
        let log = s.select(s.lt(x, infinity), log, x);
        let minus_one = s.neg(one);
        let pole = s.select(s.eq(x, minus_one), infinity, s.splat(f32::NAN));
        s.copysign(s.select(s.gt(x, minus_one), log, pole), x)
    }

    #[inline(always)]
    fn tanh<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        // expm1(2a) / (expm1(2a) + 2) keeps the relative accuracy near zero and is exactly 1 from 10 on.
        let a = s.min(s.splat(10.0), s.abs(x));
        let (n, expm1) = exp_parts(s, s.add(a, a));
        let power = s.power(n);
        let t = s.fma(expm1, power, s.sub(power, s.splat(1.0)));
        s.copysign(s.div(t, s.add(t, s.splat(2.0))), x)
    }

    #[inline(always)]
    fn sigmoid<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        let one = s.splat(1.0);
        // From e^(−|x|) ≤ 1, which reaches the denormals for a negative x and cannot overflow for a positive one.
        let (n, expm1) = exp_parts(s, s.max(s.splat(-105.0), s.neg(s.abs(x))));
        let z = s.ldexp(s.add(one, expm1), n);
        s.div(s.select(s.lt(x, s.zero()), z, one), s.add(one, z))
    }

    #[inline(always)]
    fn sigmoid_flushed<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        let one = s.splat(1.0);
        // e⁻ˣ neither overflows nor leaves the normal range.
        let (n, expm1) = exp_parts(s, s.neg(s.max(s.splat(-88.0), s.min(s.splat(87.0), x))));
        let power = s.power(n);
        s.div(one, s.add(one, s.fma(expm1, power, power)))
    }

    #[inline(always)]
    fn erf<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        let a = s.abs(x);
        let near = s.fma(polynomial(s, ERF, s.mul(a, a)), x, x);
        let (n, expm1) = exp_parts(s, polynomial(s, LOG_ERFC, s.min(s.splat(4.0), a)));
        let power = s.power(n);
        let far = s.sub(s.splat(1.0), s.fma(expm1, power, power));
        s.select(s.lt(a, s.splat(ERF_SPLIT)), near, s.copysign(far, x))
    }
}

/// Applies a scalar function to each lane.
#[inline(always)]
fn per_lane<S: Simd<f64>>(s: S, x: S::V, f: impl Fn(f64) -> f64) -> S::V {
    const MOST: usize = 8;
    const { assert!(S::LANES <= MOST) };
    let mut lanes = [0.0; MOST];
    // SAFETY: the array has room for a vector, as asserted.
    unsafe {
        s.store(lanes.as_mut_ptr(), x);
        for lane in &mut lanes[..S::LANES] {
            *lane = f(*lane);
        }
        s.load(lanes.as_ptr())
    }
}

impl Elementary for f64 {
    #[inline(always)]
    fn exp<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        per_lane(s, x, libm::exp)
    }

    #[inline(always)]
    fn exp_flushed<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        per_lane(s, x, libm::exp)
    }

    #[inline(always)]
    fn normal_cdf<S: Simd<Self>>(s: S, x: S::V) -> (S::V, S::V) {
        let cdf = per_lane(s, x, |x| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2));
        (cdf, per_lane(s, x, |x| libm::exp(-0.5 * x * x)))
    }

    #[inline(always)]
    fn expm1<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        per_lane(s, x, libm::expm1)
    }

    #[inline(always)]
    fn log<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        per_lane(s, x, libm::log)
    }

    #[inline(always)]
    fn log1p<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        per_lane(s, x, libm::log1p)
    }

    #[inline(always)]
    fn tanh<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        per_lane(s, x, libm::tanh)
    }

    #[inline(always)]
    fn sigmoid<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        per_lane(s, x, |x| {
            let z = libm::exp(-x.abs());
            (if x < 0.0 { z } else { 1.0 }) / (1.0 + z)
        })
    }

    #[inline(always)]
    fn sigmoid_flushed<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        Self::sigmoid(s, x)
    }

    #[inline(always)]
    fn erf<S: Simd<Self>>(s: S, x: S::V) -> S::V {
        per_lane(s, x, libm::erf)
    }
}

#[cfg(feature = "testing")]
mod tests;
