//! Activations with parameters, and the gradients of activations: each gradient is one pass over memory.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use ferrograd_array::{Array, DType, Result};

use super::{Binary, FLOAT, Unary, float1, float2, same_dtype, unsupported};
use crate::activation::Activation;
use crate::path;
use crate::simd::{Float, Simd};

/// An activation of floats with its parameters.
macro_rules! activation {
    ($($name:ident, $struct:ident { $($field:ident),* }, $doc:literal,
      |$this:ident, $s:ident, $x:ident| $vector:expr;)*) => {$(
        #[derive(Clone, Copy)]
        struct $struct {
            $($field: f64,)*
        }

        impl<T: Float> Unary<T> for $struct {
            const NS: f64 = 1.0;
            #[inline(always)]
            fn apply<S: Simd<T>>(self, $s: S, $x: S::V) -> S::V {
                let $this = self;
                $vector
            }
        }

        #[doc = $doc]
        pub fn $name(a: &Array, $($field: f64,)* out: Option<&Array>) -> Result<Array> {
            path!(concat!("elementwise/", stringify!($name)));
            match a.dtype() {
                DType::F32 => float1::<f32, _>(stringify!($name), a, out, $struct { $($field),* }),
                DType::F64 => float1::<f64, _>(stringify!($name), a, out, $struct { $($field),* }),
                other => Err(unsupported(stringify!($name), "input", FLOAT, other)),
            }
        }
    )*};
}

/// The gradient of an activation: of `g` and of its input `x` or its result `y`.
macro_rules! gradient {
    ($($name:ident, $struct:ident { $($field:ident),* }, $saved:literal, $doc:literal,
      |$this:ident, $s:ident, $g:ident, $x:ident| $vector:expr;)*) => {$(
        #[derive(Clone, Copy)]
        struct $struct {
            $($field: f64,)*
        }

        impl<T: Float> Binary<T> for $struct {
            const NS: f64 = 1.0;
            #[inline(always)]
            fn apply<S: Simd<T>>(self, $s: S, $g: S::V, $x: S::V) -> S::V {
                let $this = self;
                $vector
            }
        }

        #[doc = $doc]
        pub fn $name(g: &Array, saved: &Array, $($field: f64,)* out: Option<&Array>) -> Result<Array> {
            path!(concat!("elementwise/", stringify!($name)));
            let op = stringify!($name);
            same_dtype(op, $saved, g, saved)?;
            match g.dtype() {
                DType::F32 => float2::<f32, _>(op, g, saved, out, $struct { $($field),* }),
                DType::F64 => float2::<f64, _>(op, g, saved, out, $struct { $($field),* }),
                other => Err(unsupported(op, "grad", FLOAT, other)),
            }
        }
    )*};
}

#[inline(always)]
fn c<T: Float, S: Simd<T>>(s: S, x: f64) -> S::V {
    s.splat(T::from_f64(x))
}

/// `u = √(2/π) (x + 0.044715 x³)` of GELU's approximation, and `du/dx`.
#[inline(always)]
fn gelu_inner<T: Float, S: Simd<T>>(s: S, x: S::V) -> (S::V, S::V) {
    let scale = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
    let square = s.mul(x, x);
    let u = s.mul(s.mul(x, c(s, scale)), s.fma(square, c(s, 0.044715), c(s, 1.0)));
    (u, s.fma(square, c(s, 3.0 * 0.044715 * scale), c(s, scale)))
}

activation! {
    leaky_relu, LeakyRelu { negative_slope }, "`a_i` above 0, else `negative_slope · a_i`",
        |p, s, x| s.select(s.lt(s.zero(), x), x, s.mul(x, c(s, p.negative_slope)));
    elu, Elu { alpha }, "`a_i` above 0, else `alpha (e^(a_i) − 1)`",
        |p, s, x| s.select(s.lt(s.zero(), x), x, s.mul(T::expm1(s, x), c(s, p.alpha)));
    silu, Silu {}, "`a_i σ(a_i)`", |_p, s, x| Activation::Silu.apply(s, x);
    softplus, Softplus { beta, threshold }, "`log(1 + e^(beta a_i)) / beta`; `a_i` where `beta a_i` is above the threshold",
        |p, s, x| {
            let z = s.mul(x, c(s, p.beta));
            // max(z, 0) + log(1 + e^(−|z|)) cannot overflow.
            let soft = s.add(s.max(s.zero(), z), T::log1p(s, T::exp(s, s.neg(s.abs(z)))));
            s.select(s.lt(c(s, p.threshold), z), x, s.div(soft, c(s, p.beta)))
        };
    hardtanh, Hardtanh { min_val, max_val }, "`min(max(a_i, min_val), max_val)`",
        |p, s, x| s.minimum(s.maximum(x, c(s, p.min_val)), c(s, p.max_val));
    gelu, Gelu {}, "`a_i Φ(a_i)`, Φ the standard normal distribution", |_p, s, x| Activation::Gelu.apply(s, x);
    gelu_tanh, GeluTanh {}, "`½ a_i (1 + tanh(√(2/π) (a_i + 0.044715 a_i³)))`",
        |_p, s, x| {
            let (u, _) = gelu_inner(s, x);
            s.mul(s.mul(x, c(s, 0.5)), s.add(c(s, 1.0), T::tanh(s, u)))
        };
}

gradient! {
    relu_grad, ReluGrad {}, "result", "`g_i` where the result is above 0 (or NaN), else 0",
        |_p, s, g, y| s.select(s.le(y, s.zero()), s.zero(), g);
    leaky_relu_grad, LeakyReluGrad { negative_slope }, "input", "`g_i` above 0, else `negative_slope · g_i`",
        |p, s, g, x| s.select(s.lt(s.zero(), x), g, s.mul(g, c(s, p.negative_slope)));
    elu_grad, EluGrad { alpha }, "input", "`g_i` above 0, else `g_i alpha e^(x_i)`",
        |p, s, g, x| s.select(s.lt(s.zero(), x), g, s.mul(s.mul(g, c(s, p.alpha)), T::exp(s, x)));
    sigmoid_grad, SigmoidGrad {}, "result", "`g_i y_i (1 − y_i)`",
        |_p, s, g, y| s.mul(s.mul(g, y), s.sub(c(s, 1.0), y));
    tanh_grad, TanhGrad {}, "result", "`g_i (1 − y_i²)`",
        |_p, s, g, y| s.mul(g, s.sub(c(s, 1.0), s.mul(y, y)));
    silu_grad, SiluGrad {}, "input", "`g_i σ(x_i) (1 + x_i (1 − σ(x_i)))`",
        |_p, s, g, x| {
            let one = c(s, 1.0);
            let y = T::sigmoid(s, x);
            s.mul(s.mul(g, y), s.fma(x, s.sub(one, y), one))
        };
    softplus_grad, SoftplusGrad { beta, threshold }, "input", "`g_i σ(beta x_i)`; `g_i` where `beta x_i` is above the threshold",
        |p, s, g, x| {
            let z = s.mul(x, c(s, p.beta));
            s.select(s.lt(c(s, p.threshold), z), g, s.mul(g, T::sigmoid(s, z)))
        };
    hardtanh_grad, HardtanhGrad { min_val, max_val }, "input", "`g_i` where `min_val < x_i < max_val`, else 0",
        |p, s, g, x| {
            let outside = s.mask_or(s.le(x, c(s, p.min_val)), s.le(c(s, p.max_val), x));
            s.select(outside, s.zero(), g)
        };
    gelu_grad, GeluGrad {}, "input", "`g_i (Φ(x_i) + x_i φ(x_i))`",
        |_p, s, g, x| {
            let (cdf, density) = T::normal_cdf(s, x);
            let root = c(s, 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
            s.mul(g, s.fma(s.mul(x, root), density, cdf))
        };
    gelu_tanh_grad, GeluTanhGrad {}, "input", "`g_i ½ (1 + t + x_i (1 − t²) u')`, `t = tanh u` of [`gelu_tanh`]",
        |_p, s, g, x| {
            let one = c(s, 1.0);
            let (u, du) = gelu_inner(s, x);
            let t = T::tanh(s, u);
            let slope = s.mul(s.mul(x, du), s.sub(one, s.mul(t, t)));
            s.mul(s.mul(g, c(s, 0.5)), s.add(s.add(one, t), slope))
        };
}
