//! The weight gradient as F(3×3, 4×4): the same tiles of the input against tiles of 4 × 4 of the gradient.

use ferrograd_array::Result;

use super::transform::{self, PLANES, SIDE, STEP};
use super::{Input, PLANE_PAD, place, tiles_of};
use crate::conv::block::Source;
use crate::conv::direct::{ns, room, tile_rows};
use crate::conv::microkernel::{Depth, sums, tile_vectors, tiles};
use crate::isa;
use crate::parallel::{self, SyncPtr};
use crate::simd::{Float, Kernel, Simd, copy_matrix};

/// Tiles of a block: the planes of the sums are read and written once for each.
const TILES: usize = 96;
/// Rows and channels of a task, where the result is large; a smaller one is summed in parts.
const ROWS: usize = 128;
const CHANNELS: usize = 128;
const TASKS: usize = 8;
/// Bytes that parts may take together.
const PARTS: usize = 16 << 20;

/// `dst[r, c, k] = Σ_n Σ_p grad[n, r, p] · source[n, c, p + k + offset]`, row-major, with p and k along depth, height and
/// width. Each element of the kernel along the depth is a sum of its own.
pub struct WeightPass {
    pub n: usize,
    pub rows: usize,
    pub channels: usize,
    pub grad: Source<f32>,
    /// Of the gradient.
    pub sizes: [usize; 3],
    pub source: Source<f32>,
    pub source_sizes: [usize; 3],
    pub offset: [isize; 3],
    /// Elements of the kernel along the depth.
    pub depth: usize,
    pub dst: SyncPtr<f32>,
    pub work: f64,
}

/// `total` cut into equal parts of at most `most`, each a multiple of `unit`.
fn even(total: usize, most: usize, unit: usize) -> usize {
    total.div_ceil(total.div_ceil(most)).next_multiple_of(unit)
}

impl WeightPass {
    /// # Safety
    /// `grad` and `source` are readable over the shapes given, `dst` writable and apart from them.
    pub unsafe fn run(&self) -> Result<()> {
        let isa = isa::current();
        let (mr, lanes) = tile_rows::<f32>(isa);
        let padded = self.rows.next_multiple_of(lanes);
        let plane = padded * self.channels + PLANE_PAD;
        let total = self.n * self.sizes[0] * tiles_of(self.sizes).iter().product::<usize>();
        let blocks = total.div_ceil(TILES);
        let (chunk_rows, chunk_channels) = (even(self.rows, ROWS, mr), even(self.channels, CHANNELS, 1));
        let (row_chunks, channel_chunks) = (self.rows.div_ceil(chunk_rows), self.channels.div_ceil(chunk_channels));
        let chunks = row_chunks * channel_chunks * self.depth;
        let one = PLANES * plane;
        let size = one * self.depth;
        let parts = TASKS.div_ceil(chunks).min(PARTS / (4 * size)).clamp(1, blocks);
        let kept = room::<f32>(size.saturating_mul(parts))?;
        let all = SyncPtr::new(kept.as_ptr().cast::<f32>());
        parallel::try_run(parts * chunks, ns::<f32>(self.work / 4.0), |index| {
            let (chunk, part) = (index % chunks, index / chunks);
            let (d, chunk) = (chunk % self.depth, chunk / self.depth);
            let (first_row, first_channel) =
                (chunk / channel_chunks * chunk_rows, chunk % channel_chunks * chunk_channels);
            let rows = chunk_rows.min(self.rows - first_row);
            let channels = chunk_channels.min(self.channels - first_channel);
            let most = TILES.min(total);
            let (v_plane, g_plane) = (most * channels + PLANE_PAD, most * rows.next_multiple_of(lanes) + PLANE_PAD);
            let space = room::<f32>(PLANES * (v_plane + g_plane + channels) + STEP * STEP * lanes)?;
            let v = space.as_ptr().cast::<f32>();
            for block in part * blocks / parts..(part + 1) * blocks / parts {
                let task = Task {
                    pass: self,
                    d,
                    first_tile: block * TILES,
                    tiles: TILES.min(total - block * TILES),
                    first_row,
                    rows,
                    first_channel,
                    channels,
                    v,
                    v_plane,
                    g: v.wrapping_add(PLANES * v_plane),
                    g_plane,
                    patch: v.wrapping_add(PLANES * (v_plane + g_plane)),
                    sums: all.get().wrapping_add(part * size + d * one),
                    plane,
                    add: block > part * blocks / parts,
                };
                // SAFETY: the instruction set in force is the machine's; tasks have sums of their own.
                unsafe { f32::enter(isa, task) };
            }
            Ok(())
        })?;
        parallel::run(self.rows.div_ceil(mr) * self.depth, (size * parts) as f64, |index| {
            let (first, d) = (index / self.depth * mr, index % self.depth);
            let finish = Finish {
                sums: all.get().wrapping_add(d * one + first * self.channels),
                plane,
                parts,
                part_step: size,
                width: mr.min(padded - first),
                rows: mr.min(self.rows - first),
                channels: self.channels,
                step: 9 * self.depth,
                dst: self.dst.get().wrapping_add((first * self.channels * self.depth + d) * 9),
            };
            // SAFETY: as above; each panel is one task's.
            unsafe { f32::enter(isa, finish) };
        });
        Ok(())
    }
}

struct Task<'a> {
    pass: &'a WeightPass,
    d: usize,
    first_tile: usize,
    tiles: usize,
    first_row: usize,
    rows: usize,
    first_channel: usize,
    channels: usize,
    /// The input's planes, each (tiles, channels).
    v: *mut f32,
    v_plane: usize,
    /// The gradient's planes: panels of rows, each (tiles, width).
    g: *mut f32,
    g_plane: usize,
    patch: *mut f32,
    /// Planes of the result: panels of rows, each (channels, width).
    sums: *mut f32,
    plane: usize,
    add: bool,
}

impl Kernel<f32> for Task<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let WeightPass { source, source_sizes, offset, sizes, .. } = *self.pass;
        let source = source.starting_at_channel(self.first_channel);
        let input = Input { source, sizes: source_sizes, offset, channels: self.channels, patch: self.patch };
        let mr = tile_vectors(S::REGISTERS) * S::LANES;
        // SAFETY: `WeightPass::run` made room for the planes, and gave this task sums of its own.
        unsafe {
            for t in 0..self.tiles {
                let at = place(self.first_tile + t, sizes);
                input.transform(s, at, self.d, self.v.add(t * self.channels), self.v_plane);
                self.gradient(s, at, t);
            }
            for k in 0..PLANES {
                for first in (0..self.rows).step_by(mr) {
                    let rows = (self.rows - first).min(mr);
                    tiles!(self.multiply::<S>(s, self.channels, rows, first, k));
                }
            }
        }
    }
}

impl Task<'_> {
    /// Tile `t` of the gradient, zero outside.
    #[inline(always)]
    unsafe fn gradient<S: Simd<f32>>(&self, s: S, at: [usize; 4], t: usize) {
        let WeightPass { grad, sizes, .. } = *self.pass;
        let strides = grad.strides;
        let mr = tile_vectors(S::REGISTERS) * S::LANES;
        let padded = self.rows.next_multiple_of(S::LANES);
        let (high, long) = (STEP.min(sizes[1] - at[2]), STEP.min(sizes[2] - at[3]));
        let from = (0..4).map(|k| at[k] as isize * strides[[0, 2, 3, 4][k]]).sum();
        let from = grad.starting_at_channel(self.first_row).ptr.wrapping_offset(from);
        for r in (0..self.rows).step_by(S::LANES) {
            let count = (self.rows - r).min(S::LANES);
            let whole = strides[1] == 1 && count == S::LANES && high == STEP && long == STEP;
            // SAFETY: only points inside the gradient are read; the patch has room for sixteen vectors.
            unsafe {
                let from = from.wrapping_offset(r as isize * strides[1]);
                let (from, down, across) = if whole {
                    (from, strides[3], strides[4])
                } else {
                    std::ptr::write_bytes(self.patch, 0, STEP * STEP * S::LANES);
                    for i in 0..high {
                        let row = self.patch.add(i * STEP * S::LANES);
                        let from = from.wrapping_offset(i as isize * strides[3]);
                        copy_matrix(from, strides[4], strides[1], long, count, row, S::LANES);
                    }
                    (self.patch.cast_const(), (STEP * S::LANES) as isize, S::LANES as isize)
                };
                let width = mr.min(padded - r / mr * mr);
                let to = self.g.add(r / mr * mr * self.tiles + t * width + r % mr);
                transform::square::<S, STEP, SIDE>(
                    s,
                    #[inline(always)]
                    |s, g| transform::kernel::<S, STEP>(s, g),
                    #[inline(always)]
                    |i, j| s.load(from.offset(i as isize * down + j as isize * across)),
                    #[inline(always)]
                    |i, j, u| s.store(to.add((i * SIDE + j) * self.g_plane), u),
                );
            }
        }
    }

    /// Plane `k` of rows `first..first + rows` and channels `start..start + count`.
    #[inline(always)]
    unsafe fn multiply<S: Simd<f32>, const MV: usize, const W: usize>(
        &self,
        s: S,
        start: usize,
        count: usize,
        _rows: usize,
        first: usize,
        k: usize,
    ) -> usize {
        let width = MV * S::LANES;
        let mut columns = [0; W];
        for j in 0..W {
            columns[j] = (start + j).min(self.channels - 1);
        }
        // SAFETY: as `run`'s.
        unsafe {
            let at = (self.first_row + first) * self.pass.channels + (self.first_channel + start) * width;
            let to = self.sums.add(k * self.plane + at);
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
            let grads = self.g.add(k * self.g_plane + first * self.tiles).cast_const();
            let x = self.v.add(k * self.v_plane).cast_const();
            let depth = Depth { starts: &[0], run: self.tiles, step: self.channels };
            let sums = sums::<f32, S, MV, W, false>(s, grads, x, columns, depth, before);
            for j in 0..W {
                if j < count {
                    for v in 0..MV {
                        s.store(to.add(j * width + v * S::LANES), sums[j][v]);
                    }
                }
            }
        }
        count
    }
}

/// Adds the parts of a panel, transforms them, and writes rows of the weight.
struct Finish {
    sums: *mut f32,
    plane: usize,
    parts: usize,
    part_step: usize,
    width: usize,
    rows: usize,
    channels: usize,
    /// Elements between the channels of a row of the weight.
    step: usize,
    dst: *mut f32,
}

impl Kernel<f32> for Finish {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let mut taps = [0f32; 9 * 16];
        let taps = taps.as_mut_ptr();
        for c in 0..self.channels {
            for r in (0..self.width).step_by(S::LANES) {
                // SAFETY: the panel is this task's, and so are its rows of the weight; `taps` has room for nine vectors.
                unsafe {
                    let from = self.sums.add(c * self.width + r).cast_const();
                    transform::square::<S, SIDE, 3>(
                        s,
                        #[inline(always)]
                        |s, m| transform::output::<S, 3>(s, m),
                        #[inline(always)]
                        |i, j| {
                            let at = from.add((i * SIDE + j) * self.plane);
                            let mut sum = s.load(at);
                            for part in 1..self.parts {
                                sum = s.add(sum, s.load(at.add(part * self.part_step)));
                            }
                            sum
                        },
                        #[inline(always)]
                        |i, j, v| s.store(taps.add((i * 3 + j) * S::LANES), v),
                    );
                    for row in r..self.rows.min(r + S::LANES) {
                        let to = self.dst.add((row * self.channels + c) * self.step);
                        for t in 0..9 {
                            *to.add(t) = *taps.add(t * S::LANES + row - r);
                        }
                    }
                }
            }
        }
    }
}
