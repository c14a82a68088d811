//! Views: other layouts of the same memory. `reshape` copies where no view exists; nothing else does.

use ferrograd_array::{Array, DType, Dims, Error, Layout, Shape, checked_numel};
use ferrograd_cpu as cpu;
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PySlice, PySliceMethods, PyTuple};

use crate::error::{self, to_py};
use crate::modes;
use crate::operand::Operand;
use crate::tensor::{TensorBase, wrap};

/// An operand that may be viewed: a Tensor, or an ndarray (whose memory is then shared).
fn source(op: &str, x: &Bound<'_, PyAny>) -> PyResult<(Array, bool)> {
    let operand = Operand::extract(op, "input", x)?;
    let requires_grad = operand.requires_grad && modes::recording();
    let array = operand.into_array(op, "input").map_err(|e| to_py(x.py(), e))?;
    Ok((array, requires_grad))
}

fn view_of<'py>(py: Python<'py>, array: Array, requires_grad: bool) -> PyResult<Bound<'py, PyAny>> {
    wrap(py, TensorBase::view(array, requires_grad))
}

/// Fills in a `-1` and checks that the sizes agree.
fn resolve_shape(op: &str, from: &[usize], shape: &[i64]) -> Result<Dims, Error> {
    let numel = checked_numel(from)?;
    let wrong = || {
        let wanted: Vec<String> = shape.iter().map(i64::to_string).collect();
        Error::shape(
            op,
            "shape",
            format_args!("sizes of {numel} elements in all, as {} has", Shape(from)),
            format_args!("({})", wanted.join(", ")),
        )
    };
    let mut known = 1usize;
    let mut free = None;
    for (k, &d) in shape.iter().enumerate() {
        match d {
            -1 if free.is_none() => free = Some(k),
            -1 => return Err(Error::shape(op, "shape", "at most one size of -1", "several")),
            d if d < 0 => return Err(Error::shape(op, "shape", "sizes of at least 0 (or one -1)", d)),
            d => known = known.checked_mul(d as usize).ok_or_else(wrong)?,
        }
    }
    let mut out: Dims = shape.iter().map(|&d| d.max(0) as usize).collect();
    match free {
        Some(k) if known > 0 && numel % known == 0 => out[k] = numel / known,
        Some(_) => return Err(wrong()),
        None if known != numel => return Err(wrong()),
        None => {}
    }
    Ok(out)
}

/// The elements in row-major order under another shape: a view where one exists, else a copy.
#[pyfunction]
pub fn reshape<'py>(x: &Bound<'py, PyAny>, shape: Vec<i64>) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (array, requires_grad) = source("reshape", x)?;
    let shape = resolve_shape("reshape", array.shape(), &shape).map_err(|e| to_py(py, e))?;
    match array.layout().reshaped(&shape) {
        Some(layout) => view_of(py, array.view(layout), requires_grad),
        None => {
            let copy = error::call(py, array.numel(), || cpu::contiguous(&array))?;
            wrap(py, TensorBase::new(copy.view(Layout::contiguous(&shape)), requires_grad))
        }
    }
}

/// As `reshape`, without a copy: raises where none exists. A tensor whose memory order the library chose (a
/// channels-last result, say) gets row-major storage of its own first.
#[pyfunction]
pub fn view<'py>(x: &Bound<'py, PyAny>, shape: Vec<i64>) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (mut array, requires_grad) = source("view", x)?;
    let shape = resolve_shape("view", array.shape(), &shape).map_err(|e| to_py(py, e))?;
    if array.layout().reshaped(&shape).is_none()
        && let Ok(tensor) = x.cast::<TensorBase>()
        && !tensor.borrow().is_view
        && array.layout().is_dense()
    {
        array = error::call(py, array.numel(), || cpu::contiguous(&array))?;
        tensor.borrow_mut().array = array.clone();
    }
    match array.layout().reshaped(&shape) {
        Some(layout) => view_of(py, array.view(layout), requires_grad),
        None => Err(to_py(
            py,
            Error::shape(
                "view",
                "shape",
                format_args!("a shape that the strides {:?} of {} can show", array.strides(), Shape(array.shape())),
                format_args!("{}; use reshape(), which copies where it must", Shape(&shape)),
            ),
        )),
    }
}

/// The dimensions in another order.
#[pyfunction]
pub fn permute<'py>(x: &Bound<'py, PyAny>, dims: Vec<i64>) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (array, requires_grad) = source("permute", x)?;
    let ndim = array.ndim();
    if dims.len() != ndim {
        return Err(to_py(
            py,
            Error::shape("permute", "dims", format_args!("{ndim} dimensions, as the input has"), dims.len()),
        ));
    }
    let order = dims.iter().map(|&d| normalize_dim("permute", d, ndim)).collect::<PyResult<Dims>>()?;
    let mut seen = Dims::from_elem(0, ndim);
    for &k in &order {
        seen[k] += 1;
    }
    if seen.iter().any(|&n| n != 1) {
        return Err(to_py(py, Error::value("permute", "dims", "each dimension once", format_args!("{dims:?}"))));
    }
    view_of(py, array.view(array.layout().permuted(&order)), requires_grad)
}

/// Stretches dimensions of size 1; a size of -1 leaves one as it is.
#[pyfunction]
pub fn expand<'py>(x: &Bound<'py, PyAny>, shape: Vec<i64>) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (array, requires_grad) = source("expand", x)?;
    let wrong = |shape: &[i64]| {
        to_py(
            py,
            Error::shape(
                "expand",
                "shape",
                format_args!("a shape that {} stretches to", Shape(array.shape())),
                format_args!("{shape:?}"),
            ),
        )
    };
    if shape.len() < array.ndim() {
        return Err(wrong(&shape));
    }
    let lead = shape.len() - array.ndim();
    let mut out = Dims::new();
    for (k, &d) in shape.iter().enumerate() {
        let from = if k < lead { None } else { Some(array.shape()[k - lead]) };
        out.push(match (d, from) {
            (-1, Some(n)) => n,
            (d, Some(n)) if d >= 0 && (n == 1 || n == d as usize) => d as usize,
            (d, None) if d >= 0 => d as usize,
            _ => return Err(wrong(&shape)),
        });
    }
    checked_numel(&out).map_err(|e| to_py(py, e))?;
    view_of(py, array.view(array.layout().broadcast_to(&out)), requires_grad)
}

/// A dimension counted from the front; negative ones count from the back.
pub fn normalize_dim(op: &str, dim: i64, ndim: usize) -> PyResult<usize> {
    let n = ndim.max(1) as i64;
    if (-n..n).contains(&dim) {
        return Ok(dim.rem_euclid(n) as usize);
    }
    Err(PyIndexError::new_err(format!("{op}: dim: expected a dimension from {} to {}, got {dim}", -n, n - 1)))
}

/// `x[index]` for integers, slices, `None` and `...`: always a view. Anything else in the index is a TypeError; the
/// caller sends arrays of indices to `index_get`.
#[pyfunction]
pub fn getitem<'py>(x: &Bound<'py, PyAny>, index: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (array, requires_grad) = source("getitem", x)?;
    let consumed = index.iter().filter(|i| !i.is_none() && !i.is_instance_of::<PyEllipsis>()).count();
    if consumed > array.ndim() {
        return Err(PyIndexError::new_err(format!(
            "getitem: too many indices: the tensor of shape {} has {} dimensions, but {consumed} were indexed",
            Shape(array.shape()),
            array.ndim()
        )));
    }
    let mut layout = array.layout().clone();
    let mut dim = 0;
    let mut ellipsis = false;
    for item in index.iter() {
        if item.is_none() {
            layout.shape.insert(dim, 1);
            layout.strides.insert(dim, 0);
            dim += 1;
        } else if item.is_instance_of::<PyEllipsis>() {
            if ellipsis {
                return Err(PyIndexError::new_err("getitem: an index can have one ellipsis ('...') only"));
            }
            ellipsis = true;
            dim += array.ndim() - consumed;
        } else if let Ok(slice) = item.cast::<PySlice>() {
            let s = slice.indices(layout.shape[dim] as isize)?;
            layout = layout.sliced(dim, s.start.max(0) as usize, s.step, s.slicelength);
            dim += 1;
        } else if !item.is_instance_of::<PyBool>() && (item.is_instance_of::<PyInt>() || item.hasattr("__index__")?) {
            let size = layout.shape[dim];
            let i: i64 = item.extract().map_err(|_| out_of_range(&item, dim, size))?;
            if !(-(size as i64)..size as i64).contains(&i) {
                return Err(out_of_range(&item, dim, size));
            }
            layout = layout.sliced(dim, i.rem_euclid(size as i64) as usize, 1, 1);
            layout.shape.remove(dim);
            layout.strides.remove(dim);
        } else {
            return Err(PyTypeError::new_err(format!(
                "getitem: expected integers, slices, None, ... or index arrays, got {}",
                item.get_type().fully_qualified_name()?
            )));
        }
    }
    view_of(py, array.view(layout), requires_grad)
}

fn out_of_range(item: &Bound<'_, PyAny>, dim: usize, size: usize) -> PyErr {
    PyIndexError::new_err(format!("getitem: index {item} is out of range for dimension {dim} of size {size}"))
}

/// Row-major memory: the tensor itself where it has that, else a copy.
#[pyfunction]
pub fn contiguous<'py>(x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (array, requires_grad) = source("contiguous", x)?;
    let copy = error::call(py, array.numel(), || cpu::contiguous(&array))?;
    wrap(py, TensorBase::new(copy, requires_grad))
}

/// The same memory, outside any graph.
#[pyfunction]
pub fn detach<'py>(x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let array = match x.cast::<TensorBase>() {
        Ok(tensor) => tensor.borrow().array.clone(),
        Err(_) => source("detach", x)?.0,
    };
    wrap(py, TensorBase::detached(array))
}

/// New memory of a shape, each element `value`.
#[pyfunction]
pub fn full<'py>(
    py: Python<'py>,
    shape: Vec<i64>,
    value: &Bound<'py, PyAny>,
    dtype: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let dtype = parse_dtype(py, dtype)?;
    let out = allocate(py, "full", &shape, dtype)?;
    let value =
        Operand::extract("full", "fill_value", value)?.array("full", "fill_value", dtype).map_err(|e| to_py(py, e))?;
    error::call(py, out.numel(), || {
        cpu::copy_into(&value, &out);
        Ok(())
    })?;
    wrap(py, TensorBase::new(out, false))
}

/// New memory of a shape, its contents arbitrary.
#[pyfunction]
pub fn empty<'py>(py: Python<'py>, shape: Vec<i64>, dtype: &str) -> PyResult<Bound<'py, PyAny>> {
    wrap(py, TensorBase::new(allocate(py, "empty", &shape, parse_dtype(py, dtype)?)?, false))
}

fn allocate(py: Python<'_>, op: &str, shape: &[i64], dtype: DType) -> PyResult<Array> {
    if let Some(&d) = shape.iter().find(|&&d| d < 0) {
        return Err(to_py(py, Error::shape(op, "size", "sizes of at least 0", d)));
    }
    let dims: Dims = shape.iter().map(|&d| d as usize).collect();
    Array::empty(&dims, dtype).map_err(|e| to_py(py, e))
}

/// The dtype of this name.
pub fn parse_dtype(py: Python<'_>, name: &str) -> PyResult<DType> {
    let known = DType::ALL.into_iter().find(|d| d.name() == name);
    known.ok_or_else(|| to_py(py, Error::DType(format!("dtype: no dtype is called '{name}'"))))
}

/// Zeros of `shape` with `g` at `index`.
#[pyfunction]
pub fn getitem_grad<'py>(
    g: &Bound<'py, PyAny>,
    shape: Vec<i64>,
    index: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = g.py();
    let (array, requires_grad) = source("getitem_grad", g)?;
    let zero = Operand::extract("getitem_grad", "zero", 0i64.into_pyobject(py)?.as_any())?;
    let out = allocate(py, "getitem_grad", &shape, array.dtype())?;
    let zero = zero.array("getitem_grad", "zero", array.dtype()).map_err(|e| to_py(py, e))?;
    error::call(py, out.numel(), || {
        cpu::copy_into(&zero, &out);
        Ok(())
    })?;
    let target = wrap(py, TensorBase::new(out.clone(), false))?;
    let place = getitem(&target, index)?.cast::<TensorBase>()?.borrow().array.clone();
    if place.shape() != array.shape() {
        return Err(to_py(py, Error::shape("getitem_grad", "g", Shape(place.shape()), Shape(array.shape()))));
    }
    error::call(py, array.numel(), || {
        cpu::copy_into(&array, &place);
        Ok(())
    })?;
    wrap(py, TensorBase::new(out, requires_grad))
}

/// A copy of `x` with `value`, broadcast, at `index`.
#[pyfunction]
pub fn setitem<'py>(
    x: &Bound<'py, PyAny>,
    value: &Bound<'py, PyAny>,
    index: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (array, requires_grad) = source("setitem", x)?;
    let value_requires_grad = Operand::extract("setitem", "value", value)?.requires_grad && modes::recording();
    let out = error::call(py, array.numel(), || cpu::contiguous(&array))?;
    let target = wrap(py, TensorBase::new(out.clone(), false))?;
    let place = getitem(&target, index)?;
    super::copy::copy_(place.cast::<TensorBase>()?, value, false, "setitem")?;
    super::result(py, out, requires_grad || value_requires_grad)
}
