//! Powers. Of f32 they are computed in f64 without branches, so that the compiler vectorises the loop and the result
//! is rounded once; of f64 they are libm's.

use std::f64::consts::{LN_2, LOG2_E};

use ferrograd_array::{Array, DType, Error, Result};

use super::{NUMBER, Plain, PlainWide, Unary, Vectors, any, map1, map2, same_dtype, unsupported};
use crate::path;
use crate::simd::{Float, Simd};

/// Added and subtracted again, rounds a number below 2⁵¹ to an integer, whose bits stand in the low mantissa.
const ROUNDER: f64 = (3u64 << 51) as f64;

/// log₂ x of a positive finite x, to 1e-13 of itself or of 1.
#[inline(always)]
fn log2(x: f64) -> f64 {
    // The exponent field breaks at √½ where the bits of √½ are subtracted.
    let shifted = (x.to_bits().wrapping_sub(std::f64::consts::FRAC_1_SQRT_2.to_bits())) as i64;
    let exponent = (shifted >> 52) as i32;
    let m = f64::from_bits(x.to_bits().wrapping_sub(((exponent as i64) << 52) as u64));
    // log m = 2 artanh s; |s| ≤ 0.172, the first term left out is below 1e-15.
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let mut sum = 1.0 / 17.0;
    sum = sum * z + 1.0 / 15.0;
    sum = sum * z + 1.0 / 13.0;
    sum = sum * z + 1.0 / 11.0;
    sum = sum * z + 1.0 / 9.0;
    sum = sum * z + 1.0 / 7.0;
    sum = sum * z + 1.0 / 5.0;
    sum = sum * z + 1.0 / 3.0;
    exponent as f64 + 2.0 * LOG2_E * (s + s * z * sum)
}

/// 2ᶻ for |z| ≤ 300, to 1e-12 of itself; NaN stays.
#[inline(always)]
fn exp2(z: f64) -> f64 {
    let rounded = z + ROUNDER;
    let t = (z - (rounded - ROUNDER)) * LN_2;
    // Taylor; |t| ≤ ½ log 2, the first term left out is below 1e-12.
    let mut sum = 1.0 / 362_880.0;
    sum = sum * t + 1.0 / 40_320.0;
    sum = sum * t + 1.0 / 5_040.0;
    sum = sum * t + 1.0 / 720.0;
    sum = sum * t + 1.0 / 120.0;
    sum = sum * t + 1.0 / 24.0;
    sum = sum * t + 1.0 / 6.0;
    sum = sum * t + 0.5;
    sum = sum * t + 1.0;
    sum = sum * t + 1.0;
    sum * f64::from_bits(rounded.to_bits().wrapping_add(1023) << 52)
}

/// xʸ with C's rules on zeros, infinities, NaN and negative bases.
#[inline(always)]
fn pow_f32(x: f32, y: f32) -> f32 {
    let (a, e) = (x.abs() as f64, y as f64);
    let log = if a == 0.0 {
        f64::NEG_INFINITY
    } else if a == f64::INFINITY {
        f64::INFINITY
    } else {
        log2(a)
    };
    let z = e * log;
    // A comparison with NaN is false: NaN passes.
    let z = if z > 300.0 { 300.0 } else { z };
    let z = if z < -300.0 { -300.0 } else { z };
    let magnitude = exp2(if x.is_nan() { f64::NAN } else { z }) as f32;
    let whole = y == y.floor();
    let odd = whole && (y * 0.5) != (y * 0.5).floor();
    let negative = x.is_sign_negative();
    let signed = if negative && odd { -magnitude } else { magnitude };
    let real = if x < 0.0 && !whole && x != f32::NEG_INFINITY { f32::NAN } else { signed };
    // 1 to any power, anything to the power 0, −1 to an infinite power.
    let one = x == 1.0 || y == 0.0 || (x == -1.0 && y.abs() == f32::INFINITY);
    if one { 1.0 } else { real }
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
            None => map2("pow", a, b, DType::F32, out, PlainWide::<_, (f32, f32, f32)>::new(pow_f32)),
        },
        DType::F64 => match simple::<f64>(a, b, out) {
            Some(result) => result,
            None => map2("pow", a, b, DType::F64, out, PlainWide::<_, (f64, f64, f64)>::new(libm::pow)),
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

    fn agrees(x: f32, y: f32) {
        let got = pow_f32(x, y);
        let exact = libm::pow(x as f64, y as f64);
        let expected = exact as f32;
        let right = (got.is_nan() && expected.is_nan())
            || got == expected
            || (got as f64 - exact).abs() <= 0.51 * ulp(expected);
        assert!(right, "{x}^{y}: {got} against {exact}");
        if !expected.is_nan() {
            assert_eq!(got.is_sign_negative(), expected.is_sign_negative(), "{x}^{y}");
        }
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
        for x in special {
            for y in special {
                agrees(x, y);
            }
        }
    }

    #[test]
    fn powers_over_the_whole_range() {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from_bits(state)
        };
        for _ in 0..200_000 {
            let (x, y) = (next(), next());
            agrees(x, y);
            // The same with exponents that do not leave the range.
            agrees(x, y % 8.0);
            agrees(x.abs() % 4.0, y % 100.0);
        }
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
