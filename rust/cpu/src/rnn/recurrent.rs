//! One step of a recurrence: the product of the states with the recurrent weights, and the cell on its sums.
//!
//! The weights are packed once a sequence, in panels of as many units as a tile has rows. A task computes some rows of
//! the batch for the units of one panel: the sums of all gates of these units stand in a buffer in the first cache when
//! the cell reads them, and nobody else needs them. So a step, forward or backward, is one parallel region.

use std::mem::MaybeUninit;

use ferrograd_array::{Buffer, Result};
use smallvec::SmallVec;

use super::steps::{Part, Place, Steps};
use crate::cache::LINE;
use crate::gemm::{Bias, MAX_TILE, Strided, Tile};
use crate::isa::{self, Isa};
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{Float, Kernel, Simd};

/// Bytes of depth of one tile: twelve rows of states of this depth are 24 KiB, three quarters of a first-level cache.
const DEPTH_BYTES: usize = 2048;
/// Multiply-adds of a task, at least: about ten microseconds.
const TASK: usize = 1 << 19;
/// Gates whose sums one task holds.
const MAX_GATES: usize = 4;

/// Where a vector of a cell's units lies: row `row` of the arrays of all rows, `sequence` of the initial states and of
/// what is carried from step to step, units from `unit` on, `n` of them. `before` is the row of the step before.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    pub row: usize,
    pub sequence: usize,
    pub before: Option<usize>,
    /// How many steps follow in this sequence, at most the order.
    pub left: usize,
    pub unit: usize,
    pub n: usize,
}

/// The pointwise part of a step for a vector of units.
pub(super) trait Cell<T: Float>: Copy + Send + Sync {
    /// Fetches the lines that the step will read and write at a spot of one line's units: pieces of rows, which caches do
    /// not guess, while their sums are computed.
    fn fetch(&self, spot: Spot);

    /// # Safety
    /// The cell's arrays have the rows of the spot; `sums`, `step` apart, are readable vectors: the recurrent products
    /// of the units' gates forward, of their states backward. Implementations are `#[inline(always)]`.
    unsafe fn step<S: Simd<T>>(&self, s: S, spot: Spot, sums: *const T, step: usize);

    /// What is left to do once all spots of a tile have had their step: where a function waits for another one of the same
    /// units, so the next units' need not wait with it.
    ///
    /// # Safety
    /// As of [`step`](Self::step), which has been called.
    #[inline(always)]
    unsafe fn finish<S: Simd<T>>(&self, _: S, _: Spot) {}
}

/// Recurrent weights as panels: element (i, p) of panel k of a gate, unit `k·mr + i` and depth p, is at `p·mr + i`. The
/// depth consists of pieces, one for each step that the recurrence looks at.
pub(super) struct Weights<T> {
    panels: SyncPtr<T>,
    _room: Buffer,
    isa: Isa,
    /// Rows and columns of a tile.
    mr: usize,
    nr: usize,
    gates: usize,
    units: usize,
    pieces: usize,
    depth: usize,
}

struct TileShape;

impl<T: Float> Kernel<T> for TileShape {
    type Output = (usize, usize);
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> (usize, usize) {
        let (mv, nr) = tile_of(S::REGISTERS);
        (mv * S::LANES, nr)
    }
}

/// Vectors of units and rows of a tile, as the arms of [`Sums`] have them.
#[inline(always)]
fn tile_of(registers: usize) -> (usize, usize) {
    match registers {
        32 => (2, 12),
        16 => (2, 6),
        _ => (1, 4),
    }
}

impl<T: Float> Weights<T> {
    /// The weights of `gates` blocks of `units`, which are the indices of the sources, one for each piece, all of one
    /// `depth`. Where nothing is to be multiplied, that is 0.
    pub fn new(gates: usize, units: usize, depth: usize, sources: &[Strided<T>]) -> Result<Self> {
        let isa = isa::current();
        // SAFETY: the instruction set in force is the machine's.
        let (mr, nr) = unsafe { T::enter(isa, TileShape) };
        let (panels, pieces) = (units.div_ceil(mr), sources.len());
        let room = Buffer::alloc(gates * panels * mr * pieces * depth * size_of::<T>())?;
        let to = SyncPtr::new(room.as_ptr().cast::<T>());
        parallel::run(gates * panels * pieces, (gates * units * pieces * depth) as f64 * 0.3, |index| {
            let (gate, panel) = (index / pieces / panels, index / pieces % panels);
            let panel_of_gate = Panel {
                to: to.get().wrapping_add(index * mr * depth),
                source: sources[index % pieces],
                start: gate * units + panel * mr,
                count: mr.min(units - panel * mr),
                depth,
            };
            // SAFETY: the instruction set in force is the machine's, and each panel is written by one task.
            unsafe { T::enter(isa, panel_of_gate) }
        });
        Ok(Self { panels: to, _room: room, isa, mr, nr, gates, units, pieces, depth })
    }

    /// Estimated time of one row of one unit panel on one core.
    fn ns(&self) -> f64 {
        let flops_per_ns = match self.isa {
            Isa::Scalar => 8.0,
            #[cfg(target_arch = "x86_64")]
            _ => 80.0,
        };
        (2 * self.gates * self.mr * self.pieces * self.depth) as f64 / (flops_per_ns * 4.0 / size_of::<T>() as f64)
            + (self.gates * self.mr) as f64 * 0.3
    }
}

struct Panel<T> {
    to: *mut T,
    source: Strided<T>,
    start: usize,
    count: usize,
    depth: usize,
}

impl<T: Float> Kernel<T> for Panel<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        // SAFETY: the panel is this task's own, and its units are the source's.
        unsafe {
            match (S::REGISTERS, S::LANES) {
                (32, 16) => self.fill::<32>(),
                (32, 8) => self.fill::<16>(),
                (16, 8) => self.fill::<16>(),
                (16, 4) => self.fill::<8>(),
                (_, 8) => self.fill::<8>(),
                _ => unreachable!("no tile for this instruction set"),
            }
        }
    }
}

impl<T: Float> Panel<T> {
    #[inline(always)]
    unsafe fn fill<const MR: usize>(&self) {
        // SAFETY: the caller's promise. Packing leaves the end of the last panel as it is: it is computed with, and
        // must be numbers, but nothing that comes of it is kept.
        unsafe {
            if self.count < MR {
                std::slice::from_raw_parts_mut(self.to, MR * self.depth).fill(T::ZERO);
            }
            self.source.pack::<MR>(self.to, self.start, self.count, 0, self.depth);
        }
    }
}

/// Rows of states, contiguous, that a step multiplies by the weights.
#[derive(Clone, Copy)]
pub(super) struct States<T> {
    pub ptr: *const T,
    pub width: usize,
}

// SAFETY: the states of a step are only read while the step runs.
unsafe impl<T> Sync for States<T> {}
// SAFETY: as above.
unsafe impl<T> Send for States<T> {}

/// Rows of one part that a task takes, and the first of the states that they are computed from, one for each piece of the
/// weights' depth or fewer.
struct Rows<T> {
    part: Part,
    start: usize,
    count: usize,
    states: SmallVec<[States<T>; 2]>,
}

/// Runs step `t`: `states` says what the rows of a part are computed from, `cell` what becomes of the sums.
pub(super) fn step<T: Float, C: Cell<T>>(
    weights: &Weights<T>,
    steps: &Steps,
    t: usize,
    states: impl Fn(&Part) -> SmallVec<[States<T>; 2]>,
    cell: &C,
) {
    path!("rnn/step", parallel);
    let Weights { mr, nr, gates, units, pieces, depth, isa, .. } = *weights;
    let most = TASK.div_ceil(gates * mr * (pieces * depth).max(1)).next_multiple_of(nr);
    let mut blocks: SmallVec<[Rows<T>; 4]> = SmallVec::new();
    for part in steps.parts(t, pieces) {
        let from = states(&part);
        for start in (0..part.count).step_by(most) {
            let states = from.iter().map(|s| States { ptr: s.ptr.wrapping_add(start * s.width), ..*s }).collect();
            blocks.push(Rows { part, start, count: most.min(part.count - start), states });
        }
    }
    let panels = units.div_ceil(mr);
    let rows: usize = blocks.iter().map(|rows| rows.count).sum();
    parallel::run(panels * blocks.len(), weights.ns() * (rows * panels) as f64, |index| {
        let (panel, rows) = (index / blocks.len(), &blocks[index % blocks.len()]);
        let before = match steps.before(&rows.part, 1) {
            Place::Row(row) => Some(row),
            Place::Initial(_) => None,
        };
        for j in (0..rows.count).step_by(nr) {
            let count = nr.min(rows.count - j);
            let mut sums = MaybeUninit::<[T; MAX_GATES * MAX_TILE]>::uninit();
            let sums = sums.as_mut_ptr().cast::<T>();
            let spots = Spots {
                row: rows.part.row + rows.start + j,
                sequence: rows.part.sequence + rows.start + j,
                before: before.map(|row| row + rows.start + j),
                left: rows.part.left,
                unit: panel * mr,
                units: mr.min(units - panel * mr),
            };
            let line = LINE / size_of::<T>();
            for j in 0..count {
                for i in (0..spots.units).step_by(line) {
                    cell.fetch(spots.at(j, i, line));
                }
            }
            let products = Sums { weights, panel, states: &rows.states, start: j, rows: count, sums };
            // SAFETY: the instruction set is the machine's; the states have `depth` numbers a row.
            unsafe { T::enter(isa, products) };
            let pointwise = Pointwise { cell, spots, rows: count, mr, sums };
            // SAFETY: as above; the rows and units are this task's own.
            unsafe { T::enter(isa, pointwise) }
        }
    });
}

/// `sums[g][j·mr + i] = Σ_p w[g][i, p] · states[j, p]` for the units of a panel and up to `nr` rows, over the pieces that
/// there are states for; without any, 0.
struct Sums<'a, T> {
    weights: &'a Weights<T>,
    panel: usize,
    states: &'a [States<T>],
    /// The first row.
    start: usize,
    rows: usize,
    sums: *mut T,
}

impl<T: Float> Kernel<T> for Sums<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // SAFETY: `step` gave this task its states and room for its sums.
        unsafe {
            match S::REGISTERS {
                32 => self.tiles::<S, 2, 12>(s),
                16 => self.tiles::<S, 2, 6>(s),
                _ => self.tiles::<S, 1, 4>(s),
            }
        }
    }
}

impl<T: Float> Sums<'_, T> {
    #[inline(always)]
    unsafe fn tiles<S: Simd<T>, const MV: usize, const NR: usize>(&self, s: S) {
        let Weights { gates, units, pieces, depth, panels, .. } = *self.weights;
        let mr = MV * S::LANES;
        let many = units.div_ceil(mr);
        let most = DEPTH_BYTES / size_of::<T>();
        for gate in 0..gates {
            let sums = self.sums.wrapping_add(gate * MAX_TILE);
            if self.states.is_empty() {
                for i in (0..mr * self.rows).step_by(S::LANES) {
                    // SAFETY: a tile of `rows` columns of whole vectors.
                    unsafe { s.store(sums.add(i), s.zero()) };
                }
            }
            for (piece, states) in self.states.iter().enumerate() {
                let at = ((gate * many + self.panel) * pieces + piece) * mr * depth;
                let a = panels.get().wrapping_add(at).cast_const();
                let b = states.ptr.wrapping_add(self.start * states.width);
                for p in (0..depth).step_by(most) {
                    let tile = Tile {
                        kc: most.min(depth - p),
                        a: a.wrapping_add(p * mr),
                        a_step: mr as isize,
                        a_exact: false,
                        b: b.wrapping_add(p),
                        b_step: 1,
                        b_column: states.width as isize,
                        c: sums,
                        c_step: mr as isize,
                        rows: mr,
                        add: piece + p > 0,
                        bias: Bias::None,
                        floor: T::NEG_INFINITY,
                        stream: false,
                    };
                    // SAFETY: the panel is whole, the states have `rows` rows of `depth`, `sums` has room for the tile.
                    unsafe { tile.compute::<S, MV, NR, false>(s, self.rows) };
                }
            }
        }
    }
}

/// The spots of one tile: the first row, and units `unit..unit + units`.
#[derive(Clone, Copy)]
struct Spots {
    row: usize,
    sequence: usize,
    before: Option<usize>,
    left: usize,
    unit: usize,
    units: usize,
}

impl Spots {
    /// Units from `i` on of row `j`, `most` of them or what there is.
    #[inline(always)]
    fn at(&self, j: usize, i: usize, most: usize) -> Spot {
        Spot {
            row: self.row + j,
            sequence: self.sequence + j,
            before: self.before.map(|row| row + j),
            left: self.left,
            unit: self.unit + i,
            n: most.min(self.units - i),
        }
    }
}

/// The cell for the rows and units of one tile.
struct Pointwise<'a, T, C> {
    cell: &'a C,
    spots: Spots,
    rows: usize,
    mr: usize,
    sums: *const T,
}

impl<T: Float, C: Cell<T>> Kernel<T> for Pointwise<'_, T, C> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // SAFETY: `step` gave this task its rows and units; the tile has whole vectors.
        unsafe {
            for j in 0..self.rows {
                for i in (0..self.spots.units).step_by(S::LANES) {
                    self.cell.step(s, self.spots.at(j, i, S::LANES), self.sums.add(j * self.mr + i), MAX_TILE);
                }
            }
            for j in 0..self.rows {
                for i in (0..self.spots.units).step_by(S::LANES) {
                    self.cell.finish(s, self.spots.at(j, i, S::LANES));
                }
            }
        }
    }
}
