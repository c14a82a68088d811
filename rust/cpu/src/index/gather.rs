//! `gather` and `scatter`: one index for each element, along one dimension.

use ferrograd_array::{Array, Error, Layout, Result, Shape};

use super::{Accumulate, Bad, IndexInt, by_index, by_number, check_index_dtype, dimension, read_index, wrap};
use crate::bits::{by_size, duplicate, raw};
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::strided::Plan;

/// Nanoseconds of one random access, for the serial threshold.
const NS: f64 = 1.5;

/// A view with every dimension as long as `index` is; 0-d arrays count as one element of one dimension.
fn lifted(a: &Array) -> Layout {
    let mut layout = a.layout().clone();
    if layout.shape.is_empty() {
        layout.shape.push(1);
        layout.strides.push(1);
    }
    layout
}

/// Checks that `small` fits into `large` in every dimension, `dim` left out where it is given.
fn check_fits(op: &str, argument: &str, small: &Layout, large: &Layout, dim: Option<usize>) -> Result<()> {
    if small.ndim() != large.ndim() {
        return Err(Error::shape(
            op,
            argument,
            format_args!("as many dimensions as input has, {}", large.ndim()),
            format_args!("{} (shape {})", small.ndim(), Shape(&small.shape)),
        ));
    }
    for k in 0..small.ndim() {
        if Some(k) != dim && small.shape[k] > large.shape[k] {
            return Err(Error::shape(
                op,
                argument,
                format_args!("at most {} in dimension {k}, as {} allows", large.shape[k], Shape(&large.shape)),
                format_args!("{} (shape {})", small.shape[k], Shape(&small.shape)),
            ));
        }
    }
    Ok(())
}

/// `out[…, i, …] = x[…, index[…, i, …], …]`, the index standing in dimension `dim`; as large as `index`.
pub fn gather(x: &Array, dim: isize, index: &Array) -> Result<Array> {
    let op = "gather";
    check_index_dtype(op, index)?;
    let dim = dimension(op, dim, x.ndim())?;
    let (lx, li) = (lifted(x), lifted(index));
    let out = Array::empty_like(index, index.shape(), x.dtype())?;
    if li.numel() == 0 {
        return Ok(out);
    }
    check_fits(op, "index", &li, &lx, Some(dim))?;
    let (size, step) = (lx.shape[dim], lx.strides[dim]);
    let mut base = Layout { shape: li.shape.clone(), ..lx };
    base.strides[dim] = 0;
    let plan = Plan::new([&lifted(&out), &li, &base]);
    path!("index/gather", parallel);
    let [so, si, sx] = plan.inner_strides();
    let bad = Bad::new();
    by_index!(index, I => by_size!(x.dtype(), T => {
        let (po, pi, px) =
            (SyncPtr::new(raw::<T>(&out)), SyncPtr::new(index.ptr_mut::<I>()), SyncPtr::new(raw::<T>(x)));
        plan.run(NS, |[o, i, base], n| {
            for j in 0..n as isize {
                // SAFETY: the plan stays inside the layouts, and `wrap` keeps the index inside dimension `dim`.
                unsafe {
                    let index = read_index(pi.get().offset(i + si * j));
                    match wrap(index, size) {
                        Some(at) => {
                            *po.get().offset(o + so * j) = *px.get().offset(base + sx * j + step * at as isize)
                        }
                        None => bad.note(i + si * j, index),
                    }
                }
            }
        });
    }));
    bad.check(op, "index", dim, size)?;
    Ok(out)
}

/// `out = x; out[…, index[…, i, …], …] = src[…, i, …]`. Where several land on one place, the last one stays.
/// A 0-d `src` goes everywhere.
pub fn scatter(x: &Array, dim: isize, index: &Array, src: &Array) -> Result<Array> {
    let (out, target) = prepare("scatter", x, dim, index, src)?;
    path!("index/scatter", parallel);
    if let Some(target) = target {
        by_index!(index, I => by_size!(x.dtype(), T => {
            target.run::<I, T>(index, src, &out, |_, new| new)?
        }));
    }
    Ok(out)
}

/// `out = x; out[…, index[…, i, …], …] += src[…, i, …]`, in the order of `i`: the sum does not depend on threads.
pub fn scatter_add(x: &Array, dim: isize, index: &Array, src: &Array) -> Result<Array> {
    let op = "scatter_add";
    let (out, target) = prepare(op, x, dim, index, src)?;
    path!("index/scatter_add", parallel);
    by_number!(op, "input", x.dtype(), T => {
        if let Some(target) = target {
            by_index!(index, I => target.run::<I, T>(index, src, &out, |old: T, new| old.plus(new))?);
        }
    });
    Ok(out)
}

/// The lines along `dim`, each of which one task walks in order.
struct Target {
    op: &'static str,
    dim: usize,
    /// Size of the written dimension, and steps along `dim` in index, source and output.
    size: usize,
    length: usize,
    steps: [isize; 3],
    /// Output, index and source without `dim`.
    lines: Plan<3>,
}

fn prepare(op: &'static str, x: &Array, dim: isize, index: &Array, src: &Array) -> Result<(Array, Option<Target>)> {
    check_index_dtype(op, index)?;
    if src.dtype() != x.dtype() {
        return Err(Error::dtype(op, "src", x.dtype(), src.dtype()));
    }
    let dim = dimension(op, dim, x.ndim())?;
    let out = duplicate(x)?;
    let (lo, li) = (lifted(&out), lifted(index));
    if li.numel() == 0 {
        return Ok((out, None));
    }
    check_fits(op, "index", &li, &lo, Some(dim))?;
    let ls = if src.ndim() == 0 {
        src.layout().broadcast_to(&li.shape)
    } else {
        let ls = lifted(src);
        check_fits(op, "index", &li, &ls, None).map_err(|_| {
            Error::shape(op, "src", format_args!("at least the shape of index, {}", Shape(&li.shape)), Shape(&ls.shape))
        })?;
        Layout { shape: li.shape.clone(), ..ls }
    };
    let without = |l: &Layout| {
        let mut l = Layout { shape: li.shape.clone(), ..l.clone() };
        l.shape.remove(dim);
        l.strides.remove(dim);
        l
    };
    let target = Target {
        op,
        dim,
        size: lo.shape[dim],
        length: li.shape[dim],
        steps: [lo.strides[dim], li.strides[dim], ls.strides[dim]],
        lines: Plan::new([&without(&lo), &without(&li), &without(&ls)]),
    };
    Ok((out, Some(target)))
}

impl Target {
    fn run<I: IndexInt, T: ferrograd_array::Element>(
        &self,
        index: &Array,
        src: &Array,
        out: &Array,
        put: impl Fn(T, T) -> T + Sync,
    ) -> Result<()> {
        let (po, pi, ps) =
            (SyncPtr::new(raw::<T>(out)), SyncPtr::new(index.ptr_mut::<I>()), SyncPtr::new(raw::<T>(src)));
        let [do_, di, ds] = self.steps;
        let [so, si, ss] = self.lines.inner_strides();
        let bad = Bad::new();
        let one = |o: isize, i: isize, s: isize| {
            // SAFETY: the plan and `length` stay inside the layouts, and `wrap` keeps the index inside `dim`. Lines
            // are disjoint in the output, and one task has a line.
            unsafe {
                let index = read_index(pi.get().offset(i));
                match wrap(index, self.size) {
                    Some(at) => {
                        let place = po.get().offset(o + do_ * at as isize);
                        *place = put(*place, *ps.get().offset(s));
                    }
                    None => bad.note(i, index),
                }
            }
        };
        let block = (8 * 1024 / self.length).max(1);
        parallel::for_range(self.lines.numel(), block, NS * self.length as f64, |start, end| {
            self.lines.rows(start, end, |[o, i, s], n| {
                // Along whichever direction the index array lies densest.
                if di.unsigned_abs() < si.unsigned_abs() {
                    for j in 0..n as isize {
                        for k in 0..self.length as isize {
                            one(o + so * j, i + si * j + di * k, s + ss * j + ds * k);
                        }
                    }
                } else {
                    for k in 0..self.length as isize {
                        for j in 0..n as isize {
                            one(o + so * j, i + si * j + di * k, s + ss * j + ds * k);
                        }
                    }
                }
            });
        });
        bad.check(self.op, "index", self.dim, self.size)
    }
}
