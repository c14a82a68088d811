//! Comparisons, logic and bits: results are `bool` (or integers, for the bitwise ones). The loops have no vectors of
//! their own; the compiler makes them.

use ferrograd_array::{Array, DType, Result};

use super::{Plain, map1, map2, same_dtype, unsupported};
use crate::path;

const COMPARABLE: &str = "bool, an integer dtype, float32 or float64";
const BITS: &str = "bool or an integer dtype";

/// A relation of two operands of any dtype; `$bool` is the relation of `x != 0` and `y != 0`.
macro_rules! relation {
    ($($name:ident, $doc:literal, |$x:ident, $y:ident| $relation:expr;)*) => {$(
        #[doc = $doc]
        pub fn $name(a: &Array, b: &Array, out: Option<&Array>) -> Result<Array> {
            path!(concat!("elementwise/", stringify!($name)));
            let op = stringify!($name);
            same_dtype(op, "other", a, b)?;
            macro_rules! on {
                ($t:ty) => {
                    map2(op, a, b, DType::Bool, out, Plain::<_, ($t, $t, u8)>::new(|$x: $t, $y: $t| ($relation) as u8))
                };
            }
            match a.dtype() {
                DType::Bool => map2(op, a, b, DType::Bool, out, Plain::<_, (u8, u8, u8)>::new(|x: u8, y: u8| {
                    let ($x, $y) = ((x != 0) as u8, (y != 0) as u8);
                    ($relation) as u8
                })),
                DType::U8 => on!(u8),
                DType::I32 => on!(i32),
                DType::I64 => on!(i64),
                DType::F32 => on!(f32),
                DType::F64 => on!(f64),
                other => Err(unsupported(op, "input", COMPARABLE, other)),
            }
        }
    )*};
}

/// Zero of any element type.
trait Zero {
    const ZERO: Self;
}

macro_rules! zero {
    ($($t:ty),*) => {$(
        impl Zero for $t {
            const ZERO: Self = 0 as $t;
        }
    )*};
}

zero!(u8, i32, i64, f32, f64);

/// An element is true where it is not zero; NaN is true.
#[inline(always)]
fn truth<T: Zero + PartialEq>(x: T) -> bool {
    x != T::ZERO
}

relation! {
    eq, "`a_i = b_i`", |x, y| x == y;
    ne, "`a_i ≠ b_i`", |x, y| x != y;
    lt, "`a_i < b_i`", |x, y| x < y;
    le, "`a_i ≤ b_i`", |x, y| x <= y;
    gt, "`a_i > b_i`", |x, y| x > y;
    ge, "`a_i ≥ b_i`", |x, y| x >= y;
    logical_and, "`a_i ≠ 0 and b_i ≠ 0`", |x, y| truth(x) & truth(y);
    logical_or, "`a_i ≠ 0 or b_i ≠ 0`", |x, y| truth(x) | truth(y);
    logical_xor, "`a_i ≠ 0` or `b_i ≠ 0`, not both", |x, y| truth(x) ^ truth(y);
}

/// `a_i = 0`
pub fn logical_not(a: &Array, out: Option<&Array>) -> Result<Array> {
    path!("elementwise/logical_not");
    macro_rules! on {
        ($t:ty) => {
            map1("logical_not", a, DType::Bool, out, Plain::<_, ($t, u8)>::new(|x: $t| !truth(x) as u8))
        };
    }
    match a.dtype() {
        DType::Bool | DType::U8 => on!(u8),
        DType::I32 => on!(i32),
        DType::I64 => on!(i64),
        DType::F32 => on!(f32),
        DType::F64 => on!(f64),
        other => Err(unsupported("logical_not", "input", COMPARABLE, other)),
    }
}

macro_rules! bitwise {
    ($($name:ident, $doc:literal, |$x:ident, $y:ident| $bits:expr;)*) => {$(
        #[doc = $doc]
        pub fn $name(a: &Array, b: &Array, out: Option<&Array>) -> Result<Array> {
            path!(concat!("elementwise/", stringify!($name)));
            let op = stringify!($name);
            same_dtype(op, "other", a, b)?;
            macro_rules! on {
                ($t:ty) => {
                    map2(op, a, b, a.dtype(), out, Plain::<_, ($t, $t, $t)>::new(|$x: $t, $y: $t| $bits))
                };
            }
            match a.dtype() {
                DType::Bool => map2(op, a, b, DType::Bool, out, Plain::<_, (u8, u8, u8)>::new(|x: u8, y: u8| {
                    let ($x, $y) = ((x != 0) as u8, (y != 0) as u8);
                    $bits
                })),
                DType::U8 => on!(u8),
                DType::I32 => on!(i32),
                DType::I64 => on!(i64),
                other => Err(unsupported(op, "input", BITS, other)),
            }
        }
    )*};
}

bitwise! {
    bitwise_and, "The bits that are set in both; of booleans, and.", |x, y| x & y;
    bitwise_or, "The bits that are set in either; of booleans, or.", |x, y| x | y;
    bitwise_xor, "The bits that are set in one of the two; of booleans, exclusive or.", |x, y| x ^ y;
}

/// The bits that are not set; of booleans, not.
pub fn bitwise_not(a: &Array, out: Option<&Array>) -> Result<Array> {
    path!("elementwise/bitwise_not");
    macro_rules! on {
        ($t:ty, |$x:ident| $bits:expr) => {
            map1("bitwise_not", a, a.dtype(), out, Plain::<_, ($t, $t)>::new(|$x: $t| $bits))
        };
    }
    match a.dtype() {
        DType::Bool => on!(u8, |x| (x == 0) as u8),
        DType::U8 => on!(u8, |x| !x),
        DType::I32 => on!(i32, |x| !x),
        DType::I64 => on!(i64, |x| !x),
        other => Err(unsupported("bitwise_not", "input", BITS, other)),
    }
}
