//! Conversion between dtypes, C's rules: floats to integers truncate (and saturate), anything to bool is `≠ 0`.

use ferrograd_array::{Array, DType, Element, Result};
use half::{bf16, f16};

use crate::copy::copy_same_size;
use crate::elementwise::{Plain, apply};
use crate::path;

/// A number that `as` converts, by way of the widest type of its kind.
trait Convert: Element {
    fn to_f64(self) -> f64;
    fn to_i64(self) -> i64;
    fn from_f64(x: f64) -> Self;
    fn from_i64(x: i64) -> Self;
    const INTEGRAL: bool;
}

macro_rules! convert {
    ($($t:ty: $integral:literal),*) => {$(
        impl Convert for $t {
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                self as i64
            }
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn from_i64(x: i64) -> Self {
                x as $t
            }
            const INTEGRAL: bool = $integral;
        }
    )*};
}

convert!(u8: true, i32: true, i64: true, f32: false, f64: false);

macro_rules! convert_half {
    ($($t:ty),*) => {$(
        impl Convert for $t {
            #[inline(always)]
            fn to_f64(self) -> f64 {
                <$t>::to_f64(self)
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                <$t>::to_f64(self) as i64
            }
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                <$t>::from_f64(x)
            }
            #[inline(always)]
            fn from_i64(x: i64) -> Self {
                <$t>::from_f64(x as f64)
            }
            const INTEGRAL: bool = false;
        }
    )*};
}

convert_half!(f16, bf16);

/// `a` as another dtype, in the same memory order; a copy even where the dtype is the same.
pub fn cast(a: &Array, dtype: DType) -> Result<Array> {
    let out = Array::empty_like(a, a.shape(), dtype)?;
    copy_into(a, &out);
    Ok(out)
}

/// `out_i = a_i`, converted to the dtype of `out`; `a` is broadcast to the shape of `out`. The memory does not overlap.
pub fn copy_into(a: &Array, out: &Array) {
    if a.dtype() == out.dtype() {
        return copy_same_size(a, out);
    }
    path!("cast");
    macro_rules! from {
        ($t:ty, $read:expr) => {{
            // A boolean is whatever is not zero: NumPy may have written any byte.
            let read = $read;
            match out.dtype() {
                DType::Bool => walk(a, out, move |x: $t| {
                    (if <$t>::INTEGRAL { read(x).to_i64() != 0 } else { x.to_f64() != 0.0 }) as u8
                }),
                DType::U8 => walk(a, out, move |x: $t| convert::<$t, u8>(read(x))),
                DType::I32 => walk(a, out, move |x: $t| convert::<$t, i32>(read(x))),
                DType::I64 => walk(a, out, move |x: $t| convert::<$t, i64>(read(x))),
                DType::F16 => walk(a, out, move |x: $t| convert::<$t, f16>(read(x))),
                DType::BF16 => walk(a, out, move |x: $t| convert::<$t, bf16>(read(x))),
                DType::F32 => walk(a, out, move |x: $t| convert::<$t, f32>(read(x))),
                DType::F64 => walk(a, out, move |x: $t| convert::<$t, f64>(read(x))),
            }
        }};
    }
    match a.dtype() {
        DType::Bool => from!(u8, |x: u8| (x != 0) as u8),
        DType::U8 => from!(u8, |x: u8| x),
        DType::I32 => from!(i32, |x: i32| x),
        DType::I64 => from!(i64, |x: i64| x),
        DType::F16 => from!(f16, |x: f16| x),
        DType::BF16 => from!(bf16, |x: bf16| x),
        DType::F32 => from!(f32, |x: f32| x),
        DType::F64 => from!(f64, |x: f64| x),
    }
}

#[inline(always)]
fn convert<A: Convert, O: Convert>(x: A) -> O {
    // Every float is exact in f64, from where `as` truncates and saturates.
    if A::INTEGRAL { O::from_i64(x.to_i64()) } else { O::from_f64(x.to_f64()) }
}

fn walk<A: Convert, O: Convert>(a: &Array, out: &Array, f: impl Fn(A) -> O + Copy + Send + Sync) {
    apply(Plain::<_, (A, O)>::new(f), [out, a]);
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;

    #[test]
    fn every_pair_of_dtypes() {
        let values = [0.0, 1.0, 2.0, 100.0];
        for from in DType::ALL {
            for to in DType::ALL {
                let a = cast(&cast(&Array::from_slice(&values, &[4]).unwrap(), from).unwrap(), to).unwrap();
                assert_eq!(a.dtype(), to);
                let binary = from == DType::Bool || to == DType::Bool;
                let expected = values.map(|x| if binary && x != 0.0 { 1.0 } else { x });
                assert_eq!(cast(&a, DType::F64).unwrap().to_vec::<f64>(), expected, "{from} to {to}");
            }
        }
    }

    #[test]
    fn the_ends_of_the_ranges() {
        let a = Array::from_slice(&[f32::NAN, f32::INFINITY, -1.9, 300.5, -1e30], &[5]).unwrap();
        assert_eq!(cast(&a, DType::I32).unwrap().to_vec::<i32>(), [0, i32::MAX, -1, 300, i32::MIN]);
        assert_eq!(cast(&a, DType::Bool).unwrap().to_vec::<u8>(), [1; 5]);
        let big = (1i64 << 53) + 1;
        let i = Array::from_slice(&[big, -1, i64::MIN], &[3]).unwrap();
        assert_eq!(cast(&i, DType::I32).unwrap().to_vec::<i32>(), [1, -1, 0]);
        assert_eq!(cast(&i, DType::U8).unwrap().to_vec::<u8>(), [1, 255, 0]);
        // Straight to f32: by way of f64 this one would round twice.
        let twice = Array::from_slice(&[(1i64 << 60) + (1 << 36) + 1], &[1]).unwrap();
        assert_eq!(cast(&twice, DType::F32).unwrap().to_vec::<f32>(), [((1i64 << 60) + (1 << 37)) as f32]);
    }
}
