//! Powers. Of f32 they are computed in vectors of f64, so that the result is rounded once; of f64 in `long_power.rs`.

use std::f64::consts::LOG2_E;

use ferrograd_array::{Array, DType, Error, Result};

use super::long_power::LongPower;
use super::{Map, NUMBER, Plain, Unary, Vectors, any, float2, map1, map2, same_dtype, unsupported};
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
    Some(map1("pow", a, T::DTYPE, out, Vectors::<T, _>::new(f)))
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

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

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
