//! Which elements of an array become which result, in which order they are read, and how that is split into tasks.

use ferrograd_array::{Array, DType, Element, Layout, Result};
use smallvec::SmallVec;

use crate::parallel::{self, SyncPtr};
use crate::path;

/// `(size, stride)` of dimensions that are walked together, outermost first; none has size 1.
pub type Axes = SmallVec<[(usize, isize); 4]>;

/// Elements that one task reads, about: 128 KiB of f32.
const TASK: usize = 32 * 1024;
/// Columns of a strip of [`Reducer::columns`] at most.
pub const STRIP: usize = 128;
/// Reductions shorter than this run across the results even where their elements lie together in memory.
const SHORT: usize = 16;
/// Below this many tasks over the results, a long reduction is split as well.
const FEW_TASKS: usize = 8;

/// How to reduce an array. Results are numbered in the memory order of the kept dimensions, in which the output is
/// dense: result `o` is element `o` of its memory.
pub struct Plan {
    pub kept: Axes,
    pub reduced: Axes,
    pub outputs: usize,
    /// Elements of one result.
    pub length: usize,
    columns: bool,
}

/// Results `first..last` and, of each, elements `start..end`.
#[derive(Clone, Copy)]
pub struct Rows {
    pub first: usize,
    pub last: usize,
    pub start: usize,
    pub end: usize,
}

/// Columns `left..right` of the groups `first..last` (a group is one turn of the innermost kept dimension), and of
/// each the elements `start..end`.
#[derive(Clone, Copy)]
pub struct Columns {
    pub first: usize,
    pub last: usize,
    pub left: usize,
    pub right: usize,
    pub start: usize,
    pub end: usize,
}

/// What is computed of the elements of a result.
pub trait Reducer: Sync {
    type In: Element;
    type Acc: Copy + Send + Sync;
    /// Nanoseconds an element.
    const NS: f64;

    /// Writes one accumulator for each result of the task.
    ///
    /// # Safety
    /// `src` is the array that the plan describes; `dst` holds `task.last - task.first` accumulators.
    unsafe fn rows(&self, plan: &Plan, src: *const Self::In, task: Rows, dst: *mut Self::Acc);

    /// Writes the accumulators of column `left` of group `first` at `dst`, each further group
    /// [`Plan::group`] accumulators behind.
    ///
    /// # Safety
    /// As [`rows`](Self::rows).
    unsafe fn columns(&self, plan: &Plan, src: *const Self::In, task: Columns, dst: *mut Self::Acc);

    fn join(&self, a: Self::Acc, b: Self::Acc) -> Self::Acc;
}

fn merge(axes: &mut Axes, size: usize, stride: isize) {
    match axes.last_mut() {
        _ if size == 1 => {}
        Some((d, s)) if *s == stride * size as isize => {
            *d *= size;
            *s = stride;
        }
        _ => axes.push((size, stride)),
    }
}

impl Plan {
    /// The dimensions marked in `over` are reduced. `logical`: elements of a result are numbered in row-major order of
    /// their dimensions, else in memory order.
    pub fn new(layout: &Layout, over: &[bool], logical: bool) -> Self {
        let (mut kept, mut reduced) = (Axes::new(), Axes::new());
        let order = layout.memory_order();
        for &k in &order {
            if !over[k] {
                merge(&mut kept, layout.shape[k], layout.strides[k]);
            } else if !logical {
                merge(&mut reduced, layout.shape[k], layout.strides[k]);
            }
        }
        if logical {
            for k in (0..layout.ndim()).filter(|&k| over[k]) {
                merge(&mut reduced, layout.shape[k], layout.strides[k]);
            }
        }
        let product = |axes: &Axes| axes.iter().map(|&(d, _)| d).product::<usize>();
        let (outputs, length) = (product(&kept), product(&reduced));
        let columns = match (kept.last(), reduced.last()) {
            (Some(&(n, column)), Some(&(_, row))) => {
                let far = |stride: isize| stride.unsigned_abs().wrapping_sub(1);
                far(column) < far(row) || (length < SHORT && n >= SHORT)
            }
            (Some(_), None) => true,
            _ => false,
        };
        Self { kept, reduced, outputs, length, columns }
    }

    /// Results of one turn of the innermost kept dimension.
    pub fn group(&self) -> usize {
        self.kept.last().map_or(1, |&(n, _)| n)
    }

    pub fn is_columns(&self) -> bool {
        self.columns
    }

    /// The kept dimensions around the innermost.
    pub fn outer(&self) -> &[(usize, isize)] {
        &self.kept[..self.kept.len().saturating_sub(1)]
    }

    /// Reduces into `dst`, which holds an accumulator for each result. How the work is split depends on the shape only.
    ///
    /// # Safety
    /// `src` is the array that the plan was made for; `dst` holds `outputs` accumulators.
    pub unsafe fn reduce<R: Reducer>(&self, reducer: &R, src: *const R::In, dst: *mut R::Acc) {
        if self.outputs == 0 {
            return;
        }
        // SAFETY: as the caller's.
        unsafe { if self.columns { self.columns(reducer, src, dst) } else { self.rows(reducer, src, dst) } }
    }

    fn ns<R: Reducer>(&self) -> f64 {
        self.outputs as f64 * (self.length as f64 * R::NS + 5.0)
    }

    unsafe fn rows<R: Reducer>(&self, reducer: &R, src: *const R::In, dst: *mut R::Acc) {
        let (src, dst) = (SyncPtr::new(src.cast_mut()), SyncPtr::new(dst));
        if self.outputs < FEW_TASKS && self.length >= 2 * TASK {
            path!("reduce/rows_split", parallel);
            let chunks = self.length.div_ceil(TASK);
            // SAFETY: `chunks` partial results for each result.
            unsafe {
                self.split(reducer, chunks, dst, |c, partial| {
                    for o in 0..self.outputs {
                        let task =
                            Rows { first: o, last: o + 1, start: c * TASK, end: ((c + 1) * TASK).min(self.length) };
                        reducer.rows(self, src.get(), task, partial.add(o));
                    }
                });
            }
            return;
        }
        path!("reduce/rows", parallel);
        let block = (TASK / self.length.max(1)).max(1);
        parallel::run(self.outputs.div_ceil(block), self.ns::<R>(), |b| {
            let first = b * block;
            let task = Rows { first, last: (first + block).min(self.outputs), start: 0, end: self.length };
            // SAFETY: each task has its own results.
            unsafe { reducer.rows(self, src.get(), task, dst.get().add(first)) }
        });
    }

    unsafe fn columns<R: Reducer>(&self, reducer: &R, src: *const R::In, dst: *mut R::Acc) {
        let (src, dst) = (SyncPtr::new(src.cast_mut()), SyncPtr::new(dst));
        let n = self.group();
        let groups = self.outputs / n;
        let length = self.length.max(1);
        let width =
            if n * length <= TASK { n } else { (TASK / length).next_multiple_of(STRIP).clamp(STRIP, n.max(STRIP)) };
        let blocks = n.div_ceil(width);
        let rows = (TASK / n).max(64);
        if groups * n.div_ceil(8 * STRIP) < FEW_TASKS && self.length >= 2 * rows {
            path!("reduce/columns_split", parallel);
            let chunks = self.length.div_ceil(rows);
            // SAFETY: as for rows.
            unsafe {
                self.split(reducer, chunks, dst, |c, partial| {
                    let (start, end) = (c * rows, ((c + 1) * rows).min(self.length));
                    let task = Columns { first: 0, last: groups, left: 0, right: n, start, end };
                    reducer.columns(self, src.get(), task, partial);
                });
            }
            return;
        }
        path!("reduce/columns", parallel);
        let many = (TASK / (width * length)).max(1);
        parallel::run(groups.div_ceil(many) * blocks, self.ns::<R>(), |b| {
            let (first, left) = (b / blocks * many, b % blocks * width);
            let (last, right) = ((first + many).min(groups), (left + width).min(n));
            let task = Columns { first, last, left, right, start: 0, end: self.length };
            // SAFETY: each task has its own results.
            unsafe { reducer.columns(self, src.get(), task, dst.get().add(first * n + left)) }
        });
    }

    /// Reduces `chunks` parts of every result, then joins each result's parts by halves.
    unsafe fn split<R: Reducer>(
        &self,
        reducer: &R,
        chunks: usize,
        dst: SyncPtr<R::Acc>,
        part: impl Fn(usize, *mut R::Acc) + Sync,
    ) {
        let mut partials: Vec<R::Acc> = Vec::with_capacity(chunks * self.outputs);
        let p = SyncPtr::new(partials.as_mut_ptr());
        // SAFETY: each part has its own `outputs` accumulators.
        parallel::run(chunks, self.ns::<R>(), |c| part(c, unsafe { p.get().add(c * self.outputs) }));
        fn halve<A: Copy>(n: usize, at: &impl Fn(usize) -> A, join: &impl Fn(A, A) -> A, from: usize) -> A {
            if n == 1 {
                return at(from);
            }
            let left = n.next_power_of_two() / 2;
            join(halve(left, at, join, from), halve(n - left, at, join, from + left))
        }
        for o in 0..self.outputs {
            // SAFETY: all parts were written.
            unsafe {
                *dst.get().add(o) =
                    halve(chunks, &|c| *p.get().add(c * self.outputs + o), &|a, b| reducer.join(a, b), 0)
            };
        }
    }
}

/// An array of the results: dense in the memory order that the kept dimensions have in `layout`.
pub fn output(layout: &Layout, over: &[bool], keepdim: bool, dtype: DType) -> Result<Array> {
    let mut out = Layout::contiguous(&layout.shape);
    let mut step = 1isize;
    for &k in layout.memory_order().iter().rev() {
        out.strides[k] = step;
        if over[k] {
            out.shape[k] = 1;
        } else {
            step *= layout.shape[k].max(1) as isize;
        }
    }
    if !keepdim {
        let kept: SmallVec<[usize; 4]> = (0..layout.ndim()).filter(|&k| !over[k]).collect();
        out = out.permuted(&kept);
    }
    Array::with_layout(out, dtype)
}

/// Walks axes in order from any element on.
pub struct Cursor<'a> {
    outer: &'a [(usize, isize)],
    index: SmallVec<[usize; 4]>,
    /// Of the element where the walk stands.
    pub offset: isize,
    at: usize,
    inner: usize,
    stride: isize,
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    pub fn new(axes: &'a [(usize, isize)], start: usize) -> Self {
        let (&(inner, stride), outer) = axes.split_last().unwrap_or((&(1, 0), &[]));
        let mut index = SmallVec::from_elem(0, outer.len());
        if start == 0 {
            return Self { outer, index, offset: 0, at: 0, inner, stride };
        }
        let (at, mut rest) = (start % inner, start / inner);
        let mut offset = stride * at as isize;
        for (i, &(d, s)) in index.iter_mut().zip(outer).rev() {
            *i = rest % d;
            rest /= d;
            offset += s * *i as isize;
        }
        Self { outer, index, offset, at, inner, stride }
    }

    /// Elements to the end of the innermost axis, this one included.
    #[inline(always)]
    pub fn run(&self) -> usize {
        self.inner - self.at
    }

    /// `n` elements on, at most to the end of the innermost axis.
    #[inline(always)]
    pub fn skip(&mut self, n: usize) {
        self.at += n;
        self.offset += self.stride * n as isize;
        if self.at == self.inner {
            self.at = 0;
            self.offset -= self.stride * self.inner as isize;
            self.carry();
        }
    }

    #[inline(never)]
    fn carry(&mut self) {
        for (i, &(d, s)) in self.index.iter_mut().zip(self.outer).rev() {
            *i += 1;
            self.offset += s;
            if *i < d {
                return;
            }
            *i = 0;
            self.offset -= s * d as isize;
        }
    }
}
