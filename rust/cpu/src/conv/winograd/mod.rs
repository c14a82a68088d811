//! Winograd's minimal filtering F(4×4, 3×3) for kernels of 3 × 3, or D × 3 × 3, at stride 1 in f32: tiles of 6 × 6 elements of the
//! input make 4 × 4 of the result with 36 multiplications for each pair of channels instead of 144 (Lavin and Gray,
//! "Fast Algorithms for Convolutional Neural Networks", 2016).
//!
//! A task transforms a block of tiles, multiplies each of the 36 planes by the transformed weights in the same
//! microkernel as the direct strategy, and transforms back, all in cache. Tiles are transformed a vector of channels at
//! a time, straight from a channels-last source; those at a border, or of another memory order, are copied first.
//!
//! Its error is about twice the direct strategy's (`tests/test_winograd.py` holds both against float64). An infinity or
//! NaN of the input reaches the whole of its tile's result.

mod transform;
mod weight;

use std::sync::atomic::{AtomicU8, Ordering};

use ferrograd_array::Result;

use super::block::Source;
use super::direct::{Weights, ns, room, tile_rows};
use super::geometry::Geometry;
use super::microkernel::{Depth, sums, tiles};
use crate::activation::{Activation, activate};
use crate::isa;
use crate::parallel::{self, SyncPtr};
use crate::simd::{Kernel, Simd, copy_matrix};
use transform::{PLANES, SIDE, STEP};
pub(super) use weight::WeightPass;

/// Tiles of a block: enough that weights are read seldom, few enough for the second-level cache at usual widths.
const TILES: usize = 48;
/// Rows of a task at least, where blocks are few: with fewer, transforming the input again costs too much.
const ROWS: usize = 128;
const TASKS: usize = 16;
/// Channels on either side at least (a vector of the widest), and with the depth of the kernel.
const CHANNELS: usize = 16;
const SUMMED: usize = 32;
/// Between planes, so that they do not fall on the same sets of a cache.
const PLANE_PAD: usize = 16;

/// 0: not asked yet; 1: off; 2: on.
static SWITCH: AtomicU8 = AtomicU8::new(0);

/// Reads `FERROGRAD_WINOGRAD`. Called when the library is loaded, so that a wrong value is an error then.
pub fn init() -> std::result::Result<(), String> {
    let on = match std::env::var("FERROGRAD_WINOGRAD") {
        Ok(text) if text == "0" => false,
        Ok(text) if !text.is_empty() && text != "1" => {
            return Err(format!("FERROGRAD_WINOGRAD: expected 0 or 1, got '{text}'"));
        }
        _ => true,
    };
    set_enabled(on);
    Ok(())
}

/// Whether convolutions may take this strategy.
pub fn set_enabled(on: bool) {
    SWITCH.store(1 + on as u8, Ordering::Relaxed);
}

pub fn enabled() -> bool {
    match SWITCH.load(Ordering::Relaxed) {
        0 => {
            init().unwrap_or_else(|why| panic!("{why}"));
            enabled()
        }
        code => code == 2,
    }
}

/// Tiles along the two sides of a plane of results.
fn tiles_of(sizes: [usize; 3]) -> [usize; 2] {
    [sizes[1].div_ceil(STEP), sizes[2].div_ceil(STEP)]
}

/// Whether the strategy can compute a pass whose results (or whose gradient's points) have `sizes`, and is faster.
pub(super) fn pays(geometry: &Geometry, sizes: [usize; 3]) -> bool {
    let [d, h, w] = geometry.axes;
    let along_depth = d.stride == 1 && d.dilation == 1;
    let fits = |axis: &super::Axis| axis.kernel == 3 && axis.stride == 1 && axis.dilation == 1 && axis.padding <= 2;
    let (c_in, c_out) = (geometry.c_in, geometry.c_out);
    let narrow = c_in.min(c_out) < CHANNELS || c_in.min(c_out) * d.kernel < SUMMED;
    if !enabled() || geometry.groups != 1 || narrow || !along_depth || !fits(&h) || !fits(&w) {
        return false;
    }
    // In cycles of a machine with 16 multiply-adds a cycle; the transforms' figures are measured.
    let [depth, high, wide] = sizes.map(|size| size as f64);
    let tiles = geometry.n as f64 * depth * tiles_of(sizes).iter().map(|&t| t as f64).product::<f64>();
    let points = geometry.n as f64 * depth * high * wide;
    let pairs = (c_in * c_out * d.kernel) as f64;
    let direct = 9.0 / 16.0 * points * pairs;
    let rounded = (tiles / 12.0).ceil() * 12.0;
    let winograd = PLANES as f64 / 16.0 * rounded * pairs
        + 20.0 * pairs
        + tiles * (c_in * d.kernel + c_out) as f64 * (250.0 / 16.0);
    winograd < 0.9 * direct
}

/// `dst[n, p, r] = activation(bias[r] + Σ_c Σ_k w[r, c, k] · source[n, c, p + k + offset])` with p and k along depth,
/// height and width, zero outside the source; `dst` lies channels-last. The elements of the kernel along the depth, of
/// which there may be any number, are as further channels.
pub(super) struct Pass<'a> {
    pub n: usize,
    pub rows: usize,
    pub channels: usize,
    pub source: Source<f32>,
    pub source_sizes: [usize; 3],
    pub offset: [isize; 3],
    /// Elements of the kernel along the depth.
    pub depth: usize,
    pub weights: &'a Weights<f32>,
    /// The kernel is turned round: the input gradient.
    pub turned: bool,
    pub dst: SyncPtr<f32>,
    pub sizes: [usize; 3],
    pub bias: Option<SyncPtr<f32>>,
    pub activation: Activation,
    pub work: f64,
}

impl Pass<'_> {
    /// # Safety
    /// Source, weights and bias are readable over the shapes given, `dst` writable and apart from them.
    pub unsafe fn run(&self) -> Result<()> {
        let isa = isa::current();
        let (mr, lanes) = tile_rows::<f32>(isa);
        let padded = self.rows.next_multiple_of(lanes);
        let panels = self.rows.div_ceil(mr);
        let summed = self.channels * self.depth;
        let plane = padded * summed + PLANE_PAD;
        let kept = room::<f32>((PLANES * plane).saturating_add(padded))?;
        let weights = SyncPtr::new(kept.as_ptr().cast::<f32>());
        let bias = PLANES * plane;
        parallel::run(panels, self.rows as f64 * summed as f64 * 4.0, |panel| {
            let first = panel * mr;
            let task = Prepare { pass: self, first, width: mr.min(padded - first), plane, to: weights.get() };
            // SAFETY: each task writes its own rows of every plane; the instruction set is the machine's.
            unsafe { <f32 as crate::simd::Float>::enter(isa, task) };
            for r in first..(first + mr).min(padded) {
                let value = match self.bias {
                    // SAFETY: the bias has a number for each row.
                    Some(bias) if r < self.rows => unsafe { *bias.get().add(r) },
                    _ => 0.0,
                };
                // SAFETY: as above.
                unsafe { *weights.get().add(bias + r) = value };
            }
        });
        let total = self.n * self.sizes[0] * tiles_of(self.sizes).iter().product::<usize>();
        let blocks = total.div_ceil(TILES);
        let chunks = TASKS.div_ceil(blocks).min(self.rows.div_ceil(ROWS));
        let each = panels.div_ceil(chunks) * mr;
        parallel::try_run(blocks * chunks, ns::<f32>(self.work / 4.0), |index| {
            let (chunk, block) = (index % chunks, index / chunks);
            let first = chunk * each;
            if first >= self.rows {
                return Ok(());
            }
            let rows = each.min(self.rows - first);
            let tiles = TILES.min(total - block * TILES);
            let (v_plane, m_plane) = (tiles * summed + PLANE_PAD, tiles * rows.next_multiple_of(lanes) + PLANE_PAD);
            let space = room::<f32>(PLANES * (v_plane + m_plane + self.channels))?;
            let v = space.as_ptr().cast::<f32>();
            let task = Task {
                pass: self,
                first_tile: block * TILES,
                tiles,
                first_row: first,
                rows,
                v,
                v_plane,
                m: v.wrapping_add(PLANES * v_plane),
                m_plane,
                patch: v.wrapping_add(PLANES * (v_plane + m_plane)),
                weights: weights.get(),
                plane,
                bias: weights.get().wrapping_add(bias),
            };
            // SAFETY: the instruction set in force is the machine's; tasks have tiles and rows of their own.
            unsafe { <f32 as crate::simd::Float>::enter(isa, task) };
            Ok(())
        })
    }
}

/// Transforms a panel of weights: in each plane, for each channel, `width` rows, zero past the last.
struct Prepare<'a> {
    pass: &'a Pass<'a>,
    first: usize,
    width: usize,
    plane: usize,
    to: *mut f32,
}

impl Kernel<f32> for Prepare<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let Pass { rows, channels, depth, weights: w, turned, .. } = *self.pass;
        let mut taps = [0f32; 9 * 16];
        let taps = taps.as_mut_ptr();
        for r in (0..self.width).step_by(S::LANES) {
            let count = rows.saturating_sub(self.first + r).min(S::LANES);
            for index in 0..depth * channels {
                let (d, c) = (index / channels, index % channels);
                let d = if turned { depth - 1 - d } else { d };
                let at = (self.first + r) as isize * w.row + c as isize * w.channel + d as isize * w.taps[0];
                // SAFETY: rows, channels and taps lie inside the weights; `to` has room for every plane, `taps` for
                // nine vectors.
                unsafe {
                    let from = w.ptr.wrapping_offset(at);
                    if w.taps[1..] == [3, 1] {
                        copy_matrix(from, 1, w.row, 9, count, taps, S::LANES);
                    } else {
                        for k in 0..9 {
                            let tap = (k / 3) as isize * w.taps[1] + (k % 3) as isize * w.taps[2];
                            copy_matrix(
                                from.wrapping_offset(tap),
                                1,
                                w.row,
                                1,
                                count,
                                taps.add(k * S::LANES),
                                S::LANES,
                            );
                        }
                    }
                    let to = self.to.add(self.first * depth * channels + index * self.width + r);
                    transform::square::<S, 3, SIDE>(
                        s,
                        #[inline(always)]
                        |s, g| transform::kernel::<S, 3>(s, g),
                        #[inline(always)]
                        |i, j| {
                            let k = if turned { 8 - (i * 3 + j) } else { i * 3 + j };
                            s.load(taps.add(k * S::LANES))
                        },
                        #[inline(always)]
                        |i, j, u| s.store(to.add((i * SIDE + j) * self.plane), u),
                    );
                }
            }
        }
    }
}

/// A block of tiles, for some of the rows.
struct Task<'a> {
    pass: &'a Pass<'a>,
    first_tile: usize,
    tiles: usize,
    first_row: usize,
    rows: usize,
    /// The tiles' planes, each (tiles, channels).
    v: *mut f32,
    v_plane: usize,
    /// The products' planes, each (tiles, rows).
    m: *mut f32,
    m_plane: usize,
    /// A tile's input.
    patch: *mut f32,
    weights: *const f32,
    plane: usize,
    bias: *const f32,
}

impl Kernel<f32> for Task<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let Pass { channels, depth, source, source_sizes, offset, sizes, activation, .. } = *self.pass;
        let input = Input { source, sizes: source_sizes, offset, channels, patch: self.patch };
        // SAFETY: `Pass::run` made room for the planes, and gave this task tiles and rows of its own.
        unsafe {
            for t in 0..self.tiles {
                let at = place(self.first_tile + t, sizes);
                for d in 0..depth {
                    input.transform(s, at, d, self.v.add((t * depth + d) * channels), self.v_plane);
                }
            }
            for k in 0..PLANES {
                for first in (0..self.rows).step_by(super::microkernel::tile_vectors(S::REGISTERS) * S::LANES) {
                    let rows = (self.rows - first).min(super::microkernel::tile_vectors(S::REGISTERS) * S::LANES);
                    tiles!(self.multiply::<S>(s, self.tiles, rows, first, k));
                }
            }
            let offsets = self.finish(s);
            if !matches!(activation, Activation::None | Activation::Relu) {
                activate(activation, self.pass.dst.get().add(self.first_row), &offsets, self.rows);
            }
        }
    }
}

/// The image, the plane and the first row and column of the results of a tile.
#[inline(always)]
fn place(tile: usize, sizes: [usize; 3]) -> [usize; 4] {
    let [high, wide] = tiles_of(sizes);
    let plane = tile / (high * wide);
    [plane / sizes[0], plane % sizes[0], tile / wide % high * STEP, tile % wide * STEP]
}

/// What tiles read.
struct Input {
    source: Source<f32>,
    sizes: [usize; 3],
    offset: [isize; 3],
    channels: usize,
    patch: *mut f32,
}

impl Input {
    /// The tile whose results begin at `at`, for element `d` of the kernel's depth: each plane's channels at `to`, planes
    /// `plane` apart.
    ///
    /// # Safety
    /// The source is readable over its sizes, `to` writable, and the patch has room for a tile.
    #[inline(always)]
    unsafe fn transform<S: Simd<f32>>(&self, s: S, at: [usize; 4], d: usize, to: *mut f32, plane: usize) {
        let channels = self.channels;
        let strides = self.source.strides;
        let depth = (at[1] + d) as isize + self.offset[0];
        let first = [at[2] as isize + self.offset[1], at[3] as isize + self.offset[2]];
        let image = self.source.ptr.wrapping_offset(at[0] as isize * strides[0] + depth * strides[2]);
        let start = |i: isize, j: isize| image.wrapping_offset(i * strides[3] + j * strides[4]);
        let [deep, high, wide] = self.sizes.map(|size| size as isize);
        let outside = depth < 0 || depth >= deep;
        let fits = |first: isize, size: isize| first >= 0 && first + SIDE as isize <= size;
        let inside = !outside && fits(first[0], high) && fits(first[1], wide);
        // SAFETY: the caller's; what lies outside is not read.
        unsafe {
            let (from, down, across) = if inside && strides[1] == 1 {
                (start(first[0], first[1]), strides[3], strides[4])
            } else {
                let low = (-first[1]).clamp(0, SIDE as isize);
                let end = (wide - first[1]).clamp(low, SIDE as isize);
                for i in 0..SIDE as isize {
                    let row = self.patch.add(i as usize * SIDE * channels);
                    let y = first[0] + i;
                    if outside || y < 0 || y >= high || low == end {
                        std::ptr::write_bytes(row, 0, SIDE * channels);
                        continue;
                    }
                    std::ptr::write_bytes(row, 0, low as usize * channels);
                    std::ptr::write_bytes(row.add(end as usize * channels), 0, (SIDE - end as usize) * channels);
                    let (count, row) = ((end - low) as usize, row.add(low as usize * channels));
                    copy_matrix(start(y, first[1] + low), strides[4], strides[1], count, channels, row, channels);
                }
                (self.patch.cast_const(), (SIDE * channels) as isize, channels as isize)
            };
            let mut c = 0;
            while c < channels {
                // The last vector may begin among the channels of the one before.
                c = c.min(channels - S::LANES);
                transform::square::<S, SIDE, SIDE>(
                    s,
                    #[inline(always)]
                    |s, d| transform::input(s, d),
                    #[inline(always)]
                    |i, j| s.load(from.offset(i as isize * down + j as isize * across).add(c)),
                    #[inline(always)]
                    |i, j, v| s.store(to.add((i * SIDE + j) * plane + c), v),
                );
                c += S::LANES;
            }
        }
    }
}

impl Task<'_> {
    /// Plane `k` of rows `first..first + rows` and tiles `start..start + count`.
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
        let channels = self.pass.channels * self.pass.depth;
        let wide = self.rows.next_multiple_of(S::LANES);
        let mut columns = [0; W];
        for j in 0..W {
            columns[j] = (start + j).min(self.tiles - 1) * channels;
        }
        // SAFETY: as `run`'s.
        unsafe {
            let weights = self.weights.add(k * self.plane + (self.first_row + first) * channels);
            let x = self.v.add(k * self.v_plane).cast_const();
            let depth = Depth { starts: &[0], run: channels, step: 1 };
            let sums = sums::<f32, S, MV, W, true>(s, weights, x, columns, depth, [[s.zero(); MV]; W]);
            let to = self.m.add(k * self.m_plane + start * wide + first);
            for j in 0..W {
                if j < count {
                    for v in 0..MV {
                        s.store(to.add(j * wide + v * S::LANES), sums[j][v]);
                    }
                }
            }
        }
        count
    }

    /// Transforms the products back, and returns where the points lie that were written.
    #[inline(always)]
    unsafe fn finish<S: Simd<f32>>(&self, s: S) -> Vec<isize> {
        let Pass { rows: all, sizes, activation, .. } = *self.pass;
        let wide = self.rows.next_multiple_of(S::LANES);
        let floor = s.splat(if activation == Activation::Relu { 0.0 } else { f32::NEG_INFINITY });
        let mut offsets = Vec::with_capacity(self.tiles * STEP * STEP);
        for t in 0..self.tiles {
            let [n, d, y, x] = place(self.first_tile + t, sizes);
            let (high, long) = (STEP.min(sizes[1] - y), STEP.min(sizes[2] - x));
            let offset = |i: usize, j: usize| (((n * sizes[0] + d) * sizes[1] + y + i) * sizes[2] + x + j) * all;
            for i in 0..high {
                offsets.extend((0..long).map(|j| offset(i, j) as isize));
            }
            for r in (0..self.rows).step_by(S::LANES) {
                let left = (self.rows - r).min(S::LANES);
                // SAFETY: as `run`'s; only points inside the result are written.
                unsafe {
                    let from = self.m.add(t * wide + r).cast_const();
                    let to = self.pass.dst.get().add(offset(0, 0) + self.first_row + r);
                    let bias = s.load(self.bias.add(self.first_row + r));
                    transform::square::<S, SIDE, STEP>(
                        s,
                        #[inline(always)]
                        |s, m| transform::output::<S, STEP>(s, m),
                        #[inline(always)]
                        |i, j| s.load(from.add((i * SIDE + j) * self.m_plane)),
                        #[inline(always)]
                        |i, j, sum| {
                            if i < high && j < long {
                                let at = to.add((i * sizes[2] + j) * all);
                                let sum = s.max(floor, s.add(sum, bias));
                                s.store_some(at, left, sum);
                            }
                        },
                    );
                }
            }
        }
        offsets
    }
}
