//! Functions of one operand: elementary functions, signs, roundings, and what kind of number an element is.

use ferrograd_array::{Array, DType, Result};

use super::{FLOAT, NUMBER, Plain, Unary, float1, map1, unsupported};
use crate::activation::Activation;
use crate::simd::{Float, Simd};
use crate::{copy_into, path};

/// A function of floats over vectors; of `$ns` nanoseconds an element.
macro_rules! vector {
    ($name:ident, $struct:ident, $ns:literal, |$s:ident, $x:ident| $vector:expr) => {
        #[derive(Clone, Copy)]
        struct $struct;

        impl<T: Float> Unary<T> for $struct {
            const NS: f64 = $ns;
            #[inline(always)]
            fn apply<S: Simd<T>>(self, $s: S, $x: S::V) -> S::V {
                $vector
            }
        }
    };
}

/// An op on floats only: the binding promotes integers.
macro_rules! float {
    ($($name:ident, $struct:ident, $doc:literal, $ns:literal, |$s:ident, $x:ident| $vector:expr;)*) => {$(
        vector!($name, $struct, $ns, |$s, $x| $vector);

        #[doc = $doc]
        pub fn $name(a: &Array, out: Option<&Array>) -> Result<Array> {
            path!(concat!("elementwise/", stringify!($name)));
            match a.dtype() {
                DType::F32 => float1::<f32, _>(stringify!($name), a, out, $struct),
                DType::F64 => float1::<f64, _>(stringify!($name), a, out, $struct),
                other => Err(unsupported(stringify!($name), "input", FLOAT, other)),
            }
        }
    )*};
}

/// An op on floats and integers; `bool` where it has a meaning.
macro_rules! number {
    ($($name:ident, $struct:ident, $doc:literal, |$s:ident, $x:ident| $vector:expr, |$i:ident| $int:expr, $byte:expr
      $(, bool $bool:expr)?;)*) => {$(
        vector!($name, $struct, 0.5, |$s, $x| $vector);

        #[doc = $doc]
        pub fn $name(a: &Array, out: Option<&Array>) -> Result<Array> {
            path!(concat!("elementwise/", stringify!($name)));
            let op = stringify!($name);
            match a.dtype() {
                DType::F32 => float1::<f32, _>(op, a, out, $struct),
                DType::F64 => float1::<f64, _>(op, a, out, $struct),
                DType::I64 => map1(op, a, DType::I64, out, Plain::<_, (i64, i64)>::new(|$i: i64| $int)),
                DType::I32 => map1(op, a, DType::I32, out, Plain::<_, (i32, i32)>::new(|$i: i32| $int)),
                DType::U8 => map1(op, a, DType::U8, out, Plain::<_, (u8, u8)>::new(|$i: u8| $byte)),
                $(DType::Bool => map1(op, a, DType::Bool, out, Plain::<_, (u8, u8)>::new(|$i: u8| $bool)),)?
                other => Err(unsupported(op, "input", NUMBER, other)),
            }
        }
    )*};
}

float! {
    exp, Exp, "`e^(a_i)`", 1.0, |s, x| T::exp(s, x);
    expm1, Expm1, "`e^(a_i) − 1`, accurate near 0", 1.0, |s, x| T::expm1(s, x);
    log, Log, "The natural logarithm; −∞ at 0, NaN below.", 1.0, |s, x| T::log(s, x);
    log1p, Log1p, "`log(1 + a_i)`, accurate near 0", 1.0, |s, x| T::log1p(s, x);
    sqrt, Sqrt, "`√a_i`", 0.75, |s, x| s.sqrt(x);
    rsqrt, Rsqrt, "`1 / √a_i`", 1.0, |s, x| s.div(s.splat(T::ONE), s.sqrt(x));
    reciprocal, Reciprocal, "`1 / a_i`", 0.75, |s, x| s.div(s.splat(T::ONE), x);
    tanh, Tanh, "`tanh a_i`", 1.0, |s, x| T::tanh(s, x);
    sigmoid, Sigmoid, "`1 / (1 + e^(−a_i))`", 1.0, |s, x| T::sigmoid(s, x);
    erf, Erf, "The error function `2/√π ∫₀^(a_i) e^(−t²) dt`", 1.0, |s, x| T::erf(s, x);
}

number! {
    neg, Neg, "`−a_i`; integers wrap.", |s, x| s.neg(x), |x| x.wrapping_neg(), x.wrapping_neg();
    abs, Abs, "`|a_i|`; integers wrap.", |s, x| s.abs(x), |x| x.wrapping_abs(), x;
    square, Square, "`a_i²`; integers wrap.", |s, x| s.mul(x, x), |x| x.wrapping_mul(x), x.wrapping_mul(x),
        bool (x != 0) as u8;
    sign, Sign, "−1, 0 or 1; 0 for NaN as in PyTorch.",
        |s, x| s.sub(
            s.select(s.lt(s.zero(), x), s.splat(T::ONE), s.zero()),
            s.select(s.lt(x, s.zero()), s.splat(T::ONE), s.zero()),
        ),
        |x| x.signum(), (x != 0) as u8, bool (x != 0) as u8;
    floor, Floor, "The largest whole number not above `a_i`.", |s, x| s.floor(x), |x| x, x;
    ceil, Ceil, "The smallest whole number not below `a_i`.", |s, x| s.neg(s.floor(s.neg(x))), |x| x, x;
    trunc, Trunc, "`a_i` without its fraction.", |s, x| s.copysign(s.floor(s.abs(x)), x), |x| x, x;
    round, Round, "The nearest whole number; of two, the even one.", |s, x| s.round(x), |x| x, x;
    relu, Relu, "`max(a_i, 0)`; NaN stays.", |s, x| Activation::Relu.apply(s, x), |x| x.max(0), x;
}

/// What kind of number an element is; integers are finite.
macro_rules! kind {
    ($($name:ident, $doc:literal, |$x:ident| $kind:expr, $int:literal;)*) => {$(
        #[doc = $doc]
        pub fn $name(a: &Array, out: Option<&Array>) -> Result<Array> {
            path!(concat!("elementwise/", stringify!($name)));
            let op = stringify!($name);
            match a.dtype() {
                DType::F32 => map1(op, a, DType::Bool, out, Plain::<_, (f32, u8)>::new(|$x: f32| $kind as u8)),
                DType::F64 => map1(op, a, DType::Bool, out, Plain::<_, (f64, u8)>::new(|$x: f64| $kind as u8)),
                DType::F16 | DType::BF16 => Err(unsupported(op, "input", FLOAT, a.dtype())),
                DType::Bool | DType::U8 | DType::I32 | DType::I64 => {
                    let result = super::output(op, a.shape(), &[a], DType::Bool, out)?;
                    copy_into(&Array::scalar($int as u8)?, &result);
                    super::deliver(result, out)
                }
            }
        }
    )*};
}

kind! {
    isnan, "`a_i` is not a number", |x| x.is_nan(), false;
    isinf, "`a_i` is ∞ or −∞", |x| x.is_infinite(), false;
    isfinite, "`a_i` is neither infinite nor NaN", |x| x.is_finite(), true;
}

/// The sign bit of `a_i` is set: of −0 and of a negative NaN too.
pub fn signbit(a: &Array, out: Option<&Array>) -> Result<Array> {
    path!("elementwise/signbit");
    macro_rules! on {
        ($t:ty, |$x:ident| $sign:expr) => {
            map1("signbit", a, DType::Bool, out, Plain::<_, ($t, u8)>::new(|$x: $t| $sign as u8))
        };
    }
    match a.dtype() {
        DType::F32 => on!(f32, |x| x.is_sign_negative()),
        DType::F64 => on!(f64, |x| x.is_sign_negative()),
        DType::I64 => on!(i64, |x| (x < 0)),
        DType::I32 => on!(i32, |x| (x < 0)),
        DType::U8 | DType::Bool => on!(u8, |_x| false),
        other => Err(unsupported("signbit", "input", NUMBER, other)),
    }
}
