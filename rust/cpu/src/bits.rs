//! Moving elements without looking at them: copies and fills between layouts, by the size of an element.

use ferrograd_array::{Array, DType, Element};

use crate::parallel::SyncPtr;
use crate::path;
use crate::strided::Plan;

/// Binds `$t` to a type of the size of `$dtype`'s elements, for moving bits.
macro_rules! by_size {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype.size() {
            1 => {
                type $t = u8;
                $body
            }
            2 => {
                type $t = half::f16;
                $body
            }
            4 => {
                type $t = i32;
                $body
            }
            _ => {
                type $t = i64;
                $body
            }
        }
    };
}
pub(crate) use by_size;

/// The first element, whatever the dtype says; for moving bits.
pub(crate) fn raw<T>(a: &Array) -> *mut T {
    debug_assert_eq!(size_of::<T>(), a.dtype().size());
    a.buffer().as_ptr().cast::<T>().wrapping_add(a.layout().offset)
}

/// `n` elements from one strided row to another.
#[inline(always)]
pub(crate) unsafe fn copy_row<T: Element>(dst: *mut T, so: isize, src: *const T, sa: isize, n: usize) {
    // SAFETY: the caller gives `n` elements at each stride, and rows that do not overlap.
    unsafe {
        if so == 1 && sa == 1 {
            // A call costs more than a short row.
            if n >= 16 {
                std::ptr::copy_nonoverlapping(src, dst, n);
            } else {
                for j in 0..n {
                    *dst.add(j) = *src.add(j);
                }
            }
        } else {
            for j in 0..n as isize {
                *dst.offset(so * j) = *src.offset(sa * j);
            }
        }
    }
}

/// `out_i = a_i` for two arrays of one shape and dtype that do not overlap.
pub(crate) fn copy_into(a: &Array, out: &Array) {
    path!("bits/copy", parallel);
    debug_assert!(a.shape() == out.shape() && a.dtype() == out.dtype());
    let plan = Plan::new([out.layout(), a.layout()]);
    let [so, sa] = plan.inner_strides();
    by_size!(a.dtype(), T => {
        let (src, dst) = (SyncPtr::new(raw::<T>(a)), SyncPtr::new(raw::<T>(out)));
        plan.run(0.5, |[o, i], n| {
            // SAFETY: the plan stays inside both layouts, whose extents were checked when the arrays were made.
            unsafe { copy_row(dst.get().offset(o), so, src.get().offset(i), sa, n) }
        });
    });
}

/// A copy in dense memory of its own, in the memory order of `a`.
pub(crate) fn duplicate(a: &Array) -> ferrograd_array::Result<Array> {
    let out = Array::empty_like(a, a.shape(), a.dtype())?;
    copy_into(a, &out);
    Ok(out)
}

/// `a` itself where it is row-major and dense, else a copy that is.
pub(crate) fn contiguous(a: &Array) -> ferrograd_array::Result<Array> {
    if a.is_contiguous() {
        return Ok(a.clone());
    }
    let out = Array::empty(a.shape(), a.dtype())?;
    copy_into(a, &out);
    Ok(out)
}

/// The bits of a number as an element of `dtype`, in the low bytes. Integers truncate, `bool` is `≠ 0`.
pub(crate) fn bits_of(value: f64, dtype: DType) -> i64 {
    match dtype {
        DType::Bool => (value != 0.0) as i64,
        DType::U8 => value as u8 as i64,
        DType::I32 => value as i32 as i64,
        DType::I64 => value as i64,
        DType::F16 => half::f16::from_f64(value).to_bits() as i64,
        DType::BF16 => half::bf16::from_f64(value).to_bits() as i64,
        DType::F32 => (value as f32).to_bits() as i64,
        DType::F64 => value.to_bits() as i64,
    }
}

/// Sets every element to the same bits.
pub(crate) fn fill_bits(out: &Array, bits: i64) {
    path!("bits/fill", parallel);
    let plan = Plan::new([out.layout()]);
    let [so] = plan.inner_strides();
    macro_rules! fill {
        ($t:ty, $value:expr) => {{
            let (dst, value) = (SyncPtr::new(raw::<$t>(out)), $value);
            plan.run(0.25, |[o], n| {
                // SAFETY: the plan stays inside the layout.
                unsafe {
                    let dst = dst.get().offset(o);
                    for j in 0..n as isize {
                        *dst.offset(so * j) = value;
                    }
                }
            });
        }};
    }
    match out.dtype().size() {
        1 => fill!(u8, bits as u8),
        2 => fill!(u16, bits as u16),
        4 => fill!(u32, bits as u32),
        _ => fill!(i64, bits),
    }
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;

    #[test]
    fn copies_and_fills_follow_the_layout() {
        for dtype in DType::ALL {
            let a = Array::empty(&[3, 5, 7], dtype).unwrap();
            fill_bits(&a, bits_of(1.0, dtype));
            let inner = a.view(a.layout().sliced(2, 6, -2, 3).sliced(0, 1, 1, 1));
            fill_bits(&inner, bits_of(0.0, dtype));
            let b = Array::empty(&[7, 5, 3], dtype).unwrap();
            let turned = b.view(b.layout().permuted(&[2, 1, 0]));
            copy_into(&a, &turned);
            by_size!(dtype, T => {
                let one: T = one_of(dtype);
                for (i, j, k) in (0..105).map(|l| (l / 35, l / 7 % 5, l % 7)) {
                    // SAFETY: inside the shape.
                    let got = unsafe { *raw::<T>(&b).add(k * 15 + j * 3 + i) };
                    assert_eq!(got == one, !(i == 1 && [6, 4, 2].contains(&k)), "{dtype} {i} {j} {k}");
                }
            });
        }
    }

    fn one_of<T: Element>(dtype: DType) -> T {
        let bits = bits_of(1.0, dtype).to_le_bytes();
        // SAFETY: eight bytes hold every element.
        unsafe { bits.as_ptr().cast::<T>().read_unaligned() }
    }
}
