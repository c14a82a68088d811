//! A recorded step: the backend calls that it made, as data, and the loop that makes them again.
//!
//! What a step computes with falls into three: its inputs, other for each replay; what its calls make; and everything
//! else, which was there before (parameters, an optimizer's state, numbers). The last is part of the tape. Python writes
//! the tape (`recorded/`); nothing of Python runs while it is replayed, but for the calls' own bindings.

use ferrograd_array::{Buffer, DType, Dims};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::modes;
use crate::tensor::{TensorBase, as_tensor, wrap};

/// How many buffers of memory this process has made: those of a step that begins now have at least this number.
#[pyfunction]
pub fn buffers_made() -> u64 {
    Buffer::made()
}

/// The same memory as a tensor that requires a gradient: what `requires_grad_`, or an op in place, makes of `x`.
#[pyfunction]
pub fn requiring<'py>(x: &Bound<'py, TensorBase>) -> PyResult<Bound<'py, PyAny>> {
    wrap(x.py(), TensorBase::new(x.borrow().array.clone(), true))
}

/// Which objects stood in dictionaries and lists: told at once, where Python's own loop would take longer than a kernel.
#[pyclass(frozen, module = "ferrograd._core")]
pub struct Snapshot {
    dictionaries: Vec<(Py<PyDict>, usize, Vec<(Py<PyAny>, Py<PyAny>)>)>,
    lists: Vec<(Py<PyList>, Vec<Py<PyAny>>)>,
}

#[pymethods]
impl Snapshot {
    /// What stands there now; under the key `skipped`, any object may stand.
    #[staticmethod]
    #[pyo3(signature = (dictionaries, lists, skipped))]
    fn of(
        dictionaries: Vec<Bound<'_, PyDict>>,
        lists: Vec<Bound<'_, PyList>>,
        skipped: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let of_dictionary = |d: Bound<'_, PyDict>| {
            let mut items = Vec::with_capacity(d.len());
            for (key, value) in d.iter() {
                if !key.eq(skipped)? {
                    items.push((key.unbind(), value.unbind()));
                }
            }
            let len = d.len();
            Ok((d.unbind(), len, items))
        };
        Ok(Self {
            dictionaries: dictionaries.into_iter().map(of_dictionary).collect::<PyResult<_>>()?,
            lists: lists.into_iter().map(|l| (l.clone().unbind(), l.iter().map(Bound::unbind).collect())).collect(),
        })
    }

    /// Whether the same objects stand there.
    fn same(&self, py: Python<'_>) -> PyResult<bool> {
        for (dictionary, len, items) in &self.dictionaries {
            let dictionary = dictionary.bind(py);
            if dictionary.len() != *len {
                return Ok(false);
            }
            for (key, value) in items {
                if !dictionary.get_item(key)?.is_some_and(|now| now.is(value)) {
                    return Ok(false);
                }
            }
        }
        Ok(self.lists.iter().all(|(list, items)| {
            let list = list.bind(py);
            list.len() == items.len() && list.iter().zip(items).all(|(now, item)| now.is(item))
        }))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for (dictionary, _, items) in &self.dictionaries {
            visit.call(dictionary)?;
            items.iter().try_for_each(|(key, value)| visit.call(key).and_then(|()| visit.call(value)))?;
        }
        for (list, items) in &self.lists {
            visit.call(list)?;
            items.iter().try_for_each(|item| visit.call(item))?;
        }
        Ok(())
    }
}

/// An argument of a call.
enum Argument {
    Fixed(Py<PyAny>),
    /// The input or the result of this number.
    Slot(usize),
    List(Vec<Argument>),
    Tuple(Vec<Argument>),
}

impl Argument {
    /// Of what `recorded/` writes: `("slot", number)`, `("fixed", object)`, `("list", [...])` or `("tuple", [...])`.
    fn read(code: &Bound<'_, PyAny>, slots: usize) -> PyResult<Self> {
        let (kind, content): (String, Bound<'_, PyAny>) = code.extract()?;
        let parts = || content.try_iter()?.map(|part| Self::read(&part?, slots)).collect::<PyResult<Vec<Self>>>();
        match kind.as_str() {
            "fixed" => Ok(Self::Fixed(content.unbind())),
            "slot" => Ok(Self::Slot(slot(&content, slots)?)),
            "list" => Ok(Self::List(parts()?)),
            "tuple" => Ok(Self::Tuple(parts()?)),
            _ => Err(PyValueError::new_err(format!("Tape: argument: expected a kind that is known, got {kind:?}"))),
        }
    }

    fn value<'py>(&self, py: Python<'py>, values: &[Option<Bound<'py, PyAny>>]) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Fixed(object) => Ok(object.bind(py).clone()),
            Self::Slot(k) => values[*k].clone().ok_or_else(|| {
                PyRuntimeError::new_err(format!("Tape: replay: the value of slot {k} is used before it is made"))
            }),
            Self::List(parts) => Ok(PyList::new(py, all(parts, py, values)?)?.into_any()),
            Self::Tuple(parts) => Ok(PyTuple::new(py, all(parts, py, values)?)?.into_any()),
        }
    }

    fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Fixed(object) => visit.call(object),
            Self::Slot(_) => Ok(()),
            Self::List(parts) | Self::Tuple(parts) => parts.iter().try_for_each(|part| part.visit(visit)),
        }
    }
}

fn all<'py>(
    parts: &[Argument],
    py: Python<'py>,
    values: &[Option<Bound<'py, PyAny>>],
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    parts.iter().map(|part| part.value(py, values)).collect()
}

fn slot(number: &Bound<'_, PyAny>, slots: usize) -> PyResult<usize> {
    let k: usize = number.extract()?;
    if k >= slots {
        return Err(PyValueError::new_err(format!("Tape: slot: expected a number below {slots}, got {k}")));
    }
    Ok(k)
}

/// What a call makes.
enum Made {
    /// Nothing, or what is known already: an operand that it has written into.
    Known,
    One {
        slot: usize,
        shape: Dims,
        dtype: DType,
    },
    Many(Vec<Made>),
}

impl Made {
    /// Of `None`, `(slot, tensor)` or a list of these.
    fn read(code: &Bound<'_, PyAny>, slots: usize) -> PyResult<Self> {
        if code.is_none() {
            return Ok(Self::Known);
        }
        if let Ok(many) = code.cast::<PyList>() {
            return Ok(Self::Many(many.iter().map(|part| Self::read(&part, slots)).collect::<PyResult<_>>()?));
        }
        let (number, shape, dtype): (Bound<'_, PyAny>, Vec<usize>, String) = code.extract()?;
        let dtype = DType::ALL.into_iter().find(|d| d.name() == dtype);
        let dtype = dtype.ok_or_else(|| PyValueError::new_err("Tape: result: expected the name of a dtype"))?;
        Ok(Self::One { slot: slot(&number, slots)?, shape: shape.into_iter().collect(), dtype })
    }

    /// Puts a result into its slot. One of another shape than when the step was recorded depends on the data: what
    /// Python worked out from the shape then is wrong now.
    fn store<'py>(
        &self,
        name: &Py<PyString>,
        result: &Bound<'py, PyAny>,
        values: &mut [Option<Bound<'py, PyAny>>],
    ) -> PyResult<()> {
        match self {
            Self::Known => Ok(()),
            Self::One { slot, shape, dtype } => {
                let py = result.py();
                let tensor = as_tensor(result).ok_or_else(|| {
                    PyTypeError::new_err(format!("{name}: result: expected a Tensor as when the step was recorded"))
                })?;
                {
                    let mut t = tensor.borrow_mut();
                    if t.array.shape() != shape.as_slice() || t.array.dtype() != *dtype {
                        return Err(PyRuntimeError::new_err(format!(
                            "{name}: its result had shape {} and dtype {dtype} when the step was recorded, and has shape \
                             {} and dtype {} now: shapes of a recorded step must not depend on its data",
                            ferrograd_array::Shape(shape),
                            ferrograd_array::Shape(t.array.shape()),
                            t.array.dtype()
                        )));
                    }
                    if t.requires_grad && t.node.is_none() {
                        // It stands inside the graph that the recording had, and is no leaf.
                        t.node = Some(py.None());
                    }
                }
                values[*slot] = Some(result.clone());
                Ok(())
            }
            Self::Many(parts) => {
                let results = result.try_iter()?.collect::<PyResult<Vec<_>>>()?;
                if results.len() != parts.len() {
                    return Err(PyRuntimeError::new_err(format!(
                        "{name}: it gave {} results when the step was recorded, and gives {} now",
                        parts.len(),
                        results.len()
                    )));
                }
                parts.iter().zip(&results).try_for_each(|(part, result)| part.store(name, result, values))
            }
        }
    }
}

/// The keywords of a call: the same objects each time, or made anew.
enum Keywords {
    None,
    Fixed(Py<PyDict>),
    Made(Vec<(Py<PyString>, Argument)>),
}

struct Call {
    name: Py<PyString>,
    function: Py<PyAny>,
    positional: Vec<Argument>,
    keywords: Keywords,
    /// The modes of the thread: whether gradients were recorded, whether tensors were for inference only.
    modes: (bool, bool),
    made: Made,
    /// The slots that no later call reads.
    last: Vec<usize>,
}

/// A tensor that was there before the step, as it was.
struct External {
    tensor: Py<TensorBase>,
    array: ferrograd_array::Array,
    requires_grad: bool,
}

/// What `grad` of a leaf has to be before the step.
enum Before {
    /// The step forgets it.
    Forgotten,
    /// The step sees that there is one, and forgets it.
    Present,
    Empty,
    Is(Py<PyAny>),
}

/// A leaf, whose `grad` the step may change.
struct Leaf {
    tensor: Py<TensorBase>,
    before: Before,
    /// The slot of its new gradient, if it gets one.
    after: Option<usize>,
}

/// The calls of a recorded step, in order.
#[pyclass(frozen, module = "ferrograd._core")]
pub struct Tape {
    calls: Vec<Call>,
    inputs: usize,
    slots: usize,
    outputs: Vec<Argument>,
    externals: Vec<External>,
    leaves: Vec<Leaf>,
}

/// `(name, function, arguments, keywords, (grad mode, inference mode), made)`.
type CallCode<'py> = (
    Bound<'py, PyString>,
    Bound<'py, PyAny>,
    Vec<Bound<'py, PyAny>>,
    Bound<'py, PyDict>,
    (bool, bool),
    Bound<'py, PyAny>,
);
/// `(tensor, "forgotten" | "present" | None | the gradient, slot or None)`.
type LeafCode<'py> = (Bound<'py, TensorBase>, Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

impl Call {
    fn read(code: CallCode<'_>, slots: usize) -> PyResult<Self> {
        let (name, function, positional, keywords, modes, made) = code;
        let read = |code: &Bound<'_, PyAny>| Argument::read(code, slots);
        let positional = positional.iter().map(read).collect::<PyResult<Vec<_>>>()?;
        let mut named = Vec::new();
        for (key, code) in keywords.iter() {
            named.push((key.cast_into::<PyString>()?.unbind(), read(&code)?));
        }
        let py = name.py();
        let keywords = if named.is_empty() {
            Keywords::None
        } else if named.iter().all(|(_, value)| matches!(value, Argument::Fixed(_))) {
            let fixed = PyDict::new(py);
            for (key, value) in &named {
                fixed.set_item(key, value.value(py, &[])?)?;
            }
            Keywords::Fixed(fixed.unbind())
        } else {
            Keywords::Made(named)
        };
        let made = Made::read(&made, slots)?;
        Ok(Self {
            name: name.unbind(),
            function: function.unbind(),
            positional,
            keywords,
            modes,
            made,
            last: Vec::new(),
        })
    }

    /// Calls `reader` with each slot that the call reads.
    fn reads(&self, reader: &mut impl FnMut(usize)) {
        fn walk(argument: &Argument, reader: &mut impl FnMut(usize)) {
            match argument {
                Argument::Fixed(_) => {}
                Argument::Slot(k) => reader(*k),
                Argument::List(parts) | Argument::Tuple(parts) => parts.iter().for_each(|part| walk(part, reader)),
            }
        }
        self.positional.iter().for_each(|argument| walk(argument, reader));
        if let Keywords::Made(named) = &self.keywords {
            named.iter().for_each(|(_, argument)| walk(argument, reader));
        }
    }

    fn writes(&self, writer: &mut impl FnMut(usize)) {
        fn walk(made: &Made, writer: &mut impl FnMut(usize)) {
            match made {
                Made::Known => {}
                Made::One { slot, .. } => writer(*slot),
                Made::Many(parts) => parts.iter().for_each(|part| walk(part, writer)),
            }
        }
        walk(&self.made, writer);
    }

    fn run<'py>(
        &self,
        py: Python<'py>,
        table: Option<&Bound<'py, PyAny>>,
        values: &mut [Option<Bound<'py, PyAny>>],
    ) -> PyResult<()> {
        let arguments = PyTuple::new(py, all(&self.positional, py, values)?)?;
        let keywords = match &self.keywords {
            Keywords::None => None,
            Keywords::Fixed(fixed) => Some(fixed.bind(py).clone()),
            Keywords::Made(named) => {
                let made = PyDict::new(py);
                for (key, value) in named {
                    made.set_item(key, value.value(py, values)?)?;
                }
                Some(made)
            }
        };
        modes::set_grad_mode(self.modes.0);
        modes::set_inference_mode(self.modes.1);
        let result = match table {
            None => self.function.bind(py).call(arguments, keywords.as_ref()),
            Some(table) => match table.getattr_opt(&self.name)? {
                Some(function) => function.call(arguments, keywords.as_ref()),
                None => self.function.bind(py).call(arguments, keywords.as_ref()),
            },
        }?;
        self.made.store(&self.name, &result, values)?;
        for &k in &self.last {
            values[k] = None;
        }
        Ok(())
    }
}

/// Sets the modes of the thread back as they were.
struct Restored(bool, bool);

impl Drop for Restored {
    fn drop(&mut self) {
        modes::set_grad_mode(self.0);
        modes::set_inference_mode(self.1);
    }
}

#[pymethods]
impl Tape {
    /// `inputs` slots are those of the inputs, the first; `slots` there are in all.
    #[staticmethod]
    fn of(
        calls: Vec<CallCode<'_>>,
        inputs: usize,
        slots: usize,
        outputs: Vec<Bound<'_, PyAny>>,
        externals: Vec<Bound<'_, TensorBase>>,
        leaves: Vec<LeafCode<'_>>,
    ) -> PyResult<Self> {
        let mut calls = calls.into_iter().map(|code| Call::read(code, slots)).collect::<PyResult<Vec<_>>>()?;
        let outputs = outputs.iter().map(|code| Argument::read(code, slots)).collect::<PyResult<Vec<_>>>()?;
        let external = |tensor: Bound<'_, TensorBase>| {
            let t = tensor.borrow();
            External { tensor: tensor.clone().unbind(), array: t.array.clone(), requires_grad: t.requires_grad }
        };
        let externals = externals.into_iter().map(external).collect();
        let leaf = |(tensor, before, after): LeafCode<'_>| {
            let before = if let Ok(word) = before.cast::<PyString>() {
                if word == "present" { Before::Present } else { Before::Forgotten }
            } else if before.is_none() {
                Before::Empty
            } else {
                Before::Is(before.unbind())
            };
            let after = after.map(|number| slot(&number, slots)).transpose()?;
            Ok(Leaf { tensor: tensor.unbind(), before, after })
        };
        let leaves = leaves.into_iter().map(leaf).collect::<PyResult<Vec<_>>>()?;
        // What nobody reads any more is given back before the next call asks for memory, as in the step itself.
        let mut kept = vec![false; slots];
        leaves.iter().filter_map(|leaf| leaf.after).for_each(|k| kept[k] = true);
        for output in &outputs {
            if let Argument::Slot(k) = output {
                kept[*k] = true;
            }
        }
        for call in calls.iter_mut().rev() {
            let mut last = Vec::new();
            let mut note = |k: usize| {
                if !std::mem::replace(&mut kept[k], true) {
                    last.push(k);
                }
            };
            call.writes(&mut note);
            call.reads(&mut note);
            last.retain(|&k| k >= inputs);
            call.last = last;
        }
        Ok(Self { calls, inputs, slots, outputs, externals, leaves })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for call in &self.calls {
            visit.call(&call.function)?;
            call.positional.iter().try_for_each(|argument| argument.visit(&visit))?;
            match &call.keywords {
                Keywords::None => {}
                Keywords::Fixed(fixed) => visit.call(fixed)?,
                Keywords::Made(named) => named.iter().try_for_each(|(_, argument)| argument.visit(&visit))?,
            }
        }
        self.outputs.iter().try_for_each(|output| output.visit(&visit))?;
        self.externals.iter().try_for_each(|external| visit.call(&external.tensor))?;
        self.leaves.iter().try_for_each(|leaf| {
            if let Before::Is(gradient) = &leaf.before {
                visit.call(gradient)?;
            }
            visit.call(&leaf.tensor)
        })
    }

    /// Whether everything that was there before the step is as it was: the memory that tensors show, whether they
    /// require gradients, and which gradients there are.
    fn fits(&self, py: Python<'_>) -> bool {
        let same = |external: &External| {
            let t = external.tensor.bind(py).borrow();
            t.requires_grad == external.requires_grad
                && std::sync::Arc::ptr_eq(t.array.buffer(), external.array.buffer())
                && t.array.layout() == external.array.layout()
        };
        let ready = |leaf: &Leaf| {
            let t = leaf.tensor.bind(py).borrow();
            match &leaf.before {
                Before::Forgotten => true,
                Before::Present => t.grad.is_some(),
                Before::Empty => t.grad.is_none(),
                Before::Is(gradient) => t.grad.as_ref().is_some_and(|g| g.is(gradient)),
            }
        };
        self.externals.iter().all(same) && self.leaves.iter().all(ready)
    }

    /// Makes the calls again on other inputs and returns the outputs. With `table`, the functions are looked up there.
    #[pyo3(signature = (inputs, table=None))]
    fn replay<'py>(
        &self,
        py: Python<'py>,
        inputs: Vec<Bound<'py, PyAny>>,
        table: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        if inputs.len() != self.inputs {
            return Err(PyValueError::new_err(format!(
                "Tape: replay: inputs: expected {}, got {}",
                self.inputs,
                inputs.len()
            )));
        }
        let mut values: Vec<Option<Bound<'py, PyAny>>> = inputs.into_iter().map(Some).collect();
        values.resize(self.slots, None);
        for leaf in &self.leaves {
            if matches!(leaf.before, Before::Forgotten | Before::Present) {
                let before = leaf.tensor.bind(py).borrow_mut().grad.take();
                drop(before);
            }
        }
        {
            let _modes = Restored(modes::recording(), modes::inference());
            for call in &self.calls {
                py.check_signals()?;
                call.run(py, table, &mut values)?;
            }
        }
        for leaf in &self.leaves {
            if let Some(value) = leaf.after.and_then(|k| values[k].as_ref()) {
                outside(value);
                let before = leaf.tensor.bind(py).borrow_mut().grad.replace(value.clone().unbind());
                drop(before);
            }
        }
        let outputs = all(&self.outputs, py, &values)?;
        // Inputs and what was there before are handed back as they are.
        for output in &self.outputs {
            if let Argument::Slot(k) = output
                && *k >= self.inputs
                && let Some(value) = &values[*k]
            {
                outside(value);
            }
        }
        PyList::new(py, outputs)
    }
}

/// Takes a result out of the graph that only the recording had.
fn outside(value: &Bound<'_, PyAny>) {
    if let Some(tensor) = as_tensor(value) {
        let mut t = tensor.borrow_mut();
        t.requires_grad = false;
        let node = t.node.take();
        drop(t);
        drop(node);
    }
}
