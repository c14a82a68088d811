//! Choices and mixtures of three operands: where, clip, addcmul, lerp; and the gradients of choices.

use ferrograd_array::{Array, DType, Element, Error, Result, broadcast_shapes};

use super::{
    Binary, FLOAT, NUMBER, Plain, Ternary, apply, deliver, float2, float3, map3, maximum, minimum, output, same_dtype,
    unsupported,
};
use crate::path;
use crate::simd::{Float, Simd};

fn choose<T: Element>(condition: &Array, x: &Array, y: &Array, out: Option<&Array>) -> Result<Array> {
    let f = Plain::<_, (u8, T, T, T)>::new(|c: u8, x: T, y: T| if c != 0 { x } else { y });
    // The operands come first in the search for a memory order: a mask is often the smaller one.
    let shape = broadcast_shapes("where", "input", condition.shape(), x.shape())?;
    let shape = broadcast_shapes("where", "other", &shape, y.shape())?;
    let result = output("where", &shape, &[x, y, condition], x.dtype(), out)?;
    apply(f, [&result, condition, x, y]);
    deliver(result, out)
}

/// `x_i` where the condition holds, else `y_i`.
pub fn where_(condition: &Array, x: &Array, y: &Array, out: Option<&Array>) -> Result<Array> {
    path!("elementwise/where");
    same_dtype("where", "other", x, y)?;
    if condition.dtype() != DType::Bool {
        return Err(Error::dtype("where", "condition", "bool", condition.dtype()));
    }
    match x.dtype() {
        DType::Bool | DType::U8 => choose::<u8>(condition, x, y, out),
        DType::I32 => choose::<i32>(condition, x, y, out),
        DType::I64 => choose::<i64>(condition, x, y, out),
        DType::F32 => choose::<f32>(condition, x, y, out),
        DType::F64 => choose::<f64>(condition, x, y, out),
        other => Err(unsupported("where", "input", "bool, an integer dtype, float32 or float64", other)),
    }
}

#[derive(Clone, Copy)]
struct Clip;

impl<T: Float> Ternary<T> for Clip {
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, x: S::V, min: S::V, max: S::V) -> S::V {
        s.minimum(s.maximum(x, min), max)
    }
}

/// `min(max(x_i, min_i), max_i)`, either bound optional; NaN wins, and `max` where the bounds cross.
pub fn clip(x: &Array, min: Option<&Array>, max: Option<&Array>, out: Option<&Array>) -> Result<Array> {
    path!("elementwise/clip");
    let (min, max) = match (min, max) {
        (Some(min), Some(max)) => (min, max),
        (Some(min), None) => return maximum(x, min, out),
        (None, Some(max)) => return minimum(x, max, out),
        (None, None) => return Err(Error::value("clip", "min, max", "at least one bound", "none")),
    };
    same_dtype("clip", "min", x, min)?;
    same_dtype("clip", "max", x, max)?;
    let (names, operands) = (["min", "max"], [x, min, max]);
    macro_rules! plain {
        ($t:ty) => {
            map3(
                "clip",
                names,
                operands,
                x.dtype(),
                out,
                Plain::<_, ($t, $t, $t, $t)>::new(|x: $t, min: $t, max: $t| x.max(min).min(max)),
            )
        };
    }
    match x.dtype() {
        DType::F32 => float3::<f32, _>("clip", names, operands, out, Clip),
        DType::F64 => float3::<f64, _>("clip", names, operands, out, Clip),
        DType::I64 => plain!(i64),
        DType::I32 => plain!(i32),
        DType::U8 => plain!(u8),
        other => Err(unsupported("clip", "input", NUMBER, other)),
    }
}

fn clip_grad_of<T: Float>(g: &Array, x: &Array, bounds: [Option<&Array>; 2]) -> Result<Array> {
    // A bound that is not there is passed by everything but NaN, as one that is.
    let (low, high) = (Array::scalar(T::NEG_INFINITY)?, Array::scalar(T::INFINITY)?);
    let (min, max) = (bounds[0].unwrap_or(&low), bounds[1].unwrap_or(&high));
    let mut shape = broadcast_shapes("clip_grad", "input", g.shape(), x.shape())?;
    for (name, bound) in [("min", min), ("max", max)] {
        same_dtype("clip_grad", name, x, bound)?;
        shape = broadcast_shapes("clip_grad", name, &shape, bound.shape())?;
    }
    let result = output("clip_grad", &shape, &[g, x], T::DTYPE, None)?;
    let f = |g: T, x: T, min: T, max: T| if (x >= min) & (x <= max) { g } else { T::ZERO };
    apply(Plain::<_, (T, T, T, T, T)>::new(f), [&result, g, x, min, max]);
    Ok(result)
}

/// The gradient of [`clip`] for its input: `g_i` where `min_i ≤ x_i ≤ max_i`, else 0.
pub fn clip_grad(g: &Array, x: &Array, min: Option<&Array>, max: Option<&Array>) -> Result<Array> {
    path!("elementwise/clip_grad");
    same_dtype("clip_grad", "input", g, x)?;
    match g.dtype() {
        DType::F32 => clip_grad_of::<f32>(g, x, [min, max]),
        DType::F64 => clip_grad_of::<f64>(g, x, [min, max]),
        other => Err(unsupported("clip_grad", "grad", FLOAT, other)),
    }
}

/// An op of three floats.
macro_rules! ternary {
    ($($name:ident, $struct:ident, $names:expr, $doc:literal,
      |$s:ident, $a:ident, $b:ident, $c:ident| $vector:expr;)*) => {$(
        #[derive(Clone, Copy)]
        struct $struct;

        impl<T: Float> Ternary<T> for $struct {
            #[inline(always)]
            fn apply<S: Simd<T>>(self, $s: S, $a: S::V, $b: S::V, $c: S::V) -> S::V {
                $vector
            }
        }

        #[doc = $doc]
        pub fn $name(a: &Array, b: &Array, c: &Array, out: Option<&Array>) -> Result<Array> {
            path!(concat!("elementwise/", stringify!($name)));
            let (op, names): (&str, [&str; 3]) = (stringify!($name), $names);
            same_dtype(op, names[1], a, b)?;
            same_dtype(op, names[2], a, c)?;
            match a.dtype() {
                DType::F32 => float3::<f32, _>(op, [names[1], names[2]], [a, b, c], out, $struct),
                DType::F64 => float3::<f64, _>(op, [names[1], names[2]], [a, b, c], out, $struct),
                other => Err(unsupported(op, names[0], FLOAT, other)),
            }
        }
    )*};
}

ternary! {
    lerp, Lerp, ["input", "end", "weight"], "`a_i + c_i (b_i − a_i)`, exact at both ends",
        |s, a, b, w| {
            let (one, step) = (s.splat(T::ONE), s.sub(b, a));
            let near = s.lt(s.abs(w), s.splat(T::from_f64(0.5)));
            s.select(near, s.add(a, s.mul(w, step)), s.sub(b, s.mul(step, s.sub(one, w))))
        };
    maximum_grad, MaximumGrad, ["grad", "input", "other"],
        "The gradient of `maximum` for its first operand: `g_i` where `b_i > c_i`, half of it where they are equal.",
        |s, g, x, y| {
            let half = s.select(s.eq(x, y), s.mul(g, s.splat(T::from_f64(0.5))), g);
            s.select(s.lt(x, y), s.zero(), half)
        };
    minimum_grad, MinimumGrad, ["grad", "input", "other"],
        "The gradient of `minimum` for its first operand: `g_i` where `b_i < c_i`, half of it where they are equal.",
        |s, g, x, y| {
            let half = s.select(s.eq(x, y), s.mul(g, s.splat(T::from_f64(0.5))), g);
            s.select(s.lt(y, x), s.zero(), half)
        };
}

#[derive(Clone, Copy)]
struct AddCMul(f64);

impl<T: Float> Ternary<T> for AddCMul {
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, x: S::V, a: S::V, b: S::V) -> S::V {
        s.fma(s.mul(s.splat(T::from_f64(self.0)), a), b, x)
    }
}

/// `x_i + value · a_i · b_i`
pub fn addcmul(x: &Array, a: &Array, b: &Array, value: f64, out: Option<&Array>) -> Result<Array> {
    path!("elementwise/addcmul");
    let names = ["tensor1", "tensor2"];
    same_dtype("addcmul", names[0], x, a)?;
    same_dtype("addcmul", names[1], x, b)?;
    match x.dtype() {
        DType::F32 => float3::<f32, _>("addcmul", names, [x, a, b], out, AddCMul(value)),
        DType::F64 => float3::<f64, _>("addcmul", names, [x, a, b], out, AddCMul(value)),
        other => Err(unsupported("addcmul", "input", FLOAT, other)),
    }
}

#[derive(Clone, Copy)]
struct SignGrad;

impl<T: Float> Binary<T> for SignGrad {
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, g: S::V, x: S::V) -> S::V {
        let zero = s.select(s.lt(s.zero(), x), g, s.zero());
        s.select(s.lt(x, s.zero()), s.neg(g), zero)
    }
}

/// The gradient of `abs`: `g_i sign(x_i)`, 0 at 0.
pub fn abs_grad(g: &Array, x: &Array, out: Option<&Array>) -> Result<Array> {
    path!("elementwise/abs_grad");
    same_dtype("abs_grad", "input", g, x)?;
    match g.dtype() {
        DType::F32 => float2::<f32, _>("abs_grad", g, x, out, SignGrad),
        DType::F64 => float2::<f64, _>("abs_grad", g, x, out, SignGrad),
        other => Err(unsupported("abs_grad", "grad", FLOAT, other)),
    }
}
