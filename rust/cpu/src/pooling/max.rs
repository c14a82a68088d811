use ferrograd_array::{Array, DType, Error, Result};

use super::{EXACT, Geometry, Taps, Window, channels_inside, whole};
use crate::dense::streams_rows;
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{Float, Kernel, Simd, inlined, streamed, vectorize};

/// Output elements of a task.
const BLOCK: usize = 4 * 1024;
/// Lanes that are compared tap by tap where the number of taps is not a constant.
const TILE: usize = 64;

/// The largest element of each window, and its flat index in the channel's plane (int64, as PyTorch counts). Of equal
/// elements the first is taken; NaN is larger than any number.
pub fn max_pool(x: &Array, window: &Window<'_>) -> Result<(Array, Array)> {
    let op = "max_pool";
    match x.dtype() {
        DType::F32 => forward::<f32>(op, x, window),
        DType::F64 => forward::<f64>(op, x, window),
        other => Err(Error::dtype(op, "input", "float32 or float64 (cast it)", other)),
    }
}

fn forward<T: Float>(op: &str, x: &Array, window: &Window<'_>) -> Result<(Array, Array)> {
    let g = Geometry::new(op, x.shape(), window)?;
    let shape = g.out_shape();
    let y = Array::empty_like(x, &shape, T::DTYPE)?;
    let index = Array::empty_like(x, &shape, DType::I64)?;
    if y.numel() == 0 {
        return Ok((y, index));
    }
    let (sx, sy) = (g.strides(x.layout()), g.strides(y.layout()));
    let [d, h, w] = g.axes;
    let full = taps(&g, &sx, [(0, d.kernel), (0, h.kernel), (0, w.kernel)]);
    let pointers =
        (SyncPtr::new(x.ptr_mut::<T>()), SyncPtr::new(y.ptr_mut::<T>()), SyncPtr::new(index.ptr_mut::<i64>()));
    let ns = y.numel() as f64 * (0.5 + 0.2 * g.window() as f64);
    // Rows of whole windows, so that each begins with a line.
    let rows_past = w.interior() == (0, w.out) && streams_rows::<T>(&y, w.out);
    let task = |rows: (usize, usize), inside: bool| {
        vectorize(Rows { g: &g, pointers, sx, sy, full: &full, rows, inside, past: rows_past && !inside });
    };
    if channels_inside(&g, &sx) {
        path!("max_pool/channels", parallel);
        let block = (BLOCK / (g.c * w.out)).max(1);
        parallel::for_range(g.n * d.out * h.out, block, ns / (g.n * d.out * h.out) as f64, |a, b| task((a, b), true));
    } else {
        path!("max_pool/rows", parallel);
        let rows = g.n * g.c * d.out * h.out;
        parallel::for_range(rows, (BLOCK / w.out).max(1), ns / rows as f64, |a, b| task((a, b), false));
    }
    Ok((y, index))
}

/// Taps `from..to` of each axis, from the place where tap 0 of all axes would be.
fn taps(g: &Geometry, sx: &[isize; 5], ranges: [(usize, usize); 3]) -> Taps {
    let [d, h, w] = g.axes;
    let mut taps = Taps::new();
    for kd in ranges[0].0..ranges[0].1 {
        for kh in ranges[1].0..ranges[1].1 {
            for kw in ranges[2].0..ranges[2].1 {
                let (kd, kh, kw) = (kd * d.dilation, kh * h.dilation, kw * w.dilation);
                let offset = kd as isize * sx[2] + kh as isize * sx[3] + kw as isize * sx[4];
                taps.push((offset, ((kd * h.size + kh) * w.size + kw) as i64));
            }
        }
    }
    taps
}

/// Output rows `rows.0..rows.1`, counted over `n [c] d h`.
struct Rows<'a, T> {
    g: &'a Geometry,
    pointers: (SyncPtr<T>, SyncPtr<T>, SyncPtr<i64>),
    sx: [isize; 5],
    sy: [isize; 5],
    full: &'a Taps,
    rows: (usize, usize),
    /// Lanes are the channels of one output element, else the elements of a row.
    inside: bool,
    /// Whether rows of results and indices go past the caches.
    past: bool,
}

impl<T: Float> Kernel<T> for Rows<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Self { g, sx, sy, inside, .. } = self;
        let [d, h, w] = g.axes;
        let interior = w.interior();
        for row in self.rows.0..self.rows.1 {
            let (oh, rest) = (row % h.out, row / h.out);
            let (od, rest) = (rest % d.out, rest / d.out);
            let (n, c) = if inside { (rest, 0) } else { (rest / g.c, rest % g.c) };
            let (rd, rh) = (d.taps(od), h.taps(oh));
            let whole_rows = rd == (0, d.kernel) && rh == (0, h.kernel);
            // Where tap 0 would lie, possibly in the padding; only taps that are inside are read.
            let from = [od * d.stride, oh * h.stride].map(|v| v as isize);
            let (fd, fh) = (from[0] - d.padding as isize, from[1] - h.padding as isize);
            let base = n as isize * sx[0] + c as isize * sx[1] + fd * sx[2] + fh * sx[3];
            let flat = (fd as i64 * h.size as i64 + fh as i64) * w.size as i64;
            let out = n as isize * sy[0] + c as isize * sy[1] + od as isize * sy[2] + oh as isize * sy[3];
            let (step, out_step, flat_step) =
                if inside { (sx[1], sy[1], 0) } else { (w.stride as isize * sx[4], sy[4], w.stride as i64) };
            let mut ow = 0;
            while ow < w.out {
                // Windows that share their taps go together: all channels, or the interior of a row.
                let whole = (interior.0..interior.1).contains(&ow);
                let (next, n) = match (inside, whole) {
                    (true, _) => (ow + 1, g.c),
                    (_, true) => (interior.1, interior.1 - ow),
                    _ => (ow + 1, 1),
                };
                let rw = if whole { (0, w.kernel) } else { w.taps(ow) };
                let own;
                let taps = if whole_rows && rw == (0, w.kernel) {
                    self.full
                } else {
                    own = taps(g, &sx, [rd, rh, rw]);
                    &own
                };
                let fw = (ow * w.stride) as isize - w.padding as isize;
                let at = out + ow as isize * sy[4];
                let lanes = Lanes {
                    // The window's first tap may lie outside, so that this is an address and no pointer yet.
                    x: self.pointers.0.get().wrapping_offset(base + fw * sx[4]),
                    step,
                    taps,
                    y: self.pointers.1.get().wrapping_offset(at),
                    index: self.pointers.2.get().wrapping_offset(at),
                    out_step,
                    flat: flat + fw as i64,
                    flat_step,
                    n,
                    past: self.past,
                };
                // SAFETY: `taps` are those of these lanes that lie inside the input, and the output has them all.
                unsafe { lanes.run(s) }
                ow = next;
            }
        }
        if self.past {
            streamed();
        }
    }
}

/// Several windows with the same taps, `step` apart.
struct Lanes<'a, T> {
    x: *const T,
    step: isize,
    taps: &'a Taps,
    y: *mut T,
    index: *mut i64,
    out_step: isize,
    flat: i64,
    flat_step: i64,
    n: usize,
    past: bool,
}

/// `v` takes the place of `best`: it is larger, or NaN.
#[inline(always)]
pub(super) fn takes<T: Float>(v: T, best: T) -> bool {
    (v > best) | v.is_nan()
}

impl<T: Float> Lanes<'_, T> {
    #[inline(always)]
    unsafe fn run<S: Simd<T>>(&self, s: S) {
        let reach = self.taps[self.taps.len() - 1].1 + S::LANES as i64 * self.flat_step;
        // SAFETY: the caller's. Constant steps let the compiler keep all in registers.
        unsafe {
            match (self.step, self.out_step) {
                (1, 1) if reach < EXACT => self.vectors::<S, false>(s),
                (2, 1) if reach < EXACT => self.vectors::<S, true>(s),
                (1, _) => self.tiled(1),
                (2, _) => self.tiled(2),
                _ => self.tiled(self.step),
            }
        }
    }

    /// Windows side by side, one element apart or (`TWO`) two: then two vectors are read and taken apart.
    #[inline(always)]
    unsafe fn vectors<S: Simd<T>, const TWO: bool>(&self, s: S) {
        let ramp = s.mul(s.ramp(), whole(s, self.flat_step));
        for start in (0..self.n).step_by(S::LANES) {
            let n = S::LANES.min(self.n - start);
            let x = self.x.wrapping_add(if TWO { 2 * start } else { start });
            let (mut best, mut place) = (s.splat(T::NEG_INFINITY), whole(s, self.taps[0].1));
            let mut look = inlined(
                #[inline(always)]
                |v: S::V, flat: i64| {
                    let take = s.mask_or(s.gt(v, best), s.is_nan(v));
                    best = s.select(take, v, best);
                    place = s.select(take, whole(s, flat), place);
                },
            );
            let mut k = 0;
            while k < self.taps.len() {
                let (offset, flat) = self.taps[k];
                let row = x.wrapping_offset(offset);
                k += 1;
                // SAFETY: the caller's: the tap of each of `n` windows, and what lies between them; behind the last of
                // a block that is not the last one the next window's begins.
                unsafe {
                    if !TWO {
                        look(s.load_some(row, n), flat);
                        continue;
                    }
                    let pair = k < self.taps.len() && self.taps[k] == (offset + 1, flat + 1);
                    let read = if pair || start + S::LANES < self.n { 2 * n } else { 2 * n - 1 };
                    let (a, b) = s.load_two(row, read);
                    let (even, odd) = s.unzip(a, b);
                    look(even, flat);
                    if pair {
                        look(odd, flat + 1);
                        k += 1;
                    }
                }
            }
            // SAFETY: the caller's.
            unsafe {
                s.put_some(self.y.add(start), n, best, self.past);
                let base = self.flat + start as i64 * self.flat_step;
                s.store_index_some(self.index.add(start), n, s.add(place, ramp), base, self.past);
            }
        }
    }

    #[inline(always)]
    unsafe fn tiled(&self, step: isize) {
        let (mut best, mut place) = ([T::ZERO; TILE], [0i64; TILE]);
        for start in (0..self.n).step_by(TILE) {
            let n = TILE.min(self.n - start);
            for (k, &(offset, flat)) in self.taps.iter().enumerate() {
                let row = self.x.wrapping_offset(offset + start as isize * step);
                for j in 0..n {
                    // SAFETY: the caller's.
                    let v = unsafe { *row.offset(j as isize * step) };
                    let take = (k == 0) | takes(v, best[j]);
                    best[j] = if take { v } else { best[j] };
                    place[j] = if take { flat } else { place[j] };
                }
            }
            for j in 0..n {
                let at = (start + j) as isize * self.out_step;
                // SAFETY: the caller's.
                unsafe {
                    *self.y.offset(at) = best[j];
                    *self.index.offset(at) = place[j] + self.flat + (start + j) as i64 * self.flat_step;
                }
            }
        }
    }
}
