//! Packing: an operand copied into panels that the microkernel reads from end to end.
//!
//! Both operands are seen as (index, depth): rows of A against k, columns of B against k. A panel of width `W` holds
//! `W` neighbouring indices: `panel[p·W + i]` is the element at index `start + i`, depth `depth + p`. Past the
//! last index there may be any number, as nothing computed from it is kept.

use ferrograd_array::Buffer;

use super::blocking::Plan;
use crate::cache::LINE;
use crate::parallel::{self, SyncPtr};
use crate::simd::{Float, Kernel, Simd, prefetch};

/// An operand in memory: element (i, p) is at `ptr + i·step + p·depth_step`.
#[derive(Clone, Copy)]
pub struct Strided<T> {
    pub ptr: *const T,
    pub step: isize,
    pub depth_step: isize,
    /// As of a matrix: where what is packed may be kept, or null.
    pub(super) constant: *const Buffer,
}

// SAFETY: the elements are only read, and `gemm`'s caller keeps them alive and unchanged.
unsafe impl<T> Sync for Strided<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Strided<T> {}

impl<T> Strided<T> {
    pub fn new(ptr: *const T, step: isize, depth_step: isize) -> Self {
        Self { ptr, step, depth_step, constant: std::ptr::null() }
    }

    #[inline(always)]
    pub fn at(&self, index: usize, depth: usize) -> *const T {
        self.ptr.wrapping_offset(index as isize * self.step).wrapping_offset(depth as isize * self.depth_step)
    }
}

/// The most lanes a vector has: what is read of a panel ends at a multiple of it, or at the panel's width.
pub const PAD: usize = 16;

impl<T: Float> Strided<T> {
    /// Fills a panel with `count ≤ W` indices from `start` and `kc` depths from `depth`, and what is between the last
    /// index and the next multiple of [`PAD`] with any number.
    ///
    /// # Safety
    /// `panel` is writable for `W · kc` elements; the indices and depths lie inside the operand.
    #[inline(always)]
    pub unsafe fn pack<const W: usize>(&self, panel: *mut T, start: usize, count: usize, depth: usize, kc: usize) {
        let from = self.at(start, depth);
        let padded = count.next_multiple_of(PAD).min(W);
        // SAFETY: `from` is the first of `count × kc` readable elements, and the panel has `W × kc`.
        unsafe {
            if self.step == 1 {
                for p in 0..kc {
                    let (from, to) = (from.wrapping_offset(p as isize * self.depth_step), panel.add(p * W));
                    if count == W {
                        std::ptr::copy_nonoverlapping(from, to, W);
                    } else {
                        for i in 0..padded {
                            *to.add(i) = *from.add(i.min(count - 1));
                        }
                    }
                }
                return;
            }
            for start in (0..padded).step_by(4) {
                // Some rows again at the end, which costs less than two alone.
                let i = start.min(padded.saturating_sub(4));
                let mut rows = [from; 4];
                for d in 0..4 {
                    rows[d] = from.wrapping_offset((i + d).min(count - 1) as isize * self.step);
                }
                let width = (padded - i).min(4);
                if self.depth_step == 1 {
                    // The next four rows, or the first ones further along: a cache does not guess so many short streams.
                    let (next, further) = if i + 4 < padded { (i + 4, 0) } else { (0, kc) };
                    for d in next..next + 4 {
                        let row = from.wrapping_offset(d.min(count - 1) as isize * self.step).wrapping_add(further);
                        for p in (0..kc).step_by(LINE / size_of::<T>()) {
                            prefetch(row.wrapping_add(p));
                        }
                    }
                }
                let mut p = 0;
                if self.depth_step == 1 && width == 4 {
                    while p + 4 <= kc {
                        let at = [rows[0].add(p), rows[1].add(p), rows[2].add(p), rows[3].add(p)];
                        T::transpose4(at, panel.add(p * W + i), W);
                        p += 4;
                    }
                }
                for p in p..kc {
                    for d in 0..width {
                        *panel.add(p * W + i + d) = *rows[d].wrapping_offset(p as isize * self.depth_step);
                    }
                }
            }
        }
    }
}

/// Packing of one block of depth.
pub(super) struct Pack<T> {
    pub a: Strided<T>,
    pub b: Strided<T>,
    pub pa: SyncPtr<T>,
    pub pb: SyncPtr<T>,
    pub plan: Plan,
    pub ic: usize,
    pub rows: usize,
    pub jc: usize,
    pub columns: usize,
    pub pc: usize,
    pub depth: usize,
    pub new_b: bool,
}

/// Elements that a thread packs at a time.
const PACK_BLOCK: usize = 1 << 14;
/// Depths packed of a panel before the next: short where the indices are contiguous in memory, as neighbouring panels
/// then share pages and lines; longer where the depth is, and still written within the first-level cache.
const STRIP_ACROSS: usize = 16;
const STRIP_ALONG: usize = 64;
/// Panels that one task packs side by side where the indices are contiguous, at most and at least: of fewer, tasks would
/// read the same pages and lines.
const PANELS_ACROSS: usize = 128;
const LEAST_ACROSS: usize = 4;

/// How one operand's packing is cut into tasks.
#[derive(Clone, Copy)]
struct Cut {
    panels: usize,
    /// Panels and depths of a task, and its strips.
    group: usize,
    depth: usize,
    strip: usize,
    depth_tasks: usize,
    tasks: usize,
}

impl Cut {
    fn new(panels: usize, width: usize, depth: usize, across: bool) -> Self {
        let (group, task_depth, strip) = if across {
            let group = panels.div_ceil(2).clamp(LEAST_ACROSS, PANELS_ACROSS);
            (group, PACK_BLOCK.div_ceil(group * width).next_multiple_of(STRIP_ACROSS).min(depth), STRIP_ACROSS)
        } else {
            (PACK_BLOCK.div_ceil(width * depth), depth, STRIP_ALONG)
        };
        let depth_tasks = depth.div_ceil(task_depth);
        Self { panels, group, depth: task_depth, strip, depth_tasks, tasks: panels.div_ceil(group) * depth_tasks }
    }
}

impl<T: Float> Pack<T> {
    pub fn run(&self) {
        let Plan { mr, nr, pack_a, pack_b, isa, .. } = self.plan;
        let a_panels = if pack_a { self.rows.div_ceil(mr) } else { 0 };
        let b_panels = if pack_b && self.new_b { self.columns.div_ceil(nr) } else { 0 };
        if a_panels + b_panels == 0 || self.depth == 0 {
            return;
        }
        let a_cut = Cut::new(a_panels, mr, self.depth, self.a.step == 1);
        let b_cut = Cut::new(b_panels, nr, self.depth, self.b.step == 1);
        let elements = (a_panels * mr + b_panels * nr) * self.depth;
        // Threads take tasks, and blocks of C, from both ends: B in the middle of A leaves each of two threads the halves
        // of both that it reads first in its own cache.
        let front = a_cut.tasks.div_ceil(2);
        parallel::run(a_cut.tasks + b_cut.tasks, elements as f64 * 0.3, |task| {
            let (b, task) = if task < front {
                (false, task)
            } else if task < front + b_cut.tasks {
                (true, task - front)
            } else {
                (false, task - b_cut.tasks)
            };
            let cut = if b { b_cut } else { a_cut };
            let panels = Panels {
                pack: self,
                b,
                start: task / cut.depth_tasks * cut.group,
                end: ((task / cut.depth_tasks + 1) * cut.group).min(cut.panels),
                from: task % cut.depth_tasks * cut.depth,
                to: ((task % cut.depth_tasks + 1) * cut.depth).min(self.depth),
                strip: cut.strip,
                across: cut.strip == STRIP_ACROSS,
            };
            // SAFETY: the plan's instruction set is the machine's; each part of a panel is written by one task.
            unsafe { T::enter(isa, panels) }
        });
    }
}

/// What one task packs: panels of A or B, and depths of them.
struct Panels<'a, T> {
    pack: &'a Pack<T>,
    b: bool,
    start: usize,
    end: usize,
    from: usize,
    to: usize,
    strip: usize,
    across: bool,
}

impl<T: Float> Panels<'_, T> {
    #[inline(always)]
    fn fill<const MR: usize, const NR: usize>(self) {
        let (panels, strips) = (self.end - self.start, (self.to - self.from).div_ceil(self.strip));
        for index in 0..panels * strips {
            let (panel, strip) =
                if self.across { (index % panels, index / panels) } else { (index / strips, index % strips) };
            let (panel, from) = (self.start + panel, self.from + strip * self.strip);
            let depth = self.strip.min(self.to - from);
            let p = self.pack;
            // SAFETY: `product` made room for every panel, and the panel's indices are inside the operand.
            unsafe {
                if self.b {
                    let start = panel * NR;
                    let to = p.pb.get().add(start * p.depth + from * NR);
                    p.b.pack::<NR>(to, p.jc + start, NR.min(p.columns - start), p.pc + from, depth);
                } else {
                    let start = panel * MR;
                    let to = p.pa.get().add(start * p.depth + from * MR);
                    p.a.pack::<MR>(to, p.ic + start, MR.min(p.rows - start), p.pc + from, depth);
                }
            }
        }
    }
}

impl<T: Float> Kernel<T> for Panels<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        match (S::REGISTERS, S::LANES) {
            (32, 16) => self.fill::<32, 12>(),
            (32, 8) => self.fill::<16, 12>(),
            (16, 8) => self.fill::<16, 6>(),
            (16, 4) => self.fill::<8, 6>(),
            (_, 8) => self.fill::<8, 4>(),
            _ => unreachable!("no tile for this instruction set"),
        }
    }
}
