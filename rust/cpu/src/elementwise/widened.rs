//! Elementary functions of f32 by polynomials in vectors of f64: f32's digits are reached without care for rounding,
//! and the result is rounded once. Of f64 they are libm's (`trigonometric.rs`).
//!
//! The polynomials are Chebyshev fits, right to 1e-9 of the result.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, LN_2, LOG2_E, LOG10_2};

use super::Map;
use super::pow::{CHUNK, ROUNDER, exp2, log2, polynomial};
use crate::simd::Simd;

/// A function of an f32, in f64.
pub(super) trait Wide: Copy + Send + Sync {
    /// From this magnitude on `far` takes over.
    const FAR: f32 = f32::INFINITY;
    fn apply<S: Simd<f64>>(self, s: S, x: S::V) -> S::V;
    fn far(_x: f32) -> f32 {
        f32::NAN
    }
}

/// A function in f64 as a loop over f32.
#[derive(Clone, Copy)]
pub(super) struct Widened<F>(pub F);

impl<F: Wide> Widened<F> {
    #[inline(always)]
    fn chunk<S: Simd<f64>>(self, s: S, x: &[f32; CHUNK]) -> [f32; CHUNK] {
        let (mut wide, mut narrow) = ([0.0; CHUNK], [0.0; CHUNK]);
        for j in 0..CHUNK {
            wide[j] = x[j] as f64;
        }
        for j in (0..CHUNK).step_by(S::LANES) {
            // SAFETY: vectors of 2, 4 or 8 elements inside an array of 32.
            unsafe { s.store(wide.as_mut_ptr().add(j), self.0.apply(s, s.load(wide.as_ptr().add(j)))) };
        }
        for j in 0..CHUNK {
            narrow[j] = wide[j] as f32;
        }
        if F::FAR.is_finite() && x.iter().fold(false, |any, x| any | (x.abs() >= F::FAR)) {
            for j in 0..CHUNK {
                if x[j].abs() >= F::FAR {
                    narrow[j] = F::far(x[j]);
                }
            }
        }
        narrow
    }
}

impl<F: Wide> Map<2> for Widened<F> {
    type Lane = f64;
    const SIZES: [usize; 2] = [size_of::<f32>(); 2];
    const NS: f64 = 1.5;

    #[inline(always)]
    unsafe fn dense<S: Simd<f64>>(self, s: S, p: [*mut u8; 2], n: usize) {
        let [out, x] = p.map(
            #[inline(always)]
            |p| p.cast::<f32>(),
        );
        let mut i = 0;
        // SAFETY: n elements at each pointer.
        unsafe {
            while i + CHUNK <= n {
                let results = self.chunk(s, &x.add(i).cast::<[f32; CHUNK]>().read_unaligned());
                out.add(i).cast::<[f32; CHUNK]>().write_unaligned(results);
                i += CHUNK;
            }
            if i < n {
                let mut rest = [0.0; CHUNK];
                std::ptr::copy_nonoverlapping(x.add(i), rest.as_mut_ptr(), n - i);
                std::ptr::copy_nonoverlapping(self.chunk(s, &rest).as_ptr(), out.add(i), n - i);
            }
        }
    }
}

/// `(sin r − r) / r³` and `(cos r − 1 + r²/2) / r⁴` in r² for |r| ≤ π/4.
const SIN: [f64; 4] =
    [-0.166_666_666_638_440_49, 0.008_333_331_870_341_349, -0.000_198_400_843_764_227_04, 2.724_962_008_007_533e-6];
const COS: [f64; 4] =
    [0.041_666_666_664_311_826, -0.001_388_888_766_837_066_3, 2.480_059_840_835_012e-5, -2.730_070_403_808_665e-7];
/// π/2 in two parts; the first has 33 bits, so that its product with a whole number below 2²⁰ is exact.
const PI_2_HIGH: f64 = 1.570_796_326_734_125_6;
const PI_2_LOW: f64 = 6.077_100_506_506_192e-11;
/// Where whole turns no longer fit into [`PI_2_HIGH`]'s free bits.
const MANY_TURNS: f32 = 1e6;

#[inline(always)]
fn rounded<S: Simd<f64>>(s: S, x: S::V) -> S::V {
    let rounder = s.splat(ROUNDER);
    s.sub(s.add(x, rounder), rounder)
}

/// Whether whole numbers are odd.
#[inline(always)]
fn is_odd<S: Simd<f64>>(s: S, n: S::V) -> S::M {
    let half = s.mul(n, s.splat(0.5));
    s.ne(half, rounded(s, half))
}

/// The quarter turns in an angle, and the sine and cosine of what remains.
#[inline(always)]
fn turned<S: Simd<f64>>(s: S, x: S::V) -> (S::V, S::V, S::V) {
    let n = rounded(s, s.mul(x, s.splat(FRAC_2_PI)));
    let r = s.fma(n, s.splat(-PI_2_LOW), s.fma(n, s.splat(-PI_2_HIGH), x));
    let square = s.mul(r, r);
    let sine = s.fma(s.mul(r, square), polynomial(s, SIN, square), r);
    let tail = s.fma(s.mul(square, square), polynomial(s, COS, square), s.splat(1.0));
    (n, sine, s.fma(square, s.splat(-0.5), tail))
}

/// The sine of `r + n π/2` from those of r: every second quarter turn swaps, every second half turn negates.
#[inline(always)]
fn sine_of<S: Simd<f64>>(s: S, n: S::V, sine: S::V, cosine: S::V) -> S::V {
    let odd = is_odd(s, n);
    let value = s.select(odd, cosine, sine);
    let turns = s.mul(s.select(odd, s.sub(n, s.splat(1.0)), n), s.splat(0.5));
    s.select(is_odd(s, turns), s.neg(value), value)
}

/// `(atan x − x) / x³` in x² for |x| ≤ 1.
const ATAN: [f64; 11] = [
    -0.333_333_332_933_011_76,
    0.199_999_902_759_472_71,
    -0.142_853_179_639_073_04,
    0.111_047_067_886_442_2,
    -0.090_367_423_420_707_82,
    0.074_174_969_643_005_1,
    -0.057_607_160_831_281_17,
    0.038_327_445_983_064_846,
    -0.019_261_081_322_765_883,
    0.006_207_254_533_780_05,
    -0.000_936_299_471_949_601_5,
];

#[inline(always)]
fn atan<S: Simd<f64>>(s: S, x: S::V) -> S::V {
    let (a, one) = (s.abs(x), s.splat(1.0));
    let steep = s.lt(one, a);
    let t = s.select(steep, s.div(one, a), a);
    let square = s.mul(t, t);
    let angle = s.fma(s.mul(t, square), polynomial(s, ATAN, square), t);
    s.copysign(s.select(steep, s.sub(s.splat(FRAC_PI_2), angle), angle), x)
}

/// `eˣ`; beyond f32's range 0 or too large for it.
#[inline(always)]
fn exp<S: Simd<f64>>(s: S, x: S::V) -> S::V {
    exp2(s, s.mul(x, s.splat(LOG2_E)))
}

/// The logarithm to base 2 with its values outside of the positive numbers.
#[inline(always)]
fn whole_log2<S: Simd<f64>>(s: S, x: S::V) -> S::V {
    s.select(s.lt(x, s.zero()), s.splat(f64::NAN), log2(s, x))
}

/// `erfc(x) e^(x²)` in 1/(1 + x/2) for 0 ≤ x ≤ 10.2.
const ERFCX: [f64; 13] = [
    -4.994_633_837_163_327e-7,
    0.282_114_236_231_841_34,
    0.281_758_048_222_656_65,
    0.250_264_613_037_545_94,
    0.153_380_900_430_011_87,
    0.189_561_521_930_491_8,
    -0.349_869_002_261_655_3,
    0.743_808_146_214_098_4,
    -1.345_618_771_827_83,
    1.371_807_404_416_994_3,
    -0.793_202_537_415_196_5,
    0.249_682_454_257_957_7,
    -0.033_686_513_820_844_97,
];
/// From here on erfc is 0 in f32.
const ERFC_END: f64 = 10.2;

/// `erfinv(x) / x` in w = −log(1 − x²) for w ≤ 5, and in √w from there to the last f32 below 1.
const ERFINV_NEAR: [f64; 11] = [
    0.886_226_929_443_373_1,
    0.232_013_473_107_482_27,
    0.011_550_900_732_630_565,
    -0.002_340_027_075_783_301_7,
    -0.000_120_025_701_365_870_74,
    3.898_163_736_842_689_5e-5,
    6.531_430_799_205_241e-6,
    -2.696_533_465_757_212e-6,
    3.440_101_487_642_903e-7,
    -2.041_884_197_542_678_5e-8,
    4.671_932_509_038_665e-10,
];
const ERFINV_FAR: [f64; 12] = [
    -2.890_106_467_450_771,
    12.182_411_862_402_09,
    -16.774_757_870_637_85,
    13.332_917_050_435_547,
    -6.333_926_497_557_26,
    1.824_954_979_738_299_3,
    -0.279_088_545_041_838_4,
    0.001_658_612_093_674_262_4,
    0.008_257_658_315_715_937,
    -0.001_634_976_500_563_723_7,
    0.000_143_423_376_682_473_76,
    -5.047_794_498_308_319e-6,
];

macro_rules! wide {
    ($($struct:ident $(, beyond $far:path)?: |$s:ident, $x:ident| $value:expr;)*) => {$(
        #[derive(Clone, Copy)]
        pub(super) struct $struct;

        impl Wide for $struct {
            #[inline(always)]
            fn apply<S: Simd<f64>>(self, $s: S, $x: S::V) -> S::V {
                $value
            }
            $(
                const FAR: f32 = MANY_TURNS;
                fn far(x: f32) -> f32 {
                    $far(x)
                }
            )?
        }
    )*};
}

wide! {
    Sin, beyond libm::sinf: |s, x| {
        let (n, sine, cosine) = turned(s, x);
        // −0 stays.
        s.select(s.eq(x, s.zero()), x, sine_of(s, n, sine, cosine))
    };
    Cos, beyond libm::cosf: |s, x| {
        let (n, sine, cosine) = turned(s, x);
        sine_of(s, s.add(n, s.splat(1.0)), sine, cosine)
    };
    Tan, beyond libm::tanf: |s, x| {
        let (n, sine, cosine) = turned(s, x);
        let odd = is_odd(s, n);
        let above = s.select(odd, s.neg(cosine), sine);
        s.select(s.eq(x, s.zero()), x, s.div(above, s.select(odd, sine, cosine)))
    };
    Atan: |s, x| atan(s, x);
    Asin: |s, x| {
        let one = s.splat(1.0);
        atan(s, s.div(x, s.sqrt(s.mul(s.sub(one, x), s.add(one, x)))))
    };
    Acos: |s, x| {
        let one = s.splat(1.0);
        let angle = atan(s, s.sqrt(s.div(s.sub(one, x), s.add(one, x))));
        s.add(angle, angle)
    };
    Sinh: |s, x| {
        let (square, e) = (s.mul(x, x), exp(s, x));
        let near = polynomial(s, [1.0, 1.0 / 6.0, 1.0 / 120.0, 1.0 / 5_040.0, 1.0 / 362_880.0], square);
        let far = s.mul(s.splat(0.5), s.sub(e, s.div(s.splat(1.0), e)));
        s.select(s.lt(s.abs(x), s.splat(0.5)), s.mul(x, near), far)
    };
    Cosh: |s, x| {
        let e = exp(s, x);
        s.mul(s.splat(0.5), s.add(e, s.div(s.splat(1.0), e)))
    };
    Log2: |s, x| whole_log2(s, x);
    Log10: |s, x| s.mul(whole_log2(s, x), s.splat(LOG10_2));
    Exp2: |s, x| exp2(s, x);
    Asinh: |s, x| {
        let (a, one) = (s.abs(x), s.splat(1.0));
        let log = log2(s, s.add(a, s.sqrt(s.fma(a, a, one))));
        let near = s.mul(a, s.fma(s.mul(a, a), s.splat(-1.0 / 6.0), one));
        s.copysign(s.select(s.lt(a, s.splat(1e-4)), near, s.mul(log, s.splat(LN_2))), x)
    };
    Acosh: |s, x| {
        let one = s.splat(1.0);
        let root = s.sqrt(s.mul(s.sub(x, one), s.add(x, one)));
        // Near 1 the logarithm of 1 + d, d small: from artanh, which needs no sum with 1.
        let tangent = s.div(root, s.add(x, one));
        let square = s.mul(tangent, tangent);
        let near = s.mul(s.add(tangent, tangent), polynomial(s, [1.0, 1.0 / 3.0, 1.0 / 5.0, 1.0 / 7.0], square));
        let far = s.mul(log2(s, s.add(x, root)), s.splat(LN_2));
        let value = s.select(s.lt(square, s.splat(1e-3)), near, far);
        s.select(s.lt(x, one), s.splat(f64::NAN), value)
    };
    Atanh: |s, x| {
        let (a, one) = (s.abs(x), s.splat(1.0));
        let log = log2(s, s.div(s.add(one, a), s.sub(one, a)));
        let near = s.mul(a, s.fma(s.mul(a, a), s.splat(1.0 / 3.0), one));
        let value = s.select(s.lt(a, s.splat(1e-4)), near, s.mul(log, s.splat(0.5 * LN_2)));
        s.copysign(s.select(s.lt(one, a), s.splat(f64::NAN), value), x)
    };
    Erfc: |s, x| {
        let (a, one) = (s.min(s.splat(ERFC_END), s.abs(x)), s.splat(1.0));
        let scaled = polynomial(s, ERFCX, s.div(one, s.fma(a, s.splat(0.5), one)));
        let value = s.mul(scaled, exp(s, s.neg(s.mul(a, a))));
        s.select(s.lt(x, s.zero()), s.sub(s.splat(2.0), value), value)
    };
    Erfinv: |s, x| {
        let (a, one) = (s.abs(x), s.splat(1.0));
        let w = s.mul(log2(s, s.mul(s.sub(one, a), s.add(one, a))), s.splat(-LN_2));
        let (near, far) = (polynomial(s, ERFINV_NEAR, w), polynomial(s, ERFINV_FAR, s.sqrt(w)));
        let value = s.mul(x, s.select(s.lt(w, s.splat(5.0)), near, far));
        let value = s.select(s.eq(a, one), s.copysign(s.splat(f64::INFINITY), x), value);
        s.select(s.lt(one, a), s.splat(f64::NAN), value)
    };
}
