//! The weight gradient: for each block of points the input is gathered as in the forward pass, and a tile of the result
//! sums over the points. Blocks are summed in a fixed number of parts, which are added in order.

use ferrograd_array::Result;

use super::block::{Block, Grid, Source};
use super::direct::{check_size, isa_for, ns, room, tile_rows};
use super::geometry::Lattice;
use super::microkernel::{Depth, columns, sums, tiles};
use crate::parallel::{self, SyncPtr};
use crate::simd::{Float, Kernel, Simd, copy_matrix};

/// Tasks wanted at least, and the bytes that parts may take together.
const TASKS: usize = 32;
const PARTS: usize = 8 << 20;

/// `dst[g·rows + r, c, t] = Σ_n Σ_point grad[n, g·rows + r, point] · source[n, g·channels + c, point at t]`
pub(super) struct WeightPass<'a, T> {
    pub n: usize,
    pub groups: usize,
    /// Of a group.
    pub rows: usize,
    pub channels: usize,
    pub grad: Source<T>,
    pub source: Source<T>,
    /// Row-major.
    pub dst: SyncPtr<T>,
    pub lattice: &'a [Lattice; 3],
    pub work: f64,
}

impl<T: Float> WeightPass<'_, T> {
    /// # Safety
    /// `grad` and `source` are readable over the shapes given, `dst` writable and apart from them.
    pub unsafe fn run(&self) -> Result<()> {
        let isa = isa_for::<T>(self.rows);
        let (mr, lanes) = tile_rows::<T>(isa);
        let padded = self.rows.next_multiple_of(lanes);
        let panels = self.rows.div_ceil(mr);
        let passed = self.lattice.iter().map(|l| l.taps.len()).product::<usize>() * self.channels * padded;
        let grid = Grid::new(self.lattice, self.n, self.channels, passed, size_of::<T>());
        check_size(&grid)?;
        let channels = self.channels;
        let taps = grid.taps();
        let places: Vec<u32> = taps.iter().flat_map(|&tap| (0..channels as u32).map(move |c| tap + c)).collect();
        let one = padded * places.len();
        let all = one * self.groups;
        let blocks = grid.blocks();
        let parts = TASKS.div_ceil(self.groups).min(PARTS / (all * size_of::<T>()).max(1)).clamp(1, blocks);
        let chunks = TASKS.div_ceil(2 * parts * self.groups).min(panels);
        let sums_room = room::<T>(all.saturating_mul(parts))?;
        let sums = SyncPtr::new(sums_room.as_ptr().cast::<T>());
        let each = panels.div_ceil(chunks);
        let work = ns::<T>(self.work);
        parallel::try_run(self.groups * parts * chunks, work, |index| {
            let (chunk, index) = (index % chunks, index / chunks);
            let (part, group) = (index % parts, index / parts);
            let span = (chunk * each, ((chunk + 1) * each).min(panels));
            let gathered = room::<T>(grid.len())?;
            let points = grid.block(0).points();
            let grads = room::<T>(points * mr * span.1.saturating_sub(span.0))?;
            for block in part * blocks / parts..(part + 1) * blocks / parts {
                let first_block = block == part * blocks / parts;
                let block = grid.block(block);
                let task = Task {
                    pass: self,
                    grid: &grid,
                    block: &block,
                    group,
                    panels: span,
                    mr,
                    x: gathered.as_ptr().cast::<T>(),
                    grads: grads.as_ptr().cast::<T>(),
                    sums: sums.get().wrapping_add(part * all + group * one),
                    depth: Depth { starts: &grid.rows(&block), run: block.count[3], step: grid.point_step() },
                    places: &places,
                    add: !first_block,
                };
                // SAFETY: the instruction set in force is the machine's.
                unsafe { T::enter(isa, task) };
            }
            Ok(())
        })?;
        let taps = taps.len();
        parallel::run(self.groups * panels, (all * parts) as f64, |index| {
            let (group, panel) = (index / panels, index % panels);
            let finish = Finish {
                sums: sums.get().wrapping_add(group * one + panel * mr * places.len()),
                parts,
                part_step: all,
                width: mr.min(padded - panel * mr),
                rows: mr.min(self.rows - panel * mr),
                channels,
                taps,
                dst: self.dst.get().wrapping_add((group * self.rows + panel * mr) * channels * taps),
            };
            // SAFETY: as above; each panel is one task's.
            unsafe { T::enter(isa, finish) };
        });
        Ok(())
    }
}

/// One block's share of one part.
struct Task<'a, T> {
    pass: &'a WeightPass<'a, T>,
    grid: &'a Grid,
    block: &'a Block,
    group: usize,
    panels: (usize, usize),
    mr: usize,
    x: *mut T,
    grads: *mut T,
    sums: *mut T,
    /// The block's points.
    depth: Depth<'a>,
    places: &'a [u32],
    add: bool,
}

impl<T: Float> Kernel<T> for Task<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let WeightPass { rows, channels, source, .. } = *self.pass;
        // SAFETY: `WeightPass::run` made room for the block and its gradients, and gave this task sums of its own.
        unsafe {
            self.grid.gather(&source.starting_at_channel(self.group * channels), channels, self.block, self.x);
            for panel in self.panels.0..self.panels.1 {
                let first = panel * self.mr;
                let rows = self.mr.min(rows - first);
                let grads = self.grads.add((panel - self.panels.0) * self.mr * self.depth.len());
                self.gather_grads(grads, first, rows, rows.next_multiple_of(S::LANES));
            }
            for panel in self.panels.0..self.panels.1 {
                let first = panel * self.mr;
                let rows = self.mr.min(rows - first);
                let grads = self.grads.add((panel - self.panels.0) * self.mr * self.depth.len()).cast_const();
                tiles!(self.tile::<S>(s, self.places.len(), rows, first, grads));
            }
        }
    }
}

impl<T: Float> Task<'_, T> {
    /// The gradients of a panel's rows, `width` for each point, zero past the last row.
    #[inline(always)]
    unsafe fn gather_grads(&self, to: *mut T, first: usize, rows: usize, width: usize) {
        let Source { ptr, strides } = self.pass.grad.starting_at_channel(self.group * self.pass.rows + first);
        let Block { first, count } = *self.block;
        let mut row = to;
        // SAFETY: the caller made room for every point; the points lie inside the gradient.
        unsafe {
            if rows < width {
                std::ptr::write_bytes(to, 0, self.depth.len() * width);
            }
            self.block.rows(|[n, d, h]| {
                let at = [first[0] + n, first[1] + d, first[2] + h, first[3]];
                let along = [strides[0], strides[2], strides[3], strides[4]];
                let from = ptr.wrapping_offset((0..4).map(|k| at[k] as isize * along[k]).sum());
                copy_matrix(from, strides[4], strides[1], count[3], rows, row, width);
                row = row.add(count[3] * width);
            });
        }
    }

    /// Places `start..start + count` of the kernel, for the panel of rows from `first` on.
    #[inline(always)]
    unsafe fn tile<S: Simd<T>, const MV: usize, const W: usize>(
        &self,
        s: S,
        start: usize,
        count: usize,
        _rows: usize,
        first: usize,
        grads: *const T,
    ) -> usize {
        let width = MV * S::LANES;
        // SAFETY: rows and places are this task's; the tables stay inside what was gathered.
        unsafe {
            let to = self.sums.add(first * self.places.len() + start * width);
            let mut before = [[s.zero(); MV]; W];
            if self.add {
                for j in 0..W {
                    if j < count {
                        for v in 0..MV {
                            before[j][v] = s.load(to.add(j * width + v * S::LANES));
                        }
                    }
                }
            }
            let columns = columns::<W>(self.places, start);
            let sums = sums::<T, S, MV, W, false>(s, grads, self.x, columns, self.depth, before);
            for j in 0..W {
                if j < count {
                    for v in 0..MV {
                        s.store(to.add(j * width + v * S::LANES), sums[j][v]);
                    }
                }
            }
            count
        }
    }
}

/// Adds the parts of a panel, and writes it as rows of the weight.
struct Finish<T> {
    sums: *mut T,
    parts: usize,
    part_step: usize,
    width: usize,
    rows: usize,
    channels: usize,
    taps: usize,
    dst: *mut T,
}

impl<T: Float> Kernel<T> for Finish<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Self { sums, width, channels, taps, .. } = self;
        // SAFETY: the panel is this task's, and so are its rows of the weight.
        unsafe {
            for i in (0..channels * taps * width).step_by(S::LANES) {
                let at = sums.add(i);
                let mut sum = s.load(at);
                for part in 1..self.parts {
                    sum = s.add(sum, s.load(at.add(part * self.part_step)));
                }
                s.store(at, sum);
            }
            for r in 0..self.rows {
                for c in 0..channels {
                    for t in 0..taps {
                        *self.dst.add((r * channels + c) * taps + t) = *sums.add((t * channels + c) * width + r);
                    }
                }
            }
        }
    }
}
