//! 3 × 3 taps at stride 1: two neighbouring rows of results together, so that each vector of the source is loaded once
//! for the six sums it goes into.

use super::Rows;
use crate::activation::Activation;
use crate::cache::LINE;
use crate::conv::geometry::Lattice;
use crate::simd::{Float, Simd, prefetch};

/// Points of each row at a time, as many as there are registers for their sums.
const fn points(registers: usize) -> usize {
    if registers >= 32 { 7 } else { 4 }
}

/// Vectors in a line at most.
const PARTS: usize = 2;

/// Whether a point meets three neighbours.
pub(super) fn follows(lattice: &Lattice) -> bool {
    lattice.taps.len() == 3 && (1..3).all(|k| lattice.taps[k].1 == lattice.taps[0].1 + k as isize)
}

pub(super) struct Square<'a, T> {
    task: &'a Rows<'a, T>,
    /// The channels of each element of the kernel, by its place along h and w.
    weights: [[*const T; 3]; 3],
    /// Results go past the caches, whole lines at a time.
    past: bool,
}

impl<'a, T: Float> Square<'a, T> {
    /// Where a point meets 3 × 3 neighbours and the next one those one further.
    pub fn new<S: Simd<T>>(task: &'a Rows<'a, T>) -> Option<Self> {
        let ([d, h, w], pass) = (task.lattice, task.pass);
        let fits = w.count >= points(S::REGISTERS) && pass.channels >= S::LANES;
        let next = h.source_step == 1 && w.source_step == 1;
        if d.taps.len() != 1 || !follows(h) || !follows(w) || !next || !fits {
            return None;
        }
        let mut weights = [[task.weights; 3]; 3];
        for i in 0..3 {
            for k in 0..3 {
                let element = (d.taps[0].0 * pass.kernel[1] + h.taps[i].0) * pass.kernel[2] + w.taps[k].0;
                weights[i][k] = task.weights.wrapping_add(element * pass.channels);
            }
        }
        let lines = |bytes: usize| bytes.is_multiple_of(LINE);
        let apart = pass.dst_strides.iter().all(|&step| lines(step.unsigned_abs() * size_of::<T>()));
        let past = task.past
            && apart
            && lines(pass.channels * size_of::<T>())
            && lines(pass.dst.get().addr())
            && (1..=PARTS).contains(&(LINE / (S::LANES * size_of::<T>())));
        Some(Self { task, weights, past })
    }

    /// A row, whose place among its lattice's is `at`, and the next.
    ///
    /// # Safety
    /// Both rows are the task's; `image` begins the source's image, `to` the first row's results.
    #[inline(always)]
    pub unsafe fn pair<S: Simd<T>>(&self, s: S, at: [usize; 3], image: *const T, to: *mut T, to_step: isize) {
        // SAFETY: the caller's.
        unsafe {
            match points(S::REGISTERS) {
                7 => self.blocks::<S, 7>(s, at, image, to, to_step),
                _ => self.blocks::<S, 4>(s, at, image, to, to_step),
            }
        }
    }

    #[inline(always)]
    unsafe fn blocks<S: Simd<T>, const P: usize>(
        &self,
        s: S,
        at: [usize; 3],
        image: *const T,
        to: *mut T,
        to_step: isize,
    ) {
        let [d, h, w] = self.task.lattice;
        let source = &self.task.pass.source;
        let inside = |index: isize, size: usize| index >= 0 && index < size as isize;
        let depth = (at[1] * d.source_step) as isize + d.taps[0].1;
        let high = at[2] as isize + h.taps[0].1;
        let mut rows = [false; 4];
        for r in 0..4 {
            rows[r] = inside(depth, d.source_size) && inside(high + r as isize, h.source_size);
        }
        let step = source.strides[4];
        let from = image.wrapping_offset(depth * source.strides[2] + high * source.strides[3]);
        let mut q = 0;
        while q < w.count {
            // Some points again at the end of the row.
            q = q.min(w.count - P);
            let first = q as isize + w.taps[0].1;
            let block = Block {
                from: from.wrapping_offset(first * step),
                step,
                row: source.strides[3],
                rows,
                // The points of the source that lie inside it.
                low: (-first).max(0),
                high: w.source_size as isize - first,
                to: to.wrapping_offset(q as isize * to_step),
                to_step,
                to_row: h.step as isize * self.task.pass.dst_strides[2],
            };
            // SAFETY: as `pair`'s.
            unsafe {
                if block.low == 0 && block.high >= P as isize + 2 {
                    self.channels::<S, P, false>(s, &block);
                } else {
                    self.channels::<S, P, true>(s, &block);
                }
            }
            q += P;
        }
    }

    /// All channels of a block's points; where `EDGE`, some of the source's lie outside.
    #[inline(always)]
    unsafe fn channels<S: Simd<T>, const P: usize, const EDGE: bool>(&self, s: S, block: &Block<T>) {
        let (channels, parts) = (self.task.pass.channels, LINE / (S::LANES * size_of::<T>()));
        let mut c = 0;
        // SAFETY: as `pair`'s; the last vectors may begin among the channels of those before.
        unsafe {
            while self.past && c < channels {
                let mut sums = [[[s.zero(); P]; 2]; PARTS];
                for v in 0..PARTS {
                    if v < parts {
                        sums[v] = self.sums::<S, P, EDGE>(s, block, c + v * S::LANES);
                    }
                }
                for o in 0..2 {
                    for j in 0..P {
                        for v in 0..PARTS {
                            if v < parts {
                                s.stream(block.result(o, j, c + v * S::LANES), sums[v][o][j]);
                            }
                        }
                    }
                }
                c += parts * S::LANES;
            }
            while c < channels {
                c = c.min(channels - S::LANES);
                let sums = self.sums::<S, P, EDGE>(s, block, c);
                for o in 0..2 {
                    for j in 0..P {
                        s.store(block.result(o, j, c), sums[o][j]);
                    }
                }
                c += S::LANES;
            }
        }
    }

    #[inline(always)]
    unsafe fn sums<S: Simd<T>, const P: usize, const EDGE: bool>(
        &self,
        s: S,
        block: &Block<T>,
        c: usize,
    ) -> [[S::V; P]; 2] {
        let pass = self.task.pass;
        // SAFETY: as `pair`'s.
        unsafe {
            let bias = self.task.weights.add(self.task.taps * pass.channels + c);
            let mut sums = [[s.load(bias); P]; 2];
            self.row::<S, P, EDGE, 0>(s, block, c, &mut sums);
            self.row::<S, P, EDGE, 1>(s, block, c, &mut sums);
            self.row::<S, P, EDGE, 2>(s, block, c, &mut sums);
            self.row::<S, P, EDGE, 3>(s, block, c, &mut sums);
            let floor = s.splat(if pass.activation == Activation::Relu { T::ZERO } else { T::NEG_INFINITY });
            for o in 0..2 {
                for j in 0..P {
                    sums[o][j] = s.max(floor, sums[o][j]);
                }
            }
            sums
        }
    }

    /// What row `R` of the four that two rows of results meet adds to their sums.
    #[inline(always)]
    unsafe fn row<S: Simd<T>, const P: usize, const EDGE: bool, const R: usize>(
        &self,
        s: S,
        block: &Block<T>,
        c: usize,
        sums: &mut [[S::V; P]; 2],
    ) {
        if !block.rows[R] {
            return;
        }
        let from = block.from.wrapping_offset(R as isize * block.row).wrapping_add(c);
        let mut weights = [[s.zero(); 3]; 2];
        for o in 0..2 {
            if R >= o && R < o + 3 {
                for k in 0..3 {
                    // SAFETY: as `pair`'s.
                    weights[o][k] = unsafe { s.load(self.weights[R - o][k].add(c)) };
                }
            }
        }
        for j in 0..P + 2 {
            let at = j as isize;
            if EDGE && !(block.low..block.high).contains(&at) {
                continue;
            }
            // SAFETY: as `pair`'s; what lies outside the source is not read.
            let x = unsafe { s.load(from.offset(at * block.step)) };
            if R >= 2 {
                // The next block's rows that this pair has not met yet.
                prefetch(from.wrapping_offset((at + P as isize + 2) * block.step));
            }
            for o in 0..2 {
                for k in 0..3 {
                    if R >= o && R < o + 3 && j >= k && j < k + P {
                        sums[o][j - k] = s.fma(weights[o][k], x, sums[o][j - k]);
                    }
                }
            }
        }
    }
}

/// Points of two rows, and what of the source they meet.
struct Block<T> {
    from: *const T,
    /// From a point of the source to the next, and to the one below.
    step: isize,
    row: isize,
    rows: [bool; 4],
    /// The points along a row that lie inside the source, counted from the first that is met.
    low: isize,
    high: isize,
    to: *mut T,
    to_step: isize,
    to_row: isize,
}

impl<T> Block<T> {
    #[inline(always)]
    fn result(&self, row: usize, point: usize, channel: usize) -> *mut T {
        self.to.wrapping_offset(row as isize * self.to_row + point as isize * self.to_step).wrapping_add(channel)
    }
}
