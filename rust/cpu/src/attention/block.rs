//! What stands between the products: panels of queries packed, scores masked, the softmax and its gradient, results
//! turned over. A panel's scores and sums are matrices of one query a lane: element (i, lane) is at `i · step + lane`.

use super::ROWS;
use super::operands::{Mask, at};
use crate::gemm::{Matrix, Strided};
use crate::simd::{Float, Kernel, Simd, vectorize};

/// Runs a kernel. Not inlined, so that each stands in the library once, however many call it.
#[inline(never)]
pub(super) fn run<T: Float, K: Kernel<T>>(kernel: K) -> K::Output {
    vectorize(kernel)
}

/// Rows of a matrix times `scale`: `along` as rows of `features`, `across` with a row a lane.
pub(super) struct Pack<T> {
    pub from: Matrix<T>,
    pub rows: usize,
    pub features: usize,
    pub scale: T,
    pub along: *mut T,
    pub across: *mut T,
}

impl<T: Float> Kernel<T> for Pack<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        let Self { from, rows, features, scale, along, .. } = self;
        // SAFETY: the caller's rows are readable; `along` has room for them, `across` for whole panels of them.
        unsafe {
            for r in 0..rows {
                let (row, to) = (at(from, r, 0).ptr, along.add(r * features));
                if from.col_stride == 1 {
                    for e in 0..features {
                        *to.add(e) = *row.add(e) * scale;
                    }
                } else {
                    for e in 0..features {
                        *to.add(e) = *row.wrapping_offset(e as isize * from.col_stride) * scale;
                    }
                }
            }
            let rows_of = Strided::new(along.cast_const(), features as isize, 1);
            rows_of.pack::<ROWS>(self.across, 0, rows, 0, features);
        }
    }
}

/// Adds the mask to scores, and hides from query i the keys past `i + diagonal`.
pub(super) struct Hide<T> {
    pub scores: *mut T,
    pub step: usize,
    pub rows: usize,
    pub lanes: usize,
    pub keys: usize,
    pub mask: Mask<T>,
    pub diagonal: Option<isize>,
}

impl<T: Float> Kernel<T> for Hide<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let mut numbers = [T::ZERO; ROWS];
        for i in 0..self.lanes {
            numbers[i] = T::from_f64(i as f64);
        }
        let masked = !matches!(self.mask, Mask::None);
        // SAFETY: the scores have `keys` rows of `lanes`, the mask has the panel's queries and these keys.
        unsafe {
            for j in 0..self.keys {
                let mut added = [T::ZERO; ROWS];
                if masked && !self.mask.is_shared() {
                    for i in 0..self.rows {
                        added[i] = self.mask.added(i, j);
                    }
                }
                let shared = if masked && self.mask.is_shared() { self.mask.added(0, j) } else { T::ZERO };
                for i in (0..self.lanes).step_by(S::LANES) {
                    let p = self.scores.add(j * self.step + i);
                    let mut x = s.load(p);
                    if masked {
                        x = s.add(x, s.add(s.load(added.as_ptr().add(i)), s.splat(shared)));
                    }
                    if let Some(diagonal) = self.diagonal {
                        // Query i sees key j where j ≤ i + diagonal.
                        let first = s.splat(T::from_f64((j as isize - diagonal) as f64));
                        let sees = s.le(first, s.load(numbers.as_ptr().add(i)));
                        x = s.select(sees, x, s.splat(T::NEG_INFINITY));
                    }
                    s.store(p, x);
                }
            }
        }
    }
}

/// Scores of some keys become exponentials; highest scores, sums and, but at first (`features` 0), the sums of values
/// are brought up to date. With `whole` these are all keys, and the exponentials become weights.
pub(super) struct Softmax<T> {
    pub scores: *mut T,
    pub step: usize,
    pub lanes: usize,
    pub keys: usize,
    pub highest: *mut T,
    pub total: *mut T,
    pub sums: *mut T,
    pub features: usize,
    pub whole: bool,
}

impl<T: Float> Kernel<T> for Softmax<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let vectors = self.lanes / S::LANES;
        // SAFETY: the caller gives room for whole vectors of lanes.
        unsafe {
            for v in (0..vectors - 1).step_by(2) {
                self.columns::<S, 2>(s, v * S::LANES);
            }
            if !vectors.is_multiple_of(2) {
                self.columns::<S, 1>(s, (vectors - 1) * S::LANES);
            }
        }
    }
}

impl<T: Float> Softmax<T> {
    /// The lanes from `first` on, `NV` vectors of them.
    #[inline(always)]
    unsafe fn columns<S: Simd<T>, const NV: usize>(&self, s: S, first: usize) {
        let place = |i: usize, v: usize| self.scores.wrapping_add(i * self.step + first + v * S::LANES);
        // SAFETY: as `run`'s.
        unsafe {
            let mut highest = [s.splat(T::NEG_INFINITY); NV];
            for j in 0..self.keys {
                for v in 0..NV {
                    highest[v] = s.max(highest[v], s.load(place(j, v)));
                }
            }
            let (mut base, mut correction, mut part) = ([s.zero(); NV], [s.zero(); NV], [s.zero(); NV]);
            for v in 0..NV {
                let at = self.highest.add(first + v * S::LANES);
                let before = s.load(at);
                let now = s.max(before, highest[v]);
                s.store(at, now);
                // Where nothing is seen yet: exp(−∞ − 0) is the 0 that it should be.
                base[v] = s.select(s.eq(now, s.splat(T::NEG_INFINITY)), s.zero(), now);
                correction[v] = T::exp_flushed(s, s.sub(before, base[v]));
            }
            for j in 0..self.keys {
                for v in 0..NV {
                    let e = T::exp_flushed(s, s.sub(s.load(place(j, v)), base[v]));
                    part[v] = s.add(part[v], e);
                    s.store(place(j, v), e);
                }
            }
            for v in 0..NV {
                let at = self.total.add(first + v * S::LANES);
                part[v] = s.fma(s.load(at), correction[v], part[v]);
                s.store(at, part[v]);
            }
            for e in 0..self.features {
                for v in 0..NV {
                    let at = self.sums.add(e * self.step + first + v * S::LANES);
                    s.store(at, s.mul(s.load(at), correction[v]));
                }
            }
            if self.whole {
                // Not `map`, which may be left as a function of its own, without vector instructions.
                let mut scale = part;
                for total in &mut scale {
                    *total = reciprocal(s, *total);
                }
                for j in 0..self.keys {
                    for v in 0..NV {
                        s.store(place(j, v), s.mul(s.load(place(j, v)), scale[v]));
                    }
                }
            }
        }
    }
}

/// 1/x, of zero 0.
#[inline(always)]
fn reciprocal<T: Float, S: Simd<T>>(s: S, x: S::V) -> S::V {
    s.select(s.eq(x, s.zero()), s.zero(), s.div(s.splat(T::ONE), x))
}

/// `log Σ exp` of each query, ∞ where it sees nothing, so that its weights come out as 0 again; and the sums divided.
pub(super) struct Finish<T> {
    pub step: usize,
    pub rows: usize,
    pub highest: *const T,
    pub total: *const T,
    pub sums: *mut T,
    /// 0 where the sums are means already.
    pub features: usize,
    pub log_sums: *mut T,
}

impl<T: Float> Kernel<T> for Finish<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        for i in (0..self.rows).step_by(S::LANES) {
            // SAFETY: whole vectors of lanes are readable and the sums writable; `log_sums` has `rows` elements.
            unsafe {
                let total = s.load(self.total.add(i));
                if !self.log_sums.is_null() {
                    let log = s.add(s.load(self.highest.add(i)), T::log(s, total));
                    let log = s.select(s.eq(total, s.zero()), s.splat(T::INFINITY), log);
                    s.store_some(self.log_sums.add(i), S::LANES.min(self.rows - i), log);
                }
                let scale = reciprocal(s, total);
                for e in 0..self.features {
                    let at = self.sums.add(e * self.step + i);
                    s.store(at, s.mul(s.load(at), scale));
                }
            }
        }
    }
}

/// A panel's sums times `scale` as rows of `to`, which are `to_step` apart; or added to them.
pub(super) struct Turn<T> {
    pub sums: *const T,
    pub step: usize,
    pub rows: usize,
    pub features: usize,
    pub scale: T,
    pub add: bool,
    pub to: *mut T,
    pub to_step: isize,
}

impl<T: Float> Kernel<T> for Turn<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        let Self { sums, step, rows, features, .. } = self;
        // SAFETY: the sums have `features` rows of lanes, `to` has `rows` rows of `features`.
        unsafe {
            for r in (0..rows).step_by(4) {
                for e in (0..features).step_by(4) {
                    let (height, width) = (4.min(rows - r), 4.min(features - e));
                    let mut block = [T::ZERO; 16];
                    if height == 4 && width == 4 {
                        T::transpose4([0, 1, 2, 3].map(|d| sums.add((e + d) * step + r)), block.as_mut_ptr(), 4);
                        self.put(&block, r, e, 4, 4);
                    } else {
                        for i in 0..height {
                            for d in 0..width {
                                block[i * 4 + d] = *sums.add((e + d) * step + r + i);
                            }
                        }
                        self.put(&block, r, e, height, width);
                    }
                }
            }
        }
    }
}

impl<T: Float> Turn<T> {
    /// Rows from `r` and features from `e` of what is written. Counts that are constants where they can be: of counts up
    /// to four the compiler makes stores through masks, tens of operations each on some processors.
    ///
    /// # Safety
    /// `to` has these.
    #[inline(always)]
    unsafe fn put(&self, block: &[T; 16], r: usize, e: usize, height: usize, width: usize) {
        for i in 0..height {
            let to = self.to.wrapping_offset((r + i) as isize * self.to_step).wrapping_add(e);
            for d in 0..width {
                let x = block[i * 4 + d] * self.scale;
                // SAFETY: the caller's.
                unsafe { *to.add(d) = if self.add { *to.add(d) + x } else { x } };
            }
        }
    }
}

/// `dots[r] = Σ_e a[r, e] · b[r, e]`, the rows of `a` side by side; in the lanes past the last row 0.
pub(super) struct Dots<T> {
    pub a: *const T,
    pub b: Matrix<T>,
    pub rows: usize,
    pub lanes: usize,
    pub features: usize,
    pub dots: *mut T,
}

impl<T: Float> Kernel<T> for Dots<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Self { a, b, rows, features, dots, .. } = self;
        // SAFETY: both have `rows` rows of `features`; `dots` has room for the lanes.
        unsafe {
            for r in 0..self.lanes {
                let mut sum = T::ZERO;
                if r < rows {
                    let (x, y) = (a.add(r * features), at(b, r, 0).ptr);
                    let mut e = 0;
                    if b.col_stride == 1 {
                        let mut sums = s.zero();
                        while e + S::LANES <= features {
                            sums = s.fma(s.load(x.add(e)), s.load(y.add(e)), sums);
                            e += S::LANES;
                        }
                        sum = s.sum(sums);
                    }
                    for e in e..features {
                        sum += *x.add(e) * *y.wrapping_offset(e as isize * b.col_stride);
                    }
                }
                *dots.add(r) = sum;
            }
        }
    }
}

/// From the weights w and their gradients h the gradients of the scores, `w (h − dot)`, in the place of h. Where the
/// logarithms of the sums are given, scores stand in the place of the weights, and become these.
pub(super) struct Scores<T> {
    pub weights: *mut T,
    pub gradients: *mut T,
    pub step: usize,
    pub lanes: usize,
    pub keys: usize,
    pub log_sums: Option<*const T>,
    pub dots: *const T,
}

impl<T: Float> Kernel<T> for Scores<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        for i in (0..self.lanes).step_by(S::LANES) {
            // SAFETY: the caller gives room for whole vectors of lanes.
            unsafe {
                let dot = s.load(self.dots.add(i));
                let log = self.log_sums.map_or(s.zero(), |logs| s.load(logs.add(i)));
                for j in 0..self.keys {
                    let (w, h) = (self.weights.add(j * self.step + i), self.gradients.add(j * self.step + i));
                    let mut weight = s.load(w);
                    if self.log_sums.is_some() {
                        weight = T::exp_flushed(s, s.sub(weight, log));
                        s.store(w, weight);
                    }
                    s.store(h, s.mul(weight, s.sub(s.load(h), dot)));
                }
            }
        }
    }
}
