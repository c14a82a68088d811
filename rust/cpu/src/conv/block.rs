//! Blocks of points, and the source elements that a block reads, copied side by side.
//!
//! A block is a box of points of a lattice. What it reads of the source is gathered into a few hundred KiB that stay in
//! the second-level cache, channels innermost, zeros where there is padding. In this copy the element that point `q`
//! meets at tap `t` lies at `point(q) + tap(t)`, whatever stride, padding, dilation or memory order there was; the
//! microkernel needs nothing else. No element is copied twice for one block (im2col would, once for each tap).

use smallvec::SmallVec;

use super::geometry::Lattice;
use crate::simd::{Float, copy_matrix};

/// Points of a block at most; the last few of a block share a tile, so that many waste little.
const POINTS: usize = 512;
/// And at least, where there are few points for many threads.
const FEW_POINTS: usize = 48;
/// Blocks wanted at least, so that threads of unequal speed end together.
const BLOCKS: usize = 32;
/// Bytes gathered for a block: half of a second-level cache of 1 MiB, the rest is for weights.
const GATHERED: usize = 384 * 1024;
/// Where what each block passes over (weights, or sums of a weight's gradient) leaves that cache, blocks are larger, so
/// that there are fewer of them.
const GATHERED_MANY: usize = 1 << 20;
const MANY_POINTS: usize = 128;

/// `total` cut into equal parts of at most `most`.
fn even(total: usize, most: usize) -> usize {
    total.div_ceil(total.div_ceil(most.max(1)).max(1)).max(1)
}

/// One dimension of the blocks of a lattice.
#[derive(Debug, Clone)]
struct Side {
    lattice: Lattice,
    /// Points of a block.
    block: usize,
    /// Positions gathered for it.
    length: usize,
    /// Positions between neighbouring points, and of each tap.
    point_step: usize,
    taps: SmallVec<[usize; 8]>,
    /// The smallest offset of a tap.
    lowest: isize,
    /// Each tap has positions of its own, because the taps lie farther apart than the points reach.
    apart: bool,
}

impl Side {
    fn new(lattice: &Lattice, block: usize) -> Self {
        let lowest = lattice.taps.iter().map(|tap| tap.1).min().unwrap_or(0);
        let highest = lattice.taps.iter().map(|tap| tap.1).max().unwrap_or(0);
        let span = (block - 1).saturating_mul(lattice.source_step).saturating_add((highest - lowest) as usize + 1);
        let apart = lattice.taps.len() * block < span;
        Self {
            block,
            length: if apart { lattice.taps.len() * block } else { span },
            point_step: if apart { 1 } else { lattice.source_step },
            taps: if apart {
                (0..lattice.taps.len()).map(|t| t * block).collect()
            } else {
                lattice.taps.iter().map(|tap| (tap.1 - lowest) as usize).collect()
            },
            lowest,
            apart,
            lattice: lattice.clone(),
        }
    }

    /// The index of the source at position `u` of the block whose first point is `first`; None in the padding.
    fn source(&self, first: usize, u: usize) -> Option<usize> {
        let Lattice { source_step, source_size, taps, .. } = &self.lattice;
        let index = if self.apart {
            ((first + u % self.block) * source_step) as isize + taps[u / self.block].1
        } else {
            (first * source_step + u) as isize + self.lowest
        };
        (index >= 0 && index < *source_size as isize).then_some(index as usize)
    }
}

/// How a lattice over a batch is cut into blocks.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    n: usize,
    images: usize,
    sides: [Side; 3],
    /// Elements from one position to the next: the channels, and a few more where these fall on few sets of a cache.
    pub stride: usize,
}

/// A box of points: the first and how many, along the batch and the three dimensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub first: [usize; 4],
    pub count: [usize; 4],
}

impl Block {
    pub fn points(&self) -> usize {
        self.count.iter().product()
    }

    /// `f(index of the row, first point of it)` for the rows of the block.
    pub fn rows(&self, mut f: impl FnMut([usize; 3])) {
        for n in 0..self.count[0] {
            for d in 0..self.count[1] {
                for h in 0..self.count[2] {
                    f([n, d, h]);
                }
            }
        }
    }
}

impl Grid {
    /// Blocks of `lattice` over `n` images, gathered in memory `width` elements wide; each passes over `passed` elements.
    pub fn new(lattice: &[Lattice; 3], n: usize, width: usize, passed: usize, element: usize) -> Self {
        let counts = [lattice[0].count, lattice[1].count, lattice[2].count];
        let total = counts.iter().fold(n, |a, &b| a.saturating_mul(b));
        let many = passed.saturating_mul(element) > GATHERED_MANY;
        let (few, gathered) = if many { (MANY_POINTS, GATHERED_MANY) } else { (FEW_POINTS, GATHERED) };
        let points = (total / BLOCKS).clamp(few, POINTS);
        let stride = if width > 0 && (width * element).is_multiple_of(2048) { width + 64 / element } else { width };
        let make = |images: usize, block: [usize; 3]| Self {
            n,
            images,
            sides: std::array::from_fn(|k| Side::new(&lattice[k], block[k])),
            stride,
        };
        let fits = |grid: &Grid| grid.len().saturating_mul(element) <= gathered;
        let mut block = [1, 1, even(counts[2], points)];
        while block[2] > 16 && !fits(&make(1, block)) {
            block[2] = even(counts[2], block[2] / 2);
        }
        // Rows, then planes, then images, as long as the smaller is whole.
        let mut inner = block[2];
        let mut images = 1;
        if block[2] == counts[2] {
            for k in [1, 0] {
                let mut most = (points / inner).clamp(1, counts[k].max(1));
                let with = |most: usize| {
                    let mut block = block;
                    block[k] = even(counts[k], most);
                    block
                };
                while most > 1 && !fits(&make(1, with(most))) {
                    most /= 2;
                }
                block = with(most);
                inner *= block[k];
                if block[k] < counts[k] {
                    return make(1, block);
                }
            }
            images = (points / inner).clamp(1, n.max(1));
            while images > 1 && !fits(&make(images, block)) {
                images /= 2;
            }
            images = even(n, images);
        }
        make(images, block)
    }

    /// Elements gathered for a block.
    pub fn len(&self) -> usize {
        let positions = self.sides.iter().fold(self.images, |a, side| a.saturating_mul(side.length));
        positions.saturating_mul(self.stride)
    }

    fn cuts(&self) -> [usize; 4] {
        let [d, h, w] = self.sides.each_ref().map(|side| side.lattice.count.div_ceil(side.block));
        [self.n.div_ceil(self.images), d, h, w]
    }

    pub fn blocks(&self) -> usize {
        self.cuts().iter().product()
    }

    pub fn block(&self, mut index: usize) -> Block {
        let cuts = self.cuts();
        let sizes = [self.images, self.sides[0].block, self.sides[1].block, self.sides[2].block];
        let totals = [self.n, self.sides[0].lattice.count, self.sides[1].lattice.count, self.sides[2].lattice.count];
        let mut block = Block { first: [0; 4], count: [0; 4] };
        for k in (0..4).rev() {
            block.first[k] = index % cuts[k] * sizes[k];
            block.count[k] = sizes[k].min(totals[k] - block.first[k]);
            index /= cuts[k];
        }
        block
    }

    /// Elements between neighbouring positions along the batch and the three dimensions.
    fn steps(&self) -> [usize; 4] {
        let w = self.stride;
        let h = w * self.sides[2].length;
        let d = h * self.sides[1].length;
        [d * self.sides[0].length, d, h, w]
    }

    /// Where each tap lies, in the order of the kernel's elements.
    pub fn taps(&self) -> Vec<u32> {
        let steps = self.steps();
        let mut all = Vec::new();
        for &d in &self.sides[0].taps {
            for &h in &self.sides[1].taps {
                all.extend(self.sides[2].taps.iter().map(|&w| (d * steps[1] + h * steps[2] + w * steps[3]) as u32));
            }
        }
        all
    }

    /// Elements between neighbouring points of a row.
    pub fn point_step(&self) -> usize {
        self.steps()[3] * self.sides[2].point_step
    }

    /// Where each row of the block begins.
    pub fn rows(&self, block: &Block) -> Vec<u32> {
        let steps = self.steps();
        let along = [1, 2].map(|k| steps[k] * self.sides[k - 1].point_step);
        let mut all = Vec::with_capacity(block.count[..3].iter().product());
        block.rows(|[n, d, h]| all.push((n * steps[0] + d * along[0] + h * along[1]) as u32));
        all
    }

    /// Where each point of the block lies.
    pub fn points(&self, block: &Block) -> Vec<u32> {
        let step = self.point_step() as u32;
        self.rows(block)
            .into_iter()
            .flat_map(|start| (0..block.count[3] as u32).map(move |w| start + w * step))
            .collect()
    }

    /// The destination of each point of the block, for strides along n, d, h, w.
    pub fn destinations(&self, block: &Block, strides: [isize; 4]) -> Vec<isize> {
        let mut all = Vec::with_capacity(block.points());
        let along = |k: usize, q: usize| {
            let lattice = &self.sides[k].lattice;
            (lattice.first + lattice.step * (block.first[k + 1] + q)) as isize * strides[k + 1]
        };
        let step = self.sides[2].lattice.step as isize * strides[3];
        block.rows(|[n, d, h]| {
            let start = (block.first[0] + n) as isize * strides[0] + along(0, d) + along(1, h) + along(2, 0);
            all.extend((0..block.count[3]).map(|w| start + w as isize * step));
        });
        all
    }

    /// Copies what the block reads of `channels` channels of the source. Elements of `to` beyond the channels are left.
    ///
    /// # Safety
    /// `to` is writable for [`len`](Self::len) elements, and the source readable over the lattices' source sizes.
    #[inline(always)]
    pub unsafe fn gather<T: Float>(&self, source: &Source<T>, channels: usize, block: &Block, to: *mut T) {
        let steps = self.steps();
        let [sd, sh, sw] = &self.sides;
        // Along a row, pieces of neighbouring indices: (position, first index, length), no index for zeros.
        let mut pieces: SmallVec<[(usize, Option<usize>, usize); 16]> = SmallVec::new();
        let step = if sw.apart { sw.lattice.source_step } else { 1 };
        for u in 0..sw.length {
            let index = sw.source(block.first[3], u);
            match pieces.last_mut() {
                Some((_, before, length)) if before.is_none() && index.is_none() => *length += 1,
                Some((_, Some(from), length)) if index == Some(*from + *length * step) => *length += 1,
                _ => pieces.push((u, index, 1)),
            }
        }
        // SAFETY: positions are below the lengths, indices below the source's sizes.
        unsafe {
            for n in 0..block.count[0] {
                let image = source.ptr.wrapping_offset((block.first[0] + n) as isize * source.strides[0]);
                for ud in 0..sd.length {
                    let d = sd.source(block.first[1], ud);
                    for uh in 0..sh.length {
                        let row = to.add(n * steps[0] + ud * steps[1] + uh * steps[2]);
                        let (Some(d), Some(h)) = (d, sh.source(block.first[2], uh)) else {
                            zero(row, sw.length, self.stride, channels);
                            continue;
                        };
                        let from = image
                            .wrapping_offset(d as isize * source.strides[2])
                            .wrapping_offset(h as isize * source.strides[3]);
                        for &(u, index, length) in &pieces {
                            let to = row.add(u * self.stride);
                            match index {
                                None => zero(to, length, self.stride, channels),
                                Some(w) => {
                                    let from = from.wrapping_offset(w as isize * source.strides[4]);
                                    let along = source.strides[4] * step as isize;
                                    copy_matrix(from, along, source.strides[1], length, channels, to, self.stride);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// An array to gather from: strides along n, c, d, h, w.
#[derive(Clone, Copy)]
pub(super) struct Source<T> {
    pub ptr: *const T,
    pub strides: [isize; 5],
}

// SAFETY: the elements are only read; the caller of a pass keeps them alive.
unsafe impl<T> Sync for Source<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Source<T> {}

impl<T> Source<T> {
    /// The source from channel `c` on.
    #[inline(always)]
    pub fn starting_at_channel(self, c: usize) -> Self {
        Self { ptr: self.ptr.wrapping_offset(c as isize * self.strides[1]), ..self }
    }
}

#[inline(always)]
unsafe fn zero<T: Float>(to: *mut T, points: usize, stride: usize, channels: usize) {
    // SAFETY: the caller's, who made room for so many points.
    unsafe {
        if stride == channels {
            std::ptr::write_bytes(to, 0, points * stride);
            return;
        }
        for u in 0..points {
            std::ptr::write_bytes(to.add(u * stride), 0, channels);
        }
    }
}
