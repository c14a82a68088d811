//! NumPy arrays in and out without copies.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

use ferrograd_array::{Array, Buffer, DType, Layout, Storage, Strides};
use numpy::npyffi::{self, NPY_TYPES, PY_ARRAY_API};
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::tensor::{TensorBase, wrap};

/// The dtype of a NumPy descriptor, or `None` where we have no such type.
pub fn dtype_of(descr: &Bound<'_, PyArrayDescr>) -> Option<DType> {
    Some(match (descr.kind(), descr.itemsize()) {
        (b'b', 1) => DType::Bool,
        (b'u', 1) => DType::U8,
        (b'i', 4) => DType::I32,
        (b'i', 8) => DType::I64,
        (b'f', 2) => DType::F16,
        (b'f', 4) => DType::F32,
        (b'f', 8) => DType::F64,
        (b'V', 2) if descr.typeobj().name().is_ok_and(|n| n == "bfloat16") => DType::BF16,
        _ => return None,
    })
}

fn unsupported(what: &str, descr: &Bound<'_, PyArrayDescr>) -> PyErr {
    PyTypeError::new_err(format!(
        "{what}: expected an array of bool, uint8, int32, int64, float16, float32 or float64, got dtype '{descr}'; \
         convert it with .astype()"
    ))
}

/// An array that shares memory with `source` and keeps it alive. Unaligned and byte-swapped arrays are copied.
pub fn import(what: &str, source: &Bound<'_, PyUntypedArray>) -> PyResult<Array> {
    let py = source.py();
    // SAFETY: a type check on a live array.
    let exact = unsafe { npyffi::PyArray_CheckExact(py, source.as_ptr()) != 0 };
    if !exact && source.is_instance(&py.import("numpy.ma")?.getattr("MaskedArray")?)? {
        return Err(PyTypeError::new_err(format!(
            "{what}: expected an ndarray, got a masked array, whose mask would be lost; use .filled(value) or .data"
        )));
    }
    let descr = source.dtype();
    let dtype = dtype_of(&descr).ok_or_else(|| unsupported(what, &descr))?;
    let size = dtype.size() as isize;
    let sharable = descr.is_native_byteorder() != Some(false)
        && source.is_aligned()
        && source.strides().iter().all(|s| s % size == 0);
    if !sharable {
        let native = source.call_method1("astype", (descr.call_method1("newbyteorder", ("=",))?,))?;
        return import(what, native.cast::<PyUntypedArray>()?);
    }
    let strides: Strides = source.strides().iter().map(|s| s / size).collect();
    let mut layout = Layout { shape: source.shape().into(), strides, offset: 0 };
    // SAFETY: a live array object.
    let (data, flags) = unsafe { ((*source.as_array_ptr()).fields.data, (*source.as_array_ptr()).fields.flags) };
    // The buffer begins at the lowest element that is touched; negative strides reach below the first.
    let spans = layout.shape.iter().zip(&layout.strides).map(|(&d, &s)| s * (d as isize - 1));
    let (below, above) = if layout.numel() == 0 {
        (0, -1)
    } else {
        spans.fold((0, 0), |(low, high), span| (low + span.min(0), high + span.max(0)))
    };
    let len = ((above - below + 1) * size) as usize;
    layout.offset = (-below) as usize;
    let start = data.cast::<u8>().wrapping_offset(below * size);
    let writable = flags & npyffi::NPY_ARRAY_WRITEABLE != 0;
    let keep: Py<PyAny> = source.clone().into_any().unbind();
    let start = NonNull::new(start).unwrap_or(NonNull::dangling());
    // SAFETY: NumPy keeps the memory for as long as the array object lives; the bounds are those of its own strides.
    let buffer = unsafe { Buffer::foreign(start, len, writable, Box::new(keep)) };
    Ok(Array::from_parts(Storage::Cpu(Arc::new(buffer)), layout, dtype))
}

/// Keeps a buffer alive for a NumPy array that shows it.
#[pyclass(frozen, module = "ferrograd._core")]
struct Owner {
    _buffer: Arc<Buffer>,
}

/// NumPy's descriptor of a dtype.
pub fn descriptor(py: Python<'_>, dtype: DType) -> PyResult<Bound<'_, PyArrayDescr>> {
    let number = match dtype {
        DType::Bool => NPY_TYPES::NPY_BOOL,
        DType::U8 => NPY_TYPES::NPY_UBYTE,
        DType::I32 => NPY_TYPES::NPY_INT,
        DType::I64 if size_of::<std::ffi::c_long>() == 8 => NPY_TYPES::NPY_LONG,
        DType::I64 => NPY_TYPES::NPY_LONGLONG,
        DType::F16 => NPY_TYPES::NPY_HALF,
        DType::F32 => NPY_TYPES::NPY_FLOAT,
        DType::F64 => NPY_TYPES::NPY_DOUBLE,
        DType::BF16 => return bfloat16(py),
    };
    // SAFETY: a number of NumPy's own; the new reference is owned by the result.
    unsafe {
        let descr = PY_ARRAY_API.PyArray_DescrFromType(py, number as i32);
        Ok(Bound::from_owned_ptr_or_err(py, descr.cast())?.cast_into_unchecked())
    }
}

/// The bfloat16 of the package ml_dtypes, where that is installed; NumPy has none of its own.
fn bfloat16(py: Python<'_>) -> PyResult<Bound<'_, PyArrayDescr>> {
    let class = py.import("ml_dtypes").and_then(|m| m.getattr("bfloat16")).map_err(|_| {
        PyTypeError::new_err(
            "numpy: NumPy has no bfloat16; convert with .float() first, or install ml_dtypes, whose bfloat16 is then used",
        )
    })?;
    Ok(py.import("numpy")?.getattr("dtype")?.call1((class,))?.cast_into::<PyArrayDescr>()?)
}

/// A NumPy array that shows the memory of `array` and keeps it alive.
pub fn export<'py>(py: Python<'py>, array: &Array, writable: bool) -> PyResult<Bound<'py, PyAny>> {
    let descr = descriptor(py, array.dtype())?;
    let size = array.dtype().size() as isize;
    let mut dims: Vec<npyffi::npy_intp> = array.shape().iter().map(|&d| d as npyffi::npy_intp).collect();
    let mut strides: Vec<npyffi::npy_intp> = array.strides().iter().map(|&s| s * size).collect();
    let data = array.buffer().as_ptr().wrapping_add(array.layout().offset * size as usize);
    let writable = writable && array.buffer().is_writable();
    if writable {
        array.buffer().export();
    }
    let flags = if writable { npyffi::NPY_ARRAY_WRITEABLE } else { 0 };
    let owner = Py::new(py, Owner { _buffer: array.buffer().clone() })?;
    // SAFETY: shape, strides and data describe memory that `owner` keeps alive; both calls' reference rules (descr
    // and base are stolen) are kept.
    unsafe {
        let result = PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            npyffi::get_type_object(py, npyffi::NpyTypes::PyArray_Type),
            descr.into_dtype_ptr(),
            dims.len() as i32,
            dims.as_mut_ptr(),
            strides.as_mut_ptr(),
            data.cast::<c_void>(),
            flags,
            std::ptr::null_mut(),
        );
        let result = Bound::from_owned_ptr_or_err(py, result)?;
        if PY_ARRAY_API.PyArray_SetBaseObject(py, result.as_ptr().cast(), owner.into_ptr()) < 0 {
            return Err(PyErr::fetch(py));
        }
        // NumPy works out aligned and contiguous only for memory of its own.
        let all = npyffi::NPY_ARRAY_C_CONTIGUOUS | npyffi::NPY_ARRAY_F_CONTIGUOUS | npyffi::NPY_ARRAY_ALIGNED;
        PY_ARRAY_API.PyArray_UpdateFlags(py, result.as_ptr().cast(), all);
        Ok(result)
    }
}

/// Whether an object is an ndarray.
pub fn as_ndarray<'a, 'py>(object: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, PyUntypedArray>> {
    object.cast::<PyUntypedArray>().ok()
}

/// Whether an object is a NumPy scalar (`np.float32(1)`), which promotes as a Python number does.
pub fn is_numpy_scalar(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: a type check on a live object.
    unsafe {
        let generic = npyffi::get_type_object(object.py(), npyffi::NpyTypes::PyGenericArrType_Type);
        ffi::PyObject_TypeCheck(object.as_ptr(), generic) != 0
    }
}

/// A Tensor that shares memory with an ndarray and keeps it alive.
#[pyfunction]
pub fn from_numpy<'py>(array: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let Some(array) = as_ndarray(array) else {
        return Err(PyTypeError::new_err(format!(
            "from_numpy: array: expected an ndarray, got {}",
            array.get_type().fully_qualified_name()?
        )));
    };
    wrap(array.py(), TensorBase::new(import("from_numpy: array", array)?, false))
}
