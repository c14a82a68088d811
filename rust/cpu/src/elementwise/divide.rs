//! Division with a whole quotient: by Python's rule, where the remainder has the sign of the divisor, and by C's.

use ferrograd_array::{Array, DType, Element, Error, Result, broadcast_shapes};

use super::{NUMBER, Plain, any, map2, same_dtype, unsupported};
use crate::path;

macro_rules! float {
    ($floor_divide:ident, $remainder:ident, $t:ty) => {
        /// `fmod`, moved by one divisor where the signs differ: what Python and NumPy do.
        #[inline(always)]
        fn $remainder(a: $t, b: $t) -> $t {
            let rest = a % b;
            if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
        }

        #[inline(always)]
        fn $floor_divide(a: $t, b: $t) -> $t {
            if b == 0.0 {
                return a / b;
            }
            let rest = a % b;
            let mut quotient = (a - rest) / b;
            if rest != 0.0 && (rest < 0.0) != (b < 0.0) {
                quotient -= 1.0;
            }
            if quotient == 0.0 {
                return (0.0 as $t).copysign(a / b);
            }
            // The quotient is whole but for its rounding.
            let whole = quotient.floor();
            if quotient - whole > 0.5 { whole + 1.0 } else { whole }
        }
    };
}

float!(floor_divide_f32, remainder_f32, f32);
float!(floor_divide_f64, remainder_f64, f64);

/// Integer division by zero is an error, before anything is written.
fn check<T: Element>(op: &str, a: &Array, b: &Array, zero: T) -> Result<()> {
    let empty = broadcast_shapes(op, "other", a.shape(), b.shape())?.contains(&0);
    if !empty && any(b, move |x: T| x == zero) {
        return Err(Error::ZeroDivision(format!("{op}: other: ZeroDivisionError: integer division by zero")));
    }
    Ok(())
}

macro_rules! division {
    ($name:ident, $doc:literal, $f32:expr, $f64:expr, |$x:ident, $y:ident| $int:expr, |$p:ident, $q:ident| $byte:expr) => {
        #[doc = $doc]
        pub fn $name(a: &Array, b: &Array, out: Option<&Array>) -> Result<Array> {
            path!(concat!("elementwise/", stringify!($name)));
            let op = stringify!($name);
            same_dtype(op, "other", a, b)?;
            macro_rules! on {
                ($t:ty, $f:expr) => {
                    map2(op, a, b, a.dtype(), out, Plain::<_, ($t, $t, $t)>::new($f))
                };
            }
            // A zero that another thread writes after the check gives zero: no trap.
            match a.dtype() {
                DType::F32 => on!(f32, $f32),
                DType::F64 => on!(f64, $f64),
                DType::I64 => {
                    check(op, a, b, 0i64)?;
                    on!(i64, |$x: i64, $y: i64| if $y == 0 { 0 } else { $int })
                }
                DType::I32 => {
                    check(op, a, b, 0i32)?;
                    on!(i32, |$x: i32, $y: i32| if $y == 0 { 0 } else { $int })
                }
                DType::U8 => {
                    check(op, a, b, 0u8)?;
                    on!(u8, |$p: u8, $q: u8| if $q == 0 { 0 } else { $byte })
                }
                other => Err(unsupported(op, "input", NUMBER, other)),
            }
        }
    };
}

division!(
    floor_divide,
    "`⌊a_i / b_i⌋`; of integers, an error where a divisor is 0.",
    floor_divide_f32,
    floor_divide_f64,
    |x, y| {
        let quotient = x.wrapping_div(y);
        let rest = x.wrapping_rem(y);
        if rest != 0 && (rest < 0) != (y < 0) { quotient.wrapping_sub(1) } else { quotient }
    },
    |x, y| x / y
);
division!(
    remainder,
    "`a_i − b_i ⌊a_i / b_i⌋`; of integers, an error where a divisor is 0.",
    remainder_f32,
    remainder_f64,
    |x, y| {
        let rest = x.wrapping_rem(y);
        if rest != 0 && (rest < 0) != (y < 0) { rest + y } else { rest }
    },
    |x, y| x % y
);
division!(
    fmod,
    "`a_i − b_i trunc(a_i / b_i)`, of the sign of `a_i`; of integers, an error where a divisor is 0.",
    |x: f32, y: f32| x % y,
    |x: f64, y: f64| x % y,
    |x, y| x.wrapping_rem(y),
    |x, y| x % y
);
