//! The gradient of max pooling: what the windows chose is scattered to where it was, or, where the windows are known
//! and apart, each input element asks its window whether it was chosen.

use std::sync::atomic::{AtomicBool, Ordering};

use ferrograd_array::{Array, DType, Error, Result, Shape, checked_numel};
use smallvec::SmallVec;

use super::{Axis, Geometry, Planes, Window, flat_step};
use crate::index::Bad;
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{Float, Kernel, Simd, vectorize};

/// Input elements of a task where each asks its window.
const BLOCK: usize = 1 << 14;

/// A geometry of `sizes` inputs and the outputs of `grad`: what a scatter by plane index needs.
fn by_index(op: &str, grad: &Array, indices: &Array, sizes: &[usize]) -> Result<Geometry> {
    let (shape, spatial) = (grad.shape(), sizes.len());
    if !(1..=3).contains(&spatial) || (shape.len() != spatial + 1 && shape.len() != spatial + 2) {
        let expected = format!("([N,] C, …) with {spatial} spatial dimensions, 1 to 3");
        return Err(Error::shape(op, "grad", expected, Shape(shape)));
    }
    if indices.shape() != shape {
        return Err(Error::shape(
            op,
            "indices",
            format_args!("the shape of grad, {}", Shape(shape)),
            Shape(indices.shape()),
        ));
    }
    if indices.dtype() != DType::I64 {
        return Err(Error::dtype(op, "indices", "int64, as max_pool returns them", indices.dtype()));
    }
    let batched = shape.len() == spatial + 2;
    let mut axes = [Axis::ONE; 3];
    for k in 0..spatial {
        axes[3 - spatial + k] = Axis { size: sizes[k], out: shape[shape.len() - spatial + k], ..Axis::ONE };
    }
    let (n, c) = if batched { (shape[0], shape[1]) } else { (1, shape[0]) };
    Ok(Geometry { n, c, axes, spatial, batched })
}

/// The gradient of the input: zeros of spatial size `sizes`, with each element of `grad` added at its plane index.
/// `window` says of which windows the indices are, if that is known: it changes nothing but the time.
pub fn max_pool_grad(grad: &Array, indices: &Array, sizes: &[usize], window: Option<&Window<'_>>) -> Result<Array> {
    let op = "max_pool_grad";
    match grad.dtype() {
        DType::F32 => backward::<f32>(op, grad, indices, sizes, window),
        DType::F64 => backward::<f64>(op, grad, indices, sizes, window),
        other => Err(Error::dtype(op, "grad", "float32 or float64 (cast it)", other)),
    }
}

fn backward<T: Float>(
    op: &str,
    grad: &Array,
    indices: &Array,
    sizes: &[usize],
    window: Option<&Window<'_>>,
) -> Result<Array> {
    let g = by_index(op, grad, indices, sizes)?;
    let shape = g.in_shape();
    checked_numel(&shape)?;
    if let Some(window) = window {
        let known = Geometry::new(op, &shape, window)?;
        known.check_out(op, "grad", grad)?;
        if let Some(out) = chosen::<T>(&known, grad, indices)? {
            return Ok(out);
        }
    }
    path!("max_pool/grad", parallel);
    let mut out = Array::empty_like(grad, &shape, T::DTYPE)?;
    let mut so = g.strides(out.layout());
    let step = match flat_step(&g, &so, |a| a.size) {
        Some(step) => step,
        None => {
            out = Array::empty(&shape, T::DTYPE)?;
            so = g.strides(out.layout());
            flat_step(&g, &so, |a| a.size).expect("row-major planes are flat")
        }
    };
    let (sg, si) = (g.strides(grad.layout()), g.strides(indices.layout()));
    let (plane, _) = g.planes();
    let [d, h, w] = g.axes.map(|a| a.out);
    let (po, pg, pi) =
        (SyncPtr::new(out.ptr_mut::<T>()), SyncPtr::new(grad.ptr_mut::<T>()), SyncPtr::new(indices.ptr_mut::<i64>()));
    let inside = step != 1;
    let planes = Planes::new(&g, inside);
    let bad = Bad::new();
    parallel::run(planes.tasks, out.numel() as f64 * 0.4 + grad.numel() as f64 * 1.5, |task| {
        let (n, channels) = planes.of(&g, task);
        let at = |s: &[isize; 5], c: usize| n as isize * s[0] + c as isize * s[1];
        // SAFETY: offsets are those of the geometry; a plane index is checked before it is used; planes are disjoint.
        unsafe {
            if inside {
                for i in 0..plane as isize {
                    for c in channels.clone() {
                        *po.get().offset(at(&so, c) + i * step) = T::ZERO;
                    }
                }
            } else {
                for c in channels.clone() {
                    std::slice::from_raw_parts_mut(po.get().offset(at(&so, c)), plane).fill(T::ZERO);
                }
            }
            for od in 0..d as isize {
                for oh in 0..h as isize {
                    let one = |c: usize, ow: isize| {
                        let i = at(&si, c) + od * si[2] + oh * si[3] + ow * si[4];
                        let index = pi.get().offset(i).read_volatile();
                        if (index as u64) < plane as u64 {
                            let v = *pg.get().offset(at(&sg, c) + od * sg[2] + oh * sg[3] + ow * sg[4]);
                            *po.get().offset(at(&so, c) + index as isize * step) += v;
                        } else {
                            bad.note(i, index);
                        }
                    };
                    if inside {
                        for ow in 0..w as isize {
                            channels.clone().for_each(|c| one(c, ow));
                        }
                    } else {
                        for c in channels.clone() {
                            (0..w as isize).for_each(|ow| one(c, ow));
                        }
                    }
                }
            }
        }
    });
    bad.check(op, "indices", out.ndim() - g.spatial, plane)?;
    Ok(out)
}

/// The gradient where no element lies in two windows and the channels lie side by side: None where that is not so, or
/// where an index is none of its window's.
fn chosen<T: Float>(g: &Geometry, grad: &Array, indices: &Array) -> Result<Option<Array>> {
    let apart = g.axes.iter().all(|a| a.out == 1 || a.stride > (a.kernel - 1) * a.dilation);
    let (sg, si) = (g.strides(grad.layout()), g.strides(indices.layout()));
    if !apart || g.c == 1 || sg[1] != 1 || si[1] != 1 || grad.numel() == 0 {
        return Ok(None);
    }
    let out = Array::empty_like(grad, &g.in_shape(), T::DTYPE)?;
    let so = g.strides(out.layout());
    let [d, h, w] = g.axes;
    let dense = so[1] == 1 && (w.size == 1 || so[4] == g.c as isize);
    if !dense {
        return Ok(None);
    }
    path!("max_pool/grad_windows", parallel);
    let foreign = AtomicBool::new(false);
    let rows = Bands {
        g,
        grad: (SyncPtr::new(grad.ptr_mut::<T>()), sg),
        indices: (SyncPtr::new(indices.ptr_mut::<i64>()), si),
        out: (SyncPtr::new(out.ptr_mut::<T>()), so),
        foreign: &foreign,
        start: 0,
        end: 0,
    };
    let count = g.n * d.out * h.out;
    let block = (BLOCK * count / out.numel().max(1)).max(1);
    parallel::for_range(count, block, out.numel() as f64 * 0.3 / count as f64, |start, end| {
        vectorize(Bands { start, end, ..rows });
    });
    Ok((!foreign.into_inner()).then_some(out))
}

/// The input elements nearest to windows `start..end`, counted over `n d h`: the rows from where a window begins to
/// where the next one does, the first and the last with what lies before and behind.
#[derive(Clone, Copy)]
struct Bands<'a, T> {
    g: &'a Geometry,
    grad: (SyncPtr<T>, [isize; 5]),
    indices: (SyncPtr<i64>, [isize; 5]),
    out: (SyncPtr<T>, [isize; 5]),
    foreign: &'a AtomicBool,
    start: usize,
    end: usize,
}

/// The elements of window `o` along an axis and those up to the next window.
#[inline(always)]
fn band(a: &Axis, o: usize) -> std::ops::Range<usize> {
    let start = |o: usize| (o * a.stride).saturating_sub(a.padding).min(a.size);
    let from = if o == 0 { 0 } else { start(o) };
    from..if o + 1 == a.out { a.size } else { start(o + 1) }
}

/// Whether element `i` is a tap of window `o`.
#[inline(always)]
fn is_tap(a: &Axis, o: usize, i: usize) -> bool {
    let from_start = (i + a.padding) as isize - (o * a.stride) as isize;
    from_start >= 0 && from_start % a.dilation as isize == 0 && from_start / (a.dilation as isize) < a.kernel as isize
}

impl<T: Float> Kernel<T> for Bands<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        let [d, h, w] = self.g.axes;
        let ((grad, sg), (indices, si), (out, so)) = (self.grad, self.indices, self.out);
        let c = self.g.c;
        // Which columns are taps of the window that they are nearest to.
        let columns: SmallVec<[bool; 64]> =
            (0..w.out).flat_map(|ow| band(&w, ow).map(move |x| is_tap(&w, ow, x))).collect();
        let mut rows: SmallVec<[(usize, usize, bool); 16]> = SmallVec::new();
        // The taps of a window, as flat indices of the plane and as pointers.
        let mut taps: SmallVec<[(i64, *mut T); 32]> = SmallVec::new();
        let mut all = true;
        for band_index in self.start..self.end {
            let (oh, rest) = (band_index % h.out, band_index / h.out);
            let (od, n) = (rest % d.out, (rest / d.out) as isize);
            let at = |s: &[isize; 5], z: usize, y: usize, x: usize| {
                n * s[0] + z as isize * s[2] + y as isize * s[3] + x as isize * s[4]
            };
            rows.clear();
            for z in band(&d, od) {
                rows.extend(band(&h, oh).map(|y| (z, y, is_tap(&d, od, z) && is_tap(&h, oh, y))));
            }
            for ow in 0..w.out {
                taps.clear();
                for &(z, y, in_row) in &rows {
                    for x in band(&w, ow) {
                        let to = out.get().wrapping_offset(at(&so, z, y, x));
                        if in_row && columns[x] {
                            taps.push((((z * h.size + y) * w.size + x) as i64, to));
                        } else {
                            // SAFETY: the element's channels, which are this window's alone to write.
                            unsafe { std::slice::from_raw_parts_mut(to, c).fill(T::ZERO) };
                        }
                    }
                }
                // SAFETY: the window's channels lie side by side in each array.
                all &= unsafe {
                    let grad = grad.get().wrapping_offset(at(&sg, od, oh, ow)).cast_const();
                    let index = indices.get().wrapping_offset(at(&si, od, oh, ow)).cast_const();
                    match taps.len() {
                        2 => of_window::<T, 2>(&taps, grad, index, c),
                        4 => of_window::<T, 4>(&taps, grad, index, c),
                        8 => of_window::<T, 8>(&taps, grad, index, c),
                        9 => of_window::<T, 9>(&taps, grad, index, c),
                        _ => of_any_window(&taps, grad, index, c),
                    }
                };
            }
        }
        if !all {
            self.foreign.store(true, Ordering::Relaxed);
        }
    }
}

/// Writes the gradient of one window's taps, for all channels; whether each channel's index is one of them.
#[inline(always)]
unsafe fn of_window<T: Float, const K: usize>(
    taps: &[(i64, *mut T)],
    grad: *const T,
    index: *const i64,
    channels: usize,
) -> bool {
    let flats: [i64; K] = std::array::from_fn(|k| taps[k].0);
    let to: [*mut T; K] = std::array::from_fn(|k| taps[k].1);
    let mut all = true;
    for c in 0..channels {
        // SAFETY: the caller's promise.
        unsafe {
            let (v, chosen) = (*grad.add(c), *index.add(c));
            let mut found = false;
            for k in 0..K {
                let here = chosen == flats[k];
                *to[k].add(c) = if here { v } else { T::ZERO };
                found |= here;
            }
            all &= found;
        }
    }
    all
}

#[inline(always)]
unsafe fn of_any_window<T: Float>(taps: &[(i64, *mut T)], grad: *const T, index: *const i64, channels: usize) -> bool {
    let mut found = 0;
    for &(flat, to) in taps {
        for c in 0..channels {
            // SAFETY: the caller's promise.
            unsafe {
                let here = *index.add(c) == flat;
                *to.add(c) = if here { *grad.add(c) } else { T::ZERO };
                found += here as usize;
            }
        }
    }
    found == channels
}
