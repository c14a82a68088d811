//! Every method of the trait against plain arithmetic, on every instruction set of the machine.

use ferrograd_unit::test;

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

/// Integers from the beginning of a line of a cache on.
#[repr(align(64))]
struct Line([i64; 16]);

/// The vector from element `at` on.
#[inline(always)]
fn first_of<T: Float, S: Simd<T>>(s: S, from: &[T], at: usize) -> S::V {
    assert!(at + S::LANES <= from.len());
    // SAFETY: as asserted.
    unsafe { s.load(from.as_ptr().add(at)) }
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
    // SAFETY: the arrays have `2 LANES` elements.
    unsafe {
        let both: Vec<T> = (0..2 * S::LANES).map(|i| T::from_f64(i as f64)).collect();
        let ints: Vec<f64> = (0..2 * S::LANES).map(|i| i as f64).collect();
        let (a, b) = (s.load(both.as_ptr()), s.load(both.as_ptr().add(S::LANES)));
        let (even, odd) = s.unzip(a, b);
        assert!(lanes(s, even).iter().zip(ints.iter().step_by(2)).all(|(x, i)| x == i));
        assert!(lanes(s, odd).iter().zip(ints.iter().skip(1).step_by(2)).all(|(x, i)| x == i));
        let (first, second) = s.zip(even, odd);
        assert_eq!([lanes(s, first), lanes(s, second)].concat(), ints);
        assert_eq!(lanes(s, s.ramp()), &ints[..S::LANES]);
        for k in 0..=2 * S::LANES {
            let (a, b) = s.load_two(both.as_ptr(), k);
            let got = [lanes(s, a), lanes(s, b)].concat();
            let first = k.min(S::LANES);
            let lane = |i: usize| if i < S::LANES { i < first } else { i - S::LANES < k - first };
            assert!(got.iter().enumerate().all(|(i, &x)| x == if lane(i) { i as f64 } else { 0.0 }), "{k}: {got:?}");
            let mut out = vec![T::from_f64(-1.0); 2 * S::LANES];
            s.store_two(out.as_mut_ptr(), k, first_of(s, &both, 0), first_of(s, &both, S::LANES));
            assert!(out.iter().enumerate().all(|(i, x)| x.to_f64() == if i < k { i as f64 } else { -1.0 }));
        }
        let last = (1i64 << 31) - 1;
        let odd = [0, 1, 7, (1 << 24) + 1, last, -1, last + 1, i64::MAX, i64::MIN, 1 << 32, (1 << 32) + 3, -(1 << 32)];
        for k in 0..=S::LANES {
            for from in 0..odd.len() {
                let index: Vec<i64> = (0..S::LANES).map(|i| odd[(from + i) % odd.len()]).collect();
                for (i, x) in lanes(s, s.load_index_some(index.as_ptr(), k)).into_iter().enumerate() {
                    let fits = i < k && (0..=last).contains(&index[i]);
                    assert!(
                        if fits { x == T::from_f64(index[i] as f64).to_f64() } else { x.is_nan() },
                        "{index:?}: {x}"
                    );
                }
            }
            let mut out = vec![-1; S::LANES];
            s.store_index_some(out.as_mut_ptr(), k, s.mul(s.ramp(), s.splat(T::from_f64(1e5))), 1 << 40, false);
            let mut line = Line([-1; 16]);
            s.store_index(line.0.as_mut_ptr(), s.ramp(), 5, true);
            streamed();
            assert!(line.0.iter().enumerate().all(|(i, &x)| x == if i < S::LANES { 5 + i as i64 } else { -1 }));
            let want = |i: usize| if i < k { (1 << 40) + 100_000 * i as i64 } else { -1 };
            assert!(out.iter().enumerate().all(|(i, &x)| x == want(i)), "{out:?}");
        }
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
            let mut out = vec![T::from_f64(-1.0); 2 * S::LANES];
            let (masked, branches) = out.split_at_mut(S::LANES);
            s.store_partial(masked.as_mut_ptr(), k, v);
            s.store_some(branches.as_mut_ptr(), k, v);
            for got in [masked, branches] {
                assert!(got.iter().enumerate().all(|(i, x)| x.to_f64() == if i < k { i as f64 } else { -1.0 }));
            }
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
