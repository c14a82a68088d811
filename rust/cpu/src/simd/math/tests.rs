//! Every f32 function against libm's f64 one, in units in the last place, on every instruction set of the machine.

use ferrograd_unit::test;

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::denormals;
use crate::isa::Isa;
use crate::simd::Kernel;

const ULPS: f64 = 3.0;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Function {
    Exp,
    Expm1,
    Log,
    Log1p,
    Tanh,
    Sigmoid,
    Erf,
}

use Function::*;

const FUNCTIONS: [Function; 7] = [Exp, Expm1, Log, Log1p, Tanh, Sigmoid, Erf];

fn reference(function: Function, x: f64) -> f64 {
    match function {
        Exp => libm::exp(x),
        Expm1 => libm::expm1(x),
        Log => libm::log(x),
        Log1p => libm::log1p(x),
        Tanh => libm::tanh(x),
        // e^x is exact enough where the sum would overflow.
        Sigmoid if x < -100.0 => libm::exp(x),
        Sigmoid => 1.0 / (1.0 + libm::exp(-x)),
        Erf => libm::erf(x),
    }
}

/// Applies a function to a whole number of vectors.
struct Map<'a, T>(Function, &'a [T], &'a mut [T]);

impl<T: Float> Kernel<T> for Map<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Map(function, x, y) = self;
        for (x, y) in x.chunks_exact(S::LANES).zip(y.chunks_exact_mut(S::LANES)) {
            // SAFETY: both chunks have LANES elements.
            unsafe {
                let x = s.load(x.as_ptr());
                let value = match function {
                    Exp => T::exp(s, x),
                    Expm1 => T::expm1(s, x),
                    Log => T::log(s, x),
                    Log1p => T::log1p(s, x),
                    Tanh => T::tanh(s, x),
                    Sigmoid => T::sigmoid(s, x),
                    Erf => T::erf(s, x),
                };
                s.store(y.as_mut_ptr(), value);
            }
        }
    }
}

/// Not through `vectorize`: the instruction set in force belongs to the process, and these tests use all at once.
fn map<T: Float>(isa: Isa, function: Function, x: &[T]) -> Vec<T> {
    let mut padded = x.to_vec();
    padded.resize(x.len().next_multiple_of(16), T::ONE);
    let mut y = vec![T::ZERO; padded.len()];
    // SAFETY: the tests take instruction sets from `Isa::available`.
    unsafe { T::enter(isa, Map(function, &padded, &mut y)) };
    y.truncate(x.len());
    y
}

/// The distance of `got` from `expected` in units in the last place of the nearest f32; infinite where the kind
/// (NaN, sign, bound) is wrong.
fn ulps(function: Function, got: f32, expected: f64) -> f64 {
    let nearest = expected as f32;
    if nearest.is_nan() || got.is_nan() {
        return if nearest.is_nan() && got.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if got.to_bits() == nearest.to_bits() && (expected.is_infinite() || expected == 0.0) {
        return 0.0;
    }
    let beyond = matches!(function, Tanh | Sigmoid | Erf) && got.abs() > 1.0;
    if beyond || expected.is_infinite() || expected == 0.0 || got.is_sign_negative() != expected.is_sign_negative() {
        return f64::INFINITY;
    }
    // Past the largest number, infinity stands for the power of two that comes next.
    let clamp = |x: f64| x.clamp(-(2f64.powi(128)), 2f64.powi(128));
    let exponent = ((nearest.to_bits() >> 23 & 0xff) as i32).clamp(1, 254);
    (clamp(got as f64) - clamp(expected)).abs() * 2f64.powi(150 - exponent)
}

/// The largest distance over the patterns, and where; asserts nothing.
fn worst(isa: Isa, function: Function, x: &[f32], expected: &[f64]) -> (f64, f32) {
    let y = map(isa, function, x);
    let mut worst = (0.0, 0.0);
    for i in 0..x.len() {
        let distance = ulps(function, y[i], expected[i]);
        if distance > worst.0 {
            worst = (distance, x[i]);
        }
    }
    worst
}

/// The largest distances over every `step`-th bit pattern, for each instruction set and function.
fn sweep(step: u64) -> Vec<Vec<(f64, f32)>> {
    const BLOCK: u64 = 1 << 14;
    let available = Isa::available();
    let patterns = (1u64 << 32).div_ceil(step);
    let next = AtomicU32::new(0);
    let work = || {
        let mut table = vec![vec![(0.0, 0.0); FUNCTIONS.len()]; available.len()];
        loop {
            let first = next.fetch_add(1, Ordering::Relaxed) as u64 * BLOCK;
            if first >= patterns {
                return table;
            }
            let last = (first + BLOCK).min(patterns);
            let x: Vec<f32> = (first..last).map(|i| f32::from_bits((i * step) as u32)).collect();
            for (f, &function) in FUNCTIONS.iter().enumerate() {
                let expected: Vec<f64> = x.iter().map(|&x| reference(function, x as f64)).collect();
                for (i, &isa) in available.iter().enumerate() {
                    let found = worst(isa, function, &x, &expected);
                    if found.0 > table[i][f].0 {
                        table[i][f] = found;
                    }
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let tables: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    let merge =
        |i: usize, f: usize| tables.iter().map(|t| t[i][f]).fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
    let worst: Vec<Vec<_>> =
        (0..available.len()).map(|i| (0..FUNCTIONS.len()).map(|f| merge(i, f)).collect()).collect();
    for (isa, row) in available.iter().zip(&worst) {
        for (function, (distance, x)) in FUNCTIONS.iter().zip(row) {
            println!("{isa} {function:?}: {distance:.3} ulp at {x:e} ({:#010x})", x.to_bits());
        }
    }
    worst
}

#[test]
fn every_257th_number_is_within_3_ulp() {
    assert!(sweep(257).iter().flatten().all(|&(distance, _)| distance <= ULPS));
}

#[test]
#[ignore = "minutes: all 2³² numbers"]
fn exhaustive_every_number_is_within_3_ulp() {
    assert!(sweep(1).iter().flatten().all(|&(distance, _)| distance <= ULPS));
}

/// `[exp_flushed(−|x|), Φ(x), e^(−x²/2), sigmoid_flushed(x)]` of each.
struct Flushed<'a, T>(&'a [T], &'a mut Vec<[T; 4]>);

impl<T: Float> Kernel<T> for Flushed<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        for &x in self.0 {
            let (cdf, density) = T::normal_cdf(s, s.splat(x));
            let exp = T::exp_flushed(s, s.neg(s.abs(s.splat(x))));
            let sigmoid = T::sigmoid_flushed(s, s.splat(x));
            self.1.push([exp, cdf, density, sigmoid].map(|v| s.hmax(v)));
        }
    }
}

fn flushed<T: Float>(isa: Isa, x: &[T]) -> Vec<[T; 4]> {
    let mut y = Vec::new();
    // SAFETY: the tests take instruction sets from `Isa::available`.
    unsafe { T::enter(isa, Flushed(x, &mut y)) };
    y
}

#[test]
fn what_is_flushed_and_the_normal_distribution() {
    let mut x = special();
    x.extend((0..1 << 16).map(|i| f32::from_bits(i << 16 | 0x1234)));
    x.extend((-1_400..1_400).map(|i| i as f32 * 0.01));
    let smallest = f32::MIN_POSITIVE as f64 * 1.05;
    for isa in Isa::available() {
        for (&x, [exp, cdf, density, sigmoid]) in x.iter().zip(flushed(isa, &x)) {
            let wide = x as f64;
            if x.is_nan() {
                assert!([exp, cdf, density, sigmoid].iter().all(|v| v.is_nan()), "{isa} {x}");
                continue;
            }
            let expected = libm::exp(-wide.abs());
            let flushes = exp == 0.0 && expected < smallest;
            assert!(flushes || ulps(Exp, exp, expected) <= ULPS, "{isa} exp_flushed({x:e}) = {exp:e}");
            let stops = x < -87.0 && sigmoid < 2e-38;
            let distance = ulps(Sigmoid, sigmoid, reference(Sigmoid, wide));
            assert!(stops || distance <= ULPS, "{isa} sigmoid_flushed({x:e}) = {sigmoid:e}: {distance} ulp");
            // The square is rounded to f32, and so is the exponent.
            let expected = libm::exp(-0.5 * wide * wide);
            let square = (wide * wide).min(400.0);
            let within = (3e-7 + square * 1e-7) * expected;
            let flushes = density == 0.0 && expected < smallest;
            assert!(flushes || (density as f64 - expected).abs() <= within, "{isa} density({x:e}) = {density:e}");
            let tail = 0.5 * libm::erfc(wide.abs() * std::f64::consts::FRAC_1_SQRT_2);
            let within = tail * (4e-7 + square / 3.0 * 4e-7) + smallest;
            let got = if x < 0.0 { cdf as f64 } else { 1.0 - cdf as f64 };
            let rounding = if x < 0.0 { 0.0 } else { f32::EPSILON as f64 / 2.0 };
            assert!((got - tail).abs() <= within + rounding, "{isa} normal({x:e}) = {cdf:e}, tail {tail:e}");
        }
        for x in [-30.0, -3.0, -0.5, 0.0, 0.25, 5.0f64] {
            let [exp, cdf, density, sigmoid] = flushed(isa, &[x])[0];
            assert_eq!((exp, density), (libm::exp(-x.abs()), libm::exp(-0.5 * x * x)));
            assert!((sigmoid - reference(Sigmoid, x)).abs() <= 4.0 * f64::EPSILON * sigmoid);
            assert_eq!(cdf, 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2));
        }
    }
}

/// Numbers at which something changes, with their neighbours and both signs.
fn special() -> Vec<f32> {
    let mut values = vec![0.0, f32::INFINITY, f32::NAN, f32::from_bits(0x7f80_0001)];
    for x in [
        f32::from_bits(1),
        f32::from_bits(0x0040_0000),
        f32::MIN_POSITIVE,
        f32::MAX,
        f32::EPSILON,
        0.5,
        1.0,
        2.0,
        std::f32::consts::FRAC_1_SQRT_2,
        std::f32::consts::SQRT_2,
        std::f32::consts::SQRT_2 - 1.0,
        0.292_893_23,
        std::f32::consts::LN_2 / 2.0,
        std::f32::consts::LN_2,
        ERF_SPLIT,
        3.92,
        4.0,
        8.3,
        9.01,
        10.0,
        16.6,
        17.33,
        18.0,
        87.336_55,
        88.029_69,
        88.722_84,
        89.0,
        103.278_93,
        103.972_08,
        105.0,
        1e-20,
        1e-6,
        1e6,
        1e20,
        (1 << 23) as f32,
        (1 << 24) as f32,
        (1 << 25) as f32,
        f32::MAX / 2.0,
    ] {
        let bits = x.to_bits();
        values.extend([bits.saturating_sub(2), bits - 1, bits, (bits + 1).min(0x7f80_0000)].map(f32::from_bits));
    }
    let negative: Vec<f32> = values.iter().map(|x| -x).collect();
    values.extend(negative);
    values
}

#[test]
fn special_values() {
    let x = special();
    for isa in Isa::available() {
        for function in FUNCTIONS {
            let expected: Vec<f64> = x.iter().map(|&x| reference(function, x as f64)).collect();
            let (distance, at) = worst(isa, function, &x, &expected);
            assert!(distance <= ULPS, "{isa} {function:?}: {distance} ulp at {at:e}");
        }
    }
}

#[test]
fn limits_are_exact() {
    let inf = f32::INFINITY;
    let cases = [
        (Exp, vec![(0.0, 1.0), (-0.0, 1.0), (inf, inf), (-inf, 0.0), (89.0, inf), (-104.0, 0.0)]),
        (Expm1, vec![(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -1.0), (89.0, inf), (-20.0, -1.0)]),
        (
            Log,
            vec![
                (0.0, -inf),
                (-0.0, -inf),
                (1.0, 0.0),
                (inf, inf),
                (-1.0, f32::NAN),
                (-inf, f32::NAN),
                (-1e-45, f32::NAN),
            ],
        ),
        (
            Log1p,
            vec![
                (0.0, 0.0),
                (-0.0, -0.0),
                (-1.0, -inf),
                (inf, inf),
                (-1.000_000_1, f32::NAN),
                (-inf, f32::NAN),
                (-1e-45, -1e-45),
            ],
        ),
        (Tanh, vec![(0.0, 0.0), (-0.0, -0.0), (inf, 1.0), (-inf, -1.0), (9.5, 1.0), (-9.5, -1.0), (1e-45, 1e-45)]),
        (Sigmoid, vec![(0.0, 0.5), (-0.0, 0.5), (inf, 1.0), (-inf, 0.0), (18.0, 1.0), (-104.0, 0.0), (-103.0, 1e-45)]),
        (Erf, vec![(0.0, 0.0), (-0.0, -0.0), (inf, 1.0), (-inf, -1.0), (4.0, 1.0), (-4.0, -1.0), (-1e-45, -1e-45)]),
    ];
    for isa in Isa::available() {
        for (function, pairs) in &cases {
            let x: Vec<f32> = pairs.iter().map(|p| p.0).collect();
            for (&(x, expected), got) in pairs.iter().zip(map(isa, *function, &x)) {
                let same = got.to_bits() == expected.to_bits() || (got.is_nan() && expected.is_nan());
                assert!(same, "{isa} {function:?}({x:e}) = {got:e}, not {expected:e}");
            }
        }
    }
}

#[test]
fn flushing_denormals_changes_only_denormals() {
    let mut x = special();
    x.extend((0..1 << 16).map(|i| f32::from_bits(i << 16 | 0x1234)));
    for isa in Isa::available() {
        for function in FUNCTIONS {
            let y = denormals::flushed(|| map(isa, function, &x));
            for (&x, &got) in x.iter().zip(&y) {
                // A denormal argument may be read as itself or as zero, and what is flushed on the way to a result
                // moves it by less than the smallest normal number.
                let arguments = if x.is_subnormal() { vec![x, 0f32.copysign(x)] } else { vec![x] };
                let fits = arguments.iter().any(|&x| {
                    let expected = reference(function, x as f64);
                    let flushed = (got as f64 - expected).abs() <= f32::MIN_POSITIVE as f64;
                    flushed || ulps(function, got, expected) <= ULPS
                });
                assert!(fits, "{isa} {function:?}({x:e}) = {got:e}");
            }
        }
    }
}

#[test]
fn the_f64_forms_are_libms() {
    let x: Vec<f64> = (-400..400).map(|i| i as f64 * 0.25 + 0.01).collect();
    for isa in Isa::available() {
        for function in FUNCTIONS {
            for (&x, got) in x.iter().zip(map(isa, function, &x)) {
                let expected = reference(function, x);
                let close = (got - expected).abs() <= 4.0 * f64::EPSILON * expected.abs();
                assert!(
                    close || (got.is_nan() && expected.is_nan()),
                    "{isa} {function:?}({x}) = {got}, not {expected}"
                );
            }
        }
        // Beyond e⁷⁰⁹ only the form that cannot overflow keeps a result.
        assert_eq!(map(isa, Sigmoid, &[-740.0]), [libm::exp(-740.0)]);
    }
}
