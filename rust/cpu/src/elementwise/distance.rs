//! Squared distances that grow linearly from some distance on, as losses of an element, in one pass over memory.

use ferrograd_array::{Array, DType, Result};

use super::{FLOAT, Plain, map2, map3, same_dtype, unsupported};
use crate::path;
use crate::simd::Float;

/// `d` within ±delta; NaN stays.
#[inline(always)]
fn held<T: Float>(d: T, delta: T) -> T {
    if d > delta {
        delta
    } else if d < -delta {
        -delta
    } else {
        d
    }
}

fn huber_of<T: Float>(x: &Array, y: &Array, delta: f64, scale: f64, out: Option<&Array>) -> Result<Array> {
    let (half, scale, infinite) = (T::from_f64(0.5), T::from_f64(scale), delta.is_infinite());
    let delta = T::from_f64(delta);
    let f = move |x: T, y: T| {
        let d = x - y;
        let h = held(d, delta);
        // An infinite difference less its half would be NaN.
        if infinite { half * d * d * scale } else { h * (d - half * h) * scale }
    };
    map2("huber", x, y, T::DTYPE, out, Plain::<_, (T, T, T)>::new(f))
}

fn huber_grad_of<T: Float>(operands: [&Array; 3], delta: f64, scale: f64, out: Option<&Array>) -> Result<Array> {
    let (delta, scale) = (T::from_f64(delta), T::from_f64(scale));
    let f = move |g: T, x: T, y: T| g * (held(x - y, delta) * scale);
    map3("huber_grad", ["input", "target"], operands, T::DTYPE, out, Plain::<_, (T, T, T, T)>::new(f))
}

/// `scale · h_i (d_i − h_i / 2)` with `d = x − y` and `h` the same held within ±delta: `scale · d²/2` near 0, and
/// everywhere where delta is infinite.
pub fn huber(x: &Array, y: &Array, delta: f64, scale: f64, out: Option<&Array>) -> Result<Array> {
    path!("elementwise/huber");
    same_dtype("huber", "target", x, y)?;
    match x.dtype() {
        DType::F32 => huber_of::<f32>(x, y, delta, scale, out),
        DType::F64 => huber_of::<f64>(x, y, delta, scale, out),
        other => Err(unsupported("huber", "input", FLOAT, other)),
    }
}

/// The gradient of [`huber`] for x, of opposite sign for y: `g_i · scale · h_i`.
pub fn huber_grad(g: &Array, x: &Array, y: &Array, delta: f64, scale: f64, out: Option<&Array>) -> Result<Array> {
    path!("elementwise/huber_grad");
    same_dtype("huber_grad", "input", g, x)?;
    same_dtype("huber_grad", "target", g, y)?;
    match g.dtype() {
        DType::F32 => huber_grad_of::<f32>([g, x, y], delta, scale, out),
        DType::F64 => huber_grad_of::<f64>([g, x, y], delta, scale, out),
        other => Err(unsupported("huber_grad", "grad", FLOAT, other)),
    }
}
