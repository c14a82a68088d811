//! Convolution and its input gradient: each block of points gathered, then multiplied with packed weights, the sums of a
//! tile staying in registers through all channels and taps.

use ferrograd_array::{Buffer, Error, Result};

use super::block::{Block, Grid, Source};
use super::geometry::Lattice;
use super::microkernel::{Depth, Rows, columns, sums, tiles};
use crate::activation::{Activation, activate};
use crate::isa::{self, Isa};
use crate::parallel::{self, SyncPtr};
use crate::simd::{Float, Kernel, Simd, copy_matrix};

/// Weights as the pass sees them: `rows` are the channels that it computes, `channels` those that it sums over.
#[derive(Clone, Copy)]
pub(super) struct Weights<T> {
    pub ptr: *const T,
    pub group: isize,
    pub row: isize,
    pub channel: isize,
    pub taps: [isize; 3],
}

// SAFETY: the elements are only read; the caller of a pass keeps them alive.
unsafe impl<T> Sync for Weights<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Weights<T> {}

/// `dst[n, g·rows + r, point] = activation(bias[g·rows + r] + Σ_c Σ_t w[g, r, c, t] · source[n, g·channels + c, point at t])`
/// over every point of every lattice.
pub(super) struct Pass<'a, T> {
    pub n: usize,
    pub groups: usize,
    /// Of a group.
    pub rows: usize,
    pub channels: usize,
    pub source: Source<T>,
    pub weights: Weights<T>,
    pub dst: SyncPtr<T>,
    /// Along n, d, h, w; channels are neighbours.
    pub dst_strides: [isize; 4],
    pub bias: Option<SyncPtr<T>>,
    pub activation: Activation,
    pub lattices: &'a [[Lattice; 3]],
    /// Multiply-adds of the whole.
    pub work: f64,
}

/// Tasks wanted at least; panels of rows are shared among tasks where blocks are fewer.
const TASKS: usize = 16;

/// A lattice with its blocks, tables and packed weights.
struct Stage {
    grid: Grid,
    starts: Vec<u32>,
    run: usize,
    /// Elements of the weights of the stages before.
    packed: usize,
    chunks: usize,
    /// Tasks of the stages up to this one.
    end: usize,
}

impl Stage {
    fn depth(&self) -> Depth<'_> {
        Depth { starts: &self.starts, run: self.run, step: 1 }
    }
}

/// Estimated time of so many multiply-adds on one core, a little below the usual speed.
pub(super) fn ns<T>(work: f64) -> f64 {
    let per_ns = match isa::current() {
        Isa::Scalar => 4.0,
        #[cfg(target_arch = "x86_64")]
        _ => 40.0,
    };
    work / per_ns * (size_of::<T>() as f64 / 4.0)
}

/// Rows of a tile and of a vector.
pub(super) fn tile_rows<T: Float>(isa: Isa) -> (usize, usize) {
    // SAFETY: the instruction set in force is the machine's.
    unsafe { T::enter(isa, Rows) }
}

/// The instruction set for tiles of so few rows: where they fill half a vector at most, vectors half as wide do the same
/// in half the time, on machines that add two of them (and not two of the wide ones) in a cycle, and no worse on others.
pub(super) fn isa_for<T: Float>(rows: usize) -> Isa {
    match isa::current() {
        #[cfg(target_arch = "x86_64")]
        isa @ Isa::Avx512 if 2 * rows <= tile_rows::<T>(isa).1 => Isa::Avx2,
        isa => isa,
    }
}

/// So many elements of pooled memory.
pub(super) fn room<T>(elements: usize) -> Result<Buffer> {
    Buffer::alloc(elements.saturating_mul(size_of::<T>()))
}

/// The tables count in 32 bits.
pub(super) fn check_size(grid: &Grid) -> Result<()> {
    if grid.len() > u32::MAX as usize {
        return Err(Error::Memory(
            "conv: one block of so large a kernel has more elements than can be addressed".into(),
        ));
    }
    Ok(())
}

impl<T: Float> Pass<'_, T> {
    /// # Safety
    /// Source, weights and bias are readable over the shapes given, `dst` writable and apart from them.
    pub unsafe fn run(&self) -> Result<()> {
        let isa = isa_for::<T>(self.rows);
        let (mr, lanes) = tile_rows::<T>(isa);
        let padded = self.rows.next_multiple_of(lanes);
        let panels = self.rows.div_ceil(mr);
        let mut stages: Vec<Stage> = Vec::with_capacity(self.lattices.len());
        let (mut packed, mut end) = (0, 0);
        let passed =
            |lattice: &[Lattice; 3]| lattice.iter().map(|l| l.taps.len()).product::<usize>() * self.channels * padded;
        for lattice in self.lattices {
            let grid = Grid::new(lattice, self.n, self.channels, passed(lattice), size_of::<T>());
            check_size(&grid)?;
            let (starts, run) = runs(grid.taps(), self.channels);
            let blocks = grid.blocks() * self.groups;
            let chunks = TASKS.div_ceil(blocks.max(1)).min(panels);
            end += blocks * chunks;
            let elements = starts.len() * run * padded;
            stages.push(Stage { grid, starts, run, packed, chunks, end });
            packed += elements;
        }
        // The bias lies behind the weights, padded in the same way.
        let size = (packed + padded).saturating_mul(self.groups);
        let kept = room::<T>(size)?;
        let (weights, bias) = (SyncPtr::new(kept.as_ptr().cast::<T>()), packed * self.groups);
        let share = |group: usize, panel: usize, stage: &Stage| {
            stage.packed * self.groups + (group * padded + panel * mr) * stage.depth().len()
        };
        parallel::run(self.groups * panels, size as f64, |task| {
            let (group, panel) = (task / panels, task % panels);
            for (lattice, stage) in self.lattices.iter().zip(&stages) {
                // SAFETY: each task writes its own part of the room.
                unsafe {
                    self.pack(weights.get().add(share(group, panel, stage)), lattice, group, panel * mr, mr, padded)
                };
            }
            for r in panel * mr..((panel + 1) * mr).min(padded) {
                let value = match self.bias {
                    // SAFETY: the bias has a number for each row of each group.
                    Some(bias) if r < self.rows => unsafe { *bias.get().add(group * self.rows + r) },
                    _ => T::ZERO,
                };
                // SAFETY: as above.
                unsafe { *weights.get().add(bias + group * padded + r) = value };
            }
        });
        parallel::try_run(end, ns::<T>(self.work), |index| {
            let k = stages.partition_point(|stage| stage.end <= index);
            let stage = &stages[k];
            let index = index - if k > 0 { stages[k - 1].end } else { 0 };
            let (chunk, index) = (index % stage.chunks, index / stage.chunks);
            let (group, index) = (index % self.groups, index / self.groups);
            let block = stage.grid.block(index);
            let gathered = room::<T>(stage.grid.len())?;
            let each = panels.div_ceil(stage.chunks);
            let task = Task {
                pass: self,
                stage,
                block: &block,
                group,
                panels: (chunk * each, ((chunk + 1) * each).min(panels)),
                mr,
                x: gathered.as_ptr().cast::<T>(),
                weights: weights.get().wrapping_add(share(group, 0, stage)),
                bias: weights.get().wrapping_add(bias + group * padded),
                points: &stage.grid.points(&block),
                to: &stage.grid.destinations(&block, self.dst_strides),
            };
            // SAFETY: the instruction set in force is the machine's.
            unsafe { T::enter(isa, task) };
            Ok(())
        })
    }

    /// A panel: for each depth, the weights of its rows, zero past the last.
    unsafe fn pack(&self, to: *mut T, lattice: &[Lattice; 3], group: usize, first: usize, mr: usize, padded: usize) {
        let (w, channels) = (self.weights, self.channels);
        let from = w.ptr.wrapping_offset(group as isize * w.group + first as isize * w.row);
        let (rows, width) = (mr.min(self.rows - first), mr.min(padded - first));
        let mut taps = Vec::new();
        for &(d, _) in &lattice[0].taps {
            for &(h, _) in &lattice[1].taps {
                let along = lattice[2].taps.iter().map(|&(k, _)| [d, h, k]);
                taps.extend(along.map(|at| at.iter().zip(w.taps).map(|(&i, step)| i as isize * step).sum::<isize>()));
            }
        }
        // SAFETY: rows, channels and taps lie inside the weights; the caller made room.
        unsafe {
            if rows < width {
                std::ptr::write_bytes(to, 0, taps.len() * channels * width);
            }
            if let [tap] = taps[..] {
                copy_matrix(from.offset(tap), w.channel, w.row, channels, rows, to, width);
                return;
            }
            // A row's taps are neighbours as a rule, its channels not far: each line is read once.
            let neighbours = taps.iter().enumerate().all(|(t, &tap)| tap == t as isize);
            let mut turned = vec![T::ZERO; if neighbours { taps.len() * width } else { 0 }];
            for c in 0..channels {
                let from = from.wrapping_offset(c as isize * w.channel);
                if neighbours {
                    copy_matrix(from, 1, w.row, taps.len(), rows, turned.as_mut_ptr(), width);
                    for (t, row) in turned.chunks_exact(width).enumerate() {
                        std::ptr::copy_nonoverlapping(row.as_ptr(), to.add((t * channels + c) * width), width);
                    }
                    continue;
                }
                for (t, &tap) in taps.iter().enumerate() {
                    let (from, to) = (from.wrapping_offset(tap), to.add((t * channels + c) * width));
                    for r in 0..rows {
                        *to.add(r) = *from.offset(r as isize * w.row);
                    }
                }
            }
        }
    }
}

struct Task<'a, T> {
    pass: &'a Pass<'a, T>,
    stage: &'a Stage,
    block: &'a Block,
    group: usize,
    panels: (usize, usize),
    mr: usize,
    x: *mut T,
    weights: *const T,
    bias: *const T,
    points: &'a [u32],
    to: &'a [isize],
}

impl<T: Float> Kernel<T> for Task<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Pass { rows, channels, source, .. } = *self.pass;
        let grid = &self.stage.grid;
        // SAFETY: `Pass::run` made room for the block, and gave this task points and rows of its own.
        unsafe {
            let source = source.starting_at_channel(self.group * channels);
            grid.gather(&source, channels, self.block, self.x);
            for panel in self.panels.0..self.panels.1 {
                let first = panel * self.mr;
                let rows = self.mr.min(rows - first);
                tiles!(self.tile::<S>(s, self.points.len(), rows, first));
                let activation = self.pass.activation;
                if !matches!(activation, Activation::None | Activation::Relu) {
                    let at = self.pass.dst.get().add(self.group * self.pass.rows + first);
                    activate(activation, at, self.to, rows);
                }
            }
        }
    }
}

impl<T: Float> Task<'_, T> {
    /// Points `start..start + count` and rows `first..first + rows` of the group.
    #[inline(always)]
    unsafe fn tile<S: Simd<T>, const MV: usize, const W: usize>(
        &self,
        s: S,
        start: usize,
        count: usize,
        rows: usize,
        first: usize,
    ) -> usize {
        let depth = self.stage.depth();
        // SAFETY: rows and points are this task's; the tables stay inside what was gathered and packed.
        unsafe {
            let mut bias = [s.zero(); MV];
            for v in 0..MV {
                bias[v] = s.load(self.bias.add(first + v * S::LANES));
            }
            let weights = self.weights.add(first * depth.len());
            let columns = columns::<W>(self.points, start);
            let sums = sums::<T, S, MV, W, true>(s, weights, self.x, columns, depth, [bias; W]);
            let to = self.to.as_ptr().add(start);
            if rows == MV * S::LANES {
                self.store::<S, MV, W, true>(s, sums, to, count, rows, first);
            } else {
                self.store::<S, MV, W, false>(s, sums, to, count, rows, first);
            }
            count
        }
    }

    /// Writes the first `count` columns; the last vector of rows in part unless `WHOLE`. The loops unroll, which keeps
    /// the sums in registers; without relu the floor is below every number.
    #[inline(always)]
    unsafe fn store<S: Simd<T>, const MV: usize, const W: usize, const WHOLE: bool>(
        &self,
        s: S,
        sums: [[S::V; MV]; W],
        to: *const isize,
        count: usize,
        rows: usize,
        first: usize,
    ) {
        let last = rows - (MV - 1) * S::LANES;
        let floor = s.splat(if self.pass.activation == Activation::Relu { T::ZERO } else { T::NEG_INFINITY });
        // SAFETY: as `compute`'s.
        unsafe {
            let base = self.pass.dst.get().add(self.group * self.pass.rows + first);
            for j in 0..W {
                if j < count {
                    let to = base.offset(*to.add(j));
                    for v in 0..MV {
                        let (at, sum) = (to.add(v * S::LANES), s.max(floor, sums[j][v]));
                        if WHOLE || v + 1 < MV {
                            s.store(at, sum);
                        } else {
                            s.store_partial(at, last, sum);
                        }
                    }
                }
            }
        }
    }
}

/// The depths of `taps`, each of `channels` neighbours, as runs of one length: taps that follow one another without a
/// gap are one run, where all can be so joined.
fn runs(taps: Vec<u32>, channels: usize) -> (Vec<u32>, usize) {
    let follows = |k: usize| k > 0 && taps[k] == taps[k - 1] + channels as u32;
    let joined = (1..taps.len()).take_while(|&k| follows(k)).count() + 1;
    let even = taps.len().is_multiple_of(joined) && (0..taps.len()).all(|k| k % joined == 0 || follows(k));
    if even && !taps.is_empty() {
        (taps.into_iter().step_by(joined).collect(), joined * channels)
    } else {
        (taps, channels)
    }
}
