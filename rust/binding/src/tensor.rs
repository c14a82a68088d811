//! The Rust part of a Tensor: its array, and what links it into the graph.
//!
//! `ferrograd.Tensor` is a Python class that derives from `TensorBase` and adds methods only. Kernels return instances
//! of it; they are made by the base's own `tp_new` with the Python class as the type, one small object a result.

use std::cell::Cell;
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use ferrograd_array::{Array, DType};
use pyo3::exceptions::{PyBufferError, PyRuntimeError, PyTypeError};
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyTuple, PyType};

use crate::{dlpack, modes, numpy as np};

#[pyclass(subclass, weakref, module = "ferrograd._core")]
pub struct TensorBase {
    pub array: Array,
    /// The node that made this tensor, while it belongs to a graph.
    pub node: Option<Py<PyAny>>,
    pub grad: Option<Py<PyAny>>,
    pub hooks: Option<Py<PyAny>>,
    pub requires_grad: bool,
    /// Keep the gradient of a tensor that is not a leaf.
    pub retains_grad: bool,
    /// Made under `inference_mode`: never part of a graph.
    pub inference: bool,
    /// Shows memory that another tensor owns.
    pub is_view: bool,
    /// Recorded writes into the memory at the time this view was taken; `None` for memory of its own, for a detached
    /// tensor and for a view taken while nothing was recorded: they are constants.
    pub graph_version: Option<u32>,
}

impl TensorBase {
    pub fn new(array: Array, requires_grad: bool) -> Self {
        Self {
            array,
            node: None,
            grad: None,
            hooks: None,
            requires_grad,
            retains_grad: false,
            inference: modes::inference(),
            is_view: false,
            graph_version: None,
        }
    }

    /// A tensor that shows the memory of `array`'s owner.
    pub fn view(array: Array, requires_grad: bool) -> Self {
        let graph_version = modes::recording().then(|| array.buffer().graph_version());
        Self { is_view: true, graph_version, ..Self::new(array, requires_grad) }
    }

    /// The same memory as a constant.
    pub fn detached(array: Array) -> Self {
        Self { is_view: true, ..Self::new(array, false) }
    }

    /// Refuses a view whose base became part of the graph, or another part of it, after the view was taken: what it
    /// shows is not what the graph says it is.
    #[inline]
    pub fn check_fresh(&self) -> PyResult<()> {
        match self.graph_version {
            Some(then) if then != self.array.buffer().graph_version() && modes::recording() => Err(self.stale()),
            _ => Ok(()),
        }
    }

    #[cold]
    fn stale(&self) -> PyErr {
        PyRuntimeError::new_err(format!(
            "a view of shape {} was taken before its base was changed in place by a recorded op, so its gradient is no \
             longer defined; take the view again after the in-place op, use the out-of-place form, or detach() the view",
            ferrograd_array::Shape(self.array.shape())
        ))
    }
}

static TENSOR_TYPE: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(std::ptr::null_mut());
static BASE_NEW: AtomicPtr<std::ffi::c_void> = AtomicPtr::new(std::ptr::null_mut());

thread_local! {
    /// What the next `tp_new` on this thread puts into the object; null but for the time of `instantiate`. A pointer,
    /// so that the contents are moved once.
    static PENDING: Cell<*mut Option<TensorBase>> = const { Cell::new(std::ptr::null_mut()) };
}

/// Tells the core which Python class its results are.
#[pyfunction]
pub fn register_tensor_type(cls: Bound<'_, PyType>) -> PyResult<()> {
    let py = cls.py();
    let base = py.get_type::<TensorBase>();
    if !cls.is_subclass(&base)? {
        return Err(PyTypeError::new_err("register_tensor_type: expected a subclass of TensorBase"));
    }
    // SAFETY: asks a live heap type for a slot that every class made by PyO3 with `#[new]` has.
    let new = unsafe { ffi::PyType_GetSlot(base.as_type_ptr(), ffi::Py_tp_new as c_int) };
    BASE_NEW.store(new, Ordering::Relaxed);
    // The class lives as long as the process.
    TENSOR_TYPE.store(cls.into_ptr().cast(), Ordering::Relaxed);
    Ok(())
}

/// The Tensor that an object is, if it is one. Most are of the registered class itself, which is told without a call.
#[inline]
pub fn as_tensor<'a, 'py>(object: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, TensorBase>> {
    if object.get_type_ptr() == TENSOR_TYPE.load(Ordering::Relaxed) {
        // SAFETY: `register_tensor_type` saw that the class derives from TensorBase.
        return Some(unsafe { object.cast_unchecked() });
    }
    object.cast().ok()
}

/// A new instance of `class` (a subclass of `TensorBase`) holding `contents`.
fn instantiate<'py>(
    py: Python<'py>,
    class: *mut ffi::PyTypeObject,
    contents: TensorBase,
) -> PyResult<Bound<'py, PyAny>> {
    let new = BASE_NEW.load(Ordering::Relaxed);
    if new.is_null() {
        return Err(PyRuntimeError::new_err("ferrograd._core is used before ferrograd was imported"));
    }
    let mut contents = Some(contents);
    PENDING.set(&mut contents);
    // SAFETY: the slot holds a `newfunc`; the type derives from TensorBase; the empty tuple is borrowed.
    let object = unsafe {
        let new: ffi::newfunc = std::mem::transmute(new);
        new(class, PyTuple::empty(py).as_ptr(), std::ptr::null_mut())
    };
    PENDING.set(std::ptr::null_mut());
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, object) }
}

/// The Tensor of a result.
pub fn wrap(py: Python<'_>, contents: TensorBase) -> PyResult<Bound<'_, PyAny>> {
    instantiate(py, TENSOR_TYPE.load(Ordering::Relaxed), contents)
}

#[pymethods]
impl TensorBase {
    #[new]
    fn py_new() -> PyResult<Self> {
        let pending = PENDING.replace(std::ptr::null_mut());
        // SAFETY: it is null, or points to the contents that `instantiate`, further up this stack, holds.
        unsafe { pending.as_mut() }.and_then(Option::take).ok_or_else(|| {
            PyTypeError::new_err("Tensor(): make tensors with fg.tensor(data), fg.from_numpy(array) or fg.zeros(shape)")
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.node)?;
        visit.call(&self.grad)?;
        visit.call(&self.hooks)
    }

    fn __clear__(&mut self) {
        self.node = None;
        self.grad = None;
        self.hooks = None;
    }

    /// The same memory as another instance of `cls`, outside any graph.
    #[staticmethod]
    fn _make<'py>(
        cls: Bound<'py, PyType>,
        source: &Bound<'py, TensorBase>,
        requires_grad: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        if !cls.is_subclass(&cls.py().get_type::<TensorBase>())? {
            return Err(PyTypeError::new_err("_make: expected a subclass of Tensor"));
        }
        let array = source.borrow().array.clone();
        instantiate(cls.py(), cls.as_type_ptr(), TensorBase::new(array, requires_grad))
    }

    /// The sizes of the dimensions.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array.shape())
    }

    #[getter]
    fn ndim(&self) -> usize {
        self.array.ndim()
    }

    fn numel(&self) -> usize {
        self.array.numel()
    }

    /// Steps between neighbours of each dimension, in elements.
    #[getter]
    fn _strides<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array.strides())
    }

    #[getter]
    fn _dtype<'py>(&self, py: Python<'py>) -> &Bound<'py, PyString> {
        dtype_name(py, self.array.dtype())
    }

    #[getter]
    fn _device(&self) -> String {
        self.array.device().to_string()
    }

    #[getter]
    fn _offset(&self) -> usize {
        self.array.layout().offset
    }

    fn is_contiguous(&self) -> bool {
        self.array.is_contiguous()
    }

    /// The address of the first element; it may be written through.
    fn data_ptr(&self) -> usize {
        self.array.buffer().export();
        self._address()
    }

    /// The same for the library itself, which writes through it only before anything has read the elements.
    #[getter]
    fn _address(&self) -> usize {
        self.array.buffer().as_ptr() as usize + self.array.layout().offset * self.array.dtype().size()
    }

    /// Which memory it shows, and how: `(serial number, offset, shape, strides, dtype)`. Equal for equal elements only,
    /// for no other memory of this process has or had the number.
    #[getter]
    fn _place<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(u64, usize, Bound<'py, PyTuple>, Bound<'py, PyTuple>, &Bound<'py, PyString>)> {
        let layout = self.array.layout();
        Ok((
            self.array.buffer().serial(),
            layout.offset,
            PyTuple::new(py, &layout.shape)?,
            PyTuple::new(py, &layout.strides)?,
            dtype_name(py, self.array.dtype()),
        ))
    }

    /// What an op can tell of it besides its elements: `(shape, strides, dtype, requires_grad, dense)`.
    #[getter]
    fn _form<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyTuple>, &Bound<'py, PyString>, bool, bool)> {
        let layout = self.array.layout();
        Ok((
            PyTuple::new(py, &layout.shape)?,
            PyTuple::new(py, &layout.strides)?,
            dtype_name(py, self.array.dtype()),
            self.requires_grad,
            layout.is_dense(),
        ))
    }

    /// An ndarray of the same memory. It can be written to unless the tensor belongs to a graph or requires grad.
    fn _numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        np::export(py, &self.array, !self.requires_grad)
    }

    /// How often an op has written into this tensor's memory.
    #[getter]
    fn _version(&self) -> u32 {
        self.array.buffer().version()
    }

    #[getter]
    fn requires_grad(&self) -> bool {
        self.requires_grad
    }

    #[setter]
    fn set_requires_grad(&mut self, value: bool) -> PyResult<()> {
        if self.node.is_some() && !value {
            return Err(PyRuntimeError::new_err(
                "requires_grad: you can only change it on leaf tensors; use detach() to leave the graph",
            ));
        }
        if value && !self.array.dtype().is_float() {
            return Err(PyRuntimeError::new_err(format!(
                "requires_grad: only tensors of a floating-point dtype can require gradients, got {}",
                self.array.dtype()
            )));
        }
        if value && self.inference && !modes::inference() {
            return Err(PyRuntimeError::new_err(
                "requires_grad: an inference tensor cannot require gradients; clone() it outside inference_mode",
            ));
        }
        self.requires_grad = value;
        Ok(())
    }

    #[getter]
    fn _node(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.node.as_ref().map(|n| n.clone_ref(py))
    }

    #[setter(_node)]
    fn set_node(slf: &Bound<'_, Self>, node: Option<Py<PyAny>>) {
        let mut t = slf.borrow_mut();
        t.requires_grad = node.is_some();
        t.graph_version = t.graph_version.map(|_| t.array.buffer().graph_version());
        let before = std::mem::replace(&mut t.node, node);
        // What goes away may run Python code that looks at this tensor: not while it is borrowed.
        drop(t);
        drop(before);
    }

    #[getter]
    fn _grad(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.grad.as_ref().map(|g| g.clone_ref(py))
    }

    #[setter(_grad)]
    fn set_grad(slf: &Bound<'_, Self>, grad: Option<Py<PyAny>>) {
        let before = std::mem::replace(&mut slf.borrow_mut().grad, grad);
        drop(before);
    }

    #[getter]
    fn _hooks(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.hooks.as_ref().map(|h| h.clone_ref(py))
    }

    #[setter(_hooks)]
    fn set_hooks(slf: &Bound<'_, Self>, hooks: Option<Py<PyAny>>) {
        let before = std::mem::replace(&mut slf.borrow_mut().hooks, hooks);
        drop(before);
    }

    #[getter]
    fn retains_grad(&self) -> bool {
        self.retains_grad
    }

    #[setter(_retains_grad)]
    fn set_retains_grad(&mut self, value: bool) {
        self.retains_grad = value;
    }

    /// A tensor that no op made: the user's own.
    #[getter]
    fn is_leaf(&self) -> bool {
        self.node.is_none()
    }

    fn is_inference(&self) -> bool {
        self.inference
    }

    fn _is_view(&self) -> bool {
        self.is_view
    }

    /// Whether this has the shape and the dtype of `other`.
    fn _fits(&self, other: &Bound<'_, TensorBase>) -> bool {
        let other = &other.borrow().array;
        self.array.dtype() == other.dtype() && self.array.shape() == other.shape()
    }

    /// Nobody but this tensor holds its memory, and its elements fill it.
    fn _owns_memory_alone(&self) -> bool {
        let buffer = self.array.buffer();
        Arc::strong_count(buffer) == 1
            && !buffer.is_foreign()
            && self.array.layout().is_dense()
            && buffer.len() == self.array.numel() * self.array.dtype().size()
    }

    /// Shows the memory of `source` from now on (what `tensor.data = source` does).
    fn _set_data(slf: &Bound<'_, Self>, source: &Bound<'_, TensorBase>) {
        let array = source.borrow().array.clone();
        let before = std::mem::replace(&mut slf.borrow_mut().array, array);
        drop(before);
    }

    /// A DLPack capsule of this memory, for `from_dlpack` of another library.
    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        &self,
        py: Python<'py>,
        stream: Option<Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if self.requires_grad {
            return Err(PyBufferError::new_err(
                "__dlpack__: a tensor that requires grad cannot be exported; use detach()",
            ));
        }
        dlpack::export(py, &self.array, dlpack::Request { stream, max_version, device: dl_device, copy })
    }

    /// `(device type, index)` as DLPack numbers them: the CPU is `(1, 0)`.
    fn __dlpack_device__(&self) -> (i32, i32) {
        dlpack::CPU_DEVICE
    }
}

/// Checks that an op may write into `tensor` and notes the write. `recorded`: the write becomes part of the graph.
#[pyfunction]
pub fn before_write(op: &str, tensor: &Bound<'_, TensorBase>, recorded: bool) -> PyResult<()> {
    let t = tensor.borrow();
    let layout = t.array.layout();
    if t.requires_grad && t.node.is_none() && modes::recording() {
        return Err(PyRuntimeError::new_err(format!(
            "{op}: a leaf tensor that requires grad is being used in an in-place operation; \
             do it under no_grad(), or use the out-of-place form"
        )));
    }
    // A view whose base is gone and whose memory nobody else holds, a saved value or an ndarray, is its own base.
    if recorded && t.is_view && Arc::strong_count(t.array.buffer()) > 1 {
        return Err(PyRuntimeError::new_err(format!(
            "{op}: in-place on a view while gradients are recorded would have to change the gradient of its base; \
             use the out-of-place form, or no_grad()"
        )));
    }
    if t.inference && !modes::inference() {
        return Err(PyRuntimeError::new_err(format!(
            "{op}: a tensor made under inference_mode cannot be changed in place outside it; clone() it first"
        )));
    }
    if layout.may_self_overlap() {
        return Err(PyRuntimeError::new_err(format!(
            "{op}: out: several elements of the written tensor (an expanded one) refer to the same memory; clone() it first"
        )));
    }
    if !t.array.buffer().is_writable() {
        return Err(PyRuntimeError::new_err(format!("{op}: out: the tensor shares the memory of a read-only array")));
    }
    Ok(())
}

/// Notes that an op has written into `tensor`.
pub fn after_write(tensor: &TensorBase, recorded: bool) {
    tensor.array.buffer().bump_version();
    if recorded {
        tensor.array.buffer().bump_graph_version();
    }
}

/// The name of a dtype: always the same object, so that equal names are known at a glance.
pub fn dtype_name(py: Python<'_>, dtype: DType) -> &Bound<'_, PyString> {
    static NAMES: [PyOnceLock<Py<PyString>>; DType::ALL.len()] = [const { PyOnceLock::new() }; DType::ALL.len()];
    NAMES[dtype as usize].get_or_init(py, || PyString::intern(py, dtype.name()).unbind()).bind(py)
}
