//! The activations that matrix products, convolutions and norms apply to their results while these are in cache.

use crate::simd::{Float, Kernel, Simd, vectorize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    #[default]
    None,
    /// max(x, 0); NaN stays NaN.
    Relu,
    /// 1 / (1 + e⁻ˣ)
    Sigmoid,
    Tanh,
    /// x · Φ(x), Φ the standard normal distribution.
    Gelu,
    /// x · sigmoid(x)
    Silu,
}

impl Activation {
    pub const ALL: [Activation; 6] =
        [Activation::None, Activation::Relu, Activation::Sigmoid, Activation::Tanh, Activation::Gelu, Activation::Silu];

    #[inline(always)]
    pub fn apply<T: Float, S: Simd<T>>(self, s: S, x: S::V) -> S::V {
        match self {
            Activation::None => x,
            // The hardware's max gives the second operand where one is NaN.
            Activation::Relu => s.max(s.zero(), x),
            Activation::Sigmoid => T::sigmoid(s, x),
            Activation::Tanh => T::tanh(s, x),
            Activation::Gelu => s.mul(x, T::normal_cdf(s, x).0),
            Activation::Silu => s.mul(x, T::sigmoid(s, x)),
        }
    }

    /// The same formula for one number, in double precision.
    pub fn of(self, x: f64) -> f64 {
        let sigmoid = 1.0 / (1.0 + libm::exp(-x));
        match self {
            Activation::None => x,
            Activation::Relu if x > 0.0 || x.is_nan() => x,
            Activation::Relu => 0.0,
            Activation::Sigmoid => sigmoid,
            Activation::Tanh => libm::tanh(x),
            Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Activation::Silu => x * sigmoid,
        }
    }
}

/// An activation applied in place to `rows` neighbours from `at` on, at each offset.
///
/// A function of its own, never inlined: its constants would take registers from the sums of the loops that call it, and its
/// code would be there once for each shape of a tile.
///
/// # Safety
/// The elements are writable.
#[inline(never)]
pub unsafe fn activate<T: Float>(activation: Activation, at: *mut T, offsets: &[isize], rows: usize) {
    vectorize(Activate { activation, at, offsets, rows });
}

struct Activate<'a, T> {
    activation: Activation,
    at: *mut T,
    offsets: &'a [isize],
    rows: usize,
}

impl<T: Float> Kernel<T> for Activate<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // A loop for each, so that constants stand before it.
        match self.activation {
            Activation::None => {}
            Activation::Relu => self.each(s, Activation::Relu),
            Activation::Sigmoid => self.each(s, Activation::Sigmoid),
            Activation::Tanh => self.each(s, Activation::Tanh),
            Activation::Gelu => self.each(s, Activation::Gelu),
            Activation::Silu => self.each(s, Activation::Silu),
        }
    }
}

impl<T: Float> Activate<'_, T> {
    #[inline(always)]
    fn each<S: Simd<T>>(&self, s: S, activation: Activation) {
        for &offset in self.offsets {
            let mut r = 0;
            // SAFETY: `activate`'s caller's promise.
            unsafe {
                let at = self.at.offset(offset);
                // Two vectors share the constants that do not fit the registers.
                while r + 2 * S::LANES <= self.rows {
                    let (x, y) = (at.add(r), at.add(r + S::LANES));
                    let (u, v) = (activation.apply(s, s.load(x)), activation.apply(s, s.load(y)));
                    s.store(x, u);
                    s.store(y, v);
                    r += 2 * S::LANES;
                }
                while r < self.rows {
                    let left = (self.rows - r).min(S::LANES);
                    s.store_some(at.add(r), left, activation.apply(s, s.load_some(at.add(r), left)));
                    r += S::LANES;
                }
            }
        }
    }
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;
    use crate::isa::{self, Isa};

    struct Map<T>(Activation, Vec<T>);

    impl<T: Float> Kernel<T> for Map<T> {
        type Output = Vec<T>;
        #[inline(always)]
        fn run<S: Simd<T>>(mut self, s: S) -> Vec<T> {
            for chunk in self.1.chunks_mut(S::LANES) {
                // SAFETY: the chunk has `chunk.len()` elements.
                unsafe {
                    let x = s.load_partial(chunk.as_ptr(), chunk.len());
                    s.store_partial(chunk.as_mut_ptr(), chunk.len(), self.0.apply(s, x));
                }
            }
            self.1
        }
    }

    fn check<T: Float>(tolerance: f64) {
        let inputs: Vec<T> = (-200..=200).map(|i| T::from_f64(i as f64 * 0.07)).collect();
        for activation in Activation::ALL {
            let outputs = vectorize(Map(activation, inputs.clone()));
            for (x, y) in inputs.iter().zip(outputs) {
                let expected = activation.of(x.to_f64());
                let error = (y.to_f64() - expected).abs();
                assert!(error <= tolerance * (1.0 + expected.abs()), "{activation:?}({x:?}) = {y:?}, not {expected}");
            }
            let nan = vectorize(Map(activation, vec![T::NAN]));
            assert!(nan[0].is_nan(), "{activation:?}");
        }
        assert_eq!(vectorize(Map(Activation::Relu, vec![T::from_f64(-3.0)]))[0], T::ZERO);
    }

    #[test]
    fn the_formulas_hold_on_every_instruction_set() {
        for isa in Isa::available() {
            isa::with(isa, || {
                check::<f32>(4.0 * f32::EPSILON as f64);
                check::<f64>(4.0 * f64::EPSILON);
            });
        }
    }
}
