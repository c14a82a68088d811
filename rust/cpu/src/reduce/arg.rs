//! Where the extreme element is: its first index, or that of the first NaN.

use ferrograd_array::{Array, DType, Element, Error, Result};

use super::plan::{Cursor, Plan, output};
use super::{Over, extreme, not_empty, over, unsupported};
use crate::parallel::{self, SyncPtr};
use crate::path;

/// Elements looked at together before the index is sought among them.
const CHUNK: usize = 64;
const STRIP: usize = 256;

/// The index of the largest element along `dim`, or in the flattened array.
pub fn argmax(a: &Array, dim: Option<isize>, keepdim: bool) -> Result<Array> {
    arg("argmax", a, dim, keepdim, true)
}

/// The index of the smallest element along `dim`, or in the flattened array.
pub fn argmin(a: &Array, dim: Option<isize>, keepdim: bool) -> Result<Array> {
    arg("argmin", a, dim, keepdim, false)
}

fn arg(op: &str, a: &Array, dim: Option<isize>, keepdim: bool, largest: bool) -> Result<Array> {
    if a.dtype() == DType::Bool {
        return Err(Error::dtype(op, "input", "a number", a.dtype()));
    }
    let over = over(op, a.ndim(), dim.as_slice())?;
    Ok(extreme_with_index(op, a, &over, keepdim, largest)?.1)
}

/// The largest elements along `dim` and their indices.
pub fn max_dim(a: &Array, dim: isize, keepdim: bool) -> Result<(Array, Array)> {
    extreme_with_index("max", a, &over("max", a.ndim(), &[dim])?, keepdim, true)
}

/// The smallest elements along `dim` and their indices.
pub fn min_dim(a: &Array, dim: isize, keepdim: bool) -> Result<(Array, Array)> {
    extreme_with_index("min", a, &over("min", a.ndim(), &[dim])?, keepdim, false)
}

fn extreme_with_index(op: &str, a: &Array, over: &Over, keepdim: bool, largest: bool) -> Result<(Array, Array)> {
    not_empty(op, a, over)?;
    if matches!(a.dtype(), DType::F16 | DType::BF16) {
        return Err(unsupported(op, "a dtype that is computed with", a.dtype()));
    }
    let values = extreme(a, over, keepdim, largest)?;
    let indices = output(a.layout(), over, keepdim, DType::I64)?;
    match a.dtype() {
        DType::F32 => find::<f32>(a, over, &values, &indices),
        DType::F64 => find::<f64>(a, over, &values, &indices),
        DType::I64 => find::<i64>(a, over, &values, &indices),
        DType::I32 => find::<i32>(a, over, &values, &indices),
        // A boolean from outside may be any byte; its extreme is 0 or 1.
        DType::Bool => find_where::<u8>(a, over, &values, &indices, |x, m| (x != 0) as u8 == m),
        _ => find::<u8>(a, over, &values, &indices),
    }
    Ok((values, indices))
}

fn find<T: Element>(a: &Array, over: &Over, values: &Array, indices: &Array) {
    // An extreme is NaN exactly where an element is.
    #[allow(clippy::eq_op)]
    find_where::<T>(a, over, values, indices, |x, m| x == m || x != x)
}

/// The first element of each result that `is` its value; the value becomes that very element (a zero's sign may differ).
fn find_where<T: Element>(a: &Array, over: &Over, values: &Array, indices: &Array, is: impl Fn(T, T) -> bool + Sync) {
    path!("reduce/find", parallel);
    let plan = Plan::new(a.layout(), over, true);
    if plan.outputs == 0 {
        return;
    }
    let bool = a.dtype() == DType::Bool;
    let src = SyncPtr::new(a.ptr_mut::<T>());
    let (values, indices) = (SyncPtr::new(values.ptr_mut::<T>()), SyncPtr::new(indices.ptr_mut::<i64>()));
    let n = plan.group();
    let groups = plan.outputs / n;
    let work = plan.outputs as f64 * plan.length as f64;
    if !plan.is_columns() {
        let block = (16 * 1024 / plan.length).max(1);
        parallel::for_range(plan.outputs, block, plan.length as f64 * 0.3 + 5.0, |first, last| {
            let mut row = Cursor::new(&plan.kept, first);
            for o in first..last {
                // SAFETY: the cursors stay inside the array; results are dense, each task has its own.
                unsafe {
                    let value = values.get().add(o);
                    let (index, found) = first_in_row(&plan, src.get().offset(row.offset), *value, &is);
                    *indices.get().add(o) = index as i64;
                    if !bool {
                        *value = found;
                    }
                }
                row.skip(1);
            }
        });
        return;
    }
    let strips = n.div_ceil(STRIP);
    let stride = plan.kept[plan.kept.len() - 1].1;
    parallel::run(groups * strips, work * 0.5, |b| {
        let (g, left) = (b / strips, b % strips * STRIP);
        let width = STRIP.min(n - left);
        let group = Cursor::new(plan.outer(), g);
        let mut at = [-1i64; STRIP];
        let mut cursor = Cursor::new(&plan.reduced, 0);
        // SAFETY: as above.
        unsafe {
            let x = src.get().offset(group.offset + left as isize * stride);
            let values = values.get().add(g * n + left);
            for r in 0..plan.length as i64 {
                let row = x.offset(cursor.offset);
                for j in 0..width {
                    let here = at[j] < 0 && is(*row.offset(j as isize * stride), *values.add(j));
                    at[j] = if here { r } else { at[j] };
                }
                cursor.skip(1);
            }
            for j in 0..width {
                // Not found: somebody else wrote into the array meanwhile.
                at[j] = at[j].max(0);
                *indices.get().add(g * n + left + j) = at[j];
                if !bool {
                    let row = Cursor::new(&plan.reduced, at[j] as usize);
                    *values.add(j) = *x.offset(row.offset + j as isize * stride);
                }
            }
        }
    });
}

/// The index of the first element that `is` the value, and that element; the first of all where another thread has
/// changed the array meanwhile.
///
/// # Safety
/// `x` is the first element of a result of the plan, which has one or more.
unsafe fn first_in_row<T: Element>(plan: &Plan, x: *const T, value: T, is: &impl Fn(T, T) -> bool) -> (usize, T) {
    let stride = plan.reduced.last().map_or(1, |&(_, stride)| stride);
    let mut cursor = Cursor::new(&plan.reduced, 0);
    let mut passed = 0;
    while passed < plan.length {
        let n = cursor.run().min(CHUNK);
        // SAFETY: as the caller's.
        unsafe {
            let run = x.offset(cursor.offset);
            let mut any = false;
            if stride == 1 {
                for j in 0..n {
                    any |= is(*run.add(j), value);
                }
            } else {
                for j in 0..n {
                    any |= is(*run.offset(j as isize * stride), value);
                }
            }
            if any {
                let found = (0..n).map(|j| *run.offset(j as isize * stride)).enumerate().find(|&(_, e)| is(e, value));
                if let Some((j, element)) = found {
                    return (passed + j, element);
                }
            }
        }
        cursor.skip(n);
        passed += n;
    }
    // SAFETY: as the caller's.
    (0, unsafe { *x })
}
