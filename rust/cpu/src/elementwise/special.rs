//! Special functions that libm has not: the inverse of erf, the derivatives of log Γ; and logarithms of sums and
//! products that are exact where their parts are not.

use std::f64::consts::{FRAC_2_SQRT_PI, PI};

use ferrograd_array::{Array, DType, Result};

use super::{Binary, FLOAT, Plain, float2, map1, same_dtype, unsupported};
use crate::path;
use crate::simd::{Float, Simd};

/// The x with erf x = y: a first value to 2e-3 (Winitzki's formula), then two steps of Halley's rule, each of which
/// triples the number of right digits.
pub(super) fn erfinv_f64(y: f64) -> f64 {
    let a = y.abs();
    if a >= 1.0 || y == 0.0 {
        return if a > 1.0 { f64::NAN } else { y / (1.0 - a) };
    }
    const A: f64 = 0.147;
    let log = libm::log1p(-a * a);
    let t = 2.0 / (PI * A) + log / 2.0;
    let mut x = ((t * t - log / A).sqrt() - t).max(0.0).sqrt();
    for _ in 0..2 {
        // Near 1 what is left to 1 has the digits.
        let error = if a < 0.5 { libm::erf(x) - a } else { (1.0 - a) - libm::erfc(x) };
        let step = error / (FRAC_2_SQRT_PI * libm::exp(-x * x));
        x -= step / (1.0 + x * step);
    }
    x.copysign(y)
}

/// d/dx log Γ(x).
fn digamma_f64(x: f64) -> f64 {
    if x == 0.0 {
        return f64::INFINITY.copysign(-x);
    }
    if x < 0.0 {
        // The reflection 1 − x; of an integer, and of −∞, the tangent of nothing.
        let fraction = x - x.trunc();
        return if fraction == 0.0 { f64::NAN } else { digamma_f64(1.0 - x) - PI / libm::tan(PI * fraction) };
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < 10.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    if x == f64::INFINITY {
        return x;
    }
    // Σ B₂ₖ / (2k x²ᵏ)
    const B: [f64; 7] =
        [1.0 / 12.0, -1.0 / 120.0, 1.0 / 252.0, -1.0 / 240.0, 1.0 / 132.0, -691.0 / 32_760.0, 1.0 / 12.0];
    let z = 1.0 / (x * x);
    let series = B.iter().rev().fold(0.0, |series, b| (series + b) * z);
    sum + libm::log(x) - 0.5 / x - series
}

/// The n-th derivative of digamma, n ≥ 1: (−1)ⁿ⁺¹ n! Σ_k (x + k)⁻ⁿ⁻¹, the end of the sum by Euler and Maclaurin.
fn polygamma_f64(n: i32, x: f64) -> f64 {
    let sign = if n % 2 == 1 { 1.0 } else { -1.0 };
    if x < 0.0 && x == x.floor() {
        return if n % 2 == 1 && x.is_finite() { f64::INFINITY } else { f64::NAN };
    }
    if n == 1 && x < 0.5 && x != 0.0 {
        let sine = libm::sin(PI * (x - x.floor()));
        return (PI / sine).powi(2) - polygamma_f64(1, 1.0 - x);
    }
    let s = n + 1;
    let factorial: f64 = (1..=n).map(f64::from).product();
    // Terms far below 0 do not count.
    let mut w = if x < -1e4 { x + (-x - 1e4).floor() } else { x };
    let mut sum = 0.0;
    while w < 12.0 + n as f64 {
        sum += w.powi(-s);
        w += 1.0;
    }
    if w == f64::INFINITY {
        return 0.0;
    }
    // B₂ⱼ / (2j)!
    const B: [f64; 7] = [
        1.0 / 12.0,
        -1.0 / 720.0,
        1.0 / 30_240.0,
        -1.0 / 1_209_600.0,
        1.0 / 47_900_160.0,
        -691.0 / 1_307_674_368_000.0,
        1.0 / 74_724_249_600.0,
    ];
    let s = s as f64;
    let power = libm::pow(w, -s);
    let mut tail = w * power / (s - 1.0) + 0.5 * power;
    let mut term = s * power / w;
    for (j, b) in B.iter().enumerate() {
        tail += b * term;
        let at = s + 2.0 * j as f64;
        term *= (at + 1.0) * (at + 2.0) / (w * w);
    }
    sign * factorial * (sum + tail)
}

/// A function of f64, of f32 by way of it.
fn by_f64(op: &str, a: &Array, out: Option<&Array>, f: impl Fn(f64) -> f64 + Copy + Send + Sync) -> Result<Array> {
    match a.dtype() {
        DType::F32 => map1(op, a, DType::F32, out, Plain::<_, (f32, f32)>::new(move |x: f32| f(x as f64) as f32)),
        DType::F64 => map1(op, a, DType::F64, out, Plain::<_, (f64, f64)>::new(f)),
        other => Err(unsupported(op, "input", FLOAT, other)),
    }
}

/// The derivative `order + 1` of log Γ; of order 0, digamma.
pub fn polygamma(a: &Array, order: u32, out: Option<&Array>) -> Result<Array> {
    path!("elementwise/polygamma");
    match order.min(10_000) as i32 {
        0 => by_f64("digamma", a, out, digamma_f64),
        n => by_f64("polygamma", a, out, move |x| polygamma_f64(n, x)),
    }
}

/// A binary op on floats.
macro_rules! float {
    ($($name:ident, $struct:ident, $doc:literal, |$s:ident, $a:ident, $b:ident| $vector:expr;)*) => {$(
        #[derive(Clone, Copy)]
        struct $struct;

        impl<T: Float> Binary<T> for $struct {
            const NS: f64 = 2.0;
            #[inline(always)]
            fn apply<S: Simd<T>>(self, $s: S, $a: S::V, $b: S::V) -> S::V {
                $vector
            }
        }

        #[doc = $doc]
        pub fn $name(a: &Array, b: &Array, out: Option<&Array>) -> Result<Array> {
            path!(concat!("elementwise/", stringify!($name)));
            let op = stringify!($name);
            same_dtype(op, "other", a, b)?;
            match a.dtype() {
                DType::F32 => float2::<f32, _>(op, a, b, out, $struct),
                DType::F64 => float2::<f64, _>(op, a, b, out, $struct),
                other => Err(unsupported(op, "input", FLOAT, other)),
            }
        }
    )*};
}

float! {
    logaddexp, LogAddExp, "`log(e^(a_i) + e^(b_i))`, without overflow", |s, a, b| {
        // Equal infinities differ by nothing.
        let apart = s.select(s.eq(a, b), s.zero(), s.abs(s.sub(a, b)));
        s.add(s.maximum(a, b), T::log1p(s, T::exp(s, s.neg(apart))))
    };
    xlogy, XLogY, "`a_i log b_i`, 0 where `a_i = 0` unless `b_i` is NaN", |s, a, b| {
        let product = s.select(s.eq(a, s.zero()), s.zero(), s.mul(a, T::log(s, b)));
        s.select(s.is_nan(b), b, product)
    };
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;

    fn near(got: f64, want: f64, tolerance: f64) {
        assert!((got - want).abs() <= tolerance * want.abs() || got == want, "{got} against {want}");
    }

    #[test]
    fn erfinv_undoes_erf() {
        for i in -400..=400 {
            let x = i as f64 / 100.0;
            // Near 1 a y has few digits left: what it says of x is what erf's slope lets through.
            let y = libm::erf(x);
            let slope = FRAC_2_SQRT_PI * libm::exp(-x * x);
            let got = erfinv_f64(y);
            assert!((got - x).abs() <= 1e-15 * x.abs() + 1.2e-16 / slope, "{x}: {got}");
        }
        near(erfinv_f64(1e-200), 1e-200 / FRAC_2_SQRT_PI, 1e-15);
        near(erfinv_f64(0.5), 0.476_936_276_204_469_9, 1e-15);
        near(erfinv_f64(1.0 - f64::EPSILON / 2.0), 5.863_584_748_755_168, 1e-14);
        assert_eq!((erfinv_f64(1.0), erfinv_f64(-1.0)), (f64::INFINITY, f64::NEG_INFINITY));
        assert!(erfinv_f64(1.1).is_nan() && erfinv_f64(f64::NAN).is_nan());
        assert!(erfinv_f64(-0.0).is_sign_negative());
    }

    #[test]
    fn derivatives_of_log_gamma() {
        const EULER: f64 = 0.577_215_664_901_532_9;
        near(digamma_f64(1.0), -EULER, 1e-14);
        near(digamma_f64(0.5), -EULER - 2.0 * std::f64::consts::LN_2, 1e-14);
        near(polygamma_f64(1, 1.0), PI * PI / 6.0, 1e-14);
        near(polygamma_f64(1, 0.5), PI * PI / 2.0, 1e-14);
        near(polygamma_f64(3, 1.0), PI.powi(4) / 15.0, 1e-14);
        near(polygamma_f64(2, 0.5), -14.0 * 1.202_056_903_159_594_2, 1e-14);
        for i in 0..200 {
            let x = -3.97 + i as f64 * 0.113;
            // f(x + 1) − f(x) is the derivative of 1/x.
            near(digamma_f64(x + 1.0) - digamma_f64(x), 1.0 / x, 1e-10);
            let step = 1e-5;
            for n in 1..5 {
                let below = |x: f64| if n == 1 { digamma_f64(x) } else { polygamma_f64(n - 1, x) };
                let slope = (below(x + step) - below(x - step)) / (2.0 * step);
                let got = polygamma_f64(n, x);
                assert!((got - slope).abs() <= 1e-4 * got.abs().max(1.0), "{n} {x}: {got} against {slope}");
            }
        }
        assert!(digamma_f64(-2.0).is_nan() && polygamma_f64(1, -2.0) == f64::INFINITY);
        assert_eq!(digamma_f64(0.0), f64::NEG_INFINITY);
        assert_eq!((digamma_f64(f64::INFINITY), polygamma_f64(2, f64::INFINITY)), (f64::INFINITY, 0.0));
    }

    #[test]
    fn infinities_of_logaddexp_and_xlogy() {
        let inf = f32::INFINITY;
        let of = |f: fn(&Array, &Array, Option<&Array>) -> Result<Array>, a: f32, b: f32| {
            f(&Array::scalar(a).unwrap(), &Array::scalar(b).unwrap(), None).unwrap().to_vec::<f32>()[0]
        };
        assert_eq!((of(logaddexp, -inf, -inf), of(logaddexp, inf, inf), of(logaddexp, inf, -inf)), (-inf, inf, inf));
        assert_eq!((of(logaddexp, 3.0, -inf), of(logaddexp, 500.0, 0.0)), (3.0, 500.0));
        assert!(of(logaddexp, f32::NAN, inf).is_nan());
        assert_eq!((of(xlogy, 0.0, 0.0), of(xlogy, 0.0, inf), of(xlogy, 2.0, 0.0)), (0.0, 0.0, -inf));
        assert!(of(xlogy, 0.0, f32::NAN).is_nan() && of(xlogy, 1.0, -1.0).is_nan());
    }
}
