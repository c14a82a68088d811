//! The gradient of a depthwise convolution's weights: sums over the points, in a fixed number of parts of the rows.

use ferrograd_array::Result;

use super::{Tap, VECTORS, WORK, inner, load, meets, place, rows, square, taps};
use crate::cache::LINE;
use crate::conv::block::Source;
use crate::conv::direct::{ns, room};
use crate::conv::geometry::Lattice;
use crate::isa;
use crate::parallel::{self, SyncPtr};
use crate::simd::{Float, Kernel, Simd};

/// Parts of the rows at most; their sums are added in order.
const PARTS: usize = 32;

/// `dst[c, t] = Σ_n Σ_point grad[n, c, point] · source[n, c, point at t]`, dst row-major; channels are neighbours in
/// both operands.
pub(in crate::conv) struct WeightPass<'a, T> {
    pub n: usize,
    pub channels: usize,
    pub grad: Source<T>,
    pub source: Source<T>,
    pub kernel: [usize; 3],
    pub dst: SyncPtr<T>,
    pub lattice: &'a [Lattice; 3],
    pub work: f64,
}

impl<T: Float> WeightPass<'_, T> {
    /// # Safety
    /// `grad` and `source` are readable over the shapes given, `dst` writable and apart from them.
    pub unsafe fn run(&self) -> Result<()> {
        let isa = isa::current();
        let taps: usize = self.kernel.iter().product();
        let size = taps * self.channels;
        let rows = rows(self.n, self.lattice);
        let parts = rows.min((self.work as usize / (4 * WORK)).clamp(1, PARTS)).max(1);
        let kept = room::<T>(size.saturating_mul(parts))?;
        let sums = SyncPtr::new(kept.as_ptr().cast::<T>());
        let (lined, width) = self.lines();
        parallel::try_run(parts, ns::<T>(self.work) * 2.0, |part| {
            let copies = room::<T>(3 * width * lined)?;
            let span = (part * rows / parts, (part + 1) * rows / parts);
            let sums = sums.get().wrapping_add(part * size);
            // SAFETY: a part's sums are its task's; the instruction set in force is the machine's.
            unsafe {
                std::ptr::write_bytes(sums, 0, size);
                T::enter(isa, WeightRows { pass: self, span, sums, copies: copies.as_ptr().cast::<T>() });
            }
            Ok(())
        })?;
        // SAFETY: all of it was written above.
        let all = unsafe { std::slice::from_raw_parts_mut(sums.get(), parts * size) };
        let (total, others) = all.split_at_mut(size);
        for part in others.chunks_exact(size) {
            for (sum, &more) in total.iter_mut().zip(part) {
                *sum += more;
            }
        }
        for c in 0..self.channels {
            for t in 0..taps {
                // SAFETY: the result has an element for each channel and tap.
                unsafe { *self.dst.get().add(c * taps + t) = total[t * self.channels + c] };
            }
        }
        Ok(())
    }

    /// How many channels, in whole lines, are summed from copies of rows, and how many points a copy has: from the first
    /// that a row meets to the last. It takes 3 × 3 taps.
    fn lines(&self) -> (usize, usize) {
        let [d, h, w] = self.lattice;
        let line = LINE / size_of::<T>();
        if d.taps.len() != 1 || !square::follows(h) || !square::follows(w) || w.count == 0 {
            return (0, 0);
        }
        (self.channels / line * line, (w.count - 1) * w.source_step + 3)
    }
}

struct WeightRows<'a, T> {
    pass: &'a WeightPass<'a, T>,
    span: (usize, usize),
    /// (taps, channels)
    sums: *mut T,
    /// Room for three rows of lines.
    copies: *mut T,
}

/// Taps along w that are summed together, and vectors of channels: twelve sums hide the latency.
const TOGETHER: usize = 3;
impl<T: Float> Kernel<T> for WeightRows<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let WeightPass { lattice, source, grad, kernel, .. } = *self.pass;
        let along = &lattice[2];
        let step = along.source_step as isize * source.strides[4];
        let first = self.lines::<S>(s);
        if first == self.pass.channels {
            return;
        }
        for row in self.span.0..self.span.1 {
            let at = place(lattice, row);
            let all = taps(lattice, &source, kernel, at);
            let x = source.ptr.wrapping_offset(at[0] as isize * source.strides[0]);
            let from = (0..3).map(|k| at[k] as isize * grad.strides[[0, 2, 3][k]]).sum();
            let g = grad.ptr.wrapping_offset(from);
            let moves = Moves { x, step, g, g_step: grad.strides[4], inner: inner(along) };
            // SAFETY: `WeightPass::run` gave this task sums of its own; taps are kept where they lie inside the source.
            unsafe {
                for taps in all.chunks(TOGETHER) {
                    if let Ok(taps) = <&[Tap; TOGETHER]>::try_from(taps) {
                        self.channels::<S, TOGETHER, VECTORS>(s, first, taps, &moves);
                    } else {
                        for &tap in taps {
                            self.channels::<S, 1, VECTORS>(s, first, &[tap], &moves);
                        }
                    }
                }
            }
        }
    }
}

/// How a row's points move over the source and the gradient.
struct Moves<T> {
    x: *const T,
    step: isize,
    g: *const T,
    g_step: isize,
    /// The points that meet every element along w.
    inner: (usize, usize),
}

impl<T: Float> WeightRows<'_, T> {
    /// The sums of 3 × 3 taps over whole lines of channels, from copies of what a row meets, one line of channels after the
    /// other: where they lie, a point's neighbours share few sets of the first cache. What lies outside is neither copied
    /// nor met. Returns the first channel that is left.
    #[inline(always)]
    fn lines<S: Simd<T>>(&self, s: S) -> usize {
        let WeightPass { lattice: [d, h, w], source, grad, kernel, channels, .. } = *self.pass;
        let (line, (left, width)) = (LINE / size_of::<T>(), self.pass.lines());
        if left == 0 {
            return 0;
        }
        let (low, high) = inner(w);
        let mut held = [None; 3];
        for row in self.span.0..self.span.1 {
            let at = place(self.pass.lattice, row);
            let depth = (at[1] * d.source_step) as isize + d.taps[0].1;
            if depth < 0 || depth >= d.source_size as isize {
                continue;
            }
            let image = source.ptr.wrapping_offset(at[0] as isize * source.strides[0] + depth * source.strides[2]);
            let (mut from, mut inside) = ([std::ptr::null(); 3], [false; 3]);
            for k in 0..3 {
                let high = (at[2] * h.source_step) as isize + h.taps[k].1;
                let slot = high.rem_euclid(3) as usize;
                let copy = self.copies.wrapping_add(slot * width * left);
                from[k] = copy.cast_const();
                inside[k] = high >= 0 && high < h.source_size as isize;
                if !inside[k] || held[slot] == Some((at[0], depth, high)) {
                    continue;
                }
                held[slot] = Some((at[0], depth, high));
                let x = image.wrapping_offset(high * source.strides[3]);
                for j in 0..width {
                    let to = copy.wrapping_add(j * line);
                    let j = j as isize + w.taps[0].1;
                    if j < 0 || j >= w.source_size as isize {
                        continue;
                    }
                    let x = x.wrapping_offset(j * source.strides[4]);
                    for c in (0..left).step_by(S::LANES) {
                        // SAFETY: inside the source, and a vector of the copy.
                        unsafe {
                            s.store(to.add(c / line * (width * line) + c % line), s.load(x.add(c)));
                        }
                    }
                }
            }
            let g = (0..3).map(|k| at[k] as isize * grad.strides[[0, 2, 3][k]]).sum();
            let g = grad.ptr.wrapping_offset(g);
            for c in (0..left).step_by(S::LANES) {
                let (g, shift) = (g.wrapping_add(c), c / line * (width * line) + c % line);
                let sum = |i: usize, k: usize| {
                    let element = (d.taps[0].0 * kernel[1] + h.taps[i].0) * kernel[2] + w.taps[k].0;
                    self.sums.wrapping_add(element * channels + c)
                };
                // SAFETY: the sums are this task's; a row's gradients, and copies of what it meets.
                unsafe {
                    let mut sums = [[s.zero(); 3]; 3];
                    for i in 0..3 {
                        for k in 0..3 {
                            sums[i][k] = s.load(sum(i, k));
                        }
                    }
                    for q in 0..w.count {
                        let g = s.load(g.wrapping_offset(q as isize * grad.strides[4]));
                        let whole = inside == [true; 3] && q >= low && q < high;
                        for i in 0..3 {
                            for k in 0..3 {
                                if whole || (inside[i] && meets(w, q, w.taps[k].1)) {
                                    let x = s.load(from[i].add(shift + (q * w.source_step + k) * line));
                                    sums[i][k] = s.fma(g, x, sums[i][k]);
                                }
                            }
                        }
                    }
                    for i in 0..3 {
                        for k in 0..3 {
                            s.store(sum(i, k), sums[i][k]);
                        }
                    }
                }
            }
        }
        left
    }

    /// A row's points added to the sums of `K` taps, from a channel on.
    #[inline(always)]
    unsafe fn channels<S: Simd<T>, const K: usize, const MV: usize>(
        &self,
        s: S,
        first: usize,
        taps: &[Tap; K],
        moves: &Moves<T>,
    ) {
        let channels = self.pass.channels;
        let mut c = first;
        // SAFETY: as `run`'s.
        unsafe {
            while c + MV * S::LANES <= channels {
                self.points::<S, K, MV, false>(s, taps, moves, c, S::LANES);
                c += MV * S::LANES;
            }
            while c < channels {
                let left = (channels - c).min(S::LANES);
                self.points::<S, K, 1, true>(s, taps, moves, c, left);
                c += left;
            }
        }
    }

    #[inline(always)]
    unsafe fn points<S: Simd<T>, const K: usize, const MV: usize, const PARTIAL: bool>(
        &self,
        s: S,
        taps: &[Tap; K],
        moves: &Moves<T>,
        c: usize,
        left: usize,
    ) {
        let along = &self.pass.lattice[2];
        let (low, high) = moves.inner;
        let at = |k: usize, v: usize| self.sums.wrapping_add(taps[k].1 * self.pass.channels + c + v * S::LANES);
        let mut sums = [[s.zero(); MV]; K];
        for k in 0..K {
            for v in 0..MV {
                // SAFETY: as this function's.
                sums[k][v] = unsafe { load::<T, S, PARTIAL>(s, at(k, v), left) };
            }
        }
        let mut x = moves.x.wrapping_add(c);
        let mut g = moves.g.wrapping_add(c);
        let mut q = 0;
        while q < along.count {
            // Ends and inner points have loops of their own, so that the inner one asks nothing of a tap.
            while q < along.count && !(low..high).contains(&q) {
                for k in 0..K {
                    if meets(along, q, taps[k].2) {
                        for v in 0..MV {
                            // SAFETY: as this function's; this tap lies inside the source.
                            unsafe {
                                let grad = load::<T, S, PARTIAL>(s, g.add(v * S::LANES), left);
                                let x = load::<T, S, PARTIAL>(s, x.offset(taps[k].0).add(v * S::LANES), left);
                                sums[k][v] = s.fma(grad, x, sums[k][v]);
                            }
                        }
                    }
                }
                x = x.wrapping_offset(moves.step);
                g = g.wrapping_offset(moves.g_step);
                q += 1;
            }
            while q < high && q >= low {
                for v in 0..MV {
                    // SAFETY: as this function's; every tap lies inside the source.
                    unsafe {
                        let grad = load::<T, S, PARTIAL>(s, g.add(v * S::LANES), left);
                        for k in 0..K {
                            let x = load::<T, S, PARTIAL>(s, x.offset(taps[k].0).add(v * S::LANES), left);
                            sums[k][v] = s.fma(grad, x, sums[k][v]);
                        }
                    }
                }
                x = x.wrapping_offset(moves.step);
                g = g.wrapping_offset(moves.g_step);
                q += 1;
            }
        }
        for k in 0..K {
            for v in 0..MV {
                // SAFETY: as this function's.
                unsafe {
                    if PARTIAL {
                        s.store_partial(at(k, v), left, sums[k][v]);
                    } else {
                        s.store(at(k, v), sums[k][v]);
                    }
                }
            }
        }
    }
}
