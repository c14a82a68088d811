//! Products in tiles. C is cut in blocks of `nc` columns, k in blocks of `kc`; an operand that is read often is packed
//! first, and then blocks of C, which do not depend on the number of threads, are computed in parallel.
//!
//! What lies where during a block: a panel of B (kc × nr) in the first cache, panels of A (mr × kc) one after the
//! other from the second, C in registers.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;

use ferrograd_array::{Buffer, Result};

use super::microkernel::{MAX_TILE, Tile, tile_shape};
use super::pack::Pack;
use super::{Bias, Epilogue, Matrix, MatrixMut, Problem, Strided, deep};
use crate::activation::Activation;
use crate::cache::{self, LINE};
use crate::isa::{self, Isa};
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{self, Float, Kernel, Simd, copy_matrix, prefetch, prefetch_second, streamed};

/// Bytes of depth: a panel of B with 12 columns in f32 is 24 KiB, three quarters of a first-level cache.
const KC_BYTES: usize = 2048;
/// Columns of a packed B: 8 MiB in f32 with the full depth, a part of the last-level cache.
const NC: usize = 4096;
/// Rows of a packed A.
const MC: usize = 3072;
/// Bytes of A that stay in the second-level cache while a block of C is computed.
fn block_bytes() -> usize {
    cache::second_level() / 8 * 3
}
/// Rows of A that one block of C takes, so that they stay there with the full depth.
fn most_rows() -> usize {
    (block_bytes() / KC_BYTES).clamp(32, 192)
}
/// Blocks of C have at least this many products, a few microseconds of work.
const BLOCK_WORK: usize = 1 << 18;
/// Blocks that C should be cut into, so that threads of unequal speed end together.
const BLOCKS: usize = 128;

#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub isa: Isa,
    pub mr: usize,
    pub nr: usize,
    pub pack_a: bool,
    pub pack_b: bool,
    /// Panels of B are fetched ahead: read in place, along its depth, from beyond the second-level cache.
    fetch_b: bool,
    /// Or packed, some of them by other threads.
    fetch_packed: bool,
    /// C is written past the caches.
    stream: bool,
}

struct Shape;

impl<T: Float> Kernel<T> for Shape {
    type Output = (usize, usize);
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> (usize, usize) {
        let (mv, nr) = tile_shape(S::REGISTERS);
        (mv * S::LANES, nr)
    }
}

/// Rows and columns of a tile under the instruction set in force.
#[cfg(feature = "testing")]
pub(super) fn tile<T: Float>() -> (usize, usize) {
    let plan = Plan::new::<T>(false, false);
    (plan.mr, plan.nr)
}

impl Plan {
    fn new<T: Float>(pack_a: bool, pack_b: bool) -> Self {
        let isa = isa::current();
        // SAFETY: the instruction set in force is the machine's.
        let (mr, nr) = unsafe { T::enter(isa, Shape) };
        Self { isa, mr, nr, pack_a, pack_b, fetch_b: false, fetch_packed: false, stream: false }
    }
}

/// Products for a kernel that runs in a task of its own: on this thread, of operands read where they lie.
#[derive(Clone, Copy)]
pub(crate) struct InPlace {
    plan: Plan,
}

impl InPlace {
    pub(crate) fn new<T: Float>() -> Self {
        Self { plan: Plan::new::<T>(false, false) }
    }

    /// C (m × n) = A (m × k) · B (k × n), or C += A·B where `accumulate`. Rows of A and of C are neighbours in memory:
    /// only the steps of their columns are asked for. The depth should leave a panel of B in the first-level cache.
    ///
    /// # Safety
    /// As [`super::gemm`].
    pub(crate) unsafe fn product<T: Float>(
        &self,
        (m, n, k): (usize, usize, usize),
        (a, a_step): (*const T, isize),
        b: Matrix<T>,
        (c, c_step): (*mut T, isize),
        accumulate: bool,
    ) {
        if m == 0 || n == 0 {
            return;
        }
        let c = MatrixMut::new(c, 1, c_step);
        let problem = Problem { m, n, k, c, accumulate, epilogue: Epilogue::NONE };
        let none = SyncPtr::new(std::ptr::null_mut());
        let (a, b) = (Strided::new(a, 1, a_step), super::columns_of(b));
        let block =
            Block { problem: &problem, a, b, pa: none, pb: none, plan: self.plan, ic: 0, jc: 0, pc: 0, depth: k };
        // SAFETY: the plan's instruction set is the machine's; the caller's promise.
        unsafe { compute(self.plan.isa, Part { block: &block, i: 0, rows: m, j: 0, columns: n }) }
    }
}

/// Rows of A for which a large B is packed: of fewer, each panel would be read from its copy too seldom.
const IN_PLACE_ROWS: usize = 128;
/// The same where B lies across its depth, which is so great that a panel's lines, one for each step, crowd the first-level
/// cache.
const ACROSS_ROWS: usize = 64;
const ACROSS_DEPTH: usize = 128;
/// Elements of a matrix that stays in the first-level cache, and of one that leaves the second: the former is read in
/// place at any stride, the latter, if its depth is strided, would be fetched again for each panel.
const SMALL: usize = 1 << 14;
const LARGE: usize = 1 << 19;

/// Whether C goes past the caches: it is large, and each element is written once and in whole lines.
pub(super) fn streams<T: Float>(problem: &Problem<T>) -> bool {
    let Problem { m, n, k, c, accumulate, epilogue } = *problem;
    let size = size_of::<T>();
    simd::streams(m.saturating_mul(n).saturating_mul(size))
        && k <= KC_BYTES / size
        && !accumulate
        && matches!(epilogue.activation, Activation::None | Activation::Relu)
        && c.row_stride == 1
        && c.ptr.addr().is_multiple_of(LINE)
        && (c.col_stride.unsigned_abs() * size).is_multiple_of(LINE)
}

/// Chooses what to pack, and computes.
///
/// # Safety
/// As [`super::gemm`]; m, n > 0.
pub(super) unsafe fn tiles<T: Float>(problem: &Problem<T>, a: Strided<T>, b: Strided<T>) -> Result<()> {
    let Problem { m, n, k, .. } = *problem;
    let mut plan = Plan::new::<T>(false, false);
    let (a_size, b_size) = (m.saturating_mul(k), n.saturating_mul(k));
    // Packing pays once a panel is read often; earlier where neighbours fall on the same few sets of a cache.
    let crowded =
        |step: isize, most: usize| step != 0 && (step.unsigned_abs() * size_of::<T>()).is_multiple_of(most) && k > 64;
    // A block of A that leaves room in the second-level cache is read there as well as from a copy, which threads would
    // make for each other and which would cross between their caches.
    let stays = m.saturating_mul(k.min(KC_BYTES / size_of::<T>())).saturating_mul(size_of::<T>()) <= block_bytes();
    plan.pack_a = a.step != 1
        || a_size > SMALL
            && (n > plan.nr && crowded(a.depth_step, 4096)
                || !stays && (n > 4 * plan.nr || n > plan.nr && a_size > LARGE));
    plan.pack_b = b_size > SMALL
        && (m > IN_PLACE_ROWS
            || if b.depth_step == 1 {
                m > plan.mr && crowded(b.step, 2048)
            } else {
                m > ACROSS_ROWS && k > ACROSS_DEPTH || b_size > LARGE || crowded(b.depth_step, 4096)
            });
    plan.stream = streams(problem);
    plan.fetch_b = !plan.pack_b && b.depth_step == 1 && b_size > LARGE;
    match (plan.pack_a, plan.pack_b) {
        (false, false) => {
            path!("gemm/direct", parallel);
        }
        (true, false) => {
            path!("gemm/packed_a", parallel);
        }
        (false, true) => {
            path!("gemm/packed_b", parallel);
        }
        (true, true) => {
            path!("gemm/packed", parallel);
        }
    }
    // SAFETY: the caller's promise; what is not packed lies in memory, A with neighbouring rows.
    unsafe { deep::product(problem, a, b, plan) }
}

/// `total` cut into equal parts of at most `most`, each a multiple of `unit`.
pub(super) fn even(total: usize, most: usize, unit: usize) -> usize {
    total.div_ceil(total.div_ceil(most).max(1)).next_multiple_of(unit)
}

/// Computes, with what the plan says packed.
///
/// # Safety
/// As [`tiles`]; what is not packed lies in memory as the tiles read it.
pub(super) unsafe fn product<T: Float>(problem: &Problem<T>, a: Strided<T>, b: Strided<T>, plan: Plan) -> Result<()> {
    let Problem { m, n, k, .. } = *problem;
    let Plan { mr, nr, .. } = plan;
    let ns = problem.ns();
    if !plan.pack_a && !plan.pack_b && k <= KC_BYTES / size_of::<T>() && m <= MC && n <= NC && parallel::is_serial(ns) {
        // The same tiles without the cutting, whose divisions would be a tenth of a product of a few microseconds.
        let none = SyncPtr::new(std::ptr::null_mut());
        let block = Block { problem, a, b, pa: none, pb: none, plan, ic: 0, jc: 0, pc: 0, depth: k };
        parallel::run(1, ns, |_| {
            // SAFETY: the plan's instruction set is the machine's.
            unsafe { compute(plan.isa, Part { block: &block, i: 0, rows: m, j: 0, columns: n }) }
        });
        return Ok(());
    }
    let kc = even(k, KC_BYTES / size_of::<T>(), 4).max(1);
    let nc = even(n, NC, nr);
    let mc = even(m, MC, mr);
    // What is kept of a constant costs nothing to read, though it might not have paid to pack it.
    let a_kept = Kept::of(a, plan, false, (m, k), (mc, kc))?;
    let b_kept = Kept::of(b, plan, true, (n, k), (nc, kc))?;
    let plan = Plan { pack_a: plan.pack_a || a_kept.is_some(), pack_b: plan.pack_b || b_kept.is_some(), ..plan };
    let plan = Plan { fetch_packed: plan.pack_b && parallel::num_threads() > 1 && !parallel::is_serial(ns), ..plan };
    let missing = Plan { pack_a: plan.pack_a && a_kept.is_none(), pack_b: plan.pack_b && b_kept.is_none(), ..plan };
    let room = |yes: bool, width: usize| yes.then(|| Buffer::alloc(width * kc.min(k) * size_of::<T>())).transpose();
    let (a_room, b_room) = (room(missing.pack_a, mc)?, room(missing.pack_b, nc)?);
    let start = |room: &Option<Buffer>| {
        SyncPtr::new(room.as_ref().map_or(std::ptr::null_mut(), |room| room.as_ptr().cast::<T>()))
    };
    let (pa, pb) = (start(&a_room), start(&b_room));
    let share = ns / (m as f64 * n as f64 * k.max(1) as f64);

    for jc in (0..n).step_by(nc) {
        let columns = nc.min(n - jc);
        let mut pc = 0;
        loop {
            let depth = kc.min(k - pc);
            for ic in (0..m).step_by(mc) {
                let rows = mc.min(m - ic);
                Pack { a, b, pa, pb, plan: missing, ic, rows, jc, columns, pc, depth, new_b: ic == 0 }.run();
                let pa = a_kept.as_ref().map_or(pa, |kept| kept.block(ic, pc, depth));
                let pb = b_kept.as_ref().map_or(pb, |kept| kept.block(jc, pc, depth));
                let block = Block { problem, a, b, pa, pb, plan, ic, jc, pc, depth };
                // Blocks of C: whole panels, fewer rows than the second-level cache holds, enough of them.
                let block_rows = even(rows, most_rows(), mr);
                let row_blocks = rows.div_ceil(block_rows);
                let work = block_rows * depth.max(1);
                let wanted = BLOCKS.div_ceil(row_blocks);
                let block_columns =
                    columns.div_ceil(wanted).max(BLOCK_WORK.div_ceil(work)).next_multiple_of(nr).min(columns);
                let column_blocks = columns.div_ceil(block_columns);
                let ns = share * rows as f64 * columns as f64 * depth.max(1) as f64;
                parallel::run(row_blocks * column_blocks, ns, |index| {
                    let (i, j) = (index / column_blocks * block_rows, index % column_blocks * block_columns);
                    let part = Part {
                        block: &block,
                        i,
                        rows: block_rows.min(rows - i),
                        j,
                        columns: block_columns.min(columns - j),
                    };
                    // SAFETY: the plan's instruction set is the machine's; parts are disjoint.
                    unsafe { compute(plan.isa, part) }
                });
            }
            pc += depth;
            if pc >= k {
                break;
            }
        }
    }
    Ok(())
}

/// All panels of a constant, packed for an earlier product.
struct Kept<T> {
    packed: Arc<Buffer>,
    /// Elements of all panels at one depth.
    width: usize,
    of: PhantomData<T>,
}

impl<T: Float> Kept<T> {
    /// What is kept of an operand of `count` indices and depth `k`, packed in blocks of `most` and `kc`; None for one that is
    /// no constant, is small, or was multiplied for the first time as it is.
    fn of(
        operand: Strided<T>,
        plan: Plan,
        is_b: bool,
        (count, k): (usize, usize),
        (most, kc): (usize, usize),
    ) -> Result<Option<Self>> {
        // SAFETY: null, or the buffer that the caller of the product keeps alive.
        let Some(buffer) = (unsafe { operand.constant.as_ref() }) else { return Ok(None) };
        if count.saturating_mul(k) <= SMALL {
            return Ok(None);
        }
        let width = count.next_multiple_of(if is_b { plan.nr } else { plan.mr });
        let steps = (operand.step.cast_unsigned(), operand.depth_step.cast_unsigned());
        let panel = plan.mr << 16 | plan.nr << 8 | usize::from(is_b) << 4 | size_of::<T>();
        let key = [operand.ptr.addr(), count, k, steps.0, steps.1, panel, most, kc];
        let packed = buffer.derived(key, || {
            let packed = Buffer::alloc(width * k * size_of::<T>())?;
            let start = SyncPtr::new(packed.as_ptr().cast::<T>());
            let plan = Plan { pack_a: !is_b, pack_b: is_b, ..plan };
            for p in (0..k).step_by(kc) {
                for i in (0..count).step_by(most) {
                    let (depth, indices) = (kc.min(k - p), most.min(count - i));
                    let to = SyncPtr::new(start.get().wrapping_add(p * width + i * depth));
                    let (ic, rows, jc, columns) = if is_b { (0, 0, i, indices) } else { (i, indices, 0, 0) };
                    let (a, b) = (operand, operand);
                    Pack { a, b, pa: to, pb: to, plan, ic, rows, jc, columns, pc: p, depth, new_b: is_b }.run();
                }
            }
            Ok(packed)
        })?;
        Ok(packed.map(|packed| {
            path!("gemm/kept", parallel);
            Self { packed, width, of: PhantomData }
        }))
    }

    /// The panels from index `i` on of the block of depth at `p`.
    fn block(&self, i: usize, p: usize, depth: usize) -> SyncPtr<T> {
        SyncPtr::new(self.packed.as_ptr().cast::<T>().wrapping_add(p * self.width + i * depth))
    }
}

/// One block of depth of `mc × nc` of C, with its operands ready.
struct Block<'a, T> {
    problem: &'a Problem<T>,
    a: Strided<T>,
    b: Strided<T>,
    pa: SyncPtr<T>,
    pb: SyncPtr<T>,
    plan: Plan,
    ic: usize,
    jc: usize,
    pc: usize,
    depth: usize,
}

/// What one task computes of a block; `i` and `j` count from its corner and fall on panels.
struct Part<'a, T> {
    block: &'a Block<'a, T>,
    i: usize,
    rows: usize,
    j: usize,
    columns: usize,
}

/// Computes a part. Not inlined: the tiles of all instruction sets are the largest code there is, and stand here once.
///
/// # Safety
/// The machine has the instruction set; the part has operands and elements of C of its own.
#[inline(never)]
unsafe fn compute<T: Float>(isa: Isa, part: Part<'_, T>) {
    // SAFETY: the caller's promise.
    unsafe { T::enter(isa, part) }
}

impl<T: Float> Kernel<T> for Part<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // SAFETY: `product` gave this part operands and elements of C of its own.
        unsafe {
            match S::REGISTERS {
                32 => self.sweep::<S, 2, 12>(s),
                16 => self.sweep::<S, 2, 6>(s),
                _ => self.sweep::<S, 1, 4>(s),
            }
        }
        if self.block.plan.stream {
            streamed();
        }
    }
}

impl<T: Float> Part<'_, T> {
    #[inline(always)]
    unsafe fn sweep<S: Simd<T>, const MV: usize, const NR: usize>(&self, s: S) {
        let mr = MV * S::LANES;
        for j in (self.j..self.j + self.columns).step_by(NR) {
            let columns = NR.min(self.j + self.columns - j);
            for i in (self.i..self.i + self.rows).step_by(mr) {
                let rows = mr.min(self.i + self.rows - i);
                if self.block.plan.fetch_b {
                    self.fetch(j + NR, NR, i - self.i, rows);
                } else if self.block.plan.fetch_packed {
                    self.fetch_packed(j + NR, NR, i - self.i, rows);
                }
                // SAFETY: as this function's.
                unsafe { self.tile::<S, MV, NR>(s, i, j, rows, columns) };
            }
        }
    }

    /// Fetches the part of the panel of B at column `j` that falls to rows `i..i + rows` of C: caches do not guess a
    /// dozen short streams.
    #[inline(always)]
    fn fetch(&self, j: usize, width: usize, i: usize, rows: usize) {
        let Block { b, jc, pc, depth, .. } = *self.block;
        let lines = (width * depth * size_of::<T>()).div_ceil(LINE);
        let depth_lines = (depth * size_of::<T>()).div_ceil(LINE);
        for line in i * lines / self.rows..(i + rows) * lines / self.rows {
            let (column, along) = (line / depth_lines, line % depth_lines * LINE / size_of::<T>());
            prefetch(b.at(jc + j + column, pc + along));
        }
    }

    /// The same of a packed panel, into the second cache: two panels would fill the first.
    #[inline(always)]
    fn fetch_packed(&self, j: usize, width: usize, i: usize, rows: usize) {
        let Block { pb, depth, .. } = *self.block;
        let lines = (width * depth * size_of::<T>()).div_ceil(LINE);
        let panel = pb.get().wrapping_add(j * depth).cast::<u8>();
        for line in i * lines / self.rows..(i + rows) * lines / self.rows {
            prefetch_second(panel.wrapping_add(line * LINE));
        }
    }

    #[inline(always)]
    unsafe fn tile<S: Simd<T>, const MV: usize, const NR: usize>(
        &self,
        s: S,
        i: usize,
        j: usize,
        rows: usize,
        columns: usize,
    ) {
        let Block { problem, plan, ic, jc, pc, depth, pa, pb, .. } = *self.block;
        let mr = MV * S::LANES;
        let (a, a_step) = if plan.pack_a {
            (pa.get().wrapping_add(i * depth).cast_const(), mr as isize)
        } else {
            let a = self.block.a;
            (a.at(ic + i, pc), a.depth_step)
        };
        let (b, b_step, b_column) = if plan.pack_b {
            (pb.get().wrapping_add(j * depth).cast_const(), NR as isize, 1)
        } else {
            let b = self.block.b;
            (b.at(jc + j, pc), b.depth_step, b.step)
        };
        let c = problem.c_at(ic + i, jc + j);
        let add = pc > 0 || problem.accumulate;
        // The sums begin with the bias where there are none before.
        let mut epilogue = problem.epilogue;
        if !problem.accumulate {
            epilogue.bias = Bias::None;
        }
        let last = pc + depth == problem.k;
        let mut floor = T::NEG_INFINITY;
        if last && matches!(epilogue, Epilogue { bias: Bias::None, activation: Activation::Relu }) {
            epilogue.activation = Activation::None;
            floor = T::ZERO;
        }
        let (down, across) = (problem.c.row_stride, problem.c.col_stride);
        let mut room = MaybeUninit::<[T; MAX_TILE]>::uninit();
        let room = room.as_mut_ptr().cast::<T>();
        // SAFETY: as this function's; `room` holds a tile.
        unsafe {
            let (to, step) = if down == 1 { (c, across) } else { (room, mr as isize) };
            // C lies across as a rule where its columns do not run down.
            let turned = across == 1 && down > 1;
            if turned && add {
                copy_matrix(c.cast_const(), 1, down, columns, rows, room, mr);
            } else if down != 1 && add {
                for dj in 0..columns {
                    for di in 0..rows {
                        *room.add(dj * mr + di) = *c.offset(di as isize * down + dj as isize * across);
                    }
                }
            }
            let tile = Tile {
                kc: depth,
                a,
                a_step,
                a_exact: !plan.pack_a,
                b,
                b_step,
                b_column,
                c: to,
                c_step: step,
                rows,
                add,
                bias: if add { Bias::None } else { problem.epilogue.bias.starting_at(ic + i, jc + j) },
                floor,
                stream: plan.stream,
            };
            if plan.pack_b {
                tile.compute::<S, MV, NR, true>(s, columns);
            } else {
                tile.compute::<S, MV, NR, false>(s, columns);
            }
            if last && !epilogue.is_identity() {
                epilogue.finish(s, to, step, ic + i, jc + j, rows, columns);
            }
            if turned {
                copy_matrix(room.cast_const(), 1, mr as isize, rows, columns, c, down as usize);
            } else if down != 1 {
                for di in 0..rows {
                    for dj in 0..columns {
                        *c.offset(di as isize * down + dj as isize * across) = *room.add(dj * mr + di);
                    }
                }
            }
        }
    }
}
