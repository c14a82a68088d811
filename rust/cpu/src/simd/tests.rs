//! Every method of the trait against plain arithmetic, on every instruction set of the machine.

use super::*;

struct Check;

impl Kernel<f32> for Check {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        check::<f32, S>(s, -149.0, 127.0)
    }
}

impl Kernel<f64> for Check {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f64>>(self, s: S) {
        check::<f64, S>(s, -1074.0, 1023.0)
    }
}

#[inline(always)]
fn lanes<T: Float, S: Simd<T>>(s: S, v: S::V) -> Vec<f64> {
    let mut out = vec![T::ZERO; S::LANES];
    // SAFETY: the vector has LANES elements.
    unsafe { s.store(out.as_mut_ptr(), v) };
    out.into_iter().map(T::to_f64).collect()
}

#[inline(always)]
fn check<T: Float, S: Simd<T>>(s: S, lowest: f64, highest: f64) {
    let values = [1.5, -2.25, 0.0, -0.0, 3.5, 2.5, -7.125, 1e-3];
    for (i, &x) in values.iter().enumerate() {
        let y = values[(i + 3) % values.len()];
        let (a, b) = (s.splat(T::from_f64(x)), s.splat(T::from_f64(y)));
        let (x, y) = (T::from_f64(x).to_f64(), T::from_f64(y).to_f64());
        let is = |v: S::V, expected: f64| {
            for got in lanes(s, v) {
                assert!(got == expected || (got - expected).abs() <= 1e-6 * expected.abs(), "{got} against {expected}");
                assert_eq!(got.is_sign_negative(), expected.is_sign_negative());
            }
        };
        is(s.add(a, b), x + y);
        is(s.sub(a, b), x - y);
        is(s.mul(a, b), x * y);
        is(s.abs(a), x.abs());
        is(s.neg(a), -x);
        is(s.copysign(a, b), x.copysign(y));
        is(s.round(a), x.round_ties_even());
        is(s.floor(a), x.floor());
        if y != 0.0 {
            is(s.div(a, b), x / y);
        }
        if x != y {
            is(s.max(a, b), x.max(y));
            is(s.minimum(a, b), x.min(y));
        }
        is(s.sqrt(s.abs(a)), x.abs().sqrt());
        let one_zero = |m: S::M| s.select(m, s.splat(T::ONE), s.zero());
        is(one_zero(s.lt(a, b)), (x < y) as u8 as f64);
        is(one_zero(s.le(a, b)), (x <= y) as u8 as f64);
        is(one_zero(s.ge(a, b)), (x >= y) as u8 as f64);
        is(one_zero(s.eq(a, b)), (x == y) as u8 as f64);
        is(one_zero(s.ne(a, b)), (x != y) as u8 as f64);
        let nan = s.splat(T::NAN);
        assert!(lanes(s, s.maximum(nan, a)).iter().all(|v| v.is_nan()));
        assert!(lanes(s, s.maximum(a, nan)).iter().all(|v| v.is_nan()));
        assert!(lanes(s, s.minimum(a, nan)).iter().all(|v| v.is_nan()));
        assert!(!s.mask_any(s.eq(nan, nan)) && s.mask_any(s.is_nan(nan)));
    }
    for e in [lowest, lowest + 20.0, -3.0, 0.0, 60.0, highest] {
        let got = lanes(s, s.ldexp(s.splat(T::ONE), s.splat(T::from_f64(e))))[0];
        assert_eq!(got, 2f64.powf(e), "2^{e}");
    }
    for e in [1.0 - highest, -3.0, 0.0, 1.0, 60.0, highest] {
        let got = lanes(s, s.power(s.splat(T::from_f64(e))))[0];
        assert_eq!(got, 2f64.powf(e), "2^{e}");
    }
    // One rounding on the way below the normal range, and overflow to infinity.
    let odd = s.splat(T::from_f64(1.25));
    assert_eq!(lanes(s, s.ldexp(odd, s.splat(T::from_f64(lowest + 1.0))))[0], 2f64.powf(lowest + 1.0));
    assert_eq!(lanes(s, s.ldexp(odd, s.splat(T::from_f64(lowest + 2.0))))[0], 5.0 * 2f64.powf(lowest));
    assert_eq!(lanes(s, s.ldexp(odd, s.splat(T::from_f64(lowest - 2.0))))[0], 0.0);
    assert_eq!(lanes(s, s.ldexp(odd, s.splat(T::from_f64(highest + 1.0))))[0], f64::INFINITY);
    assert!(lanes(s, s.ldexp(s.splat(T::NAN), s.splat(T::NAN)))[0].is_nan());
    // The ends of the normal range as well.
    let (first, last) = (2f64.powf(1.0 - highest), 2f64.powf(highest) * 1.99);
    let root_half = std::f64::consts::FRAC_1_SQRT_2;
    for x in [1.0, 1.4, 1.5, 0.3, 1e-30, 1e30, root_half * 0.9999, root_half * 1.0001, first, last] {
        let x = T::from_f64(x);
        let (m, e) = s.frexp(s.splat(x));
        let (m, e) = (lanes(s, m)[0], lanes(s, e)[0]);
        assert!(root_half - 1e-7 <= m && m < 2.0 * root_half + 1e-7, "{m}");
        assert_eq!(m * 2f64.powf(e - 1.0) * 2.0, x.to_f64());
    }
    let ramp: Vec<T> = (0..S::LANES).map(|i| T::from_f64(i as f64)).collect();
    let n = S::LANES as f64;
    // SAFETY: the ramp has LANES elements, the target LANES + 1.
    unsafe {
        let v = s.load(ramp.as_ptr());
        assert_eq!(s.sum(v).to_f64(), n * (n - 1.0) / 2.0);
        assert_eq!(s.hmax(v).to_f64(), n - 1.0);
        assert_eq!(s.hmin(s.neg(v)).to_f64(), 1.0 - n);
        for k in 0..=S::LANES {
            let part = lanes(s, s.load_partial(ramp.as_ptr(), k));
            assert!(part.iter().enumerate().all(|(i, &x)| x == if i < k { i as f64 } else { 0.0 }));
            let mut out = vec![T::from_f64(-1.0); S::LANES];
            s.store_partial(out.as_mut_ptr(), k, v);
            assert!(out.iter().enumerate().all(|(i, x)| x.to_f64() == if i < k { i as f64 } else { -1.0 }));
        }
    }
}

#[test]
fn every_operation_on_every_instruction_set() {
    for isa in Isa::available() {
        isa::with(isa, || {
            vectorize::<f32, _>(Check);
            vectorize::<f64, _>(Check);
        });
    }
}
