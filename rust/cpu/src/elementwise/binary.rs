//! Sums, differences, products, quotients, the larger and the smaller of two.

use ferrograd_array::{Array, DType, Result};

use super::{Binary, FLOAT, NUMBER, Plain, float2, map2, same_dtype, unsupported};
use crate::path;
use crate::simd::{Float, Simd};

/// A binary op on floats by vectors and on integers by a plain function; `bool` where it has a meaning.
macro_rules! binary {
    ($name:ident, $struct:ident, $doc:literal, |$s:ident, $a:ident, $b:ident| $vector:expr,
     |$x:ident, $y:ident| $int:expr $(, bool |$p:ident, $q:ident| $bool:expr)?) => {
        #[derive(Clone, Copy)]
        struct $struct;

        impl<T: Float> Binary<T> for $struct {
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
                DType::I64 => {
                    map2(op, a, b, DType::I64, out, Plain::<_, (i64, i64, i64)>::new(|$x: i64, $y: i64| $int))
                }
                DType::I32 => {
                    map2(op, a, b, DType::I32, out, Plain::<_, (i32, i32, i32)>::new(|$x: i32, $y: i32| $int))
                }
                DType::U8 => map2(op, a, b, DType::U8, out, Plain::<_, (u8, u8, u8)>::new(|$x: u8, $y: u8| $int)),
                $(DType::Bool => map2(
                    op,
                    a,
                    b,
                    DType::Bool,
                    out,
                    Plain::<_, (u8, u8, u8)>::new(|$p: u8, $q: u8| ($bool) as u8),
                ),)?
                other => Err(unsupported(op, "input", NUMBER, other)),
            }
        }
    };
}

binary!(
    add,
    Add,
    "`a_i + b_i`; integers wrap, booleans or.",
    |s, a, b| s.add(a, b),
    |x, y| x.wrapping_add(y),
    bool | x,
    y | x | y != 0
);
binary!(sub, Sub, "`a_i − b_i`; integers wrap.", |s, a, b| s.sub(a, b), |x, y| x.wrapping_sub(y));
binary!(
    mul,
    Mul,
    "`a_i · b_i`; integers wrap, booleans and.",
    |s, a, b| s.mul(a, b),
    |x, y| x.wrapping_mul(y),
    bool | x,
    y | (x != 0) & (y != 0)
);
binary!(
    maximum,
    Maximum,
    "The larger of `a_i` and `b_i`; NaN wins.",
    |s, a, b| s.maximum(a, b),
    |x, y| x.max(y),
    bool | x,
    y | x | y != 0
);
binary!(
    minimum,
    Minimum,
    "The smaller of `a_i` and `b_i`; NaN wins.",
    |s, a, b| s.minimum(a, b),
    |x, y| x.min(y),
    bool | x,
    y | (x != 0) & (y != 0)
);

#[derive(Clone, Copy)]
struct Div;

impl<T: Float> Binary<T> for Div {
    const NS: f64 = 0.75;
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, a: S::V, b: S::V) -> S::V {
        s.div(a, b)
    }
}

/// `a_i / b_i`, in floats.
pub fn div(a: &Array, b: &Array, out: Option<&Array>) -> Result<Array> {
    path!("elementwise/div");
    same_dtype("div", "other", a, b)?;
    match a.dtype() {
        DType::F32 => float2::<f32, _>("div", a, b, out, Div),
        DType::F64 => float2::<f64, _>("div", a, b, out, Div),
        other => Err(unsupported("div", "input", FLOAT, other)),
    }
}
