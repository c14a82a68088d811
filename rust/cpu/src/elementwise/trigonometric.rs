//! Angles, hyperbolic functions, logarithms and powers of other bases, erfc, erfinv, lgamma: of f32 in vectors where
//! `widened.rs` has them, the others element by element by libm.

use ferrograd_array::{Array, DType, Result};

use super::special::erfinv_f64;
use super::widened::*;
use super::{FLOAT, Plain, map1, map2, same_dtype, unsupported};
use crate::path;

macro_rules! unary {
    ($($name:ident, $doc:literal, $f32:expr, $f64:expr;)*) => {$(
        #[doc = $doc]
        pub fn $name(a: &Array, out: Option<&Array>) -> Result<Array> {
            path!(concat!("elementwise/", stringify!($name)));
            match a.dtype() {
                DType::F32 => map1(stringify!($name), a, DType::F32, out, $f32),
                DType::F64 => map1(stringify!($name), a, DType::F64, out, Plain::<_, (f64, f64)>::new($f64)),
                other => Err(unsupported(stringify!($name), "input", FLOAT, other)),
            }
        }
    )*};
}

unary! {
    sin, "`sin a_i`, in radians", Widened(Sin), libm::sin;
    cos, "`cos a_i`, in radians", Widened(Cos), libm::cos;
    tan, "`tan a_i`, in radians", Widened(Tan), libm::tan;
    asin, "The angle from −π/2 to π/2 whose sine is `a_i`.", Widened(Asin), libm::asin;
    acos, "The angle from 0 to π whose cosine is `a_i`.", Widened(Acos), libm::acos;
    atan, "The angle from −π/2 to π/2 whose tangent is `a_i`.", Widened(Atan), libm::atan;
    sinh, "The hyperbolic sine.", Widened(Sinh), libm::sinh;
    cosh, "The hyperbolic cosine.", Widened(Cosh), libm::cosh;
    asinh, "The inverse hyperbolic sine.", Widened(Asinh), libm::asinh;
    acosh, "The inverse hyperbolic cosine; NaN below 1.", Widened(Acosh), acosh_f64;
    atanh, "The inverse hyperbolic tangent; NaN beyond ±1.", Widened(Atanh), atanh_f64;
    log2, "The logarithm to base 2.", Widened(Log2), libm::log2;
    log10, "The logarithm to base 10.", Widened(Log10), libm::log10;
    exp2, "`2^(a_i)`", Widened(Exp2), libm::exp2;
    erfc, "`1 − erf a_i`, accurate where that is small", Widened(Erfc), libm::erfc;
    erfinv, "The inverse of erf; ±∞ at ±1, NaN beyond.", Widened(Erfinv), erfinv_f64;
    lgamma, "`log |Γ(a_i)|`", Plain::<_, (f32, f32)>::new(|x: f32| libm::lgamma(x as f64) as f32), libm::lgamma;
}

/// libm's has no NaN below 1.
fn acosh_f64(x: f64) -> f64 {
    if x < 1.0 { f64::NAN } else { libm::acosh(x) }
}

/// libm's is not defined at ±1 and beyond.
fn atanh_f64(x: f64) -> f64 {
    match x.abs() {
        1.0 => f64::INFINITY.copysign(x),
        a if a > 1.0 => f64::NAN,
        _ => libm::atanh(x),
    }
}

macro_rules! binary {
    ($($name:ident, $doc:literal, $f32:expr, $f64:expr;)*) => {$(
        #[doc = $doc]
        pub fn $name(a: &Array, b: &Array, out: Option<&Array>) -> Result<Array> {
            path!(concat!("elementwise/", stringify!($name)));
            let op = stringify!($name);
            same_dtype(op, "other", a, b)?;
            match a.dtype() {
                DType::F32 => map2(op, a, b, DType::F32, out, Plain::<_, (f32, f32, f32)>::new($f32)),
                DType::F64 => map2(op, a, b, DType::F64, out, Plain::<_, (f64, f64, f64)>::new($f64)),
                other => Err(unsupported(op, "input", FLOAT, other)),
            }
        }
    )*};
}

binary! {
    atan2, "The angle of the point `(b_i, a_i)`, from −π to π.", libm::atan2f, libm::atan2;
    hypot, "`√(a_i² + b_i²)`, without overflow", libm::hypotf, libm::hypot;
    copysign, "`|a_i|` with the sign of `b_i`", f32::copysign, f64::copysign;
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;
    use crate::reduce::tests::on_every_isa;

    type Kernel = fn(&Array, Option<&Array>) -> Result<Array>;

    /// Every function in f32 against itself in f64, and both where they have no value.
    #[test]
    fn single_precision_agrees_with_double() {
        let all: [(&str, Kernel, f64, f64); 17] = [
            ("sin", sin, -50.0, 50.0),
            ("cos", cos, -50.0, 50.0),
            ("tan", tan, -50.0, 50.0),
            ("asin", asin, -1.0, 1.0),
            ("acos", acos, -1.0, 1.0),
            ("atan", atan, -30.0, 30.0),
            ("sinh", sinh, -88.0, 88.0),
            ("cosh", cosh, -88.0, 88.0),
            ("asinh", asinh, -1e4, 1e4),
            ("acosh", acosh, 1.0, 1e4),
            ("atanh", atanh, -1.0, 1.0),
            ("log2", log2, 0.0, 9.0),
            ("log10", log10, 0.0, 9.0),
            ("exp2", exp2, -140.0, 127.0),
            ("erfc", erfc, -4.0, 9.0),
            ("erfinv", erfinv, -1.0, 1.0),
            ("lgamma", lgamma, -3.0, 40.0),
        ];
        for (name, f, low, high) in all {
            let mut x: Vec<f32> = (0..=2000).map(|i| (low + (high - low) * i as f64 / 2000.0) as f32).collect();
            // Small numbers, and angles of many turns.
            x.extend((0..60).map(|i| (low.max(0.0) + 10f64.powi(-i / 2 - 1)).min(high) as f32));
            if ["sin", "cos", "tan"].contains(&name) {
                x.extend((0..200).map(|i| 1.1f32.powi(i + 40) * 1.3));
            }
            let wide: Vec<f64> = x.iter().map(|&x| x as f64).collect();
            let want = f(&Array::from_slice(&wide, &[wide.len()]).unwrap(), None).unwrap().to_vec::<f64>();
            on_every_isa(|| {
                let got = f(&Array::from_slice(&x, &[x.len()]).unwrap(), None).unwrap().to_vec::<f32>();
                for ((x, got), want) in x.iter().zip(got).zip(&want) {
                    let error = (got as f64 - want).abs();
                    let same = got as f64 == *want || (got.is_nan() && want.is_nan()) || got == *want as f32;
                    assert!(same || error <= 2e-7 * want.abs() + 1e-45, "{name}({x}): {got} against {want}");
                }
                let outside = Array::from_slice(&[f32::NAN], &[1]).unwrap();
                assert!(f(&outside, None).unwrap().to_vec::<f32>()[0].is_nan(), "{name}(NaN)");
            });
        }
    }

    #[test]
    fn outside_of_their_domain_they_are_nan() {
        let inf = f32::INFINITY;
        let of = |f: Kernel, x: f32| f(&Array::scalar(x).unwrap(), None).unwrap().to_vec::<f32>()[0];
        on_every_isa(|| {
            for (f, x) in [
                (asin as Kernel, 1.5),
                (acos, -1.5),
                (acosh, 0.5),
                (acosh, -3.0),
                (acosh, -inf),
                (atanh, 1.5),
                (sin, inf),
                (cos, -inf),
                (log2, -1.0),
            ] {
                assert!(of(f, x).is_nan(), "{x}");
            }
            for (f, x, want) in [
                (atanh as Kernel, 1.0, inf),
                (atanh, -1.0, -inf),
                (acosh, inf, inf),
                (log2, 0.0, -inf),
                (log2, 8.0, 3.0),
                (exp2, 200.0, inf),
                (exp2, -200.0, 0.0),
                (exp2, 10.0, 1024.0),
                (erfinv, 1.0, inf),
                (erfinv, -1.0, -inf),
                (erfc, inf, 0.0),
                (erfc, -inf, 2.0),
                (lgamma, 0.0, inf),
                (lgamma, -2.0, inf),
                (lgamma, -inf, inf),
                (atan, -inf, -std::f32::consts::FRAC_PI_2),
                (asin, -1.0, -std::f32::consts::FRAC_PI_2),
                (acos, -1.0, std::f32::consts::PI),
                (asinh, -inf, -inf),
                (sinh, -inf, -inf),
                (sinh, 90.0, inf),
                (cosh, -inf, inf),
                (log10, 1000.0, 3.0),
            ] {
                assert_eq!(of(f, x), want, "at {x}");
            }
            for f in [sin as Kernel, tan, asin, atan, sinh, asinh, atanh] {
                assert!(of(f, -0.0) == 0.0 && of(f, -0.0).is_sign_negative());
            }
        });
    }
}
