//! Advanced indexing by NumPy's rules: integer arrays that broadcast together, boolean masks that stand for the
//! places where they are true.

use ferrograd_array::{Array, DType, Dims, Element, Error, Layout, Result, Shape, Strides, broadcast_shapes};
use smallvec::SmallVec;

use super::{Accumulate, Bad, by_index, by_number, read_index, wrap};
use crate::bits::{by_size, contiguous, copy_into, copy_row, duplicate, fill_bits, raw};
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::strided::Plan;

/// Elements of a task.
const BLOCK: usize = 8 * 1024;

/// What a list of index arrays selects: the dimensions that they index become those of their common shape.
struct Selection {
    /// The common shape of the index arrays.
    common: Dims,
    /// Where in the array each of its elements begins, in elements from the first; memory of our own.
    offsets: Array,
    /// The dimensions that are not indexed.
    rest: SmallVec<[usize; 4]>,
    /// How many of `rest` come before the common shape in the result.
    before: usize,
}

/// An index array at its dimension; a mask of `n` dimensions has been taken apart into `n` of these.
struct Index {
    argument: usize,
    dim: usize,
    array: Array,
}

impl Selection {
    fn new(op: &str, x: &Layout, indices: &[(usize, &Array)]) -> Result<Self> {
        let mut parts: SmallVec<[Index; 4]> = SmallVec::new();
        let mut common = Dims::new();
        let (mut end, mut adjacent, mut first) = (0, true, 0);
        for (argument, &(dim, array)) in indices.iter().enumerate() {
            let width = if array.dtype() == DType::Bool { array.ndim() } else { 1 };
            if dim < end || dim + width > x.ndim() {
                return Err(Error::Index(format!(
                    "{op}: too many indices: the array has {} dimensions, and indices[{argument}] takes dimensions {dim} to {}",
                    x.ndim(),
                    dim + width
                )));
            }
            if argument == 0 {
                first = dim;
            } else {
                adjacent &= dim == end;
            }
            end = dim + width;
            let shape: Dims = if array.dtype() == DType::Bool {
                let mask = masked(op, x, argument, dim, array)?;
                let n = mask.shape()[0];
                for k in 0..width {
                    let mut column = Layout::contiguous(&[n]);
                    column.strides[0] = width as isize;
                    column.offset = k;
                    // A mask without a true element has no column to point to.
                    column.offset *= (n > 0) as usize;
                    parts.push(Index { argument, dim: dim + k, array: mask.view(column) });
                }
                Dims::from_slice(&[n])
            } else {
                check_dtype(op, argument, array)?;
                parts.push(Index { argument, dim, array: array.clone() });
                Dims::from_slice(array.shape())
            };
            common = broadcast_shapes(op, "indices", &common, &shape).map_err(|_| {
                Error::Index(format!(
                    "{op}: indices[{argument}]: expected a shape that broadcasts with {}, got {}",
                    Shape(&common),
                    Shape(&shape)
                ))
            })?;
        }
        let rest: SmallVec<[usize; 4]> = (0..x.ndim()).filter(|k| parts.iter().all(|p| p.dim != *k)).collect();
        let before = if adjacent { rest.iter().filter(|&&k| k < first).count() } else { 0 };
        let offsets = Array::empty(&common, DType::I64)?;
        if parts.is_empty() {
            fill_bits(&offsets, 0);
        }
        for (k, part) in parts.iter().enumerate() {
            add_offsets(op, part, &common, &offsets, x.shape[part.dim], x.strides[part.dim], k == 0)?;
        }
        Ok(Self { common, offsets, rest, before })
    }

    /// The shape of what is selected.
    fn shape(&self, x: &[usize]) -> Dims {
        let rest = || self.rest.iter().map(|&k| x[k]);
        rest().take(self.before).chain(self.common.iter().copied()).chain(rest().skip(self.before)).collect()
    }

    /// The layout of a selected array, of shape [`shape`](Self::shape), taken apart: the common dimensions, the rest.
    fn split(&self, selected: &Layout) -> (Layout, Layout) {
        let middle = self.before..self.before + self.common.len();
        let part = |keep: &dyn Fn(usize) -> bool| Layout {
            shape: (0..selected.ndim()).filter(|&k| keep(k)).map(|k| selected.shape[k]).collect(),
            strides: (0..selected.ndim()).filter(|&k| keep(k)).map(|k| selected.strides[k]).collect(),
            offset: 0,
        };
        (part(&|k| middle.contains(&k)), part(&|k| !middle.contains(&k)))
    }

    fn rest_of(&self, x: &Layout) -> Layout {
        Layout {
            shape: self.rest.iter().map(|&k| x.shape[k]).collect(),
            strides: self.rest.iter().map(|&k| x.strides[k]).collect::<Strides>(),
            offset: 0,
        }
    }
}

fn check_dtype(op: &str, argument: usize, array: &Array) -> Result<()> {
    let hint = match array.dtype() {
        DType::I32 | DType::I64 => return Ok(()),
        DType::U8 => "cast it with .bool() if it is a mask, with .long() if it holds indices",
        _ => "cast it with .long()",
    };
    Err(Error::Index(format!(
        "{op}: indices[{argument}]: expected an array of int64, int32 or bool, got {}; {hint}",
        array.dtype()
    )))
}

/// The places where a mask is true, `(n, ndim)`.
fn masked(op: &str, x: &Layout, argument: usize, dim: usize, mask: &Array) -> Result<Array> {
    for k in 0..mask.ndim() {
        if mask.shape()[k] != x.shape[dim + k] {
            return Err(Error::Index(format!(
                "{op}: indices[{argument}]: a mask of shape {} does not match the array of shape {} at dimension {}",
                Shape(mask.shape()),
                Shape(&x.shape),
                dim + k
            )));
        }
    }
    nonzero(mask)
}

/// `offsets (+)= step · index`, each index checked and wrapped.
fn add_offsets(
    op: &str,
    part: &Index,
    common: &[usize],
    offsets: &Array,
    size: usize,
    step: isize,
    first: bool,
) -> Result<()> {
    path!("index/offsets", parallel);
    let layout = part.array.layout().broadcast_to(common);
    let plan = Plan::new([offsets.layout(), &layout]);
    let [so, si] = plan.inner_strides();
    let po = SyncPtr::new(offsets.ptr_mut::<i64>());
    let bad = Bad::new();
    by_index!(part.array, I => {
        let pi = SyncPtr::new(part.array.ptr_mut::<I>());
        plan.run(1.0, |[o, i], n| {
            for j in 0..n as isize {
                // SAFETY: the plan stays inside both layouts.
                unsafe {
                    let index = read_index(pi.get().offset(i + si * j));
                    let place = po.get().offset(o + so * j);
                    let before = if first { 0 } else { *place };
                    match wrap(index, size) {
                        Some(at) => *place = before + (step * at as isize) as i64,
                        None => bad.note(o + so * j, index),
                    }
                }
            }
        });
    });
    bad.check(op, &format!("indices[{}]", part.argument), part.dim, size)
}

/// `x[…, indices, …]`: each of `indices` stands at its dimension, all of them broadcast together. The common shape
/// takes the place of the indexed dimensions where these are neighbours, else it comes first.
pub fn index_get(x: &Array, indices: &[(usize, &Array)]) -> Result<Array> {
    let selection = Selection::new("index_get", x.layout(), indices)?;
    let out = Array::empty(&selection.shape(x.shape()), x.dtype())?;
    if out.numel() > 0 {
        by_size!(x.dtype(), T => get::<T>(&selection, x, &out));
    }
    Ok(out)
}

fn get<T: Element>(selection: &Selection, x: &Array, out: &Array) {
    let (common, rest) = selection.split(out.layout());
    // A fresh array is row-major: its common dimensions are one.
    let step = common.strides.last().copied().unwrap_or(0);
    let plan = Plan::new([&rest, &selection.rest_of(x.layout())]);
    let [so, sx] = plan.inner_strides();
    let (po, px) = (SyncPtr::new(raw::<T>(out)), SyncPtr::new(raw::<T>(x)));
    let offsets = SyncPtr::new(selection.offsets.ptr_mut::<i64>());
    let places = selection.offsets.numel();
    let rows = plan.inner();
    // SAFETY (both closures): offsets were checked when they were computed, the plan stays inside the layouts.
    if so == 1 && sx == 1 {
        path!("index/get_rows", parallel);
        let outer = plan.numel() / rows;
        let block = (BLOCK / rows).max(1);
        let blocks = places.div_ceil(block);
        parallel::run(outer * blocks, out.numel() as f64 * 0.5 + places as f64, |task| {
            let (p, b) = (task / blocks, task % blocks * block);
            plan.rows(p * rows, (p + 1) * rows, |[o, i], n| {
                for b in b..(b + block).min(places) {
                    // SAFETY: as above.
                    unsafe {
                        let at = *offsets.get().add(b) as isize;
                        copy_row(po.get().offset(o + step * b as isize), 1, px.get().offset(i + at), 1, n);
                    }
                }
            });
        });
    } else {
        path!("index/get_elements", parallel);
        let chunk = places.min(BLOCK);
        let chunks = places.div_ceil(chunk);
        let block = (BLOCK / chunk).max(1);
        let blocks = plan.numel().div_ceil(block);
        parallel::run(blocks * chunks, out.numel() as f64 * 1.5, |task| {
            let (p, b) = (task / chunks * block, task % chunks * chunk);
            plan.rows(p, (p + block).min(plan.numel()), |[o, i], n| {
                for j in 0..n as isize {
                    for b in b..(b + chunk).min(places) {
                        // SAFETY: as above.
                        unsafe {
                            let at = *offsets.get().add(b) as isize;
                            *po.get().offset(o + so * j + step * b as isize) = *px.get().offset(i + sx * j + at);
                        }
                    }
                }
            });
        });
    }
}

/// `out = x; out[…, indices, …] = values`, or `+= values` with `accumulate`, in the order of the indices: of several
/// values for one place the last stays, and sums do not depend on threads. With `out` the array `x` itself is written.
pub fn index_put(
    x: &Array,
    indices: &[(usize, &Array)],
    values: &Array,
    accumulate: bool,
    out: Option<&Array>,
) -> Result<Array> {
    let op = "index_put";
    if values.dtype() != x.dtype() {
        return Err(Error::dtype(op, "values", x.dtype(), values.dtype()));
    }
    if let Some(out) = out
        && (out.shape() != x.shape() || out.dtype() != x.dtype())
    {
        return Err(Error::shape(
            op,
            "out",
            format_args!("{} of shape {}", x.dtype(), Shape(x.shape())),
            format_args!("{} of shape {}", out.dtype(), Shape(out.shape())),
        ));
    }
    let in_place = |out: &Array| out.layout() == x.layout() && out.buffer().as_ptr() == x.buffer().as_ptr();
    let target = match out {
        Some(out) => out.clone(),
        None => Array::empty_like(x, x.shape(), x.dtype())?,
    };
    let selection = Selection::new(op, target.layout(), indices)?;
    let shape = selection.shape(x.shape());
    match broadcast_shapes(op, "values", &shape, values.shape()) {
        Ok(all) if all == shape => {}
        _ => {
            return Err(Error::shape(
                op,
                "values",
                format_args!("a shape that broadcasts to what is indexed, {}", Shape(&shape)),
                Shape(values.shape()),
            ));
        }
    }
    let values = if values.overlaps(&target) { duplicate(values)? } else { values.clone() };
    if accumulate {
        by_number!(op, "input", x.dtype(), T => {
            fill_from(x, &target, out.is_some_and(in_place))?;
            put::<T>(&selection, &target, &shape, &values, |old: T, new| old.plus(new))?
        });
    } else {
        fill_from(x, &target, out.is_some_and(in_place))?;
        by_size!(x.dtype(), T => put::<T>(&selection, &target, &shape, &values, |_, new| new)?);
    }
    Ok(target)
}

fn fill_from(x: &Array, target: &Array, same: bool) -> Result<()> {
    if same {
        return Ok(());
    }
    copy_into(&(if x.overlaps(target) { duplicate(x)? } else { x.clone() }), target);
    Ok(())
}

/// The gradient of [`index_get`]: zeros of `shape`, with `g` added up at the indices.
pub fn index_get_grad(g: &Array, indices: &[(usize, &Array)], shape: &[usize]) -> Result<Array> {
    let op = "index_get_grad";
    let out = Array::empty(shape, g.dtype())?;
    let selection = Selection::new(op, out.layout(), indices)?;
    let selected = selection.shape(shape);
    if selected.as_slice() != g.shape() {
        return Err(Error::shape(op, "grad", format_args!("what is indexed, {}", Shape(&selected)), Shape(g.shape())));
    }
    by_number!(op, "grad", g.dtype(), T => {
        fill_bits(&out, 0);
        put::<T>(&selection, &out, &selected, g, |old: T, new| old.plus(new))?
    });
    Ok(out)
}

fn put<T: Element>(
    selection: &Selection,
    target: &Array,
    shape: &[usize],
    values: &Array,
    put: impl Fn(T, T) -> T + Sync,
) -> Result<()> {
    let mut values = values.view(values.layout().broadcast_to(shape));
    let places = selection.offsets.numel();
    let (mut common, mut rest) = selection.split(values.layout());
    if values.numel() == 0 {
        return Ok(());
    }
    let step = match common.reshaped(&[places]) {
        Some(one) => one.strides[0],
        None => {
            values = contiguous(&values)?;
            (common, rest) = selection.split(values.layout());
            common.strides.last().copied().unwrap_or(0)
        }
    };
    let plan = Plan::new([&selection.rest_of(target.layout()), &rest]);
    let [so, sv] = plan.inner_strides();
    let (po, pv) = (SyncPtr::new(raw::<T>(target)), SyncPtr::new(raw::<T>(&values)));
    let offsets = SyncPtr::new(selection.offsets.ptr_mut::<i64>());
    let ns = values.numel() as f64;
    // Two indices may name one place, so that a task takes all indices and a share of what lies behind each.
    let (rows, total) = (plan.inner(), plan.numel());
    if so == 1 {
        path!("index/put_rows", parallel);
        // Whole cache lines, so that tasks do not share them.
        let columns = (BLOCK / places).next_multiple_of(64).max(64);
        let segments = rows.div_ceil(columns);
        parallel::run(total / rows * segments, ns, |task| {
            let (p, from) = (task / segments, task % segments * columns);
            let (start, end) = (p * rows + from, p * rows + (from + columns).min(rows));
            plan.rows(start, end, |[o, i], n| {
                for b in 0..places {
                    // SAFETY: offsets were checked when they were computed, the plan stays inside the layouts; tasks
                    // have different columns of the target.
                    unsafe {
                        let at = *offsets.get().add(b) as isize;
                        let (dst, src) = (po.get().offset(o + at), pv.get().offset(i + step * b as isize));
                        if sv == 1 {
                            for j in 0..n {
                                *dst.add(j) = put(*dst.add(j), *src.add(j));
                            }
                        } else {
                            for j in 0..n {
                                *dst.add(j) = put(*dst.add(j), *src.offset(sv * j as isize));
                            }
                        }
                    }
                }
            });
        });
    } else {
        path!("index/put_elements", parallel);
        parallel::for_range(total, (BLOCK / places).max(1), ns / total as f64, |start, end| {
            plan.rows(start, end, |[o, i], n| {
                for j in 0..n as isize {
                    for b in 0..places as isize {
                        // SAFETY: as above.
                        unsafe {
                            let at = *offsets.get().offset(b) as isize;
                            let place = po.get().offset(o + so * j + at);
                            *place = put(*place, *pv.get().offset(i + sv * j + step * b));
                        }
                    }
                }
            });
        });
    }
    Ok(())
}

/// The places of the elements that are not zero, in row-major order: `(n, ndim)` of int64.
pub fn nonzero(x: &Array) -> Result<Array> {
    path!("index/nonzero", parallel);
    match x.dtype() {
        DType::Bool | DType::U8 => places(x, |v: u8| v != 0),
        DType::I32 => places(x, |v: i32| v != 0),
        DType::I64 => places(x, |v: i64| v != 0),
        DType::F16 | DType::BF16 => places(x, |v: half::f16| v.to_bits() << 1 != 0),
        DType::F32 => places(x, |v: f32| v != 0.0),
        DType::F64 => places(x, |v: f64| v != 0.0),
    }
}

fn places<T: Element>(x: &Array, holds: impl Fn(T) -> bool + Sync) -> Result<Array> {
    let ndim = x.ndim();
    // Walking a row-major layout of the same shape gives the elements in row-major order.
    let plan = Plan::new([&Layout::contiguous(x.shape()), x.layout()]);
    let [_, sx] = plan.inner_strides();
    let px = SyncPtr::new(raw::<T>(x));
    let (numel, blocks) = (plan.numel(), plan.numel().div_ceil(BLOCK));
    let starts = Array::empty(&[blocks + 1], DType::I64)?;
    let counts = SyncPtr::new(starts.ptr_mut::<i64>());
    let walk = |block: usize, visit: &mut dyn FnMut(usize, isize, usize)| {
        let (start, end) = (block * BLOCK, ((block + 1) * BLOCK).min(numel));
        let visit = std::cell::RefCell::new((start, visit));
        plan.rows(start, end, |[_, i], n| {
            let (at, visit) = &mut *visit.borrow_mut();
            visit(*at, i, n);
            *at += n;
        });
    };
    parallel::run(blocks, numel as f64 * 0.5, |block| {
        let mut count = 0i64;
        walk(block, &mut |_, i, n| {
            // SAFETY: the plan stays inside the layout.
            count += (0..n as isize)
                .map(|j| unsafe { holds(px.get().offset(i + sx * j).read_volatile()) as i64 })
                .sum::<i64>();
        });
        // SAFETY: one element a block.
        unsafe { *counts.get().add(block + 1) = count };
    });
    // SAFETY: `blocks + 1` elements.
    let starts = unsafe {
        *counts.get() = 0;
        let starts = std::slice::from_raw_parts_mut(counts.get(), blocks + 1);
        for b in 0..blocks {
            starts[b + 1] += starts[b];
        }
        &*starts
    };
    let out = Array::empty(&[starts[blocks] as usize, ndim], DType::I64)?;
    let po = SyncPtr::new(out.ptr_mut::<i64>());
    parallel::run(blocks, numel as f64 * 1.0, |block| {
        let (mut row, end) = (starts[block] as usize, starts[block + 1] as usize);
        let mut index: SmallVec<[usize; 6]> = SmallVec::from_elem(0, ndim);
        walk(block, &mut |first, i, n| {
            for j in 0..n {
                // SAFETY: the plan stays inside the layout.
                let hit = unsafe { holds(px.get().offset(i + sx * j as isize).read_volatile()) };
                // Another thread may have changed the array since it was counted: never write past the count.
                if hit && row < end {
                    let mut linear = first + j;
                    for k in (0..ndim).rev() {
                        index[k] = linear % x.shape()[k];
                        linear /= x.shape()[k];
                    }
                    for k in 0..ndim {
                        // SAFETY: `row` is below the count of rows.
                        unsafe { *po.get().add(row * ndim + k) = index[k] as i64 };
                    }
                    row += 1;
                }
            }
        });
        for rest in row * ndim..end * ndim {
            // SAFETY: as above.
            unsafe { *po.get().add(rest) = 0 };
        }
    });
    Ok(out)
}
