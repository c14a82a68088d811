//! The innermost loop of every strategy.

use crate::gemm::UNROLLED;
use crate::simd::{Float, Kernel, Simd};

/// Vectors of rows of a tile, by the number of vector registers; its columns stand in [`tiles!`].
pub const fn tile_vectors(registers: usize) -> usize {
    if registers == 8 { 1 } else { 2 }
}

/// Vectors of sums from which a tile has many steps of depth in one turn of its loop, as the tiles of `gemm`.
const WHOLE: usize = 12;

/// Rows of a tile, and of a vector, under the instruction set in force.
pub(super) struct Rows;

impl<T: Float> Kernel<T> for Rows {
    type Output = (usize, usize);
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> (usize, usize) {
        (tile_vectors(S::REGISTERS) * S::LANES, S::LANES)
    }
}

/// The depths that a tile sums over: `run` of them from each start on, `step` elements apart.
#[derive(Clone, Copy)]
pub(super) struct Depth<'a> {
    pub starts: &'a [u32],
    pub run: usize,
    pub step: usize,
}

impl Depth<'_> {
    pub fn len(&self) -> usize {
        self.starts.len() * self.run
    }
}

/// `sums[j] += Σ_p a[p] · x[columns[j] + depth[p]]`, where `a[p]` is MV vectors, `MV · LANES` apart, and x a number.
///
/// Nothing else may keep vectors alive across this loop (so activations are functions of their own): with one register
/// too few the compiler loads every column first and keeps a third of the sums on the stack.
///
/// # Safety
/// `a` is readable at every depth; x at the sum of any column and any depth. Where `NEIGHBOURS`, the depths' step is 1.
#[inline(always)]
pub(super) unsafe fn sums<T: Float, S: Simd<T>, const MV: usize, const W: usize, const NEIGHBOURS: bool>(
    s: S,
    mut a: *const T,
    x: *const T,
    columns: [usize; W],
    depth: Depth,
    mut sums: [[S::V; MV]; W],
) -> [[S::V; MV]; W] {
    let mut at = [x; W];
    for j in 0..W {
        at[j] = x.wrapping_add(columns[j]);
    }
    debug_assert!(!NEIGHBOURS || depth.step == 1);
    // Where depths lie apart the addresses of a turn do not fit the registers.
    let deep = if NEIGHBOURS && MV * W >= WHOLE { UNROLLED } else { 1 };
    let step = if NEIGHBOURS { 1 } else { depth.step };
    for &start in depth.starts {
        let mut p = start as usize;
        // SAFETY: the caller's promise; `a` past the last depth is formed but not read.
        unsafe {
            for _ in 0..depth.run / deep {
                for _ in 0..deep {
                    add::<T, S, MV, W>(s, &mut a, at, &mut p, step, &mut sums);
                }
            }
            for _ in 0..depth.run % deep {
                add::<T, S, MV, W>(s, &mut a, at, &mut p, step, &mut sums);
            }
        }
    }
    sums
}

/// One depth, and on to the next.
#[inline(always)]
unsafe fn add<T: Float, S: Simd<T>, const MV: usize, const W: usize>(
    s: S,
    a: &mut *const T,
    at: [*const T; W],
    p: &mut usize,
    step: usize,
    sums: &mut [[S::V; MV]; W],
) {
    let mut row = [s.zero(); MV];
    // SAFETY: as `sums`'s.
    unsafe {
        for v in 0..MV {
            row[v] = s.load(a.add(v * S::LANES));
        }
        for j in 0..W {
            let x = s.splat(*at[j].add(*p));
            for v in 0..MV {
                sums[j][v] = s.fma(row[v], x, sums[j][v]);
            }
        }
    }
    *a = a.wrapping_add(MV * S::LANES);
    *p += step;
}

/// Calls `$tile::<S, MV, W>(s, start, count, …)` for tiles that together are columns `0..$n`: wide ones, and at the
/// end the narrowest that holds what is left. Widths are what the registers hold beside MV vectors of rows.
macro_rules! tiles {
    ($self:ident.$tile:ident::<$S:ident>($s:expr, $n:expr, $rows:expr $(, $more:expr)*)) => {{
        let wide = $rows > $S::LANES;
        let mut start = 0;
        while start < $n {
            let left = $n - start;
            start += match ($S::REGISTERS, wide) {
                (32, true) if left > 6 => $self.$tile::<$S, 2, 12>($s, start, left.min(12), $rows $(, $more)*),
                (32, true) if left > 2 => $self.$tile::<$S, 2, 6>($s, start, left.min(6), $rows $(, $more)*),
                (32, true) => $self.$tile::<$S, 2, 2>($s, start, left.min(2), $rows $(, $more)*),
                (32, false) if left > 6 => $self.$tile::<$S, 1, 12>($s, start, left.min(12), $rows $(, $more)*),
                (32, false) => $self.$tile::<$S, 1, 6>($s, start, left.min(6), $rows $(, $more)*),
                (16, true) if left > 2 => $self.$tile::<$S, 2, 6>($s, start, left.min(6), $rows $(, $more)*),
                (16, true) => $self.$tile::<$S, 2, 2>($s, start, left.min(2), $rows $(, $more)*),
                (16, false) if left > 6 => $self.$tile::<$S, 1, 12>($s, start, left.min(12), $rows $(, $more)*),
                (16, false) => $self.$tile::<$S, 1, 6>($s, start, left.min(6), $rows $(, $more)*),
                _ => $self.$tile::<$S, 1, 4>($s, start, left.min(4), $rows $(, $more)*),
            };
        }
    }};
}
pub(super) use tiles;

/// Where the `W` columns from `start` lie; past the last one, it again.
#[inline(always)]
pub(super) fn columns<const W: usize>(table: &[u32], start: usize) -> [usize; W] {
    let mut found = [0; W];
    for j in 0..W {
        found[j] = table[(start + j).min(table.len() - 1)] as usize;
    }
    found
}
