//! Powers of f64 to its last digits: the logarithm and its product with the exponent are sums of two f64, because what
//! they lose by rounding is multiplied by up to 1,000.

use std::f64::consts::{LN_2, LOG2_E};

use super::Binary;
use super::pow::polynomial;
use crate::simd::Simd;

/// `1/5 + w/7 + w²/9 + …`, w = s² ≤ 0.03 as of `ARTANH` in `pow.rs`; to 1e-16.
const ARTANH_TAIL: [f64; 7] = [
    0.200_000_000_000_000_12,
    0.142_857_142_856_692_76,
    0.111_111_111_355_399_7,
    0.090_909_041_256_005_85,
    0.076_927_872_650_281_66,
    0.066_429_831_450_351_29,
    0.064_567_541_136_388_61,
];
/// `2ᵗ` for |t| ≤ ½; to 3e-18.
const EXP2_LONG: [f64; 12] = [
    1.0,
    LN_2,
    0.240_226_506_959_101_58,
    0.055_504_108_664_821_625,
    0.009_618_129_107_587_25,
    0.001_333_355_814_640_646_7,
    0.000_154_035_304_637_328_02,
    1.525_273_384_156_127_4e-5,
    1.321_543_253_156_835_2e-6,
    1.017_805_708_541_851e-7,
    7.074_195_069_558_042e-9,
    4.455_818_319_966_744e-10,
];
/// 2/log 2 and 1/3, each as a number and what its rounding left.
const TWO_LOG2_E: [f64; 2] = [2.0 * LOG2_E, 4.071_054_748_186_206_6e-17];
const THIRD: [f64; 2] = [1.0 / 3.0, 1.850_371_707_708_594e-17];

/// A number as the sum of two: the second is what the first left out by rounding.
#[derive(Clone, Copy)]
struct Two<V>(V, V);

/// `a + b` for |a| ≥ |b|.
#[inline(always)]
fn ordered_sum<S: Simd<f64>>(s: S, a: S::V, b: S::V) -> Two<S::V> {
    let sum = s.add(a, b);
    Two(sum, s.sub(b, s.sub(sum, a)))
}

/// `a · b`; without fused multiply-add by way of halves whose products are exact (Dekker).
#[inline(always)]
fn product<S: Simd<f64>>(s: S, a: S::V, b: S::V) -> Two<S::V> {
    let high = s.mul(a, b);
    if S::FUSED {
        return Two(high, s.fma(a, b, s.neg(high)));
    }
    let halves = |a: S::V| {
        let scaled = s.mul(a, s.splat(((1u64 << 27) + 1) as f64));
        let upper = s.sub(scaled, s.sub(scaled, a));
        (upper, s.sub(a, upper))
    };
    let ((a1, a0), (b1, b0)) = (halves(a), halves(b));
    let low = s.add(s.add(s.sub(s.mul(a1, b1), high), s.mul(a1, b0)), s.mul(a0, b1));
    Two(high, s.add(low, s.mul(a0, b0)))
}

#[inline(always)]
fn times<S: Simd<f64>>(s: S, a: Two<S::V>, b: Two<S::V>) -> Two<S::V> {
    let Two(high, low) = product(s, a.0, b.0);
    ordered_sum(s, high, s.add(low, s.add(s.mul(a.0, b.1), s.mul(a.1, b.0))))
}

/// log₂ a of a positive finite a, to 2⁻⁶³ of itself.
#[inline(always)]
fn long_log2<S: Simd<f64>>(s: S, a: S::V) -> Two<S::V> {
    let one = s.splat(1.0);
    let small = s.lt(a, s.splat(f64::MIN_POSITIVE));
    let (m, exponent) = s.frexp(s.select(small, s.mul(a, s.splat((1u64 << 54) as f64)), a));
    let exponent = s.select(small, s.sub(exponent, s.splat(54.0)), exponent);
    // t = (m − 1)/(m + 1); m − 1 is exact.
    let (above, below) = (s.sub(m, one), s.add(m, one));
    let lost = s.sub(m, s.sub(below, one));
    let t = s.div(above, below);
    let Two(whole, part) = product(s, t, below);
    let rest = s.sub(s.sub(s.sub(above, whole), part), s.mul(t, lost));
    let t = Two(t, s.div(rest, below));
    // log m = 2 artanh t = 2 t (1 + t² (1/3 + t² (1/5 + …)))
    let square = times(s, t, t);
    let tail = s.mul(square.0, polynomial(s, ARTANH_TAIL, square.0));
    let Two(high, low) = ordered_sum(s, s.splat(THIRD[0]), tail);
    let series = times(s, square, Two(high, s.add(low, s.splat(THIRD[1]))));
    let Two(high, low) = ordered_sum(s, one, series.0);
    let artanh = times(s, t, Two(high, s.add(low, series.1)));
    let log = times(s, artanh, Two(s.splat(TWO_LOG2_E[0]), s.splat(TWO_LOG2_E[1])));
    // Where the exponent is 0, the sum is exact in either order.
    let Two(high, low) = ordered_sum(s, exponent, log.0);
    ordered_sum(s, high, s.add(low, log.1))
}

/// Powers of f64: 2 to the power y log₂ x, the product as the sum of two numbers.
#[derive(Clone, Copy)]
pub(super) struct LongPower;

impl Binary<f64> for LongPower {
    const NS: f64 = 6.0;

    #[inline(always)]
    fn apply<S: Simd<f64>>(self, s: S, x: S::V, y: S::V) -> S::V {
        let (one, zero, infinity) = (s.splat(1.0), s.zero(), s.splat(f64::INFINITY));
        let a = s.abs(x);
        let log = long_log2(s, a);
        // Beyond these bounds a power is 0, 1 or infinite, and comes out so.
        let e = s.max(s.splat(-1e100), s.min(s.splat(1e100), y));
        let Two(high, low) = product(s, e, log.0);
        let low = s.fma(e, log.1, low);
        let far = s.lt(s.splat(1200.0), s.abs(high));
        let low = s.select(far, zero, low);
        let high = s.max(s.splat(-1200.0), s.min(s.splat(1200.0), high));
        let n = s.round(high);
        let t = s.add(s.sub(high, n), low);
        let power = s.ldexp(polynomial(s, EXP2_LONG, t), s.max(n, s.splat(-1200.0)));
        // 0 and ∞ are 0 and ∞ to a positive power.
        let end = s.mask_or(s.eq(a, zero), s.eq(a, infinity));
        let power = s.select(end, s.select(s.lt(zero, y), a, s.div(one, a)), power);
        let half = s.mul(y, s.splat(0.5));
        let fractional = s.ne(y, s.floor(y));
        let odd = s.ne(half, s.floor(half));
        let signed = s.select(odd, s.copysign(power, x), power);
        let signed = s.select(fractional, power, signed);
        let none = s.mask_and(s.mask_and(s.lt(x, zero), fractional), s.lt(a, infinity));
        let real = s.select(none, s.splat(f64::NAN), signed);
        let real = s.select(s.is_nan(x), x, s.select(s.is_nan(y), y, real));
        // 1 to any power, anything to the power 0, −1 to an infinite power.
        let always = s.mask_or(s.eq(x, one), s.eq(y, zero));
        let infinite = s.mask_and(s.eq(a, one), s.eq(s.abs(y), infinity));
        s.select(s.mask_or(always, infinite), one, real)
    }
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use ferrograd_array::Array;

    use crate::elementwise::pow;
    use crate::reduce::tests::on_every_isa;

    /// Within 2 units in the last place of libm's, on every instruction set.
    fn agree_in_double(pairs: &[(f64, f64)]) {
        let column = |f: fn(&(f64, f64)) -> f64| {
            Array::from_slice(&pairs.iter().map(f).collect::<Vec<_>>(), &[pairs.len()]).unwrap()
        };
        let (bases, exponents) = (column(|p| p.0), column(|p| p.1));
        on_every_isa(|| {
            let got = pow(&bases, &exponents, None).unwrap().to_vec::<f64>();
            for (&(x, y), got) in pairs.iter().zip(got) {
                let want = libm::pow(x, y);
                let ulp = f64::from_bits(want.abs().to_bits().saturating_add(1)) - want.abs();
                let right = (got.is_nan() && want.is_nan()) || got == want || (got - want).abs() <= 2.0 * ulp;
                assert!(right, "{x}^{y}: {got} against {want}");
                assert!(want.is_nan() || got.is_sign_negative() == want.is_sign_negative(), "{x}^{y}");
            }
        });
    }

    #[test]
    fn double_powers_are_those_of_c() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let special = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            2.0,
            -2.0,
            3.0,
            -3.0,
            0.5,
            -0.5,
            1.5,
            -2.5,
            5e-324,
            -5e-324,
            1e308,
            -1e308,
            nan,
            inf,
            -inf,
            9_007_199_254_740_993.0,
            -9_007_199_254_740_992.0,
            1.0 + f64::EPSILON,
            1.0 - f64::EPSILON,
            127.0,
            -1074.0,
            1e-310,
            1e16,
            1e300,
        ];
        let mut all: Vec<(f64, f64)> = special.iter().flat_map(|&x| special.map(|y| (x, y))).collect();
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from_bits(state ^ state >> 31)
        };
        for _ in 0..100_000 {
            let (x, y) = (next(), next());
            // As they come, and with exponents that do not leave the range.
            all.extend([(x, y), (x.abs(), y % 1.5), (x.abs() % 4.0, y % 300.0), (x % 4.0, (y % 9.0).trunc())]);
        }
        agree_in_double(&all);
    }
}
