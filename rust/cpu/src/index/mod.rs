//! Reading and writing at computed places: gather and scatter along a dimension, advanced indexing by integer arrays
//! and masks, embedding.
//!
//! Another Python thread may change an index array while a kernel runs. Each index is therefore read once, and that
//! one value is checked and used; or offsets are computed into memory of the kernel's own first.

mod advanced;
mod embedding;
mod gather;

pub use advanced::{index_get, index_get_grad, index_put, nonzero};
pub use embedding::{embedding, embedding_grad};
pub use gather::{gather, scatter, scatter_add};

use std::sync::Mutex;

use ferrograd_array::{Array, DType, Element, Error, Result};

/// An integer that can be an index.
pub(crate) trait IndexInt: Element {
    fn wide(self) -> i64;
}

impl IndexInt for i32 {
    #[inline(always)]
    fn wide(self) -> i64 {
        self as i64
    }
}

impl IndexInt for i64 {
    #[inline(always)]
    fn wide(self) -> i64 {
        self
    }
}

/// Reads an index once, whatever other threads do to it.
///
/// # Safety
/// `p` is readable and aligned.
#[inline(always)]
pub(crate) unsafe fn read_index<I: IndexInt>(p: *const I) -> i64 {
    // SAFETY: the caller's. A volatile read is neither repeated nor split by the compiler.
    unsafe { p.read_volatile() }.wide()
}

/// The place an index means in a dimension of `size`, negative ones counted from the end; `None` out of range.
#[inline(always)]
pub(crate) fn wrap(index: i64, size: usize) -> Option<usize> {
    let at = if index < 0 { index.wrapping_add(size as i64) } else { index };
    ((at as u64) < size as u64).then_some(at as usize)
}

/// The first bad index that any block has met, in the order of the index array.
pub(crate) struct Bad(Mutex<Option<(isize, i64)>>);

impl Bad {
    pub fn new() -> Self {
        Self(Mutex::new(None))
    }

    #[cold]
    pub fn note(&self, position: isize, index: i64) {
        let mut first = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if first.is_none_or(|(p, _)| position < p) {
            *first = Some((position, index));
        }
    }

    pub fn check(self, op: &str, argument: &str, dim: usize, size: usize) -> Result<()> {
        match self.0.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            None => Ok(()),
            Some((_, index)) => Err(out_of_range(op, argument, index, dim, size)),
        }
    }
}

pub(crate) fn out_of_range(op: &str, argument: &str, index: i64, dim: usize, size: usize) -> Error {
    Error::Index(format!("{op}: {argument}: index {index} is out of bounds for dimension {dim} with size {size}"))
}

/// A dimension as Python counts it, negative ones from the end; a 0-d array has one dimension to speak of.
pub(crate) fn dimension(op: &str, dim: isize, ndim: usize) -> Result<usize> {
    let n = ndim.max(1) as isize;
    let at = if dim < 0 { dim + n } else { dim };
    if (0..n).contains(&at) {
        return Ok(at as usize);
    }
    Err(Error::index(op, "dim", format_args!("a dimension from {} to {}", -n, n - 1), dim))
}

/// Whether an array can be an index along one dimension: gather, scatter, embedding.
fn check_index_dtype(op: &str, index: &Array) -> Result<()> {
    match index.dtype() {
        DType::I32 | DType::I64 => Ok(()),
        other => Err(Error::dtype(op, "index", "int64 or int32 (cast it with .long())", other)),
    }
}

/// Binds `$i` to the element type of an index array.
macro_rules! by_index {
    ($index:expr, $i:ident => $body:expr) => {
        if $index.dtype() == ferrograd_array::DType::I32 {
            type $i = i32;
            $body
        } else {
            type $i = i64;
            $body
        }
    };
}
pub(crate) use by_index;

/// A number that can be added up where several land on one place; integers wrap.
pub(crate) trait Accumulate: Element {
    fn plus(self, other: Self) -> Self;
}

macro_rules! accumulate {
    ($($t:ty: |$a:ident, $b:ident| $sum:expr),*) => {$(
        impl Accumulate for $t {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                let ($a, $b) = (self, other);
                $sum
            }
        }
    )*};
}

accumulate!(u8: |a, b| a.wrapping_add(b), i32: |a, b| a.wrapping_add(b), i64: |a, b| a.wrapping_add(b),
            f32: |a, b| a + b, f64: |a, b| a + b);

/// Binds `$t` to the element type of a dtype that can be added up, or returns a dtype error.
macro_rules! by_number {
    ($op:expr, $argument:expr, $dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            ferrograd_array::DType::U8 => {
                type $t = u8;
                $body
            }
            ferrograd_array::DType::I32 => {
                type $t = i32;
                $body
            }
            ferrograd_array::DType::I64 => {
                type $t = i64;
                $body
            }
            ferrograd_array::DType::F32 => {
                type $t = f32;
                $body
            }
            ferrograd_array::DType::F64 => {
                type $t = f64;
                $body
            }
            other => {
                return Err(ferrograd_array::Error::dtype(
                    $op,
                    $argument,
                    "a dtype that can be added up: float32, float64 or an integer (cast it)",
                    other,
                ))
            }
        }
    };
}
pub(crate) use by_number;

#[cfg(feature = "testing")]
mod tests;
