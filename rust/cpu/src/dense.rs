//! Arrays whose elements fill one block of memory, in any order of the dimensions: seen from one dimension they are
//! three numbers, `(outer, n, inner)`, and a kernel over that dimension needs no strides.

use ferrograd_array::{Array, Element, Error, Layout, Result, Shape};

use crate::cache::LINE;
use crate::{copy_into, simd};

/// `a` itself where it is dense, else a dense copy in the same memory order.
pub fn dense(a: &Array) -> Result<Array> {
    if a.layout().is_dense() {
        return Ok(a.clone());
    }
    let out = Array::empty_like(a, a.shape(), a.dtype())?;
    copy_into(a, &out);
    Ok(out)
}

/// `a` itself where it lies as `layout` does, else a copy that does; the shapes are equal, `layout` is dense.
pub fn arranged(a: &Array, layout: &Layout) -> Result<Array> {
    debug_assert_eq!(a.shape(), layout.shape.as_slice());
    let same = (0..a.ndim()).all(|k| a.shape()[k] == 1 || a.strides()[k] == layout.strides[k]);
    if same {
        return Ok(a.clone());
    }
    let out = Array::with_layout(Layout { offset: 0, ..layout.clone() }, a.dtype())?;
    copy_into(a, &out);
    Ok(out)
}

/// [`arranged`] for an operand that must have the shape of another.
pub fn alike(op: &str, argument: &str, a: &Array, like: &Array) -> Result<Array> {
    if a.shape() != like.shape() {
        return Err(Error::shape(op, argument, format_args!("shape {}", Shape(like.shape())), Shape(a.shape())));
    }
    if a.dtype() != like.dtype() {
        return Err(Error::dtype(op, argument, like.dtype(), a.dtype()));
    }
    arranged(a, like.layout())
}

/// Whether an array that is written in rows of `n` elements goes past the caches, in whole lines.
pub fn streams_rows<T: Element>(out: &Array, n: usize) -> bool {
    let line = |bytes: usize| bytes.is_multiple_of(LINE);
    simd::streams(out.numel() * size_of::<T>()) && line(n * size_of::<T>()) && line(out.ptr::<T>().addr())
}

/// A dense array seen from dimension `dim`: element `(o, i, j)` of `(outer, n, inner)` is at `(o · n + i) · inner + j`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Around {
    pub outer: usize,
    pub n: usize,
    pub inner: usize,
}

impl Around {
    pub fn new(layout: &Layout, dim: usize) -> Self {
        debug_assert!(layout.is_dense());
        let numel = layout.numel();
        let n = layout.shape.get(dim).copied().unwrap_or(1);
        // The stride of a dimension of size 1 says nothing, and every element is a row of its own.
        if numel == 0 || n == 1 {
            return Self { outer: numel, n, inner: 1 };
        }
        let inner = layout.strides[dim] as usize;
        Self { outer: numel / (n * inner), n, inner }
    }
}

/// The dense layout of what remains of a dense array when dimension `dim` is gone: its elements are numbered
/// `o · inner + j`.
pub fn without(layout: &Layout, dim: usize) -> Layout {
    let mut step = 1isize;
    let mut out = Layout::contiguous(&layout.shape);
    for &k in layout.memory_order().iter().rev() {
        out.strides[k] = step;
        if k != dim {
            step *= layout.shape[k].max(1) as isize;
        }
    }
    let kept: Vec<usize> = (0..layout.ndim()).filter(|&k| k != dim).collect();
    out.permuted(&kept)
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;
    use ferrograd_array::DType;

    #[test]
    fn three_numbers_find_every_element() {
        let shape = [2, 3, 4, 5];
        for order in [[0, 1, 2, 3], [0, 2, 3, 1], [3, 2, 1, 0], [1, 0, 3, 2]] {
            let sizes: Vec<usize> = order.iter().map(|&k| shape[k]).collect();
            let back: Vec<usize> = (0..4).map(|k| order.iter().position(|&j| j == k).unwrap()).collect();
            let layout = Layout::contiguous(&sizes).permuted(&back);
            for dim in 0..4 {
                let Around { outer, n, inner } = Around::new(&layout, dim);
                assert_eq!(outer * n * inner, 120);
                let rest = without(&layout, dim);
                for o in 0..outer {
                    for j in 0..inner {
                        let at = (o * n * inner + j) as isize;
                        // The position of (o, j) in what remains is the number o · inner + j.
                        let index: Vec<usize> = (0..4)
                            .map(|k| (at / layout.strides[k]) as usize % shape[k])
                            .enumerate()
                            .filter(|&(k, _)| k != dim)
                            .map(|(_, i)| i)
                            .collect();
                        let number: isize = index.iter().zip(&rest.strides).map(|(&i, &s)| i as isize * s).sum();
                        assert_eq!(number as usize, o * inner + j);
                    }
                }
            }
        }
    }

    #[test]
    fn copies_only_where_needed() {
        let a = Array::from_slice(&[1f32, 2., 3., 4., 5., 6.], &[2, 3]).unwrap();
        let t = a.view(a.layout().permuted(&[1, 0]));
        assert_eq!(dense(&t).unwrap().ptr::<f32>(), a.ptr::<f32>());
        let row_major = Array::empty(&[3, 2], DType::F32).unwrap();
        let copy = alike("op", "g", &t, &row_major).unwrap();
        assert!(copy.is_contiguous() && copy.to_vec::<f32>() == [1., 4., 2., 5., 3., 6.]);
        assert!(matches!(alike("op", "g", &a, &row_major), Err(Error::Shape(_))));
    }
}
