//! The gradient of pooling where no element lies in two windows: each input element takes what the window gives it that
//! it is nearest to, so that one pass writes them all.

use std::sync::atomic::{AtomicBool, Ordering};

use ferrograd_array::Array;
use smallvec::SmallVec;

use super::{Axis, EXACT, Geometry, offset, whole};
use crate::dense::streams_rows;
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{Float, Kernel, MOST_LANES, Simd, streamed, vectorize};

/// Input elements of a task.
const BLOCK: usize = 1 << 14;

/// What windows give to their elements.
pub(super) trait Share<T: Float>: Copy + Sync {
    /// Windows side by side in memory.
    type Windows: Windows<T>;
    /// Strides of what is read of a window, which must lie side by side.
    fn strides(&self) -> SmallVec<[[isize; 5]; 2]>;
    /// The windows from `n c d h w` on.
    fn windows(&self, at: [usize; 5]) -> Self::Windows;
}

pub(super) trait Windows<T: Float>: Copy {
    /// What windows `j..j + n` give, and the flat index of the element that each gives it to, where it is one.
    /// # Safety
    /// There are these windows.
    unsafe fn load<S: Simd<T>>(self, s: S, j: usize, n: usize) -> (S::V, S::V);
    /// What the elements at these flat indices of their plane get, and which of them count.
    fn give<S: Simd<T>>(self, s: S, windows: (S::V, S::V), flat: S::V) -> (S::V, S::M);
}

/// Which neighbours are computed together.
#[derive(Clone, Copy)]
enum Along {
    Channels,
    /// The windows of a row, which lie without a gap and have this many columns.
    Row(usize),
}

impl Along {
    /// `None` where neither lies side by side in all arrays.
    fn of(g: &Geometry, out: &[isize; 5], read: &[[isize; 5]]) -> Option<Self> {
        let [_, _, w] = g.axes;
        let side_by_side = |axis: usize| out[axis] == 1 && read.iter().all(|s| s[axis] == 1);
        if g.c > 1 && side_by_side(1) && (w.size == 1 || out[4] == g.c as isize) {
            return Some(Along::Channels);
        }
        (side_by_side(4) && w.is_gapless()).then_some(Along::Row(w.kernel))
    }
}

/// The gradient of the input, written into `out`, and whether for each window one element counted. `None`, with nothing
/// written, where windows overlap or the arrays lie otherwise.
pub(super) fn spread<T: Float, S: Share<T>>(g: &Geometry, out: &Array, share: S) -> Option<bool> {
    let so = g.strides(out.layout());
    let apart = g.axes.iter().all(|a| a.out == 1 || a.stride > (a.kernel - 1) * a.dilation);
    let along = Along::of(g, &so, &share.strides())?;
    if !apart || out.numel() == 0 || g.planes().0 as i64 > EXACT {
        return None;
    }
    let [d, h, _] = g.axes;
    let mut count = g.n * d.out * h.out;
    if let Along::Row(_) = along {
        path!("pooling/grad_rows", parallel);
        count *= g.c;
    } else {
        path!("pooling/grad_channels", parallel);
    }
    let missed = AtomicBool::new(false);
    let past = streams_rows::<T>(out, g.axes[2].size);
    let bands = Bands { g, out: (SyncPtr::new(out.ptr_mut::<T>()), so), share, along, past, start: 0, end: 0 };
    let block = (BLOCK * count / out.numel()).max(1);
    parallel::for_range(count, block, out.numel() as f64 * 0.3 / count as f64, |start, end| {
        if !vectorize(Bands { start, end, ..bands }) {
            missed.store(true, Ordering::Relaxed);
        }
    });
    Some(!missed.into_inner())
}

/// The input elements nearest to windows `start..end`, counted over `n [c] d h`: the rows from where a window begins to
/// where the next one does, the first and the last with what lies before and behind.
#[derive(Clone, Copy)]
struct Bands<'a, T, H> {
    g: &'a Geometry,
    out: (SyncPtr<T>, [isize; 5]),
    share: H,
    along: Along,
    /// Whether rows of windows of two columns are written past the caches.
    past: bool,
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

impl<T: Float, H: Share<T>> Kernel<T> for Bands<'_, T, H> {
    type Output = bool;
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> bool {
        let [d, h, w] = self.g.axes;
        let (out, so) = self.out;
        // Which columns are taps of the window that they are nearest to.
        let columns: SmallVec<[bool; 64]> =
            (0..w.out).flat_map(|ow| band(&w, ow).map(move |x| is_tap(&w, ow, x))).collect();
        let mut rows: SmallVec<[(usize, usize, bool); 16]> = SmallVec::new();
        // The taps of a window, as flat indices of the plane and as pointers.
        let mut taps: SmallVec<[(i64, *mut T); 32]> = SmallVec::new();
        let mut all = true;
        for index in self.start..self.end {
            let (oh, rest) = (index % h.out, index / h.out);
            let (od, rest) = (rest % d.out, rest / d.out);
            let (n, c) = match self.along {
                Along::Channels => (rest, 0),
                Along::Row(_) => (rest / self.g.c, rest % self.g.c),
            };
            let at = |z: usize, y: usize, x: usize| out.get().wrapping_offset(offset([n, c, z, y, x], so));
            rows.clear();
            for z in band(&d, od) {
                rows.extend(band(&h, oh).map(|y| (z, y, is_tap(&d, od, z) && is_tap(&h, oh, y))));
            }
            // SAFETY: elements of this band, which no other task writes; windows that there are.
            unsafe {
                if let Along::Row(kernel) = self.along {
                    let windows = self.share.windows([n, c, od, oh, 0]);
                    let mut found = 0.0;
                    for &(z, y, in_row) in &rows {
                        let (to, flat) = (at(z, y, 0), ((z * h.size + y) * w.size) as i64);
                        let written = if in_row { w.out * kernel } else { 0 };
                        found += match kernel {
                            _ if !in_row => 0.0,
                            2 => of_row::<T, S, H::Windows, 2>(s, windows, w.out, to, flat, self.past),
                            3 => of_row::<T, S, H::Windows, 3>(s, windows, w.out, to, flat, false),
                            _ => of_row::<T, S, H::Windows, 4>(s, windows, w.out, to, flat, false),
                        };
                        std::slice::from_raw_parts_mut(to.add(written), w.size - written).fill(T::ZERO);
                    }
                    all &= found == w.out as f64;
                    continue;
                }
                for ow in 0..w.out {
                    taps.clear();
                    for &(z, y, in_row) in &rows {
                        for x in band(&w, ow) {
                            if in_row && columns[x] {
                                taps.push((((z * h.size + y) * w.size + x) as i64, at(z, y, x)));
                            } else {
                                std::slice::from_raw_parts_mut(at(z, y, x), self.g.c).fill(T::ZERO);
                            }
                        }
                    }
                    let windows = self.share.windows([n, c, od, oh, ow]);
                    all &= of_window(s, windows, self.g.c, &taps);
                }
            }
        }
        if self.past {
            streamed();
        }
        all
    }
}

/// Writes one row of the elements of `n` windows of `K` columns; how many elements count.
#[inline(always)]
unsafe fn of_row<T: Float, S: Simd<T>, W: Windows<T>, const K: usize>(
    s: S,
    windows: W,
    n: usize,
    to: *mut T,
    flat: i64,
    past: bool,
) -> f64 {
    const { assert!(S::LANES <= MOST_LANES) };
    let ramp = s.mul(s.ramp(), whole(s, K as i64));
    let mut found = s.zero();
    for j in (0..n).step_by(S::LANES) {
        let part = S::LANES.min(n - j);
        // SAFETY: the caller's promise.
        unsafe {
            let window = windows.load(s, j, part);
            let mut columns = [s.zero(); K];
            for k in 0..K {
                let (v, here) = windows.give(s, window, s.add(ramp, whole(s, flat + (K * j + k) as i64)));
                columns[k] = v;
                let counts = s.select(here, s.splat(T::ONE), s.zero());
                found = s.add(found, if part == S::LANES { counts } else { first(s, counts, part) });
            }
            let to = to.add(K * j);
            if K == 2 {
                let (a, b) = s.zip(columns[0], columns[1]);
                if part == S::LANES {
                    s.put(to, a, past);
                    s.put(to.add(S::LANES), b, past);
                } else {
                    s.store_two(to, 2 * part, a, b);
                }
                continue;
            }
            let mut lanes = [[T::ZERO; MOST_LANES]; K];
            for k in 0..K {
                s.store(lanes[k].as_mut_ptr(), columns[k]);
            }
            for i in 0..part {
                for k in 0..K {
                    *to.add(K * i + k) = lanes[k][i];
                }
            }
        }
    }
    s.sum(found).to_f64()
}

/// The first `n` lanes, zero in the others.
#[inline(always)]
fn first<T: Float, S: Simd<T>>(s: S, v: S::V, n: usize) -> S::V {
    s.select(s.lt(s.ramp(), s.splat(T::from_f64(n as f64))), v, s.zero())
}

/// Writes the taps of a window of each channel; whether in each one of them counts.
#[inline(always)]
unsafe fn of_window<T: Float, S: Simd<T>, W: Windows<T>>(
    s: S,
    windows: W,
    channels: usize,
    taps: &[(i64, *mut T)],
) -> bool {
    let mut all = true;
    for c in (0..channels).step_by(S::LANES) {
        let n = S::LANES.min(channels - c);
        // SAFETY: the caller's promise.
        unsafe {
            let window = windows.load(s, c, n);
            let mut found = s.zero();
            for &(flat, to) in taps {
                let (v, here) = windows.give(s, window, whole(s, flat));
                s.store_some(to.add(c), n, v);
                found = s.select(here, s.splat(T::ONE), found);
            }
            all &= s.sum(first(s, found, n)).to_f64() == n as f64;
        }
    }
    all
}
