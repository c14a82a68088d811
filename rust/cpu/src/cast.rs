//! Conversion between dtypes, C's rules: floats to integers truncate (and saturate), anything to bool is `≠ 0`.

use ferrograd_array::{Array, DType, Element, Result};
use half::{bf16, f16};

use crate::parallel::SyncPtr;
use crate::path;
use crate::strided::Plan;

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

/// `a` in row-major memory of its own.
pub fn contiguous(a: &Array) -> Result<Array> {
    let out = Array::empty(a.shape(), a.dtype())?;
    copy_into(a, &out);
    Ok(out)
}

/// `out_i = a_i`, converted to the dtype of `out`; `a` is broadcast to the shape of `out`. The memory does not overlap.
pub fn copy_into(a: &Array, out: &Array) {
    path!("cast", parallel);
    let a = &a.view(a.layout().broadcast_to(out.shape()));
    macro_rules! from {
        ($t:ty) => {
            match out.dtype() {
                DType::Bool => walk::<$t, u8>(a, out, |x| {
                    if <$t>::INTEGRAL { (x.to_i64() != 0) as u8 } else { (x.to_f64() != 0.0) as u8 }
                }),
                DType::U8 => walk::<$t, u8>(a, out, convert),
                DType::I32 => walk::<$t, i32>(a, out, convert),
                DType::I64 => walk::<$t, i64>(a, out, convert),
                DType::F16 => walk::<$t, f16>(a, out, convert),
                DType::BF16 => walk::<$t, bf16>(a, out, convert),
                DType::F32 => walk::<$t, f32>(a, out, convert),
                DType::F64 => walk::<$t, f64>(a, out, convert),
            }
        };
    }
    match a.dtype() {
        DType::Bool | DType::U8 => from!(u8),
        DType::I32 => from!(i32),
        DType::I64 => from!(i64),
        DType::F16 => from!(f16),
        DType::BF16 => from!(bf16),
        DType::F32 => from!(f32),
        DType::F64 => from!(f64),
    }
}

#[inline(always)]
fn convert<A: Convert, O: Convert>(x: A) -> O {
    match (A::INTEGRAL, O::INTEGRAL) {
        (true, true) => O::from_i64(x.to_i64()),
        (false, true) => O::from_i64(x.to_i64()),
        _ => O::from_f64(x.to_f64()),
    }
}

fn walk<A: Convert, O: Convert>(a: &Array, out: &Array, f: impl Fn(A) -> O + Sync) {
    let plan = Plan::new([out.layout(), a.layout()]);
    let (src, dst) = (SyncPtr::new(a.ptr_mut::<A>()), SyncPtr::new(out.ptr_mut::<O>()));
    let [so, sa] = plan.inner_strides();
    plan.run(0.5, |[o, i], n| {
        // SAFETY: the plan stays inside both layouts.
        unsafe {
            let (dst, src) = (dst.get().offset(o), src.get().offset(i));
            for j in 0..n as isize {
                *dst.offset(so * j) = f(*src.offset(sa * j));
            }
        }
    });
}
