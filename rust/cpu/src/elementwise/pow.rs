//! Powers. Of f32 they are computed in vectors of f64, so that the result is rounded once; of f64 in sums of two f64.

use std::f64::consts::{LN_2, LOG2_E};

use ferrograd_array::{Array, DType, Error, Result};

use super::{Binary, Map, NUMBER, Plain, Unary, Vectors, any, float2, map1, map2, same_dtype, unsupported};
use crate::path;
use crate::simd::{Float, Simd};

/// `(artanh(s)/s − 1) / s²` in s² for |s| ≤ 0.172: s is (m − 1)/(m + 1) of √½ ≤ m ≤ √2; to 4e-12.
const ARTANH: [f64; 5] = [
    0.333_333_333_336_877_04,
    0.199_999_993_984_33,
    0.142_858_773_167_099_88,
    0.110_956_973_057_637_45,
    0.096_813_874_150_658_15,
];
/// `2ᵗ` for |t| ≤ ½; to 8e-13, and exactly 1 at 0.
const EXP2: [f64; 9] = [
    1.0,
    0.693_147_180_545_913_4,
    0.240_226_506_958_210_05,
    0.055_504_109_412_899_05,
    0.009_618_129_157_718_331,
    0.001_333_345_048_653_629_6,
    0.000_154_034_569_768_969_2,
    1.531_010_121_162_372e-5,
    1.325_499_076_507_645e-6,
];
/// Added and subtracted again, rounds a number below 2⁵¹ to an integer; the scalar path has no instruction for it.
pub(super) const ROUNDER: f64 = (3u64 << 51) as f64;

#[inline(always)]
pub(super) fn polynomial<S: Simd<f64>, const N: usize>(s: S, coefficients: [f64; N], x: S::V) -> S::V {
    let mut sum = s.splat(coefficients[N - 1]);
    for i in (0..N - 1).rev() {
        sum = s.fma(sum, x, s.splat(coefficients[i]));
    }
    sum
}

/// log₂ of the magnitude of an f32, to 1e-11 of itself.
#[inline(always)]
pub(super) fn log2<S: Simd<f64>>(s: S, a: S::V) -> S::V {
    let (one, infinity) = (s.splat(1.0), s.splat(f64::INFINITY));
    // Denormals of f32 are normal numbers of f64.
    let (m, exponent) = s.frexp(a);
    let t = s.div(s.sub(m, one), s.add(m, one));
    let square = s.mul(t, t);
    let artanh = s.fma(s.mul(t, square), polynomial(s, ARTANH, square), t);
    let log = s.fma(artanh, s.splat(2.0 * LOG2_E), exponent);
    let log = s.select(s.eq(a, s.zero()), s.neg(infinity), log);
    s.select(s.lt(a, infinity), log, a)
}

/// 2ᶻ to 1e-12 of itself; far beyond the range of f32 it stays where it is.
#[inline(always)]
pub(super) fn exp2<S: Simd<f64>>(s: S, z: S::V) -> S::V {
    // `max` and `min` pass a NaN in their second operand on.
    let z = s.max(s.splat(-300.0), s.min(s.splat(300.0), z));
    let rounder = s.splat(ROUNDER);
    let n = s.sub(s.add(z, rounder), rounder);
    s.mul(polynomial(s, EXP2, s.sub(z, n)), s.power(s.max(n, s.splat(-300.0))))
}

#[inline(always)]
fn is_whole(y: f32) -> bool {
    // From here on every number is whole.
    const LARGE: f32 = (1 << 23) as f32;
    let a = y.abs();
    (a >= LARGE) | ((a + LARGE) - LARGE == a)
}

/// What a power is besides its magnitude: its sign, and C's rules on NaN and on powers that are 1.
#[inline(always)]
fn finished(magnitude: f64, x: f32, y: f32) -> f32 {
    let whole = is_whole(y);
    let odd = whole & !is_whole(y * 0.5);
    let sign = if odd { x.to_bits() & (1 << 31) } else { 0 };
    let signed = f32::from_bits((magnitude as f32).to_bits() ^ sign);
    let real = if (x < 0.0) & !whole & (x != f32::NEG_INFINITY) { f32::NAN } else { signed };
    // 1 to any power, anything to the power 0, −1 to an infinite power.
    let one = (x == 1.0) | (y == 0.0) | ((x == -1.0) & (y.abs() == f32::INFINITY));
    if one { 1.0 } else { real }
}

/// Powers of f32, computed in f64 and rounded once.
#[derive(Clone, Copy)]
struct Powers;

/// Elements that are widened, raised and narrowed at a time.
pub(super) const CHUNK: usize = 32;

#[inline(always)]
fn powers<S: Simd<f64>>(s: S, x: &[f32; CHUNK], y: &[f32; CHUNK]) -> [f32; CHUNK] {
    let (mut a, mut e) = ([0.0; CHUNK], [0.0; CHUNK]);
    for j in 0..CHUNK {
        a[j] = x[j].abs() as f64;
        e[j] = y[j] as f64;
    }
    for j in (0..CHUNK).step_by(S::LANES) {
        // SAFETY: vectors of 2, 4 or 8 elements inside the arrays of 32.
        unsafe {
            let log = log2(s, s.load(a.as_ptr().add(j)));
            let power = exp2(s, s.mul(s.load(e.as_ptr().add(j)), log));
            s.store(a.as_mut_ptr().add(j), power);
        }
    }
    let mut out = [0.0; CHUNK];
    for j in 0..CHUNK {
        out[j] = finished(a[j], x[j], y[j]);
    }
    out
}

impl Map<3> for Powers {
    type Lane = f64;
    const SIZES: [usize; 3] = [size_of::<f32>(); 3];
    const NS: f64 = 2.0;

    #[inline(always)]
    unsafe fn dense<S: Simd<f64>>(self, s: S, p: [*mut u8; 3], n: usize) {
        let [out, x, y] = p.map(
            #[inline(always)]
            |p| p.cast::<f32>(),
        );
        let mut i = 0;
        // SAFETY: n elements at each pointer.
        unsafe {
            while i + CHUNK <= n {
                let (x, y) = (x.add(i).cast::<[f32; CHUNK]>(), y.add(i).cast::<[f32; CHUNK]>());
                let results = powers(s, &x.read_unaligned(), &y.read_unaligned());
                out.add(i).cast::<[f32; CHUNK]>().write_unaligned(results);
                i += CHUNK;
            }
            if i < n {
                let (mut base, mut exponent) = ([1.0; CHUNK], [1.0; CHUNK]);
                std::ptr::copy_nonoverlapping(x.add(i), base.as_mut_ptr(), n - i);
                std::ptr::copy_nonoverlapping(y.add(i), exponent.as_mut_ptr(), n - i);
                std::ptr::copy_nonoverlapping(powers(s, &base, &exponent).as_ptr(), out.add(i), n - i);
            }
        }
    }
}

/// `1/5 + w/7 + w²/9 + …`, w as in [`ARTANH`]; to 1e-16.
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
struct LongPower;

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

/// xⁿ by squaring; integers wrap.
macro_rules! pow_int {
    ($name:ident, $t:ty) => {
        #[inline(always)]
        fn $name(x: $t, n: $t) -> $t {
            // The binary digits of the exponent above the 32nd matter as well, or 2^(2³²) would be 1.
            let (mut base, mut n, mut result) = (x, n as u64, 1 as $t);
            while n > 0 {
                if n & 1 == 1 {
                    result = result.wrapping_mul(base);
                }
                base = base.wrapping_mul(base);
                n >>= 1;
            }
            result
        }
    };
}

pow_int!(pow_u8, u8);
pow_int!(pow_i32, i32);
pow_int!(pow_i64, i64);

/// The powers that one or two instructions give.
#[derive(Clone, Copy)]
enum Simple {
    One,
    Itself,
    Square,
    Cube,
    Root,
    InverseRoot,
    Inverse,
    InverseSquare,
}

impl Simple {
    fn of(y: f64) -> Option<Self> {
        Some(match y {
            0.0 => Simple::One,
            1.0 => Simple::Itself,
            2.0 => Simple::Square,
            3.0 => Simple::Cube,
            0.5 => Simple::Root,
            -0.5 => Simple::InverseRoot,
            -1.0 => Simple::Inverse,
            -2.0 => Simple::InverseSquare,
            _ => return None,
        })
    }
}

/// x to the power ½; C: that of −0 is 0 and that of −∞ is ∞.
#[inline(always)]
fn root<T: Float, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let infinity = s.splat(T::INFINITY);
    s.select(s.eq(x, s.neg(infinity)), infinity, s.sqrt(s.add(x, s.zero())))
}

impl<T: Float> Unary<T> for Simple {
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, x: S::V) -> S::V {
        let one = s.splat(T::ONE);
        match self {
            Simple::One => one,
            Simple::Itself => x,
            Simple::Square => s.mul(x, x),
            Simple::Cube => s.mul(s.mul(x, x), x),
            Simple::Root => root(s, x),
            Simple::InverseRoot => s.div(one, root(s, x)),
            Simple::Inverse => s.div(one, x),
            Simple::InverseSquare => s.div(one, s.mul(x, x)),
        }
    }
}

fn simple<T: Float>(a: &Array, b: &Array, out: Option<&Array>) -> Option<Result<Array>> {
    if b.numel() != 1 || b.ndim() > a.ndim() {
        return None;
    }
    // SAFETY: the one element of the array.
    let y = unsafe { *b.ptr::<T>() }.to_f64();
    let f = Simple::of(y)?;
    // An `out` that the exponent lies in is written while it is no longer read.
    Some(map1("pow", a, T::DTYPE, out, Vectors(f, std::marker::PhantomData::<T>)))
}

/// Whole powers of integers; a negative exponent is an error, before anything is written.
macro_rules! integers {
    ($a:ident, $b:ident, $out:ident, $t:ty, $pow:ident) => {{
        if any($b, |n: $t| n < 0) {
            return Err(Error::Value(
                "pow: exponent: expected powers of at least 0, got a negative one: integers to negative integer powers \
                 are not allowed; cast to a float dtype first"
                    .into(),
            ));
        }
        map2("pow", $a, $b, $a.dtype(), $out, Plain::<_, ($t, $t, $t)>::new(|x: $t, n: $t| $pow(x, n.max(0))))
    }};
}

/// `a_i` to the power `b_i`, C's `pow`; powers of integers wrap.
pub fn pow(a: &Array, b: &Array, out: Option<&Array>) -> Result<Array> {
    path!("elementwise/pow");
    same_dtype("pow", "exponent", a, b)?;
    match a.dtype() {
        DType::F32 => match simple::<f32>(a, b, out) {
            Some(result) => result,
            None => map2("pow", a, b, DType::F32, out, Powers),
        },
        DType::F64 => match simple::<f64>(a, b, out) {
            Some(result) => result,
            None => float2::<f64, _>("pow", a, b, out, LongPower),
        },
        DType::I64 => integers!(a, b, out, i64, pow_i64),
        DType::I32 => integers!(a, b, out, i32, pow_i32),
        DType::U8 => map2("pow", a, b, DType::U8, out, Plain::<_, (u8, u8, u8)>::new(pow_u8)),
        other => Err(unsupported("pow", "input", NUMBER, other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reduce::tests::on_every_isa;

    /// Every base to every exponent, on every instruction set.
    fn agree(pairs: &[(f32, f32)]) {
        let column = |f: fn(&(f32, f32)) -> f32| {
            Array::from_slice(&pairs.iter().map(f).collect::<Vec<_>>(), &[pairs.len()]).unwrap()
        };
        let (bases, exponents) = (column(|p| p.0), column(|p| p.1));
        on_every_isa(|| {
            let got = pow(&bases, &exponents, None).unwrap().to_vec::<f32>();
            for (&(x, y), got) in pairs.iter().zip(got) {
                let exact = libm::pow(x as f64, y as f64);
                let expected = exact as f32;
                let right = (got.is_nan() && expected.is_nan())
                    || got == expected
                    || (got as f64 - exact).abs() <= 0.52 * ulp(expected);
                assert!(right, "{x}^{y}: {got} against {exact}");
                if !expected.is_nan() {
                    assert_eq!(got.is_sign_negative(), expected.is_sign_negative(), "{x}^{y}");
                }
            }
        });
    }

    fn ulp(x: f32) -> f64 {
        let next = f32::from_bits(x.abs().to_bits() + 1) as f64;
        if next.is_finite() { next - x.abs() as f64 } else { 0.0 }
    }

    #[test]
    fn powers_are_those_of_c() {
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
            1e-45,
            -1e-45,
            1e38,
            -3e38,
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            16_777_216.0,
            16_777_217.0,
            -33_554_433.0,
            0.999_999_94,
            1.000_000_1,
            127.0,
            -149.0,
            1e30,
        ];
        let all: Vec<(f32, f32)> = special.iter().flat_map(|&x| special.map(|y| (x, y))).collect();
        agree(&all);
    }

    #[test]
    fn powers_over_the_whole_range() {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from_bits(state)
        };
        let mut all = Vec::new();
        for _ in 0..200_000 {
            let (x, y) = (next(), next());
            // As they come, and with exponents that do not leave the range.
            all.extend([(x, y), (x, y % 8.0), (x.abs() % 4.0, y % 100.0)]);
        }
        agree(&all);
    }

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

    #[test]
    fn integers_wrap_and_refuse_negative_exponents() {
        let a = Array::from_slice(&[3i64, -2, 0, 7, 2], &[5]).unwrap();
        let n = Array::from_slice(&[4i64, 3, 0, 1, 1 << 32], &[5]).unwrap();
        assert_eq!(pow(&a, &n, None).unwrap().to_vec::<i64>(), [81, -8, 1, 7, 0]);
        let minus = Array::scalar(-1i64).unwrap();
        assert!(matches!(pow(&a, &minus, None), Err(Error::Value(_))));
    }

    #[test]
    fn simple_powers_are_those_of_c() {
        let values = [0.0f64, -0.0, 1.5, -2.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e-30];
        let a = Array::from_slice(&values, &[8]).unwrap();
        for y in [0.0, 1.0, 2.0, 3.0, 0.5, -0.5, -1.0, -2.0] {
            let got = pow(&a, &Array::scalar(y).unwrap(), None).unwrap().to_vec::<f64>();
            for (got, x) in got.into_iter().zip(values) {
                let expected = libm::pow(x, y);
                let same = (got.is_nan() && expected.is_nan()) || (got - expected).abs() <= 4e-16 * expected.abs();
                assert!(same || got == expected, "{x}^{y}: {got} against {expected}");
                assert!(got.is_nan() || got.is_sign_negative() == expected.is_sign_negative(), "{x}^{y}");
            }
        }
    }
}
