//! Self-attention on what one projection gives: queries, keys and values of all heads side by side. The heads are read
//! where they stand, and the gradient is written where theirs stand, so that nothing is split, turned or joined.

use ferrograd_array::{Array, Error, Result, Shape};

use super::backward::backward;
use super::forward::forward;
use super::{Attention, Inputs};
use crate::contiguous;
use crate::reduce::by_float;

/// `x` (N, L, 3 · heads · E): rows of the queries of all heads, then the keys, then the values. The mask broadcasts to
/// (N, heads, L, L).
#[derive(Clone, Copy)]
pub struct Packed<'a> {
    pub x: &'a Array,
    pub heads: usize,
    pub mask: Option<&'a Array>,
    pub scale: f64,
    pub causal: bool,
}

/// As [`super::attention`], with the heads' results side by side: (N, L, heads · E). They lie in memory as `x` does, N
/// before L or L before N.
pub fn self_attention(packed: &Packed, save: bool) -> Result<Attention> {
    let [q, k, v] = parts("self_attention", packed.x, packed.heads)?;
    let y = beside(packed.x, 3)?;
    let into = of_heads(&y, packed.heads).permuted(&[0, 2, 1, 3]);
    let into = y.view(into);
    let inputs = Inputs { q: &q, k: &k, v: &v, mask: packed.mask, scale: packed.scale, causal: packed.causal };
    let found = by_float!("self_attention", q, forward(&inputs, save, Some(into)))?;
    Ok(Attention { y, ..found })
}

/// The gradient of `x` from that of the result.
pub fn self_attention_grad(
    g: &Array,
    packed: &Packed,
    y: &Array,
    log_sums: &Array,
    kept: Option<&Array>,
) -> Result<Array> {
    let op = "self_attention_grad";
    let [q, k, v] = parts(op, packed.x, packed.heads)?;
    let (n, length, width) = (packed.x.shape()[0], packed.x.shape()[1], packed.x.shape()[2] / 3);
    let rows = |argument, a: &Array| {
        if a.shape() != [n, length, width] {
            return Err(Error::shape(op, argument, Shape(&[n, length, width]), Shape(a.shape())));
        }
        let a = whole_rows(a)?;
        Ok(a.view(of_heads(&a, packed.heads).permuted(&[0, 2, 1, 3])))
    };
    let (g, y) = (rows("grad", g)?, rows("result", y)?);
    let dx = beside(packed.x, 1)?;
    let into = parts(op, &dx, packed.heads)?;
    let inputs = Inputs { q: &q, k: &k, v: &v, mask: packed.mask, scale: packed.scale, causal: packed.causal };
    by_float!(op, q, backward(&g, &inputs, &y, log_sums, kept, [true; 3], Some(into)))?;
    Ok(dx)
}

/// Queries, keys and values as views (N, heads, L, E); of a copy where the numbers of a row lie apart.
fn parts(op: &str, x: &Array, heads: usize) -> Result<[Array; 3]> {
    if x.ndim() != 3 || heads == 0 || !x.shape()[2].is_multiple_of(3 * heads) {
        let expected = format!("shape (N, L, a multiple of 3 x {heads} heads)");
        return Err(Error::shape(op, "input", expected, Shape(x.shape())));
    }
    let x = whole_rows(x)?;
    let width = x.shape()[2] / 3;
    Ok([0, 1, 2].map(|k| {
        let part = x.view(x.layout().sliced(2, k * width, 1, width));
        part.view(of_heads(&part, heads).permuted(&[0, 2, 1, 3]))
    }))
}

fn whole_rows(x: &Array) -> Result<Array> {
    if x.shape()[2] <= 1 || x.strides()[2] == 1 { Ok(x.clone()) } else { contiguous(x) }
}

/// (N, L, heads · E) as (N, L, heads, E); the numbers of a row lie side by side.
fn of_heads(x: &Array, heads: usize) -> ferrograd_array::Layout {
    let mut layout = x.layout().clone();
    let features = layout.shape[2] / heads;
    layout.shape[2] = heads;
    layout.strides[2] = features as isize;
    layout.shape.push(features);
    layout.strides.push(1);
    layout
}

/// A new array with rows `parts` times shorter than those of `x` (N, L, …), in its order of N and L.
fn beside(x: &Array, parts: usize) -> Result<Array> {
    let &[n, length, width] = x.shape() else { unreachable!("the number of dimensions was checked") };
    if x.strides()[0].unsigned_abs() >= x.strides()[1].unsigned_abs() || n == 1 || length == 1 {
        return Array::empty(&[n, length, width / parts], x.dtype());
    }
    let turned = Array::empty(&[length, n, width / parts], x.dtype())?;
    Ok(turned.view(turned.layout().permuted(&[1, 0, 2])))
}
