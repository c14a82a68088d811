//! The innermost loops: one tile of C in registers, and what happens to it once its sum is complete.

use super::{Bias, Epilogue};
use crate::activation::{Activation, activate};
use crate::simd::{Float, Simd, prefetch};

/// The most elements a tile has on any instruction set (AVX-512, f32: 32 × 12).
pub const MAX_TILE: usize = 384;

/// Threes of columns of a tile.
const MAX_THREES: usize = 4;

/// Steps of depth in one turn of a whole tile's loop. On a core whose other hardware thread is busy it is instructions that
/// are short, not products: a step's twelve products take 20 of them, and what a turn costs comes on top.
pub const UNROLLED: usize = 4;

/// How far it is in A to the next step of depth, in B to that and to the next column.
#[derive(Clone, Copy)]
struct Steps {
    a: isize,
    b: isize,
    b_column: isize,
}

/// A tile's sums so far, and where in A and B the next step of depth lies.
struct Sum<T, V, const MV: usize, const W: usize> {
    a: *const T,
    b: *const T,
    acc: [[V; MV]; W],
}

/// Vectors along m and columns along n of a tile, by the number of vector registers. MV · NR accumulators, MV vectors
/// of A and one broadcast element of B fill the registers.
/// Of the AVX-512 shapes 32×12, 48×8 and 64×6 in f32 the first moves the fewest bytes per product.
pub const fn tile_shape(registers: usize) -> (usize, usize) {
    match registers {
        32 => (2, 12),
        16 => (2, 6),
        _ => (1, 4),
    }
}

/// The operands of one tile: `c[i + j·c_step] (+)= bias + Σ_p a[i + p·a_step] · b[p·b_step + j·b_column]`.
#[derive(Clone, Copy)]
pub struct Tile<T> {
    pub kc: usize,
    pub a: *const T,
    pub a_step: isize,
    /// A is not padded: nothing may be read past the last row.
    pub a_exact: bool,
    pub b: *const T,
    pub b_step: isize,
    pub b_column: isize,
    pub c: *mut T,
    pub c_step: isize,
    pub rows: usize,
    pub add: bool,
    /// From the tile's first row or column on. The sums begin with it, and a pass over the tile is spared.
    pub bias: Bias<T>,
    /// What is written is at least this, −∞ without relu.
    pub floor: T,
    /// C goes past the caches: its columns begin where a vector may be written so ([`Simd::stream`]).
    pub stream: bool,
}

impl<T: Float> Tile<T> {
    /// Computes the tile with `columns ≤ NR` columns, which kernels of exact widths share among themselves. Where
    /// `PACKED`, B is a panel `NR` wide (which makes its steps constants).
    ///
    /// # Safety
    /// The operands are readable and C is writable over `rows ≤ MV · LANES` rows, `columns` columns and depth `kc`;
    /// A over whole vectors of rows unless `a_exact`.
    #[inline(always)]
    pub unsafe fn compute<S: Simd<T>, const MV: usize, const NR: usize, const PACKED: bool>(
        mut self,
        s: S,
        columns: usize,
    ) {
        let mut left = columns;
        while left > 0 {
            // SAFETY: as this function's.
            let width = unsafe {
                if left >= NR {
                    self.rows::<S, MV, NR, NR, PACKED>(s)
                } else if NR > 8 && left == 8 {
                    self.rows::<S, MV, NR, 8, PACKED>(s)
                } else if NR > 6 && left >= 6 {
                    self.rows::<S, MV, NR, 6, PACKED>(s)
                } else if NR > 4 && left >= 4 {
                    self.rows::<S, MV, NR, 4, PACKED>(s)
                } else if left >= 2 {
                    self.rows::<S, MV, NR, 2, PACKED>(s)
                } else {
                    self.rows::<S, MV, NR, 1, PACKED>(s)
                }
            };
            left -= width;
            self.b = self.b.wrapping_offset(width as isize * if PACKED { 1 } else { self.b_column });
            self.c = self.c.wrapping_offset(width as isize * self.c_step);
            if let Bias::Columns(bias) = &mut self.bias {
                *bias = bias.wrapping_add(width);
            }
        }
    }

    #[inline(always)]
    unsafe fn rows<S: Simd<T>, const MV: usize, const NR: usize, const W: usize, const PACKED: bool>(
        &self,
        s: S,
    ) -> usize {
        let vectors = self.rows.div_ceil(S::LANES);
        let partial = self.a_exact && !self.rows.is_multiple_of(S::LANES);
        // SAFETY: as `compute`'s; a partial last vector is read by its rows only.
        unsafe {
            match (MV == 1 || vectors == MV, partial) {
                (true, false) => self.sum::<S, MV, NR, W, PACKED, false>(s),
                (true, true) => self.sum::<S, MV, NR, W, PACKED, true>(s),
                (false, false) => self.sum::<S, 1, NR, W, PACKED, false>(s),
                (false, true) => self.sum::<S, 1, NR, W, PACKED, true>(s),
            }
        }
        W
    }

    #[inline(always)]
    unsafe fn sum<
        S: Simd<T>,
        const MV: usize,
        const NR: usize,
        const W: usize,
        const PACKED: bool,
        const PARTIAL: bool,
    >(
        &self,
        s: S,
    ) {
        let last = self.rows - (MV - 1) * S::LANES;
        let mut steps = Steps { a: self.a_step, b: self.b_step, b_column: self.b_column };
        if PACKED {
            (steps.b, steps.b_column) = (NR as isize, 1);
        }
        let mut sum = Sum { a: self.a, b: self.b, acc: [[s.zero(); MV]; W] };
        match self.bias {
            Bias::None => {}
            Bias::Rows(bias) => {
                for v in 0..MV {
                    let n = if v + 1 == MV { last } else { S::LANES };
                    // SAFETY: the bias has an element for each row.
                    let x = unsafe { s.load_some(bias.add(v * S::LANES), n) };
                    for j in 0..W {
                        sum.acc[j][v] = x;
                    }
                }
            }
            Bias::Columns(bias) => {
                for j in 0..W {
                    // SAFETY: and for each column.
                    sum.acc[j] = [s.splat(unsafe { *bias.add(j) }); MV];
                }
            }
        }
        // SAFETY: as `compute`'s. Pointers past the last step are formed (wrapping) but not read.
        unsafe {
            if self.add {
                for j in 0..W {
                    prefetch(self.c.wrapping_offset(j as isize * self.c_step));
                    prefetch(self.c.wrapping_offset(j as isize * self.c_step).wrapping_add((MV - 1) * S::LANES));
                }
            }
            let mut left = self.kc;
            if W == NR && !PARTIAL {
                let turns = left / UNROLLED;
                left %= UNROLLED;
                // Steps that are constants cost no instructions. The addresses of more than six columns do not fit the registers.
                let packed = (MV * S::LANES) as isize;
                if PACKED && steps.a == packed {
                    self.turns::<S, MV, W, UNROLLED, false>(s, turns, Steps { a: packed, ..steps }, &mut sum);
                } else if !PACKED && steps.b_column == 1 {
                    self.turns::<S, MV, W, UNROLLED, false>(s, turns, Steps { b_column: 1, ..steps }, &mut sum);
                } else if !PACKED && W <= 6 && steps.b == 1 {
                    self.turns::<S, MV, W, UNROLLED, false>(s, turns, Steps { b: 1, ..steps }, &mut sum);
                } else {
                    self.turns::<S, MV, W, UNROLLED, false>(s, turns, steps, &mut sum);
                }
            }
            self.turns::<S, MV, W, 1, PARTIAL>(s, left, steps, &mut sum);
            let acc = sum.acc;
            let floor = s.splat(self.floor);
            if self.stream && last == S::LANES {
                for j in 0..W {
                    for v in 0..MV {
                        s.stream(self.c.offset(j as isize * self.c_step).add(v * S::LANES), s.max(floor, acc[j][v]));
                    }
                }
                return;
            }
            match (self.add, last == S::LANES) {
                (false, true) => self.store::<S, MV, W, false, true>(s, acc),
                (false, false) => self.store::<S, MV, W, false, false>(s, acc),
                (true, true) => self.store::<S, MV, W, true, true>(s, acc),
                (true, false) => self.store::<S, MV, W, true, false>(s, acc),
            }
        }
    }

    /// Adds the products of `turns · DEEP` steps of depth, and moves on.
    #[inline(always)]
    unsafe fn turns<S: Simd<T>, const MV: usize, const W: usize, const DEEP: usize, const PARTIAL: bool>(
        &self,
        s: S,
        turns: usize,
        steps: Steps,
        sum: &mut Sum<T, S::V, MV, W>,
    ) {
        let last = self.rows - (MV - 1) * S::LANES;
        // Columns of B in threes, which one pointer reaches by scaled steps: from column to column the addresses would be a
        // chain of additions as long as the products take.
        let mut threes = [sum.b; MAX_THREES];
        for k in 0..MAX_THREES {
            threes[k] = sum.b.wrapping_offset(3 * k as isize * steps.b_column);
        }
        for _ in 0..turns {
            for _ in 0..DEEP {
                let mut column = [s.zero(); MV];
                // SAFETY: as `compute`'s.
                unsafe {
                    for v in 0..MV {
                        let at = sum.a.add(v * S::LANES);
                        column[v] = if PARTIAL && v + 1 == MV { s.load_partial(at, last) } else { s.load(at) };
                    }
                    for j in 0..W {
                        let x = s.splat(*threes[j / 3].wrapping_offset((j % 3) as isize * steps.b_column));
                        for v in 0..MV {
                            sum.acc[j][v] = s.fma(column[v], x, sum.acc[j][v]);
                        }
                    }
                }
                sum.a = sum.a.wrapping_offset(steps.a);
                for k in 0..W.div_ceil(3) {
                    threes[k] = threes[k].wrapping_offset(steps.b);
                }
            }
        }
        sum.b = threes[0];
    }

    /// Writes the sums, or adds them (`ADD`); the last vector of rows in part unless `WHOLE`. Both are constants so that
    /// the loops unroll: an index known only at run time would send all sums through the stack, 48 cycles a tile.
    #[inline(always)]
    unsafe fn store<S: Simd<T>, const MV: usize, const W: usize, const ADD: bool, const WHOLE: bool>(
        &self,
        s: S,
        acc: [[S::V; MV]; W],
    ) {
        let last = self.rows - (MV - 1) * S::LANES;
        let floor = s.splat(self.floor);
        for j in 0..W {
            // SAFETY: as `compute`'s.
            unsafe {
                let c = self.c.offset(j as isize * self.c_step);
                for v in 0..MV {
                    let at = c.add(v * S::LANES);
                    if WHOLE || v + 1 < MV {
                        let sum = if ADD { s.add(s.load(at), acc[j][v]) } else { acc[j][v] };
                        s.store(at, s.max(floor, sum));
                    } else {
                        let sum = if ADD { s.add(s.load_partial(at, last), acc[j][v]) } else { acc[j][v] };
                        s.store_partial(at, last, s.max(floor, sum));
                    }
                }
            }
        }
    }
}

impl<T: Float> Epilogue<T> {
    #[inline(always)]
    pub(super) fn is_identity(&self) -> bool {
        matches!(self.bias, Bias::None) && self.activation == Activation::None
    }

    /// Bias and activation of the elements from row `i` and column `j` on, `rows × columns` of them, in place.
    ///
    /// # Safety
    /// `c[i + j·c_step]` is writable over them, and the bias is readable at their rows or columns.
    #[inline(always)]
    pub(super) unsafe fn finish<S: Simd<T>>(
        &self,
        s: S,
        c: *mut T,
        c_step: isize,
        i: usize,
        j: usize,
        rows: usize,
        columns: usize,
    ) {
        if !matches!(self.bias, Bias::None) {
            for dj in 0..columns {
                for di in (0..rows).step_by(S::LANES) {
                    let left = (rows - di).min(S::LANES);
                    // SAFETY: as this function's.
                    unsafe {
                        let at = c.offset(dj as isize * c_step).add(di);
                        let bias = match self.bias {
                            Bias::None => s.zero(),
                            Bias::Rows(bias) => s.load_some(bias.add(i + di), left),
                            Bias::Columns(bias) => s.splat(*bias.add(j + dj)),
                        };
                        s.store_some(at, left, s.add(s.load_some(at, left), bias));
                    }
                }
            }
        }
        if self.activation != Activation::None {
            const GROUP: usize = 16;
            let mut offsets = [0; GROUP];
            for first in (0..columns).step_by(GROUP) {
                let count = GROUP.min(columns - first);
                for k in 0..count {
                    offsets[k] = (first + k) as isize * c_step;
                }
                // SAFETY: as this function's.
                unsafe { activate(self.activation, c, &offsets[..count], rows) };
            }
        }
    }
}
