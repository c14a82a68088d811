use ferrograd_array::{Array, DType, Dims, Error, Result, Shape, checked_numel};
use smallvec::SmallVec;

use super::avg::add_into;
use super::max::takes;
use super::{Axis, Geometry, channels_inside, flat_step};
use crate::bits::fill_bits;
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{Float, Kernel, Simd, vectorize};

/// Elements that a task reads or writes, about.
const BLOCK: usize = 4 * 1024;
/// Channels that are compared together.
const TILE: usize = 64;

/// Window `o` of `out` windows over `size` elements, `from..to`: PyTorch's rule. Element `i` lies in window `o` just
/// where `o` lies in window `i` of `size` windows over `out` elements, so that the gradient of a sum is a sum.
fn window(o: usize, size: usize, out: usize) -> (usize, usize) {
    (o * size / out, ((o + 1) * size).div_ceil(out))
}

/// The windows of the three axes.
type Tables = [SmallVec<[(usize, usize); 64]>; 3];

fn tables(g: &Geometry) -> Tables {
    g.axes.each_ref().map(|axis| (0..axis.out).map(|o| window(o, axis.size, axis.out)).collect())
}

/// `shape` is `([N,] C, …)` of the input, `sizes` are those of the output.
fn geometry(op: &str, argument: &str, shape: &[usize], sizes: &[usize]) -> Result<Geometry> {
    let spatial = sizes.len();
    if !(1..=3).contains(&spatial) || (shape.len() != spatial + 1 && shape.len() != spatial + 2) {
        let expected = format!("([N,] C, …) with {spatial} spatial dimensions, 1 to 3");
        return Err(Error::shape(op, argument, expected, Shape(shape)));
    }
    let batched = shape.len() == spatial + 2;
    let mut axes = [Axis::ONE; 3];
    for k in 0..spatial {
        axes[3 - spatial + k] = Axis { size: shape[shape.len() - spatial + k], out: sizes[k], ..Axis::ONE };
    }
    let (n, c) = if batched { (shape[0], shape[1]) } else { (1, shape[0]) };
    Ok(Geometry { n, c, axes, spatial, batched })
}

/// The geometry of a pooling of `x` to `sizes`, and the output's shape.
fn pooled(op: &str, x: &Array, sizes: &[usize]) -> Result<(Geometry, Dims)> {
    let g = geometry(op, "input", x.shape(), sizes)?;
    if g.axes.iter().any(|axis| axis.size == 0) {
        return Err(Error::shape(op, "input", "spatial dimensions of at least 1", Shape(x.shape())));
    }
    let shape = g.out_shape();
    checked_numel(&shape)?;
    Ok((g, shape))
}

/// The mean of each of `sizes` windows that together cover the input.
pub fn adaptive_avg_pool(x: &Array, sizes: &[usize]) -> Result<Array> {
    let op = "adaptive_avg_pool";
    match x.dtype() {
        DType::F32 => average::<f32>(op, x, sizes),
        DType::F64 => average::<f64>(op, x, sizes),
        other => Err(Error::dtype(op, "input", "float32 or float64 (cast it)", other)),
    }
}

fn average<T: Float>(op: &str, x: &Array, sizes: &[usize]) -> Result<Array> {
    let (g, shape) = pooled(op, x, sizes)?;
    let y = Array::empty_like(x, &shape, T::DTYPE)?;
    sums::<T>(&g, x, &y, true);
    Ok(y)
}

/// The gradient of the input, whose spatial sizes are `sizes`: each element of `grad`, over the elements of its window,
/// added to all of them.
pub fn adaptive_avg_pool_grad(grad: &Array, sizes: &[usize]) -> Result<Array> {
    let op = "adaptive_avg_pool_grad";
    match grad.dtype() {
        DType::F32 => average_grad::<f32>(op, grad, sizes),
        DType::F64 => average_grad::<f64>(op, grad, sizes),
        other => Err(Error::dtype(op, "grad", "float32 or float64 (cast it)", other)),
    }
}

fn average_grad<T: Float>(op: &str, grad: &Array, sizes: &[usize]) -> Result<Array> {
    let g = geometry(op, "grad", grad.shape(), sizes)?;
    let shape = g.out_shape();
    checked_numel(&shape)?;
    let out = Array::empty_like(grad, &shape, T::DTYPE)?;
    if out.numel() == 0 || grad.numel() == 0 {
        fill_bits(&out, 0);
        return Ok(out);
    }
    let strides = g.strides(out.layout());
    if g.planes().0 == 1 && flat_step(&g, &strides, |axis| axis.out) == Some(1) {
        spread::<T>(&g, grad, &out);
    } else {
        sums::<T>(&g, &shares::<T>(&g, grad)?, &out, false);
    }
    Ok(out)
}

/// What an element of the input gets from each window that it lies in: `grad` over the window's elements.
fn shares<T: Float>(g: &Geometry, grad: &Array) -> Result<Array> {
    let shares = Array::empty_like(grad, grad.shape(), T::DTYPE)?;
    let (sg, ss) = (g.strides(grad.layout()), g.strides(shares.layout()));
    let (pg, ps) = (SyncPtr::new(grad.ptr_mut::<T>()), SyncPtr::new(shares.ptr_mut::<T>()));
    let [d, h, w] = g.axes;
    let along = |axis: &Axis| -> SmallVec<[f64; 64]> {
        let windows = (0..axis.size).map(|i| window(i, axis.out, axis.size));
        windows.map(|(from, to)| (to - from) as f64).collect()
    };
    let counts = [along(&d), along(&h), along(&w)];
    parallel::for_range(g.n * g.c * d.size * h.size, (BLOCK / w.size).max(1), w.size as f64, |a, b| {
        for row in a..b {
            let (ih, rest) = (row % h.size, row / h.size);
            let (id, rest) = (rest % d.size, rest / d.size);
            let at = |s: &[isize; 5]| {
                let lead = (rest / g.c) as isize * s[0] + (rest % g.c) as isize * s[1];
                lead + id as isize * s[2] + ih as isize * s[3]
            };
            let (from, to) = (at(&sg), at(&ss));
            for iw in 0..w.size as isize {
                let count = T::from_f64(counts[0][id] * counts[1][ih] * counts[2][iw as usize]);
                // SAFETY: offsets are those of the geometry, and the rows are this task's.
                unsafe { *ps.get().offset(to + iw * ss[4]) = *pg.get().offset(from + iw * sg[4]) / count };
            }
        }
    });
    Ok(shares)
}

/// The gradient of global pooling: each plane is one number.
fn spread<T: Float>(g: &Geometry, grad: &Array, out: &Array) {
    path!("adaptive_avg_pool/spread", parallel);
    let (sg, so) = (g.strides(grad.layout()), g.strides(out.layout()));
    let (pg, po) = (SyncPtr::new(grad.ptr_mut::<T>()), SyncPtr::new(out.ptr_mut::<T>()));
    let plane = g.planes().1;
    let share = T::ONE / T::from_f64(plane as f64);
    parallel::for_range(g.n * g.c, (BLOCK / plane).max(1), plane as f64 * 0.3, |a, b| {
        let (mut n, mut c) = (a / g.c, a % g.c);
        for _ in a..b {
            let at = |s: &[isize; 5]| n as isize * s[0] + c as isize * s[1];
            // SAFETY: a plane lies together, and these are the task's.
            unsafe {
                let value = *pg.get().offset(at(&sg)) * share;
                std::slice::from_raw_parts_mut(po.get().offset(at(&so)), plane).fill(value);
            }
            c += 1;
            if c == g.c {
                (n, c) = (n + 1, 0);
            }
        }
    });
}

/// The sum of each window, or its mean.
fn sums<T: Float>(g: &Geometry, x: &Array, y: &Array, mean: bool) {
    if y.numel() == 0 {
        return;
    }
    let (sx, sy) = (g.strides(x.layout()), g.strides(y.layout()));
    let (px, py) = (SyncPtr::new(x.ptr_mut::<T>()), SyncPtr::new(y.ptr_mut::<T>()));
    let lanes = channels_inside(g, &sx);
    if lanes {
        path!("adaptive_avg_pool/channels", parallel);
    } else {
        path!("adaptive_avg_pool/rows", parallel);
    }
    let (split, tables) = (Split::new(g, lanes), tables(g));
    parallel::for_range(split.rows, split.block, split.elements * 0.5, |a, b| {
        vectorize(Sums { g, tables: &tables, x: px.get(), y: py.get(), sx, sy, mean, rows: a..b, lanes });
    });
}

/// How the rows of the output, counted over `n [c] d h`, become tasks.
struct Split {
    rows: usize,
    block: usize,
    /// Elements that a row reads and writes, about.
    elements: f64,
}

impl Split {
    fn new(g: &Geometry, lanes: bool) -> Self {
        let [d, h, w] = g.axes;
        let window: f64 = g.axes.iter().map(|axis| (axis.size as f64 / axis.out as f64).ceil()).product();
        let (rows, length) = if lanes { (g.n, w.out * g.c) } else { (g.n * g.c, w.out) };
        let elements = length as f64 * (1.0 + window);
        Self { rows: rows * d.out * h.out, block: (BLOCK as f64 / elements).ceil() as usize, elements }
    }
}

/// Output rows, counted over `n [c] d h`: `(n, c, od, oh)`.
fn place(g: &Geometry, row: usize, lanes: bool) -> (usize, usize, usize, usize) {
    let [d, h, _] = g.axes;
    let (oh, rest) = (row % h.out, row / h.out);
    let (od, rest) = (rest % d.out, rest / d.out);
    if lanes { (rest, 0, od, oh) } else { (rest / g.c, rest % g.c, od, oh) }
}

/// The row after one; without a division, which would be half of the time of a short row.
fn next(g: &Geometry, (n, c, od, oh): (usize, usize, usize, usize), lanes: bool) -> (usize, usize, usize, usize) {
    let [d, h, _] = g.axes;
    if oh + 1 < h.out {
        (n, c, od, oh + 1)
    } else if od + 1 < d.out {
        (n, c, od + 1, 0)
    } else if !lanes && c + 1 < g.c {
        (n, c + 1, 0, 0)
    } else {
        (n + 1, 0, 0, 0)
    }
}

struct Sums<'a, T> {
    g: &'a Geometry,
    tables: &'a Tables,
    x: *const T,
    y: *mut T,
    sx: [isize; 5],
    sy: [isize; 5],
    mean: bool,
    rows: std::ops::Range<usize>,
    /// The inner loop runs along the channels, else along a row.
    lanes: bool,
}

impl<T: Float> Kernel<T> for Sums<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Self { g, sx, sy, lanes, .. } = self;
        let [td, th, tw] = self.tables;
        let w = g.axes[2];
        // Rows of the input that lie end to end are one where windows are as wide as they.
        let joined = w.out == 1 && sx[3] == w.size as isize * sx[4];
        let mut column = vec![T::ZERO; if lanes || joined { 0 } else { w.size }];
        let mut last = None;
        let mut here = place(g, self.rows.start, lanes);
        for _ in self.rows {
            let (n, c, od, oh) = here;
            here = next(g, here, lanes);
            let (rd, rh) = (td[od], th[oh]);
            let at = n as isize * sy[0] + c as isize * sy[1] + od as isize * sy[2] + oh as isize * sy[3];
            let first = n as isize * sx[0] + c as isize * sx[1];
            let x_row =
                |id: usize, ih: usize| self.x.wrapping_offset(first + id as isize * sx[2] + ih as isize * sx[3]);
            let divisor = |rw: (usize, usize)| {
                let count = ((rd.1 - rd.0) * (rh.1 - rh.0) * (rw.1 - rw.0)) as f64;
                T::from_f64(if self.mean { count } else { 1.0 })
            };
            // SAFETY: windows lie inside the input, and this row of the output is the task's.
            unsafe {
                let y = self.y.offset(at);
                if lanes {
                    for (ow, &rw) in tw.iter().enumerate() {
                        let y = y.offset(ow as isize * sy[4]);
                        for c in 0..g.c as isize {
                            *y.offset(c * sy[1]) = T::ZERO;
                        }
                        for id in rd.0..rd.1 {
                            for ih in rh.0..rh.1 {
                                for iw in rw.0..rw.1 {
                                    add_into(y, sy[1], x_row(id, ih).offset(iw as isize * sx[4]), sx[1], g.c);
                                }
                            }
                        }
                        let divisor = divisor(rw);
                        for c in 0..g.c as isize {
                            *y.offset(c * sy[1]) = *y.offset(c * sy[1]) / divisor;
                        }
                    }
                } else if joined {
                    let length = (rh.1 - rh.0) * w.size;
                    let sum = (rd.0..rd.1).fold(T::ZERO, |sum, id| sum + row_sum(s, x_row(id, rh.0), sx[4], length));
                    *y = sum / divisor((0, w.size));
                } else if last.is_some_and(|(same, _)| same == (n, c, rd, rh)) {
                    // The rows of a gradient repeat while the windows do.
                    let (_, before): (_, *mut T) = last.unwrap();
                    if sy[4] == 1 {
                        std::ptr::copy_nonoverlapping(before, y, w.out);
                    } else {
                        for j in 0..w.out as isize {
                            *y.offset(j * sy[4]) = *before.offset(j * sy[4]);
                        }
                    }
                } else {
                    column.fill(T::ZERO);
                    for id in rd.0..rd.1 {
                        for ih in rh.0..rh.1 {
                            add_into(column.as_mut_ptr(), 1, x_row(id, ih), sx[4], w.size);
                        }
                    }
                    for (ow, &rw) in tw.iter().enumerate() {
                        let first = column.as_ptr().add(rw.0);
                        let sum = if rw.1 == rw.0 + 1 { *first } else { row_sum(s, first, 1, rw.1 - rw.0) };
                        *y.offset(ow as isize * sy[4]) = if self.mean { sum / divisor(rw) } else { sum };
                    }
                    last = Some(((n, c, rd, rh), y));
                }
            }
        }
    }
}

/// The sum of `n` elements `step` apart.
#[inline(always)]
unsafe fn row_sum<T: Float, S: Simd<T>>(s: S, x: *const T, step: isize, n: usize) -> T {
    // SAFETY: the caller gives `n` elements.
    unsafe {
        if step != 1 || n < S::LANES {
            return (0..n as isize).fold(T::ZERO, |sum, j| sum + *x.offset(j * step));
        }
        let (mut sum, mut j) = (s.zero(), 0);
        while j + S::LANES <= n {
            sum = s.add(sum, s.load(x.add(j)));
            j += S::LANES;
        }
        s.sum(s.add(sum, s.load_partial(x.add(j), n - j)))
    }
}

/// The largest element of each of `sizes` windows that together cover the input, and its flat index in the channel's
/// plane (int64). Of equal elements the first is taken; NaN is larger than any number.
pub fn adaptive_max_pool(x: &Array, sizes: &[usize]) -> Result<(Array, Array)> {
    let op = "adaptive_max_pool";
    match x.dtype() {
        DType::F32 => largest::<f32>(op, x, sizes),
        DType::F64 => largest::<f64>(op, x, sizes),
        other => Err(Error::dtype(op, "input", "float32 or float64 (cast it)", other)),
    }
}

fn largest<T: Float>(op: &str, x: &Array, sizes: &[usize]) -> Result<(Array, Array)> {
    let (g, shape) = pooled(op, x, sizes)?;
    let (y, index) = (Array::empty_like(x, &shape, T::DTYPE)?, Array::empty_like(x, &shape, DType::I64)?);
    if y.numel() == 0 {
        return Ok((y, index));
    }
    let (sx, sy) = (g.strides(x.layout()), g.strides(y.layout()));
    let (px, py, pi) =
        (SyncPtr::new(x.ptr_mut::<T>()), SyncPtr::new(y.ptr_mut::<T>()), SyncPtr::new(index.ptr_mut::<i64>()));
    let lanes = channels_inside(&g, &sx);
    if lanes {
        path!("adaptive_max_pool/channels", parallel);
    } else {
        path!("adaptive_max_pool/rows", parallel);
    }
    let (split, tables) = (Split::new(&g, lanes), tables(&g));
    parallel::for_range(split.rows, split.block, split.elements, |a, b| {
        vectorize(Largest {
            g: &g,
            tables: &tables,
            x: px.get(),
            y: py.get(),
            index: pi.get(),
            sx,
            sy,
            rows: a..b,
            lanes,
        });
    });
    Ok((y, index))
}

struct Largest<'a, T> {
    g: &'a Geometry,
    tables: &'a Tables,
    x: *const T,
    y: *mut T,
    index: *mut i64,
    sx: [isize; 5],
    sy: [isize; 5],
    rows: std::ops::Range<usize>,
    /// Channels are compared side by side, else the elements of a window one after the other.
    lanes: bool,
}

impl<T: Float> Kernel<T> for Largest<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        let Self { g, sx, sy, lanes, .. } = self;
        let ([td, th, tw], [_, h, w]) = (self.tables, g.axes);
        let (mut best, mut places) = ([T::ZERO; TILE], [0i64; TILE]);
        for row in self.rows {
            let (n, c, od, oh) = place(g, row, lanes);
            let (rd, rh) = (td[od], th[oh]);
            let at = n as isize * sy[0] + od as isize * sy[2] + oh as isize * sy[3];
            let flat = |id: usize, ih: usize| (id * h.size + ih) * w.size;
            let x_row = |c: usize, id: usize, ih: usize| {
                let x = n as isize * sx[0] + c as isize * sx[1] + id as isize * sx[2] + ih as isize * sx[3];
                self.x.wrapping_offset(x)
            };
            for (ow, &rw) in tw.iter().enumerate() {
                let at = at + ow as isize * sy[4];
                // SAFETY: windows lie inside the input, and this row of the output is the task's.
                unsafe {
                    if !lanes {
                        let (mut best, mut place) = (T::ZERO, -1i64);
                        for id in rd.0..rd.1 {
                            for ih in rh.0..rh.1 {
                                let (x, flat) = (x_row(c, id, ih), flat(id, ih));
                                for iw in rw.0..rw.1 {
                                    let v = *x.offset(iw as isize * sx[4]);
                                    if takes(v, best) || place < 0 {
                                        best = v;
                                        place = (flat + iw) as i64;
                                    }
                                }
                            }
                        }
                        *self.y.offset(at + c as isize * sy[1]) = best;
                        *self.index.offset(at + c as isize * sy[1]) = place;
                        continue;
                    }
                    for first in (0..g.c).step_by(TILE) {
                        let tile = TILE.min(g.c - first);
                        places[..tile].fill(-1);
                        for id in rd.0..rd.1 {
                            for ih in rh.0..rh.1 {
                                let (x, flat) = (x_row(first, id, ih), flat(id, ih));
                                for iw in rw.0..rw.1 {
                                    let (x, flat) = (x.offset(iw as isize * sx[4]), (flat + iw) as i64);
                                    compare(x, sx[1], flat, &mut best[..tile], &mut places[..tile]);
                                }
                            }
                        }
                        for j in 0..tile {
                            let at = at + (first + j) as isize * sy[1];
                            *self.y.offset(at) = best[j];
                            *self.index.offset(at) = places[j];
                        }
                    }
                }
            }
        }
    }
}

/// Elements at plane index `flat` of several channels, `step` apart, against the best of each so far; a place of −1
/// says that there is none yet.
#[inline(always)]
unsafe fn compare<T: Float>(x: *const T, step: isize, flat: i64, best: &mut [T], places: &mut [i64]) {
    let one = |v: T, best: &mut T, place: &mut i64| {
        let take = (*place < 0) | takes(v, *best);
        *best = if take { v } else { *best };
        *place = if take { flat } else { *place };
    };
    // SAFETY: the caller gives an element for each channel. A constant step lets the compiler vectorise.
    unsafe {
        if step == 1 {
            best.iter_mut().zip(places).enumerate().for_each(|(j, (b, p))| one(*x.add(j), b, p));
        } else {
            best.iter_mut().zip(places).enumerate().for_each(|(j, (b, p))| one(*x.offset(j as isize * step), b, p));
        }
    }
}
