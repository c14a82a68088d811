use ferrograd_array::{Array, Error};
use ferrograd_cpu::rnn::{self, Batch, Inputs, LstmGradients, Nonlinearity};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{needs_grad, result};
use crate::error::{self, to_py};
use crate::operand::Operand;

type Given<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

/// The arrays of one layer and direction, and how its input is sequences.
struct Layer {
    op: &'static str,
    x: Array,
    h0: Option<Array>,
    c0: Option<Array>,
    w_ih: Array,
    w_hh: Array,
    b_ih: Option<Array>,
    b_hh: Option<Array>,
    w_hr: Option<Array>,
    sizes: Option<Vec<usize>>,
    reverse: bool,
    requires_grad: bool,
}

impl Layer {
    /// `operands` are x, h0, c0, w_ih, w_hh, b_ih, b_hh and w_hr.
    fn new(
        py: Python<'_>,
        op: &'static str,
        operands: [Given<'_, '_>; 8],
        batch_sizes: Option<Vec<i64>>,
        reverse: bool,
    ) -> PyResult<Self> {
        const NAMES: [&str; 8] = ["input", "h0", "c0", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"];
        let mut requires_grad = false;
        let mut arrays = [const { None }; 8];
        for (k, operand) in operands.into_iter().enumerate() {
            let Some(operand) = operand else { continue };
            let operand = Operand::extract(op, NAMES[k], operand)?;
            requires_grad |= needs_grad(&[&operand]);
            arrays[k] = Some(operand.into_array(op, NAMES[k]).map_err(|e| to_py(py, e))?);
        }
        let size = |n: i64| {
            usize::try_from(n).map_err(|_| to_py(py, Error::value(op, "batch_sizes", "numbers of at least 0", n)))
        };
        let sizes = batch_sizes.map(|sizes| sizes.into_iter().map(size).collect()).transpose()?;
        let [x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr] = arrays;
        let needed = |a: Option<Array>| a.expect("the caller gave it");
        let (x, w_ih, w_hh) = (needed(x), needed(w_ih), needed(w_hh));
        Ok(Self { op, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, sizes, reverse, requires_grad })
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            x: &self.x,
            h0: self.h0.as_ref(),
            c0: self.c0.as_ref(),
            w_ih: &self.w_ih,
            w_hh: &self.w_hh,
            b_ih: self.b_ih.as_ref(),
            b_hh: self.b_hh.as_ref(),
            w_hr: self.w_hr.as_ref(),
            batch: Batch { sizes: self.sizes.as_deref(), reverse: self.reverse },
        }
    }

    fn work(&self) -> usize {
        self.x.numel().max(self.w_ih.numel())
    }

    fn array(&self, argument: &str, x: &Bound<'_, PyAny>) -> PyResult<Array> {
        Operand::extract(self.op, argument, x)?.into_array(self.op, argument).map_err(|e| to_py(x.py(), e))
    }

    fn optional(&self, argument: &str, x: Given<'_, '_>) -> PyResult<Option<Array>> {
        x.map(|x| self.array(argument, x)).transpose()
    }
}

fn tuple<'py>(
    py: Python<'py>,
    parts: impl IntoIterator<Item = Option<(Array, bool)>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let parts = parts.into_iter().map(|part| part.map(|(array, grad)| result(py, array, grad)).transpose());
    PyTuple::new(py, parts.collect::<PyResult<Vec<_>>>()?)
}

fn gradients<'py, const N: usize>(py: Python<'py>, arrays: [Option<Array>; N]) -> PyResult<Bound<'py, PyTuple>> {
    tuple(py, arrays.map(|array| array.map(|array| (array, false))))
}

fn parse_nonlinearity(py: Python<'_>, op: &str, name: &str) -> PyResult<Nonlinearity> {
    match name {
        "tanh" => Ok(Nonlinearity::Tanh),
        "relu" => Ok(Nonlinearity::Relu),
        _ => Err(to_py(py, Error::value(op, "nonlinearity", "'tanh' or 'relu'", format_args!("'{name}'")))),
    }
}

/// `(y, h_n)`
#[pyfunction]
pub fn rnn_sequence<'py>(
    x: &Bound<'py, PyAny>,
    h0: Option<&Bound<'py, PyAny>>,
    w_ih: &Bound<'py, PyAny>,
    w_hh: &Bound<'py, PyAny>,
    b_ih: Option<&Bound<'py, PyAny>>,
    b_hh: Option<&Bound<'py, PyAny>>,
    batch_sizes: Option<Vec<i64>>,
    reverse: bool,
    nonlinearity: &str,
) -> PyResult<Bound<'py, PyTuple>> {
    let (py, op) = (x.py(), "rnn_sequence");
    let operands = [Some(x), h0, None, Some(w_ih), Some(w_hh), b_ih, b_hh, None];
    let layer = Layer::new(py, op, operands, batch_sizes, reverse)?;
    let nonlinearity = parse_nonlinearity(py, op, nonlinearity)?;
    let (y, h) = error::call(py, layer.work(), || rnn::rnn(&layer.inputs(), nonlinearity))?;
    tuple(py, [y, h].map(|array| Some((array, layer.requires_grad))))
}

/// The gradients of the operands that `needs` asks for. Under `create_graph` the unfused ops run instead.
#[pyfunction]
pub fn rnn_sequence_grad<'py>(
    gy: Option<&Bound<'py, PyAny>>,
    gh: Option<&Bound<'py, PyAny>>,
    x: &Bound<'py, PyAny>,
    h0: Option<&Bound<'py, PyAny>>,
    w_ih: &Bound<'py, PyAny>,
    w_hh: &Bound<'py, PyAny>,
    y: &Bound<'py, PyAny>,
    batch_sizes: Option<Vec<i64>>,
    reverse: bool,
    nonlinearity: &str,
    needs: [bool; 6],
) -> PyResult<Bound<'py, PyTuple>> {
    let (py, op) = (x.py(), "rnn_sequence_grad");
    let operands = [Some(x), h0, None, Some(w_ih), Some(w_hh), None, None, None];
    let layer = Layer::new(py, op, operands, batch_sizes, reverse)?;
    let nonlinearity = parse_nonlinearity(py, op, nonlinearity)?;
    let (gy, gh) = (layer.optional("grad", gy)?, layer.optional("grad of h_n", gh)?);
    let y = layer.array("result", y)?;
    let kernel = || rnn::rnn_grad(gy.as_ref(), gh.as_ref(), &layer.inputs(), &y, nonlinearity, needs);
    gradients(py, error::call(py, layer.work(), kernel)?)
}

/// `(y, h_n, c_n, gates, cells, states before the projection or None)`
#[pyfunction]
pub fn lstm_sequence<'py>(
    x: &Bound<'py, PyAny>,
    h0: Option<&Bound<'py, PyAny>>,
    c0: Option<&Bound<'py, PyAny>>,
    w_ih: &Bound<'py, PyAny>,
    w_hh: &Bound<'py, PyAny>,
    b_ih: Option<&Bound<'py, PyAny>>,
    b_hh: Option<&Bound<'py, PyAny>>,
    w_hr: Option<&Bound<'py, PyAny>>,
    batch_sizes: Option<Vec<i64>>,
    reverse: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let py = x.py();
    let operands = [Some(x), h0, c0, Some(w_ih), Some(w_hh), b_ih, b_hh, w_hr];
    let layer = Layer::new(py, "lstm_sequence", operands, batch_sizes, reverse)?;
    let out = error::call(py, layer.work(), || rnn::lstm(&layer.inputs()))?;
    let grad = layer.requires_grad;
    let parts = [
        Some((out.y, grad)),
        Some((out.h, grad)),
        Some((out.c, grad)),
        Some((out.gates, false)),
        Some((out.cells, false)),
        out.wide.map(|wide| (wide, false)),
    ];
    tuple(py, parts)
}

/// The gradients of the operands that `needs` asks for. Under `create_graph` the unfused ops run instead.
#[pyfunction]
pub fn lstm_sequence_grad<'py>(
    gy: Option<&Bound<'py, PyAny>>,
    gh: Option<&Bound<'py, PyAny>>,
    gc: Option<&Bound<'py, PyAny>>,
    x: &Bound<'py, PyAny>,
    h0: Option<&Bound<'py, PyAny>>,
    c0: Option<&Bound<'py, PyAny>>,
    w_ih: &Bound<'py, PyAny>,
    w_hh: &Bound<'py, PyAny>,
    w_hr: Option<&Bound<'py, PyAny>>,
    y: &Bound<'py, PyAny>,
    gates: &Bound<'py, PyAny>,
    cells: &Bound<'py, PyAny>,
    states: Option<&Bound<'py, PyAny>>,
    batch_sizes: Option<Vec<i64>>,
    reverse: bool,
    needs: [bool; 8],
) -> PyResult<Bound<'py, PyTuple>> {
    let py = x.py();
    let operands = [Some(x), h0, c0, Some(w_ih), Some(w_hh), None, None, w_hr];
    let layer = Layer::new(py, "lstm_sequence_grad", operands, batch_sizes, reverse)?;
    let (gy, gh) = (layer.optional("grad", gy)?, layer.optional("grad of h_n", gh)?);
    let gc = layer.optional("grad of c_n", gc)?;
    let (y, gates, cells) = (layer.array("result", y)?, layer.array("gates", gates)?, layer.array("cells", cells)?);
    let states = layer.optional("states", states)?;
    let grads = LstmGradients { y: gy.as_ref(), h: gh.as_ref(), c: gc.as_ref() };
    let kernel = || rnn::lstm_grad(grads, &layer.inputs(), (&y, &gates, &cells, states.as_ref()), needs);
    gradients(py, error::call(py, layer.work(), kernel)?)
}

/// `(y, h_n, gates)`
#[pyfunction]
pub fn gru_sequence<'py>(
    x: &Bound<'py, PyAny>,
    h0: Option<&Bound<'py, PyAny>>,
    w_ih: &Bound<'py, PyAny>,
    w_hh: &Bound<'py, PyAny>,
    b_ih: Option<&Bound<'py, PyAny>>,
    b_hh: Option<&Bound<'py, PyAny>>,
    batch_sizes: Option<Vec<i64>>,
    reverse: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let py = x.py();
    let operands = [Some(x), h0, None, Some(w_ih), Some(w_hh), b_ih, b_hh, None];
    let layer = Layer::new(py, "gru_sequence", operands, batch_sizes, reverse)?;
    let (y, h, gates) = error::call(py, layer.work(), || rnn::gru(&layer.inputs()))?;
    let grad = layer.requires_grad;
    tuple(py, [Some((y, grad)), Some((h, grad)), Some((gates, false))])
}

/// The gradients of the operands that `needs` asks for. Under `create_graph` the unfused ops run instead.
#[pyfunction]
pub fn gru_sequence_grad<'py>(
    gy: Option<&Bound<'py, PyAny>>,
    gh: Option<&Bound<'py, PyAny>>,
    x: &Bound<'py, PyAny>,
    h0: Option<&Bound<'py, PyAny>>,
    w_ih: &Bound<'py, PyAny>,
    w_hh: &Bound<'py, PyAny>,
    y: &Bound<'py, PyAny>,
    gates: &Bound<'py, PyAny>,
    batch_sizes: Option<Vec<i64>>,
    reverse: bool,
    needs: [bool; 6],
) -> PyResult<Bound<'py, PyTuple>> {
    let py = x.py();
    let operands = [Some(x), h0, None, Some(w_ih), Some(w_hh), None, None, None];
    let layer = Layer::new(py, "gru_sequence_grad", operands, batch_sizes, reverse)?;
    let (gy, gh) = (layer.optional("grad", gy)?, layer.optional("grad of h_n", gh)?);
    let (y, gates) = (layer.array("result", y)?, layer.array("gates", gates)?);
    let kernel = || rnn::gru_grad(gy.as_ref(), gh.as_ref(), &layer.inputs(), &y, &gates, needs);
    gradients(py, error::call(py, layer.work(), kernel)?)
}
