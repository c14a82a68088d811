//! Copies between layouts: `clone`, `contiguous`, `copy_`, and a fill, which is a copy of one element.

use std::mem::MaybeUninit;

use ferrograd_array::{Array, Element, Error, Layout, Result, Shape, broadcast_shapes};
use smallvec::SmallVec;

use crate::cast::copy_into;
use crate::elementwise::{Map, apply, by_size};
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{Float, Scalar, Simd, prefetch, streams};

/// Bytes of a line of the square tile through which a transposing copy passes: a cache line of either side.
const LINE: usize = 64;
/// Tiles of a block, along the target's neighbours and across: a few lines of the target are written together.
const TALL: usize = 4;
const WIDE: usize = 32;

/// `out_i = a_i` by the bits.
#[derive(Clone, Copy)]
struct Move<const SIZE: usize>;

impl<const SIZE: usize> Map<2> for Move<SIZE> {
    type Lane = f32;
    const SIZES: [usize; 2] = [SIZE; 2];
    const NS: f64 = 0.5;

    #[inline(always)]
    unsafe fn dense<S: Simd<f32>>(self, _: S, [out, a]: [*mut u8; 2], n: usize) {
        // SAFETY: n elements at each; they may be the same ones.
        unsafe { std::ptr::copy(a, out, n * SIZE) }
    }

    #[inline]
    unsafe fn run(self, p: [*mut u8; 2], n: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.dense(Scalar, p, n) }
    }
}

/// `out_i = a_i`, broadcast, for two arrays of element types of one size that do not overlap.
pub(crate) fn copy_same_size(a: &Array, out: &Array) {
    debug_assert_eq!(a.dtype().size(), out.dtype().size());
    if let Some(plane) = Plane::new(a.layout(), out.layout()) {
        by_size!(a.dtype().size(), T => plane.copy::<T>(a, out));
        return;
    }
    match a.dtype().size() {
        1 => apply(Move::<1>, [out, a]),
        2 => apply(Move::<2>, [out, a]),
        4 => apply(Move::<4>, [out, a]),
        _ => apply(Move::<8>, [out, a]),
    }
}

/// Whether a copy from one layout to the other is one between two memory orders, and so goes by tiles.
pub(crate) fn lies_across(from: &Layout, to: &Layout) -> bool {
    Plane::new(from, to).is_some()
}

/// A copy between two memory orders: dense along `across` in the source and along `along` in the target.
struct Plane {
    /// Sizes, with the steps in the source and in the target; dimensions that follow one another in both are one.
    dims: SmallVec<[(usize, isize, isize); 6]>,
    along: usize,
    across: usize,
}

impl Plane {
    fn new(a: &Layout, out: &Layout) -> Option<Self> {
        if a.shape != out.shape {
            return None;
        }
        let mut dims: SmallVec<[(usize, isize, isize); 6]> = SmallVec::new();
        for k in (0..a.ndim()).filter(|&k| a.shape[k] != 1) {
            let (size, from, to) = (a.shape[k], a.strides[k], out.strides[k]);
            let span = size as isize;
            match dims.last_mut() {
                Some(last) if last.1 == from * span && last.2 == to * span => *last = (last.0 * size, from, to),
                _ => dims.push((size, from, to)),
            }
        }
        let across = dims.iter().position(|&(_, from, _)| from == 1)?;
        let along = dims.iter().position(|&(_, _, to)| to == 1)?;
        // Below a line on either side there is nothing to gain.
        (across != along && dims[across].0 >= 8 && dims[along].0 >= 8).then_some(Self { dims, along, across })
    }

    fn copy<T: Copy + Send + Sync>(&self, a: &Array, out: &Array) {
        path!("copy/transposed", parallel);
        let ((rows, from_stride, _), (columns, _, to_stride)) = (self.dims[self.along], self.dims[self.across]);
        let side = LINE / size_of::<T>();
        let (tall, wide) = (TALL * side, WIDE * side);
        let (down, right) = (rows.div_ceil(tall), columns.div_ceil(wide));
        let others =
            || self.dims.iter().enumerate().filter(|&(k, _)| k != self.along && k != self.across).map(|(_, &dim)| dim);
        let first =
            |array: &Array| SyncPtr::new(array.buffer().as_ptr().cast::<T>().wrapping_add(array.layout().offset));
        let (src, dst) = (first(a), first(out));
        let planes: usize = others().map(|(size, ..)| size).product();
        let large = streams(a.numel() * size_of::<T>());
        let ns = 0.4 * a.numel() as f64;
        parallel::run(planes * down * right, ns, |block| {
            let (mut plane, top, left) = (block / right / down, block / right % down * tall, block % right * wide);
            let (mut from_offset, mut to_offset) = (0, 0);
            for (size, from, to) in others().rev() {
                let at = (plane % size) as isize;
                plane /= size;
                from_offset += at * from;
                to_offset += at * to;
            }
            for j in (left..columns.min(left + wide)).step_by(side) {
                for i in (top..rows.min(top + tall)).step_by(side) {
                    let at = |i: usize, j: usize| {
                        let (i, j) = (i as isize, j as isize);
                        (
                            src.get().wrapping_offset(from_offset + i * from_stride + j).cast_const(),
                            dst.get().wrapping_offset(to_offset + j * to_stride + i),
                        )
                    };
                    if large {
                        // What the tile behind this row of tiles reads and writes: no cache guesses steps like these.
                        for k in 0..side {
                            prefetch(at(i + k, j + side).0);
                            prefetch(at(i, j + side + k).1);
                        }
                    }
                    let (src, dst) = at(i, j);
                    let (height, width) = (side.min(rows - i), side.min(columns - j));
                    // SAFETY: the tile lies inside the plane on both sides.
                    unsafe {
                        if (height, width) == (side, side) {
                            transpose::<T, true>(src, from_stride, dst, to_stride, height, width)
                        } else {
                            transpose::<T, false>(src, from_stride, dst, to_stride, height, width)
                        }
                    }
                }
            }
        });
    }
}

/// `dst[j, i] = src[i, j]` for a tile of at most a line by a line, exactly that where `WHOLE`; the second index is dense on
/// both sides.
///
/// It passes through a tile of its own: lines a power of two apart would push one another out of the first-level cache.
#[inline(always)]
unsafe fn transpose<T: Copy, const WHOLE: bool>(
    src: *const T,
    src_stride: isize,
    dst: *mut T,
    dst_stride: isize,
    height: usize,
    width: usize,
) {
    let side = LINE / size_of::<T>();
    // Constants by the type: of two calls that differ in their arguments alone the compiler makes one.
    let (height, width) = if WHOLE { (side, side) } else { (height, width) };
    // Room for the tile of the smallest element, aligned for the largest.
    let mut room = MaybeUninit::<[u64; LINE * LINE / 8]>::uninit();
    let tile = room.as_mut_ptr().cast::<T>();
    // SAFETY: height rows of width elements at the source, width rows of height elements at the target; the tile
    // holds side × side, and what is read of it was written.
    unsafe {
        for i in 0..height {
            std::ptr::copy_nonoverlapping(src.offset(i as isize * src_stride), tile.add(i * side), width);
        }
        match size_of::<T>() {
            4 if WHOLE && dst_stride > 0 => turn_over::<f32>(tile.cast(), dst.cast(), dst_stride.cast_unsigned()),
            8 if WHOLE && dst_stride > 0 => turn_over::<f64>(tile.cast(), dst.cast(), dst_stride.cast_unsigned()),
            _ => {
                for j in 0..width {
                    for i in 0..height {
                        *dst.offset(j as isize * dst_stride).add(i) = *tile.add(i * side + j);
                    }
                }
            }
        }
    }
}

/// A whole tile turned over, a line of the target after the other.
#[inline(always)]
unsafe fn turn_over<T: Float>(tile: *const T, dst: *mut T, dst_stride: usize) {
    let side = LINE / size_of::<T>();
    for j in (0..side).step_by(4) {
        for i in (0..side).step_by(4) {
            // SAFETY: the caller's tile and target.
            unsafe {
                let row = |k: usize| tile.add((i + k) * side + j);
                T::transpose4([row(0), row(1), row(2), row(3)], dst.add(j * dst_stride + i), dst_stride);
            }
        }
    }
}

/// A copy in the same memory order where that is dense, else row-major.
pub fn clone(a: &Array) -> Result<Array> {
    let out = Array::empty_like(a, a.shape(), a.dtype())?;
    copy_same_size(a, &out);
    Ok(out)
}

/// A row-major copy.
pub fn contiguous(a: &Array) -> Result<Array> {
    let out = Array::empty(a.shape(), a.dtype())?;
    copy_same_size(a, &out);
    Ok(out)
}

/// A dense copy whose memory order is `order`, from the slowest dimension to the fastest: `[0, 2, 3, 1]` is
/// channels-last for images.
pub fn ordered(a: &Array, order: &[usize]) -> Result<Array> {
    let mut seen = vec![false; a.ndim()];
    for &k in order {
        match seen.get_mut(k) {
            Some(seen) if !*seen => *seen = true,
            _ => seen.clear(),
        }
    }
    if seen.len() != a.ndim() || order.len() != a.ndim() {
        let expected = format!("each dimension of {} once", Shape(a.shape()));
        return Err(Error::value("ordered", "order", expected, Shape(order)));
    }
    let mut layout = Layout::contiguous(a.shape());
    let mut step = 1isize;
    for &k in order.iter().rev() {
        layout.strides[k] = step;
        step *= a.shape()[k].max(1) as isize;
    }
    let out = Array::with_layout(layout, a.dtype())?;
    copy_same_size(a, &out);
    Ok(out)
}

/// `dst_i = src_i`, broadcast to the shape of `dst` and converted to its dtype; they may overlap.
pub fn copy_(dst: &Array, src: &Array) -> Result<()> {
    if dst.shape() != src.shape() {
        let shape = broadcast_shapes("copy_", "src", dst.shape(), src.shape())?;
        if shape.as_slice() != dst.shape() {
            let expected = format!("a shape that broadcasts to {}", Shape(dst.shape()));
            return Err(Error::shape("copy_", "src", expected, Shape(src.shape())));
        }
    }
    if src.overlaps(dst) {
        copy_into(&clone(src)?, dst);
    } else {
        copy_into(src, dst);
    }
    Ok(())
}

/// A row-major array of one value.
pub fn full<T: Element>(shape: &[usize], value: T) -> Result<Array> {
    let out = Array::empty(shape, T::DTYPE)?;
    copy_into(&Array::scalar(value)?, &out);
    Ok(out)
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use ferrograd_array::DType;

    use super::*;

    #[test]
    fn every_pair_of_orders_and_sizes() {
        for shape in [&[3usize, 40, 17, 70] as &[usize], &[9, 200], &[200, 300], &[1, 1], &[0, 5], &[]] {
            let n: usize = shape.iter().product();
            let values: Vec<i64> = (0..n as i64).map(|i| i % 251).collect();
            let base = Array::from_slice(&values, shape).unwrap();
            let orders: Vec<Vec<usize>> = match shape.len() {
                4 => vec![vec![0, 1, 2, 3], vec![0, 2, 3, 1], vec![3, 2, 1, 0], vec![1, 0, 3, 2]],
                2 => vec![vec![0, 1], vec![1, 0]],
                _ => vec![vec![]],
            };
            for dtype in DType::ALL {
                if dtype == DType::Bool {
                    continue;
                }
                let plain = crate::cast(&base, dtype).unwrap();
                for from in &orders {
                    for to in &orders {
                        let once = ordered(&plain, from).unwrap();
                        let twice = ordered(&once, to).unwrap();
                        assert!(twice.layout().is_dense());
                        let back = crate::cast(&contiguous(&twice).unwrap(), DType::I64).unwrap();
                        assert_eq!(back.to_vec::<i64>(), values, "{shape:?} {dtype} {from:?} {to:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn planes_of_negative_steps_and_of_dimensions_that_follow_one_another() {
        let (c, h, w) = (40, 6, 16);
        let values: Vec<f32> = (0..c * h * w).map(|i| i as f32).collect();
        let a = Array::from_slice(&values, &[c, h, w]).unwrap();
        let plane = Plane::new(a.layout(), ordered(&a, &[1, 2, 0]).unwrap().layout()).unwrap();
        assert_eq!(plane.dims.as_slice(), [(c, (h * w) as isize, 1), (h * w, 1, c as isize)]);
        // Columns from the last to the first, in the other order than the target's.
        let turned = Array::from_slice(&values, &[h * w, c]).unwrap();
        let target = Array::empty(&[c, h * w], DType::F32).unwrap();
        let flipped = target.view(target.layout().sliced(0, c - 1, -1, c));
        let across = turned.view(turned.layout().permuted(&[1, 0]));
        assert!(lies_across(across.layout(), flipped.layout()));
        copy_(&flipped, &across).unwrap();
        let expected: Vec<f32> = (0..c).flat_map(|i| (0..h * w).map(move |j| (j * c + c - 1 - i) as f32)).collect();
        assert_eq!(target.to_vec::<f32>(), expected);
    }

    #[test]
    fn an_order_names_each_dimension_once() {
        let a = Array::empty(&[2, 3], DType::F32).unwrap();
        for order in [&[0usize] as &[usize], &[0, 0], &[0, 2], &[0, 1, 1]] {
            assert!(matches!(ordered(&a, order), Err(Error::Value(_))), "{order:?}");
        }
    }

    #[test]
    fn overlapping_copies_are_those_of_a_temporary() {
        let a = Array::from_slice(&[1f32, 2., 3., 4., 5., 6.], &[6]).unwrap();
        let (tail, head) = (a.view(a.layout().sliced(0, 1, 1, 5)), a.view(a.layout().sliced(0, 0, 1, 5)));
        copy_(&tail, &head).unwrap();
        assert_eq!(a.to_vec::<f32>(), [1., 1., 2., 3., 4., 5.]);
        copy_(&a, &a.view(a.layout().sliced(0, 5, -1, 6))).unwrap();
        assert_eq!(a.to_vec::<f32>(), [5., 4., 3., 2., 1., 1.]);
    }

    #[test]
    fn copies_broadcast_and_convert() {
        let dst = Array::empty(&[2, 3], DType::I32).unwrap();
        copy_(&dst, &Array::from_slice(&[1.9f64, -2.9, 3.], &[3]).unwrap()).unwrap();
        assert_eq!(dst.to_vec::<i32>(), [1, -2, 3, 1, -2, 3]);
        copy_(&dst, &Array::scalar(7u8).unwrap()).unwrap();
        assert_eq!(dst.to_vec::<i32>(), [7; 6]);
        assert!(matches!(copy_(&dst, &Array::empty(&[2, 2, 3], DType::F32).unwrap()), Err(Error::Shape(_))));
        assert!(matches!(copy_(&dst, &Array::empty(&[2], DType::F32).unwrap()), Err(Error::Shape(_))));
    }

    #[test]
    fn a_full_array_has_one_value() {
        assert_eq!(full(&[3, 100], 2.5f64).unwrap().to_vec::<f64>(), vec![2.5; 300]);
        assert_eq!(full(&[], true as u8).unwrap().to_vec::<u8>(), [1]);
    }
}
