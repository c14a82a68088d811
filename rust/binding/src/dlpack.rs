//! DLPack: memory shared with other array libraries through capsules, in both directions.
//!
//! The structures are those of `dlpack.h` 1.1. A capsule of that version says whether the memory may be written to; the
//! older kind cannot, so read-only memory is not put into one.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;
use std::sync::Arc;

use ferrograd_array::{Array, Buffer, DType, Dims, Layout, Storage, Strides, checked_numel, contiguous_strides};
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyTuple};

use crate::error;
use crate::tensor::{TensorBase, wrap};

const CPU: i32 = 1;
/// `(device type, index)` as DLPack numbers them.
pub const CPU_DEVICE: (i32, i32) = (CPU, 0);
const VERSION: Version = Version { major: 1, minor: 0 };
const READ_ONLY: u64 = 1;
const IS_COPIED: u64 = 1 << 1;
const MAX_DIMS: usize = 64;

#[repr(C)]
#[derive(Clone, Copy)]
struct Device {
    kind: i32,
    index: i32,
}

#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
struct DataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct DlTensor {
    data: *mut c_void,
    device: Device,
    ndim: i32,
    dtype: DataType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Version {
    major: u32,
    minor: u32,
}

/// What a capsule holds. The two kinds differ in the order of their fields and in what stands beside the tensor.
trait Managed: Sized + 'static {
    const NAME: &'static CStr;
    const USED: &'static CStr;
    fn new(tensor: DlTensor, context: *mut c_void, flags: u64) -> Self;
    fn tensor(&self) -> &DlTensor;
    fn context(&self) -> *mut c_void;
    fn deleter(&self) -> Option<unsafe extern "C" fn(*mut Self)>;
}

#[repr(C)]
struct Legacy {
    tensor: DlTensor,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Legacy)>,
}

#[repr(C)]
struct Versioned {
    version: Version,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Versioned)>,
    flags: u64,
    tensor: DlTensor,
}

impl Managed for Legacy {
    const NAME: &'static CStr = c"dltensor";
    const USED: &'static CStr = c"used_dltensor";

    fn new(tensor: DlTensor, context: *mut c_void, _flags: u64) -> Self {
        Self { tensor, context, deleter: Some(delete::<Self>) }
    }
    fn tensor(&self) -> &DlTensor {
        &self.tensor
    }
    fn context(&self) -> *mut c_void {
        self.context
    }
    fn deleter(&self) -> Option<unsafe extern "C" fn(*mut Self)> {
        self.deleter
    }
}

impl Managed for Versioned {
    const NAME: &'static CStr = c"dltensor_versioned";
    const USED: &'static CStr = c"used_dltensor_versioned";

    fn new(tensor: DlTensor, context: *mut c_void, flags: u64) -> Self {
        Self { version: VERSION, context, deleter: Some(delete::<Self>), flags, tensor }
    }
    fn tensor(&self) -> &DlTensor {
        &self.tensor
    }
    fn context(&self) -> *mut c_void {
        self.context
    }
    fn deleter(&self) -> Option<unsafe extern "C" fn(*mut Self)> {
        self.deleter
    }
}

fn data_type(dtype: DType) -> DataType {
    let code = match dtype {
        DType::I32 | DType::I64 => 0,
        DType::U8 => 1,
        DType::F16 | DType::F32 | DType::F64 => 2,
        DType::BF16 => 4,
        DType::Bool => 6,
    };
    DataType { code, bits: 8 * dtype.size() as u8, lanes: 1 }
}

// -- out --------------------------------------------------------------------------------------------------------------

/// What an exported tensor's consumer holds on to.
struct Exported {
    shape: Vec<i64>,
    strides: Vec<i64>,
    _keep: Arc<Buffer>,
}

/// Frees what [`capsule`] made.
unsafe extern "C" fn delete<M: Managed>(managed: *mut M) {
    // SAFETY: both boxes were leaked by `capsule`, and a consumer calls the deleter once.
    unsafe {
        let managed = Box::from_raw(managed);
        drop(Box::from_raw(managed.context().cast::<Exported>()));
    }
}

/// Frees the tensor of a capsule that nobody consumed; a consumer renames the capsule and calls the deleter itself.
unsafe extern "C" fn destroy<M: Managed>(capsule: *mut ffi::PyObject) {
    // SAFETY: Python calls this on the live capsule; under the name the pointer is that of `capsule`.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, M::NAME.as_ptr()) == 1 {
            delete::<M>(ffi::PyCapsule_GetPointer(capsule, M::NAME.as_ptr()).cast());
        }
    }
}

fn capsule<'py, M: Managed>(py: Python<'py>, array: &Array, flags: u64) -> PyResult<Bound<'py, PyAny>> {
    let mut context = Box::new(Exported {
        shape: array.shape().iter().map(|&d| d as i64).collect(),
        strides: array.strides().iter().map(|&s| s as i64).collect(),
        _keep: array.buffer().clone(),
    });
    let tensor = DlTensor {
        data: array.buffer().as_ptr().wrapping_add(array.layout().offset * array.dtype().size()).cast(),
        device: Device { kind: CPU, index: 0 },
        ndim: array.ndim() as i32,
        dtype: data_type(array.dtype()),
        shape: context.shape.as_mut_ptr(),
        strides: context.strides.as_mut_ptr(),
        byte_offset: 0,
    };
    let managed = Box::into_raw(Box::new(M::new(tensor, Box::into_raw(context).cast(), flags)));
    // SAFETY: the pointer is not null and the name is static; `destroy` fits the name. Where no capsule comes about,
    // the tensor is freed here.
    unsafe {
        let object = ffi::PyCapsule_New(managed.cast(), M::NAME.as_ptr(), Some(destroy::<M>));
        if object.is_null() {
            delete::<M>(managed);
        }
        Bound::from_owned_ptr_or_err(py, object)
    }
}

/// What a caller of `__dlpack__` may ask for.
pub struct Request<'py> {
    pub stream: Option<Bound<'py, PyAny>>,
    pub max_version: Option<(u32, u32)>,
    pub device: Option<(i32, i32)>,
    pub copy: Option<bool>,
}

/// The capsule of an array that no gradient flows through.
pub fn export<'py>(py: Python<'py>, array: &Array, request: Request<'py>) -> PyResult<Bound<'py, PyAny>> {
    let refused = |why: String| Err(PyBufferError::new_err(format!("__dlpack__: {why}")));
    if let Some(stream) = request.stream {
        return refused(format!("stream: expected None for a tensor on the CPU, got {}", stream.repr()?));
    }
    if let Some(device) = request.device
        && device != CPU_DEVICE
    {
        return refused(format!("dl_device: expected {CPU_DEVICE:?}, the CPU, got {device:?}"));
    }
    let copied = request.copy == Some(true);
    let array =
        if copied { error::call(py, array.numel(), || ferrograd_cpu::contiguous(array))? } else { array.clone() };
    let writable = array.buffer().is_writable();
    if writable {
        array.buffer().export();
    }
    if request.max_version.is_some_and(|(major, _)| major >= 1) {
        let read_only = if writable { 0 } else { READ_ONLY };
        let is_copied = if copied { IS_COPIED } else { 0 };
        return capsule::<Versioned>(py, &array, read_only | is_copied);
    }
    if !writable {
        return refused("read-only memory can be exported to DLPack 1.0 and later only; pass copy=True".into());
    }
    capsule::<Legacy>(py, &array, 0)
}

// -- in ---------------------------------------------------------------------------------------------------------------

/// A foreign tensor, given back to its library when dropped.
struct Imported<M: Managed>(NonNull<M>);

// SAFETY: DLPack lets a deleter be called from any thread; the pointer is used for nothing else after the import.
unsafe impl<M: Managed> Send for Imported<M> {}
// SAFETY: as above.
unsafe impl<M: Managed> Sync for Imported<M> {}

impl<M: Managed> Drop for Imported<M> {
    fn drop(&mut self) {
        // SAFETY: taken from a capsule that was renamed, so nobody else calls the deleter.
        unsafe {
            if let Some(deleter) = self.0.as_ref().deleter() {
                deleter(self.0.as_ptr());
            }
        }
    }
}

/// A Tensor that shares memory with `source`, which speaks DLPack (or is its capsule), and keeps it alive.
#[pyfunction]
#[pyo3(signature = (source, copy=None))]
pub fn from_dlpack<'py>(source: &Bound<'py, PyAny>, copy: Option<bool>) -> PyResult<Bound<'py, PyAny>> {
    let py = source.py();
    let capsule = if source.is_instance_of::<PyCapsule>() { source.clone() } else { ask(source, copy)? };
    // SAFETY: asks a live capsule for its name and, under that name, for its pointer.
    let (array, copied) = unsafe {
        if let Some(managed) = contents::<Versioned>(&capsule) {
            let (version, flags) = (managed.as_ref().version, managed.as_ref().flags);
            if version.major > VERSION.major {
                return Err(PyBufferError::new_err(format!(
                    "from_dlpack: expected a capsule of DLPack 1, got one of {}.{}",
                    version.major, version.minor
                )));
            }
            (take(&capsule, managed, flags & READ_ONLY == 0)?, flags & IS_COPIED != 0)
        } else if let Some(managed) = contents::<Legacy>(&capsule) {
            (take(&capsule, managed, true)?, false)
        } else {
            return Err(PyBufferError::new_err(
                "from_dlpack: expected a DLPack capsule that nobody has consumed yet, got another one",
            ));
        }
    };
    let array = if copy == Some(true) && !copied {
        error::call(py, array.numel(), || ferrograd_cpu::contiguous(&array))?
    } else {
        array
    };
    wrap(py, TensorBase::new(array, false))
}

/// Asks an object for its capsule.
fn ask<'py>(source: &Bound<'py, PyAny>, copy: Option<bool>) -> PyResult<Bound<'py, PyAny>> {
    let py = source.py();
    let (Ok(device), Ok(export)) = (source.getattr("__dlpack_device__"), source.getattr("__dlpack__")) else {
        return Err(PyTypeError::new_err(format!(
            "from_dlpack: expected an object with __dlpack__ and __dlpack_device__, got {}",
            source.get_type().fully_qualified_name()?
        )));
    };
    let (kind, _): (i32, i32) = device.call0()?.extract()?;
    if kind != CPU {
        return Err(PyBufferError::new_err(format!(
            "from_dlpack: expected memory on the CPU (device type {CPU}), got device type {kind}; copy it to the CPU first"
        )));
    }
    let arguments = PyDict::new(py);
    arguments.set_item("max_version", (VERSION.major, VERSION.minor))?;
    if let Some(copy) = copy {
        arguments.set_item("copy", copy)?;
    }
    match export.call(PyTuple::empty(py), Some(&arguments)) {
        // Libraries from before DLPack 1.0 know no arguments.
        Err(why) if why.is_instance_of::<PyTypeError>(py) => export.call0(),
        answer => answer,
    }
}

/// The contents of a capsule of this kind that nobody has consumed.
unsafe fn contents<M: Managed>(capsule: &Bound<'_, PyAny>) -> Option<NonNull<M>> {
    // SAFETY: the name is checked before the pointer is asked for.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule.as_ptr(), M::NAME.as_ptr()) == 0 {
            return None;
        }
        NonNull::new(ffi::PyCapsule_GetPointer(capsule.as_ptr(), M::NAME.as_ptr()).cast())
    }
}

/// Consumes a capsule. Where its tensor cannot be used, the capsule stays as it was and frees it.
unsafe fn take<M: Managed>(capsule: &Bound<'_, PyAny>, managed: NonNull<M>, writable: bool) -> PyResult<Array> {
    // SAFETY: the pointer came from `contents`; the producer vouches for what it describes.
    unsafe {
        let tensor = managed.as_ref().tensor();
        let (layout, dtype) = describe(tensor)?;
        let data = tensor.data.cast::<u8>().wrapping_add(tensor.byte_offset as usize);
        if ffi::PyCapsule_SetName(capsule.as_ptr(), M::USED.as_ptr()) != 0 {
            return Err(PyErr::fetch(capsule.py()));
        }
        let keep = Imported(managed);
        if data.addr() % dtype.size() != 0 {
            return copy_unaligned(data, &layout, dtype).map_err(|e| error::to_py(capsule.py(), e));
        }
        // The buffer begins at the lowest element that is touched; negative strides reach below the first.
        let below: isize = layout.shape.iter().zip(&layout.strides).map(|(&d, &s)| (s * (d as isize - 1)).min(0)).sum();
        let below = if layout.numel() == 0 { 0 } else { below };
        let layout = Layout { offset: below.unsigned_abs(), ..layout };
        let size = dtype.size();
        let len = layout.extent().map_or(0, |(_, high)| high * size);
        let start = data.wrapping_offset(below * size as isize);
        let start = NonNull::new(start).unwrap_or(NonNull::dangling());
        let buffer = Buffer::foreign(start, len, writable, Box::new(keep));
        Ok(Array::from_parts(Storage::Cpu(Arc::new(buffer)), layout, dtype))
    }
}

/// The layout (offset 0) and dtype of a foreign tensor.
unsafe fn describe(tensor: &DlTensor) -> PyResult<(Layout, DType)> {
    if tensor.device.kind != CPU {
        return Err(PyBufferError::new_err(format!(
            "from_dlpack: expected memory on the CPU, got device type {}",
            tensor.device.kind
        )));
    }
    let dtype = DType::ALL.into_iter().find(|&d| data_type(d) == tensor.dtype).ok_or_else(|| {
        let DataType { code, bits, lanes } = tensor.dtype;
        PyTypeError::new_err(format!(
            "from_dlpack: expected bool, uint8, int32, int64, float16, bfloat16, float32 or float64, got DLPack type \
             code {code} of {bits} bits and {lanes} lanes; convert it first"
        ))
    })?;
    let ndim = usize::try_from(tensor.ndim).ok().filter(|&n| n <= MAX_DIMS);
    let ndim =
        ndim.ok_or_else(|| PyBufferError::new_err(format!("from_dlpack: a tensor of {} dimensions", tensor.ndim)))?;
    // SAFETY: the producer gives `ndim` sizes and, unless the pointer is null, as many strides.
    let read = |p: *const i64, k: usize| unsafe { *p.add(k) };
    let shape: Option<Dims> = (0..ndim).map(|k| usize::try_from(read(tensor.shape, k)).ok()).collect();
    let shape = shape.ok_or_else(|| PyBufferError::new_err("from_dlpack: a tensor with a negative size"))?;
    checked_numel(&shape).map_err(|why| PyBufferError::new_err(format!("from_dlpack: {why}")))?;
    let strides: Strides = if tensor.strides.is_null() {
        contiguous_strides(&shape)
    } else {
        (0..ndim).map(|k| read(tensor.strides, k) as isize).collect()
    };
    Ok((Layout { shape, strides, offset: 0 }, dtype))
}

/// A copy of a tensor whose elements do not stand where a load may expect them.
unsafe fn copy_unaligned(data: *const u8, layout: &Layout, dtype: DType) -> ferrograd_array::Result<Array> {
    let out = Array::empty(&layout.shape, dtype)?;
    let size = dtype.size();
    for i in 0..layout.numel() {
        let mut at = 0isize;
        let mut rest = i;
        for k in (0..layout.ndim()).rev() {
            at += layout.strides[k] * (rest % layout.shape[k]) as isize;
            rest /= layout.shape[k];
        }
        // SAFETY: the producer's layout stays inside its memory; `out` has `numel` elements of `size` bytes.
        unsafe {
            std::ptr::copy_nonoverlapping(data.offset(at * size as isize), out.buffer().as_ptr().add(i * size), size);
        }
    }
    Ok(out)
}
