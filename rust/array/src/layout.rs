use smallvec::SmallVec;

use crate::{Error, Result};

/// Sizes of the dimensions; up to four stand inline.
pub type Dims = SmallVec<[usize; 4]>;
/// Steps between neighbours of each dimension, in elements; negative and zero are allowed.
pub type Strides = SmallVec<[isize; 4]>;

/// Where the elements of an array lie in its buffer: element `i` is at `offset + Σ i_k · strides_k`.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    pub shape: Dims,
    pub strides: Strides,
    pub offset: usize,
}

impl Clone for Layout {
    // SmallVec's own clone pushes one element at a time; this copies.
    #[inline]
    fn clone(&self) -> Self {
        Self { shape: Dims::from_slice(&self.shape), strides: Strides::from_slice(&self.strides), offset: self.offset }
    }
}

/// The number of elements, or `MemoryError` where it exceeds what can be addressed.
pub fn checked_numel(shape: &[usize]) -> Result<usize> {
    if shape.contains(&0) {
        return Ok(0);
    }
    shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(|&n| n <= isize::MAX as usize)
        .ok_or_else(|| Error::Memory(format!("an array of shape {shape:?} has more elements than can be addressed")))
}

/// Row-major strides of a shape.
pub fn contiguous_strides(shape: &[usize]) -> Strides {
    let mut strides = Strides::from_elem(1, shape.len());
    for k in (1..shape.len()).rev() {
        strides[k - 1] = strides[k].saturating_mul(shape[k].max(1) as isize);
    }
    strides
}

/// NumPy's rule: dimensions are aligned at the right, a size of 1 stretches.
pub fn broadcast_shapes(op: &str, argument: &str, a: &[usize], b: &[usize]) -> Result<Dims> {
    let ndim = a.len().max(b.len());
    let mut shape = Dims::from_elem(1, ndim);
    for k in 0..ndim {
        let from = |s: &[usize]| if k + s.len() < ndim { 1 } else { s[k + s.len() - ndim] };
        let (x, y) = (from(a), from(b));
        shape[k] = match (x, y) {
            _ if x == y => x,
            (1, _) => y,
            (_, 1) => x,
            _ => {
                return Err(Error::shape(
                    op,
                    argument,
                    format_args!("a shape that broadcasts with {}", Shape(a)),
                    format_args!("{} (dimension {} is {x} against {y})", Shape(b), k as isize - ndim as isize),
                ));
            }
        };
    }
    Ok(shape)
}

/// Writes a shape as Python does: `(2, 3)`, `(4,)`, `()`.
pub struct Shape<'a>(pub &'a [usize]);

impl std::fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            [one] => write!(f, "({one},)"),
            many => {
                f.write_str("(")?;
                for (k, d) in many.iter().enumerate() {
                    if k > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{d}")?;
                }
                f.write_str(")")
            }
        }
    }
}

impl Layout {
    /// Row-major, from the start of its buffer.
    pub fn contiguous(shape: &[usize]) -> Self {
        Self { shape: Dims::from_slice(shape), strides: contiguous_strides(shape), offset: 0 }
    }

    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }

    /// Row-major and dense, strides of dimensions of size 1 not looked at.
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1isize;
        for (&d, &s) in self.shape.iter().zip(&self.strides).rev() {
            if d == 0 {
                return true;
            }
            if d != 1 {
                if s != expected {
                    return false;
                }
                expected *= d as isize;
            }
        }
        true
    }

    /// The dimensions from the largest stride to the smallest, those of size 1 and of stride 0 kept where they stand.
    pub fn memory_order(&self) -> SmallVec<[usize; 4]> {
        let mut order: SmallVec<[usize; 4]> = (0..self.ndim()).collect();
        // A stable sort keeps row-major order between equal strides.
        order.sort_by_key(|&k| std::cmp::Reverse(self.strides[k].unsigned_abs()));
        order
    }

    /// Some permutation of the dimensions is row-major and dense (channels-last, say): every element of one block
    /// of memory exactly once.
    pub fn is_dense(&self) -> bool {
        if self.numel() == 0 {
            return true;
        }
        let mut expected = 1isize;
        for &k in self.memory_order().iter().rev() {
            if self.shape[k] != 1 {
                if self.strides[k] != expected {
                    return false;
                }
                expected *= self.shape[k] as isize;
            }
        }
        true
    }

    /// A dense layout of `shape` in the memory order of `self`, which has the same number of dimensions.
    pub fn dense_like(&self, shape: &[usize]) -> Layout {
        if self.is_contiguous() || self.ndim() != shape.len() {
            return Layout::contiguous(shape);
        }
        let mut strides = Strides::from_elem(0, shape.len());
        let mut step = 1isize;
        for &k in self.memory_order().iter().rev() {
            strides[k] = step;
            step *= shape[k].max(1) as isize;
        }
        Layout { shape: Dims::from_slice(shape), strides, offset: 0 }
    }

    /// Two different indices lie on the same element (an expanded dimension, or overlapping windows).
    pub fn may_self_overlap(&self) -> bool {
        if self.numel() <= 1 {
            return false;
        }
        // Sorted from the smallest stride, each must step over all that the smaller ones reach.
        let mut reach = 0usize;
        for &k in self.memory_order().iter().rev() {
            if self.shape[k] > 1 {
                let step = self.strides[k].unsigned_abs();
                if step <= reach {
                    return true;
                }
                reach += step * (self.shape[k] - 1);
            }
        }
        false
    }

    /// First and one past the last element touched, relative to the start of the buffer; `None` when empty.
    pub fn extent(&self) -> Option<(usize, usize)> {
        if self.numel() == 0 {
            return None;
        }
        let (mut low, mut high) = (self.offset as isize, self.offset as isize);
        for (&d, &s) in self.shape.iter().zip(&self.strides) {
            let span = s * (d as isize - 1);
            if span < 0 {
                low += span;
            } else {
                high += span;
            }
        }
        Some((low as usize, high as usize + 1))
    }

    /// The same elements seen with a broadcast shape: stretched dimensions get stride 0.
    /// `shape` comes from [`broadcast_shapes`] with this layout's shape among its inputs.
    pub fn broadcast_to(&self, shape: &[usize]) -> Layout {
        let lead = shape.len() - self.ndim();
        let mut strides = Strides::from_elem(0, shape.len());
        for k in 0..self.ndim() {
            if self.shape[k] == shape[lead + k] && self.shape[k] != 1 {
                strides[lead + k] = self.strides[k];
            }
        }
        Layout { shape: Dims::from_slice(shape), strides, offset: self.offset }
    }

    /// Element offset of a row-major index counted along this shape.
    pub fn offset_of(&self, mut linear: usize) -> usize {
        let mut at = self.offset as isize;
        for k in (0..self.ndim()).rev() {
            let d = self.shape[k];
            at += self.strides[k] * (linear % d) as isize;
            linear /= d;
        }
        at as usize
    }

    /// Strides that show this layout with another shape without a copy, or `None` where that needs one.
    pub fn reshaped(&self, shape: &[usize]) -> Option<Layout> {
        debug_assert_eq!(self.numel(), shape.iter().product::<usize>());
        if self.numel() == 0 || self.is_contiguous() {
            return Some(Layout {
                shape: Dims::from_slice(shape),
                strides: contiguous_strides(shape),
                offset: self.offset,
            });
        }
        let old: SmallVec<[(usize, isize); 6]> =
            self.shape.iter().copied().zip(self.strides.iter().copied()).filter(|&(d, _)| d != 1).collect();
        let mut strides = Strides::from_elem(1, shape.len());
        let (mut i, mut j) = (0, 0);
        while i < old.len() && j < shape.len() {
            let (start, first) = (i, j);
            let (mut have, mut want) = (old[i].0, shape[j]);
            while have != want {
                if have < want {
                    i += 1;
                    have *= old[i].0;
                } else {
                    j += 1;
                    want *= shape[j];
                }
            }
            for k in start..i {
                if old[k].1 != old[k + 1].1 * old[k + 1].0 as isize {
                    return None;
                }
            }
            let mut step = old[i].1;
            for k in (first..=j).rev() {
                strides[k] = step;
                step *= shape[k] as isize;
            }
            i += 1;
            j += 1;
        }
        // What is left are dimensions of size 1, whose stride nobody reads.
        Some(Layout { shape: Dims::from_slice(shape), strides, offset: self.offset })
    }

    pub fn permuted(&self, order: &[usize]) -> Layout {
        Layout {
            shape: order.iter().map(|&k| self.shape[k]).collect(),
            strides: order.iter().map(|&k| self.strides[k]).collect(),
            offset: self.offset,
        }
    }

    /// `length` elements of dimension `dim` from `start`, `step` apart (negative steps walk back).
    pub fn sliced(&self, dim: usize, start: usize, step: isize, length: usize) -> Layout {
        let mut out = self.clone();
        if length > 0 {
            out.offset = (out.offset as isize + self.strides[dim] * start as isize) as usize;
        }
        out.shape[dim] = length;
        out.strides[dim] = self.strides[dim] * step;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smallvec::smallvec;

    fn layout(shape: &[usize], strides: &[isize]) -> Layout {
        Layout { shape: Dims::from_slice(shape), strides: Strides::from_slice(strides), offset: 0 }
    }

    #[test]
    fn numel_is_checked() {
        assert_eq!(checked_numel(&[3, 0, usize::MAX]).unwrap(), 0);
        assert!(matches!(checked_numel(&[usize::MAX, 2]), Err(Error::Memory(_))));
        assert!(matches!(checked_numel(&[1 << 40, 1 << 30]), Err(Error::Memory(_))));
    }

    #[test]
    fn broadcasting_follows_numpy() {
        let b = |x: &[usize], y: &[usize]| broadcast_shapes("add", "other", x, y);
        assert_eq!(b(&[2, 1, 3], &[4, 1]).unwrap().as_slice(), &[2, 4, 3]);
        assert_eq!(b(&[], &[5]).unwrap().as_slice(), &[5]);
        assert_eq!(b(&[0], &[1]).unwrap().as_slice(), &[0]);
        let message = b(&[2, 3], &[4]).unwrap_err().to_string();
        assert_eq!(
            message,
            "add: other: expected a shape that broadcasts with (2, 3), got (4,) (dimension -1 is 3 against 4)"
        );
    }

    #[test]
    fn reshape_without_copy_where_possible() {
        let transposed = layout(&[3, 2], &[1, 3]);
        assert!(transposed.reshaped(&[6]).is_none());
        assert_eq!(transposed.reshaped(&[3, 1, 2]).unwrap().strides[0], 1);
        let stepped = layout(&[2, 3, 4], &[48, 8, 2]);
        assert_eq!(stepped.reshaped(&[2, 12]).unwrap().strides.as_slice(), &[48, 2]);
        assert!(stepped.reshaped(&[6, 4]).is_none());
        assert_eq!(stepped.reshaped(&[2, 3, 2, 2]).unwrap().strides.as_slice(), &[48, 8, 4, 2]);
    }

    #[test]
    fn dense_orders_are_recognised() {
        let channels_last = layout(&[2, 3, 4, 5], &[60, 1, 15, 3]);
        assert!(channels_last.is_dense() && !channels_last.is_contiguous());
        let like = channels_last.dense_like(&[2, 7, 4, 5]);
        assert_eq!(like.strides, Strides::from_slice(&[140, 1, 35, 7]));
        assert!(!layout(&[2, 3], &[0, 1]).is_dense());
    }

    #[test]
    fn self_overlap_is_seen() {
        assert!(layout(&[4, 3], &[0, 1]).may_self_overlap());
        assert!(layout(&[4, 3], &[1, 1]).may_self_overlap());
        assert!(!layout(&[4, 3], &[1, 4]).may_self_overlap());
        assert!(!layout(&[4, 3], &[-3, 1]).may_self_overlap());
    }

    #[test]
    fn slices_walk_both_ways() {
        let base = Layout::contiguous(&[5]);
        let back = base.sliced(0, 4, -2, 3);
        assert_eq!((back.offset, back.strides[0]), (4, -2));
        assert_eq!(back.extent(), Some((0, 5)));
        let order: SmallVec<[usize; 4]> = smallvec![0];
        assert_eq!(back.memory_order(), order);
    }
}
