use ferrograd_array::{Array, Error, Result, Shape};
use smallvec::SmallVec;

use super::recurrent::States;
use super::steps::{Part, Place, Steps};
use crate::contiguous;
use crate::gemm::{Bias, Epilogue, Matrix, MatrixMut, gemm};
use crate::reduce;
use crate::simd::Float;

/// How the rows of the input are sequences.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Rows of each step of an input (rows, in); None for an input (T, N, in).
    pub sizes: Option<&'a [usize]>,
    /// Each sequence is read from its end to its beginning.
    pub reverse: bool,
}

/// What a layer is given. With G gates, `w_ih` is (G·H, in), `w_hh` (G·H, out) and the biases (G·H,); `w_hr`, which only
/// an LSTM may have, is (out, H), else out = H. Without initial states these are zero; they are (N, out) and (N, H).
/// A plain recurrence of order k has `w_hh` (H, k·H) and initial states (N, k·H), the latest first.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    pub x: &'a Array,
    pub h0: Option<&'a Array>,
    pub c0: Option<&'a Array>,
    pub w_ih: &'a Array,
    pub w_hh: &'a Array,
    pub b_ih: Option<&'a Array>,
    pub b_hh: Option<&'a Array>,
    pub w_hr: Option<&'a Array>,
    pub batch: Batch<'a>,
}

/// The inputs of a layer checked, and contiguous.
pub(super) struct Operands {
    pub x: Array,
    pub h0: Array,
    pub w_ih: Array,
    pub w_hh: Array,
    pub w_hr: Option<Array>,
    pub steps: Steps,
    pub input: usize,
    pub hidden: usize,
    /// What a step gives to the next: `hidden`, or less where there is a projection.
    pub out: usize,
    /// To how many steps after it a step gives its state.
    pub order: usize,
    pub gates: usize,
    /// The shape of the results of all steps.
    pub shape: Vec<usize>,
}

impl Operands {
    pub fn new<T: Float>(op: &str, gates: usize, inputs: &Inputs) -> Result<Self> {
        let Inputs { x, w_ih, w_hh, w_hr, batch, .. } = *inputs;
        let form = if batch.sizes.is_some() { "shape (rows, in)" } else { "shape (T, N, in)" };
        if x.ndim() != (if batch.sizes.is_some() { 2 } else { 3 }) || x.shape().last() == Some(&0) {
            return Err(Error::shape(op, "input", form, Shape(x.shape())));
        }
        let x = given::<T>(op, "input", x, x.shape())?;
        let (steps, rows, input) = match (x.shape(), batch.sizes) {
            (&[rows, input], Some(sizes)) => (sizes.to_vec(), rows, input),
            // However many steps of no sequence are as good as one.
            (&[steps, 0, input], _) => (vec![0; steps.min(1)], 0, input),
            (&[steps, batch, input], _) => (vec![batch; steps], steps * batch, input),
            _ => unreachable!("the number of dimensions was checked"),
        };
        let &[gate_rows, state] = w_hh.shape() else {
            return Err(Error::shape(op, "weight_hh", "2 dimensions (gates, out)", Shape(w_hh.shape())));
        };
        let hidden = gate_rows / gates;
        let (out, order) = match w_hr {
            Some(_) => (state, 1),
            None => (hidden, state.checked_div(hidden).unwrap_or(0)),
        };
        if state == 0 || hidden == 0 || gate_rows != gates * hidden || state != order * out || (gates > 1 && order > 1)
        {
            let expected = match (gates, w_hr) {
                (1, _) => "shape (hidden size, order x hidden size)".to_string(),
                (_, None) => format!("shape ({gates} x hidden size, hidden size)"),
                (_, Some(_)) => format!("shape ({gates} x hidden size, projected size)"),
            };
            return Err(Error::shape(op, "weight_hh", expected, Shape(w_hh.shape())));
        }
        let steps = Steps::new(op, &steps, rows, batch.reverse)?;
        let mut shape = x.shape().to_vec();
        *shape.last_mut().expect("x has dimensions") = out;
        let n = steps.batch();
        Ok(Self {
            x,
            h0: given_or_zero::<T>(op, "h0", inputs.h0, &[n, state])?,
            w_ih: given::<T>(op, "weight_ih", w_ih, &[gate_rows, input])?,
            w_hh: given::<T>(op, "weight_hh", w_hh, w_hh.shape())?,
            w_hr: w_hr.map(|w| given::<T>(op, "weight_hr", w, &[out, hidden])).transpose()?,
            steps,
            input,
            hidden,
            out,
            order,
            gates,
            shape,
        })
    }

    pub fn rows(&self) -> usize {
        self.steps.rows
    }

    /// `x·W_ihᵀ + bias` into the first columns of `to`, whose rows are `width` wide.
    pub fn project<T: Float>(&self, bias: &Array, to: *mut T, width: usize) -> Result<()> {
        let (m, n, k) = (self.rows(), self.gates * self.hidden, self.input);
        let x = Matrix::new(self.x.ptr::<T>(), k as isize, 1);
        let w = Matrix::new(self.w_ih.ptr::<T>(), 1, k as isize);
        let epilogue = Epilogue { bias: Bias::Columns(bias.ptr::<T>()), ..Epilogue::NONE };
        // SAFETY: the operands were checked, the bias has a number for each column, `to` is new and has `m` rows.
        unsafe { gemm(m, n, k, x, w, MatrixMut::new(to, width as isize, 1), false, epilogue) }
    }

    /// What the rows of a part are computed from: the states of the steps before, in `y` or at the beginning.
    pub fn states_before<T: Float>(&self, part: &Part, y: *const T) -> SmallVec<[States<T>; 2]> {
        let of = |by| match self.steps.before(part, by) {
            Place::Row(row) => States { ptr: y.wrapping_add(row * self.out), width: self.out },
            Place::Initial(k) => {
                let width = self.order * self.out;
                States { ptr: self.h0.ptr::<T>().wrapping_add(part.sequence * width + k * self.out), width }
            }
        };
        (1..=self.order).map(of).collect()
    }

    /// The states that the steps began with, a row for each row of the input.
    pub fn previous<T: Float>(&self, y: &Array) -> Result<Array> {
        let (out, width) = (self.out, self.order * self.out);
        let all = Array::empty(&[self.rows(), width], T::DTYPE)?;
        for part in self.steps.all_parts(self.order) {
            for (k, states) in self.states_before(&part, y.ptr::<T>()).into_iter().enumerate() {
                for i in 0..part.count {
                    let to = all.ptr_mut::<T>().wrapping_add((part.row + i) * width + k * out);
                    // SAFETY: the part's states have `count` rows, and `all`, which is new, has its rows.
                    unsafe { std::ptr::copy_nonoverlapping(states.ptr.add(i * states.width), to, out) };
                }
            }
        }
        Ok(all)
    }

    /// The gradient of the states that the sequences began with: `e·W_hh` of the rows that were computed from them, and
    /// `past`, (N, order · out), what reaches them without passing a gate.
    pub fn initial<T: Float>(&self, e: &GateGradients, gates: Columns, past: Array) -> Result<Array> {
        let (out, width) = (self.out, self.order * self.out);
        for part in self.steps.all_parts(self.order) {
            for by in part.age + 1..=self.order {
                let Place::Initial(k) = self.steps.before(&part, by) else { continue };
                let mut from = e.columns::<T>(gates);
                from.ptr = from.ptr.wrapping_add(part.row * e.width);
                let w = Matrix::new(self.w_hh.ptr::<T>().wrapping_add((by - 1) * out), width as isize, 1);
                let to = past.ptr_mut::<T>().wrapping_add(part.sequence * width + k * out);
                let to = MatrixMut::new(to, width as isize, 1);
                // SAFETY: the part's rows lie in `e` and its sequences in `past`, which is the caller's own.
                unsafe { gemm(part.count, out, gates.count, from, w, to, true, Epilogue::NONE)? };
            }
        }
        Ok(past)
    }

    /// The last states of each sequence, the latest first: rows of `all`, of `width` numbers, or initial states.
    pub fn last<T: Float>(&self, all: &Array, width: usize) -> Result<Array> {
        let (n, order) = (self.steps.batch(), self.order);
        let last = Array::empty(&[n, order * width], T::DTYPE)?;
        for at in 0..n * order {
            let (b, by) = (at / order, at % order);
            let from = match self.steps.place(b, by) {
                Place::Row(row) => all.ptr::<T>().wrapping_add(row * width),
                Place::Initial(k) => self.h0.ptr::<T>().wrapping_add((b * order + k) * width),
            };
            // SAFETY: `all` has a row of `width` for each row of the input, `h0` as many for each sequence.
            unsafe { std::ptr::copy_nonoverlapping(from, last.ptr_mut::<T>().add(at * width), width) };
        }
        Ok(last)
    }
}

/// An operand of a given shape and of the dtype of the layer, contiguous.
pub(super) fn given<T: Float>(op: &str, argument: &str, a: &Array, shape: &[usize]) -> Result<Array> {
    if a.dtype() != T::DTYPE {
        return Err(Error::dtype(op, argument, format_args!("{}, as the input has", T::DTYPE), a.dtype()));
    }
    if a.shape() != shape {
        return Err(Error::shape(op, argument, format_args!("shape {}", Shape(shape)), Shape(a.shape())));
    }
    if a.is_contiguous() { Ok(a.clone()) } else { contiguous(a) }
}

pub(super) fn given_or_zero<T: Float>(op: &str, argument: &str, a: Option<&Array>, shape: &[usize]) -> Result<Array> {
    a.map_or_else(|| zeros::<T>(shape), |a| given::<T>(op, argument, a, shape))
}

pub(super) fn zeros<T: Float>(shape: &[usize]) -> Result<Array> {
    crate::full(shape, T::ZERO)
}

/// A copy that the kernel may change, or zeros.
pub(super) fn own<T: Float>(op: &str, argument: &str, a: Option<&Array>, shape: &[usize]) -> Result<Array> {
    let a = given_or_zero::<T>(op, argument, a, shape)?;
    let out = Array::empty(shape, T::DTYPE)?;
    // SAFETY: both are contiguous and of one shape; `out` is new.
    unsafe { std::ptr::copy_nonoverlapping(a.ptr::<T>(), out.ptr_mut::<T>(), a.numel()) };
    Ok(out)
}

/// The sum of vectors of `n` numbers, absent ones being zero; `keep` says which elements of the second count.
pub(super) fn bias_sum<T: Float>(
    op: &str,
    b_ih: Option<&Array>,
    b_hh: Option<&Array>,
    n: usize,
    keep: usize,
) -> Result<Array> {
    let sum = own::<T>(op, "bias_ih", b_ih, &[n])?;
    let b_hh = given_or_zero::<T>(op, "bias_hh", b_hh, &[n])?;
    for i in 0..keep {
        // SAFETY: both have n elements, and `sum` is our own.
        unsafe { *sum.ptr_mut::<T>().add(i) += *b_hh.ptr::<T>().add(i) };
    }
    Ok(sum)
}

/// Some of the columns of a row-major matrix, and the rows of a weight that they belong to.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub from: usize,
    pub count: usize,
    pub weight_row: usize,
}

/// The gradients of the gates of all rows, (rows, width), as what weights and input are to be found from.
pub(super) struct GateGradients {
    pub all: Array,
    pub rows: usize,
    pub width: usize,
}

impl GateGradients {
    fn columns<T: Float>(&self, columns: Columns) -> Matrix<T> {
        Matrix::new(self.all.ptr::<T>().wrapping_add(columns.from), self.width as isize, 1)
    }

    /// `Σ eᵀ·z` over all rows, for the rows of a weight (`outputs`, width of `z`).
    pub fn weight<T: Float>(&self, z: &Array, outputs: usize, columns: &[Columns]) -> Result<Array> {
        let rows = self.rows;
        let width = *z.shape().last().expect("z has dimensions");
        let dw = Array::empty(&[outputs, width], T::DTYPE)?;
        for &part in columns {
            let to = MatrixMut::new(dw.ptr_mut::<T>().wrapping_add(part.weight_row * width), width as isize, 1);
            let z = Matrix::new(z.ptr::<T>(), width as isize, 1);
            // SAFETY: `all` and `z` have `rows` rows, and each part has its own rows of `dw`.
            unsafe { gemm(part.count, width, rows, self.columns(part).transposed(), z, to, false, Epilogue::NONE)? };
        }
        Ok(dw)
    }

    /// `e·W`, the gradient of what the weight was multiplied with.
    pub fn input<T: Float>(&self, w: &Array, shape: &[usize], columns: &[Columns]) -> Result<Array> {
        let rows = self.rows;
        let width = w.shape()[1];
        let dx = Array::empty(shape, T::DTYPE)?;
        let to = MatrixMut::new(dx.ptr_mut::<T>(), width as isize, 1);
        for (k, &part) in columns.iter().enumerate() {
            let w = Matrix::new(w.ptr::<T>().wrapping_add(part.weight_row * width), width as isize, 1);
            // SAFETY: `dx` is new and has `rows` rows of `width`.
            unsafe { gemm(rows, width, part.count, self.columns(part), w, to, k > 0, Epilogue::NONE)? };
        }
        Ok(dx)
    }

    /// `Σ e` over all rows, in the order of the columns.
    pub fn sums(&self) -> Result<Array> {
        reduce::sum(&self.all, &[0], false)
    }
}

/// A vector made of the given columns of another.
pub(super) fn picked<T: Float>(sums: &Array, outputs: usize, columns: &[Columns]) -> Result<Array> {
    let out = Array::empty(&[outputs], T::DTYPE)?;
    for part in columns {
        let from = sums.ptr::<T>().wrapping_add(part.from);
        // SAFETY: the columns lie in `sums`, the rows in `out`.
        unsafe { std::ptr::copy_nonoverlapping(from, out.ptr_mut::<T>().add(part.weight_row), part.count) };
    }
    Ok(out)
}
