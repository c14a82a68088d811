//! Arrays set side by side: concatenation, stacking, padding with a constant.

use ferrograd_array::{Array, Dims, Error, Layout, Result, Shape, checked_numel};

use crate::bits::{bits_of, copy_into, fill_bits};
use crate::index::dimension;

/// `[a; b; …]` along `dim`; all other sizes agree.
pub fn concatenate(arrays: &[&Array], dim: isize) -> Result<Array> {
    let op = "concatenate";
    let Some(&first) = arrays.first() else {
        return Err(Error::value(op, "tensors", "at least one array", 0));
    };
    if first.ndim() == 0 {
        return Err(Error::shape(op, "tensors[0]", "an array of one dimension or more (stack joins 0-d arrays)", "()"));
    }
    let dim = dimension(op, dim, first.ndim())?;
    let mut shape = Dims::from_slice(first.shape());
    shape[dim] = 0;
    for (k, a) in arrays.iter().enumerate() {
        let argument = || format!("tensors[{k}]");
        if a.dtype() != first.dtype() {
            return Err(Error::dtype(op, &argument(), first.dtype(), a.dtype()));
        }
        let fits = a.ndim() == first.ndim() && (0..a.ndim()).all(|d| d == dim || a.shape()[d] == first.shape()[d]);
        if !fits {
            return Err(Error::shape(
                op,
                &argument(),
                format_args!("the shape of tensors[0], {}, in all dimensions but {dim}", Shape(first.shape())),
                Shape(a.shape()),
            ));
        }
        shape[dim] = shape[dim].checked_add(a.shape()[dim]).ok_or_else(|| too_large(op))?;
    }
    let out = Array::empty_like(first, &shape, first.dtype())?;
    let mut at = 0;
    for a in arrays {
        let part = out.view(out.layout().sliced(dim, at, 1, a.shape()[dim]));
        copy_into(a, &part);
        at += a.shape()[dim];
    }
    Ok(out)
}

/// `out[…, i, …] = arrays[i][…]` with a new dimension at `dim`; all shapes agree.
pub fn stack(arrays: &[&Array], dim: isize) -> Result<Array> {
    let op = "stack";
    let Some(&first) = arrays.first() else {
        return Err(Error::value(op, "tensors", "at least one array", 0));
    };
    let dim = dimension(op, dim, first.ndim() + 1)?;
    for (k, a) in arrays.iter().enumerate() {
        let argument = format!("tensors[{k}]");
        if a.shape() != first.shape() {
            let expected = format!("the shape of tensors[0], {}", Shape(first.shape()));
            return Err(Error::shape(op, &argument, expected, Shape(a.shape())));
        }
        if a.dtype() != first.dtype() {
            return Err(Error::dtype(op, &argument, first.dtype(), a.dtype()));
        }
    }
    let mut shape = Dims::from_slice(first.shape());
    shape.insert(dim, arrays.len());
    let out = Array::empty(&shape, first.dtype())?;
    for (k, a) in arrays.iter().enumerate() {
        let mut part = out.layout().sliced(dim, k, 1, 1);
        part.shape.remove(dim);
        part.strides.remove(dim);
        copy_into(a, &out.view(part));
    }
    Ok(out)
}

fn too_large(op: &str) -> Error {
    Error::Memory(format!("{op}: the result has more elements than can be addressed"))
}

/// `x` with `(before, after)` elements of `value` added to each dimension; negative numbers take elements away.
pub fn pad(x: &Array, padding: &[(isize, isize)], value: f64) -> Result<Array> {
    let op = "pad";
    if padding.len() != x.ndim() {
        return Err(Error::shape(
            op,
            "padding",
            format_args!("a pair for each of {} dimensions", x.ndim()),
            padding.len(),
        ));
    }
    let (mut shape, mut inner) = (Dims::new(), x.layout().clone());
    for (k, &(before, after)) in padding.iter().enumerate() {
        let size = x.shape()[k];
        let wanted = (size as i128) + before as i128 + after as i128;
        if wanted < 0 {
            return Err(Error::shape(
                op,
                "padding",
                format_args!("at most the size {size} taken away from dimension {k}"),
                format_args!("({before}, {after})"),
            ));
        }
        shape.push(usize::try_from(wanted).map_err(|_| too_large(op))?);
        // What is left of the input in this dimension.
        let from = before.min(0).unsigned_abs().min(size);
        let to = size.saturating_sub(after.min(0).unsigned_abs()).max(from);
        inner = inner.sliced(k, from, 1, to - from);
    }
    checked_numel(&shape)?;
    let out = Array::empty_like(x, &shape, x.dtype())?;
    if out.numel() == 0 {
        return Ok(out);
    }
    let bits = bits_of(value, x.dtype());
    // Slabs before and after the input, dimension by dimension; each place is written once.
    let mut middle: Layout = out.layout().clone();
    for (k, &(before, _)) in padding.iter().enumerate() {
        // Where the input begins, unless more than all of it was taken away at the other end.
        let start = (before.max(0) as usize).min(shape[k]);
        let end = (start + inner.shape[k]).min(shape[k]);
        fill_bits(&out.view(middle.sliced(k, 0, 1, start)), bits);
        fill_bits(&out.view(middle.sliced(k, end, 1, shape[k] - end)), bits);
        middle = middle.sliced(k, start, 1, end - start);
    }
    if middle.numel() > 0 {
        copy_into(&x.view(inner), &out.view(middle));
    }
    Ok(out)
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;
    use ferrograd_array::DType;

    fn ramp(shape: &[usize], start: f32) -> Array {
        let n = shape.iter().product::<usize>();
        Array::from_slice(&(0..n).map(|i| start + i as f32).collect::<Vec<_>>(), shape).unwrap()
    }

    fn index_of(shape: &[usize], mut linear: usize) -> Vec<usize> {
        let mut index = vec![0; shape.len()];
        for k in (0..shape.len()).rev() {
            index[k] = linear % shape[k];
            linear /= shape[k];
        }
        index
    }

    #[test]
    fn concatenation_of_any_layout() {
        for dim in [0isize, 1, 2, -1] {
            let d = dim.rem_euclid(3) as usize;
            let parts: Vec<Array> = [3usize, 0, 1, 40]
                .iter()
                .enumerate()
                .map(|(k, &n)| {
                    let mut shape = [4, 5, 30];
                    shape[d] = n;
                    let a = ramp(&[shape[2], shape[1], shape[0]], 1000.0 * k as f32);
                    if k == 0 { a.view(a.layout().permuted(&[2, 1, 0])) } else { ramp(&shape, 1000.0 * k as f32) }
                })
                .collect();
            let out = concatenate(&parts.iter().collect::<Vec<_>>(), dim).unwrap();
            let got = out.to_vec::<f32>();
            for (l, &value) in got.iter().enumerate() {
                let mut index = index_of(out.shape(), l);
                let part = parts
                    .iter()
                    .find(|p| {
                        let inside = index[d] < p.shape()[d];
                        if !inside {
                            index[d] -= p.shape()[d];
                        }
                        inside
                    })
                    .unwrap();
                let linear = index.iter().zip(part.shape()).fold(0, |l, (&i, &s)| l * s + i);
                assert_eq!(value, part.to_vec::<f32>()[linear]);
            }
        }
        let channels_last = ramp(&[2, 4, 4, 3], 0.0);
        let channels_last = channels_last.view(channels_last.layout().permuted(&[0, 3, 1, 2]));
        let out = concatenate(&[&channels_last, &channels_last], 1).unwrap();
        assert_eq!(out.strides()[1], 1, "the memory order of the first stays");
        let message = concatenate(&[&ramp(&[2, 3], 0.), &ramp(&[2], 0.)], 0).unwrap_err().to_string();
        assert_eq!(
            message,
            "concatenate: tensors[1]: expected the shape of tensors[0], (2, 3), in all dimensions but 0, got (2,)"
        );
        assert!(matches!(concatenate(&[], 0), Err(Error::Value(_))));
        assert!(matches!(concatenate(&[&ramp(&[2], 0.)], 1), Err(Error::Index(_))));
        assert!(matches!(concatenate(&[&ramp(&[], 0.)], 0), Err(Error::Shape(_))));
        let ints = Array::from_slice(&[1i64, 2], &[2]).unwrap();
        assert!(matches!(concatenate(&[&ramp(&[2], 0.), &ints], 0), Err(Error::DType(_))));
    }

    #[test]
    fn stacking_makes_a_dimension() {
        let (a, b) = (ramp(&[2, 3], 0.0), ramp(&[2, 3], 10.0));
        let stacked = |dim| stack(&[&a, &b], dim).unwrap();
        assert_eq!(stacked(0).to_vec::<f32>(), [0., 1., 2., 3., 4., 5., 10., 11., 12., 13., 14., 15.]);
        assert_eq!(stacked(1).to_vec::<f32>(), [0., 1., 2., 10., 11., 12., 3., 4., 5., 13., 14., 15.]);
        assert_eq!(stacked(-1).to_vec::<f32>(), [0., 10., 1., 11., 2., 12., 3., 13., 4., 14., 5., 15.]);
        assert_eq!(stack(&[&ramp(&[], 1.), &ramp(&[], 2.)], 0).unwrap().to_vec::<f32>(), [1., 2.]);
        assert_eq!(stack(&[&ramp(&[0, 3], 1.)], 1).unwrap().shape(), [0, 1, 3]);
        assert!(matches!(stack(&[&a, &ramp(&[3, 2], 0.)], 0), Err(Error::Shape(_))));
        assert!(matches!(stack(&[&a], 3), Err(Error::Index(_))));
    }

    #[test]
    fn padding_adds_and_takes_away() {
        let base = ramp(&[5, 4, 3], 1.0);
        let turned = base.view(base.layout().permuted(&[2, 1, 0]));
        for x in [ramp(&[3, 4, 5], 1.0), turned] {
            for padding in [
                [(0, 0), (1, 2), (3, 0)],
                [(2, 1), (-1, 0), (0, -2)],
                [(1, 1), (-3, 2), (-2, 40)],
                [(0, 0), (5, -4), (-5, 1)],
                [(-4, 3), (6, -5), (0, 0)],
                [(-3, 0), (0, 0), (0, 0)],
            ] {
                let out = pad(&x, &padding, 0.5).unwrap();
                let values = x.to_vec::<f32>();
                for (l, &got) in out.to_vec::<f32>().iter().enumerate() {
                    let index: Vec<isize> =
                        index_of(out.shape(), l).iter().zip(&padding).map(|(&i, p)| i as isize - p.0).collect();
                    let inside = index.iter().zip(x.shape()).all(|(&i, &d)| (0..d as isize).contains(&i));
                    let linear = index.iter().zip(x.shape()).fold(0, |l, (&i, &s)| l * s as isize + i);
                    let expected = if inside { values[linear as usize] } else { 0.5 };
                    assert_eq!(got, expected, "{padding:?} at {l}");
                }
            }
        }
        let ints = pad(&Array::from_slice(&[7i32], &[]).unwrap(), &[], 0.0).unwrap();
        assert_eq!(ints.to_vec::<i32>(), [7]);
        assert_eq!(pad(&ramp(&[0], 0.), &[(2, 1)], 9.0).unwrap().to_vec::<f32>(), [9., 9., 9.]);
        assert!(matches!(pad(&ramp(&[2], 0.), &[(-2, -1)], 0.0), Err(Error::Shape(_))));
        assert!(matches!(pad(&ramp(&[2], 0.), &[], 0.0), Err(Error::Shape(_))));
        assert!(matches!(pad(&ramp(&[2], 0.), &[(isize::MAX, isize::MAX)], 0.0), Err(Error::Memory(_))));
        let mask = Array::empty(&[1], DType::Bool).unwrap();
        fill_bits(&mask, 1);
        assert_eq!(pad(&mask, &[(1, 0)], 0.0).unwrap().numel(), 2);
    }
}
