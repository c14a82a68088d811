//! What a node of the graph keeps of a call, and gives back to its gradient rule.

use ferrograd_array::Array;
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt, PyList, PyString, PyTuple};
use smallvec::SmallVec;

use crate::tensor::{TensorBase, as_tensor, dtype_name, wrap};
use crate::{error, modes};

/// Where the gradient of an operand goes: the node that made it, the tensor itself if it is a leaf, or nowhere.
fn edge(argument: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
    let Some(tensor) = as_tensor(argument) else { return Ok(None) };
    let t = tensor.borrow();
    if !t.requires_grad {
        return Ok(None);
    }
    Ok(Some(match &t.node {
        Some(node) => node.clone_ref(argument.py()),
        None => argument.clone().unbind(),
    }))
}

/// A value saved for the backward pass: its array, the version that its memory had, and where its gradient goes.
///
/// It holds no Tensor of a result, so that a graph is no reference cycle.
#[pyclass(frozen, module = "ferrograd._core")]
pub struct Saved {
    array: Array,
    version: u32,
    edge: Option<Py<PyAny>>,
    /// Which result of the node it is, for results that are differentiable.
    result: Option<usize>,
    requires_grad: bool,
}

#[pymethods]
impl Saved {
    /// The value as a Tensor again, linked into the graph; `node` is the one that saved it.
    fn unpack<'py>(&self, py: Python<'py>, node: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let now = self.array.buffer().version();
        if now != self.version {
            return Err(PyRuntimeError::new_err(format!(
                "backward of {}: '{name}', of shape {} and dtype {}, was saved for the gradient and has been changed by \
                 an in-place operation since: it is at version {now}, expected version {}",
                node.getattr("name")?.extract::<String>()?,
                ferrograd_array::Shape(self.array.shape()),
                self.array.dtype(),
                self.version
            )));
        }
        if let Some(edge) = &self.edge
            && let Ok(leaf) = edge.bind(py).cast::<TensorBase>()
        {
            let shown = leaf.borrow().array.buffer().as_ptr();
            if shown == self.array.buffer().as_ptr() {
                return Ok(leaf.clone().into_any());
            }
            if modes::recording() {
                return Err(PyRuntimeError::new_err(format!(
                    "backward of {}: '{name}', of shape {} and dtype {}, was saved for the gradient and shows other memory \
                     since its data was assigned to",
                    node.getattr("name")?.extract::<String>()?,
                    ferrograd_array::Shape(self.array.shape()),
                    self.array.dtype()
                )));
            }
            return wrap(py, TensorBase::new(self.array.clone(), false));
        }
        let mut contents = TensorBase::new(self.array.clone(), self.requires_grad);
        contents.node = match (&self.edge, self.result) {
            (Some(edge), _) => Some(edge.clone_ref(py)),
            (None, Some(k)) => Some(node.call_method1(intern!(py, "output"), (k,))?.unbind()),
            (None, None) => None,
        };
        wrap(py, contents)
    }

    /// The saved value in memory that `target` does not show, for an in-place op that is about to write there.
    fn apart<'py>(slf: &Bound<'py, Self>, target: &Bound<'py, TensorBase>) -> PyResult<Bound<'py, Self>> {
        let py = slf.py();
        let saved = slf.get();
        if !saved.array.overlaps(&target.borrow().array) {
            return Ok(slf.clone());
        }
        let array = error::call(py, saved.array.numel(), || ferrograd_cpu::contiguous(&saved.array))?;
        let version = array.buffer().version();
        let edge = saved.edge.as_ref().map(|e| e.clone_ref(py));
        Bound::new(py, Saved { array, version, edge, result: saved.result, requires_grad: saved.requires_grad })
    }

    /// A fingerprint of the bytes, for anomaly detection.
    fn checksum(&self) -> u64 {
        let (len, ptr) = (self.array.buffer().len(), self.array.buffer().as_ptr());
        // SAFETY: the buffer is alive and `len` bytes long; each byte is read by value.
        (0..len)
            .fold(0xcbf2_9ce4_8422_2325u64, |h, i| (h ^ unsafe { *ptr.add(i) } as u64).wrapping_mul(0x100_0000_01b3))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.edge)
    }
}

/// `(edges, saved, shape, dtype)`; see [`capture`].
type Captured<'py> =
    (Bound<'py, PyTuple>, Bound<'py, PyTuple>, Option<Bound<'py, PyTuple>>, Option<Bound<'py, PyString>>);

/// What a node keeps of a call, with the shape and dtype of its result where there is a single one. `spec` says what the
/// rule asks for: `k` the k-th argument, `-1 - k` the k-th result, `100 + k` the shape of the k-th argument, `200 + k` the
/// tuple of all arguments from the k-th on and `300 + k` that of their shapes. `result` is a Tensor or a tuple of Tensors.
#[pyfunction]
pub fn capture<'py>(
    args: &Bound<'py, PyTuple>,
    result: &Bound<'py, PyAny>,
    spec: &Bound<'py, PyTuple>,
) -> PyResult<Captured<'py>> {
    let py = args.py();
    let edges = args.iter().map(|argument| edge(&argument)).collect::<PyResult<SmallVec<[_; 4]>>>()?;
    let mut saved: SmallVec<[Py<PyAny>; 4]> = SmallVec::new();
    for what in spec.iter() {
        let what: i32 = what.extract()?;
        saved.push(if what >= 200 {
            let from = (what % 100) as usize;
            let one = |k: usize| match what {
                300.. => shape_of(&args.get_item(k)?),
                _ => save(&args.get_item(k)?, edges[k].as_ref().map(|e| e.clone_ref(py)), None),
            };
            PyTuple::new(py, (from..args.len()).map(one).collect::<PyResult<Vec<_>>>()?)?.into_any().unbind()
        } else if what < 0 {
            let k = (-1 - what) as usize;
            match result.cast::<PyTuple>() {
                Ok(many) => save(&many.get_item(k)?, None, Some(k))?,
                Err(_) => save(result, None, Some(0))?,
            }
        } else if what >= 100 {
            shape_of(&args.get_item((what - 100) as usize)?)?
        } else {
            let k = what as usize;
            save(&args.get_item(k)?, edges[k].as_ref().map(|e| e.clone_ref(py)), None)?
        });
    }
    let (shape, dtype) = match as_tensor(result) {
        Some(tensor) => {
            let array = &tensor.borrow().array;
            (Some(PyTuple::new(py, array.shape())?), Some(dtype_name(py, array.dtype()).clone()))
        }
        None => (None, None),
    };
    Ok((PyTuple::new(py, edges)?, PyTuple::new(py, saved)?, shape, dtype))
}

/// What a node saved, as a list of Tensors, numbers, shapes and None again; None where there is something else as well.
#[pyfunction]
pub fn unpack_saved<'py>(
    node: &Bound<'py, PyAny>,
    saved: &Bound<'py, PyTuple>,
    names: &Bound<'py, PyTuple>,
) -> PyResult<Option<Bound<'py, PyList>>> {
    let py = node.py();
    let mut values: SmallVec<[Bound<'py, PyAny>; 4]> = SmallVec::new();
    for (value, name) in saved.iter_borrowed().zip(names.iter_borrowed()) {
        let name = name.cast::<PyString>()?;
        let name = name.to_str()?;
        values.push(if let Ok(value) = value.cast::<Saved>() {
            value.get().unpack(py, node, name)?
        } else if value.is_none() || is_number(&value) || (value.is_instance_of::<PyTuple>() && !name.starts_with('*'))
        {
            value.to_owned()
        } else {
            return Ok(None);
        });
    }
    Ok(Some(PyList::new(py, values)?))
}

fn is_number(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyFloat>() || value.is_instance_of::<PyInt>()
}

/// The shape of an operand; a number has `()`.
fn shape_of(value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    if is_number(value) {
        return Ok(PyTuple::empty(value.py()).into_any().unbind());
    }
    Ok(value.getattr("shape")?.unbind())
}

fn save(value: &Bound<'_, PyAny>, edge: Option<Py<PyAny>>, result: Option<usize>) -> PyResult<Py<PyAny>> {
    let py = value.py();
    // A number, an ndarray or None is kept as it is.
    let Some(tensor) = as_tensor(value) else { return Ok(value.clone().unbind()) };
    let t = tensor.borrow();
    if t.inference && result.is_none() {
        return Err(PyRuntimeError::new_err(
            "a tensor made under inference_mode cannot be saved for the backward pass; clone() it outside the mode",
        ));
    }
    let saved = Saved {
        version: t.array.buffer().version(),
        array: t.array.clone(),
        edge,
        result: result.filter(|_| t.requires_grad),
        requires_grad: t.requires_grad,
    };
    Ok(Py::new(py, saved)?.into_any())
}
