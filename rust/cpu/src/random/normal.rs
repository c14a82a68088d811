//! Box and Muller's normal numbers, from functions that use no fused multiply-add: the same bits on every machine.
//!
//! Logarithm, sine and cosine follow fdlibm (`e_log.c`, `k_sin.c`, `k_cos.c`): its reductions and coefficients, whose
//! errors are below one unit in the last place of f64.

// The coefficients stand as fdlibm prints them, so that they can be compared.
#![allow(clippy::excessive_precision)]

use std::f64::consts::{FRAC_PI_2, LN_2};

/// The logarithm of a positive normal number.
#[inline(always)]
fn ln(x: f64) -> f64 {
    // x = 2ᵉ·m, √½ ≤ m < √2: subtracting the bits of √½ puts the break of the exponent field there.
    let bits = x.to_bits() as i64;
    let shifted = bits - 0x3FE6_A09E_667F_3BCD;
    let e = shifted >> 52;
    let m = f64::from_bits((bits - (e << 52)) as u64);
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let r = z
        * (6.666666666666735130e-01
            + z * (3.999999999940941908e-01
                + z * (2.857142874366239149e-01
                    + z * (2.222219843214978396e-01
                        + z * (1.818357216161805012e-01
                            + z * (1.531383769920937332e-01 + z * 1.479819860511658591e-01))))));
    let half = 0.5 * f * f;
    // The exponent fits 32 bits, whose conversion every instruction set has.
    (e as i32) as f64 * LN_2 + (f - (half - s * (half + r)))
}

/// Cosine and sine of `2π·t` for `0 ≤ t < 1`.
#[inline(always)]
fn cos_sin_turn(t: f64) -> (f64, f64) {
    // Adding and taking away 1.5·2⁵² rounds to the nearest integer.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let quarter = (4.0 * t + ROUND) - ROUND;
    let x = (4.0 * t - quarter) * FRAC_PI_2;
    let z = x * x;
    let sin = x + x
        * z
        * (-1.66666666666666324348e-01
            + z * (8.33333333332248946124e-03
                + z * (-1.98412698298579493134e-04
                    + z * (2.75573137070700676789e-06
                        + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
    let cos = 1.0 - 0.5 * z
        + z * z
            * (4.16666666666666019037e-02
                + z * (-1.38888888888741095749e-03
                    + z * (2.48015872894767294178e-05
                        + z * (-2.75573143513906633035e-07
                            + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
    let quarter = quarter as i32;
    let (a, b) = if quarter & 1 == 0 { (cos, sin) } else { (sin, cos) };
    let a = if (quarter + 1) & 2 == 0 { a } else { -a };
    let b = if quarter & 2 == 0 { b } else { -b };
    (a, b)
}

/// Two independent standard normal numbers from two uniform ones, `0 < u ≤ 1` and `0 ≤ t < 1`.
#[inline(always)]
pub(super) fn pair(u: f64, t: f64) -> (f64, f64) {
    let radius = (-2.0 * ln(u)).sqrt();
    let (cos, sin) = cos_sin_turn(t);
    (radius * cos, radius * sin)
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;

    #[test]
    fn the_functions_are_accurate() {
        let mut u = 1.0f64;
        while u > 1e-17 {
            let exact = libm::log(u);
            assert!((ln(u) - exact).abs() <= 4e-16 * exact.abs().max(1e-3), "ln {u}: {} {exact}", ln(u));
            u *= 0.9973;
        }
        assert_eq!(ln(1.0), 0.0);
        for k in 0..100_000 {
            let t = k as f64 / 100_000.0;
            let (cos, sin) = cos_sin_turn(t);
            // Near a zero the reference's own argument, 2πt rounded, is what errs.
            let x = 2.0 * std::f64::consts::PI * t;
            assert!((cos - libm::cos(x)).abs() < 1.5e-15 && (sin - libm::sin(x)).abs() < 1.5e-15, "{t}");
        }
        assert_eq!(cos_sin_turn(0.25), (0.0, 1.0));
    }
}
