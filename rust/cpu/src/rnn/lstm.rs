use ferrograd_array::{Array, Result};

use super::operands::{Columns, GateGradients, Inputs, Operands, bias_sum, given, given_or_zero, own, zeros};
use super::recurrent::{Cell, Spot, States, Weights, step};
use super::steps::Part;
use crate::denormals;
use crate::gemm::{Epilogue, Matrix, MatrixMut, Strided, gemm};
use crate::parallel::SyncPtr;
use crate::path;
use crate::reduce::by_float;
use crate::simd::{Float, Simd, prefetch};

const GATES: usize = 4;

/// What an LSTM gives: all states, the last state and the last cell state of each sequence; and for the gradient, a row
/// for each row of the input, the gates (i, f, g, o), the cell states, and where there is a projection, the states
/// before it.
pub struct Lstm {
    pub y: Array,
    pub h: Array,
    pub c: Array,
    pub gates: Array,
    pub cells: Array,
    pub wide: Option<Array>,
}

/// The gradients of y, h and c (None where nothing depends on one).
#[derive(Clone, Copy)]
pub struct LstmGradients<'a> {
    pub y: Option<&'a Array>,
    pub h: Option<&'a Array>,
    pub c: Option<&'a Array>,
}

/// With `a = x_t·W_ihᵀ + b_ih + h_{t−1}·W_hhᵀ + b_hh`, whose quarters are those of i, f, g, o:
///
/// `i, f, o = σ(a)`, `g = tanh(a)`, `c_t = f·c_{t−1} + i·g`, `h_t = o·tanh(c_t)`, and `h_t·W_hrᵀ` in its place where
/// there is a projection.
pub fn lstm(inputs: &Inputs) -> Result<Lstm> {
    by_float!("lstm_sequence", inputs.x, forward(inputs))
}

/// The gradients of x, h0, c0, w_ih, w_hh, b_ih, b_hh and w_hr, as far as `needs` asks for them; `saved` is what
/// [`lstm`] gave, without h and c.
pub fn lstm_grad(
    grads: LstmGradients,
    inputs: &Inputs,
    saved: (&Array, &Array, &Array, Option<&Array>),
    needs: [bool; 8],
) -> Result<[Option<Array>; 8]> {
    by_float!("lstm_sequence_grad", inputs.x, backward(grads, inputs, saved, needs))
}

/// `y (+)= a·W` for some rows.
///
/// # Safety
/// `a` has `rows` rows of `k`, `y` of `n`; nobody else uses `y` meanwhile.
unsafe fn product<T: Float>(
    rows: usize,
    n: usize,
    k: usize,
    a: *const T,
    w: Matrix<T>,
    y: *mut T,
    add: bool,
) -> Result<()> {
    let (a, y) = (Matrix::new(a, k as isize, 1), MatrixMut::new(y, n as isize, 1));
    // SAFETY: the caller's promise.
    unsafe { gemm(rows, n, k, a, w, y, add, Epilogue::NONE) }
}

fn forward<T: Float>(inputs: &Inputs) -> Result<Lstm> {
    path!("rnn/lstm");
    let op = "lstm_sequence";
    let o = Operands::new::<T>(op, GATES, inputs)?;
    let (hidden, out, rows, n) = (o.hidden, o.out, o.rows(), o.steps.batch());
    let width = GATES * hidden;
    let c0 = given_or_zero::<T>(op, "c0", inputs.c0, &[n, hidden])?;
    denormals::flushed(|| {
        let y = Array::empty(&o.shape, T::DTYPE)?;
        let gates = Array::empty(&[rows, width], T::DTYPE)?;
        let cells = Array::empty(&[rows, hidden], T::DTYPE)?;
        let wide = o.w_hr.as_ref().map(|_| Array::empty(&[rows, hidden], T::DTYPE)).transpose()?;
        let bias = bias_sum::<T>(op, inputs.b_ih, inputs.b_hh, width, width)?;
        o.project(&bias, gates.ptr_mut::<T>(), width)?;
        let w = o.w_hh.ptr::<T>();
        let weights = Weights::new(GATES, hidden, out, &[Strided::new(w, out as isize, 1)])?;
        let states = wide.as_ref().unwrap_or(&y);
        let cell = Forward {
            gates: SyncPtr::new(gates.ptr_mut::<T>()),
            cells: SyncPtr::new(cells.ptr_mut::<T>()),
            states: SyncPtr::new(states.ptr_mut::<T>()),
            c0: SyncPtr::new(c0.ptr_mut::<T>()),
            hidden,
        };
        for t in o.steps.order() {
            step(&weights, &o.steps, t, |part| o.states_before(part, y.ptr::<T>()), &cell);
            if let (Some(wide), Some(w_hr)) = (&wide, &o.w_hr) {
                let w_hr = Matrix::new(w_hr.ptr::<T>(), 1, hidden as isize);
                for part in o.steps.parts(t, 1) {
                    let (a, y) = (
                        wide.ptr::<T>().wrapping_add(part.row * hidden),
                        y.ptr_mut::<T>().wrapping_add(part.row * out),
                    );
                    // SAFETY: the part's rows are this step's, in both arrays.
                    unsafe { product(part.count, out, hidden, a, w_hr, y, false)? };
                }
            }
        }
        let (h, c) = (o.last::<T>(&y, out)?, o.last::<T>(&cells, hidden)?);
        Ok(Lstm { y, h, c, gates, cells, wide })
    })
}

/// Turns the input's products, which stand in `gates`, into gates and states.
#[derive(Clone, Copy)]
struct Forward<T> {
    gates: SyncPtr<T>,
    cells: SyncPtr<T>,
    states: SyncPtr<T>,
    c0: SyncPtr<T>,
    hidden: usize,
}

/// The cell states of the step before a spot.
fn cells_before<T>(cells: SyncPtr<T>, c0: SyncPtr<T>, hidden: usize, spot: &Spot) -> *const T {
    let row =
        spot.before.map_or(c0.get().wrapping_add(spot.sequence * hidden), |row| cells.get().wrapping_add(row * hidden));
    row.wrapping_add(spot.unit).cast_const()
}

impl<T: Float> Cell<T> for Forward<T> {
    #[inline(always)]
    fn fetch(&self, spot: Spot) {
        for k in 0..GATES {
            prefetch(self.gates.get().wrapping_add((spot.row * GATES + k) * self.hidden + spot.unit));
        }
        prefetch(cells_before(self.cells, self.c0, self.hidden, &spot));
    }

    #[inline(always)]
    unsafe fn step<S: Simd<T>>(&self, s: S, spot: Spot, sums: *const T, step: usize) {
        let (hidden, n) = (self.hidden, spot.n);
        let at = spot.row * hidden + spot.unit;
        let gate = |k: usize| self.gates.get().wrapping_add(spot.row * GATES * hidden + k * hidden + spot.unit);
        let before = cells_before(self.cells, self.c0, hidden, &spot);
        // SAFETY: the caller's promise.
        unsafe {
            let a = |k: usize| s.add(s.load_some(gate(k), n), s.load(sums.add(k * step)));
            let (i, f) = (T::sigmoid_flushed(s, a(0)), T::sigmoid_flushed(s, a(1)));
            let (g, o) = (T::tanh(s, a(2)), T::sigmoid_flushed(s, a(3)));
            let c = s.fma(f, s.load_some(before, n), s.mul(i, g));
            s.store_some(gate(0), n, i);
            s.store_some(gate(1), n, f);
            s.store_some(gate(2), n, g);
            s.store_some(gate(3), n, o);
            s.store_some(self.cells.get().add(at), n, c);
        }
    }

    #[inline(always)]
    unsafe fn finish<S: Simd<T>>(&self, s: S, spot: Spot) {
        let (hidden, n) = (self.hidden, spot.n);
        let at = spot.row * hidden + spot.unit;
        // SAFETY: the caller's promise.
        unsafe {
            let o = s.load_some(self.gates.get().add(spot.row * GATES * hidden + 3 * hidden + spot.unit), n);
            let c = s.load_some(self.cells.get().add(at), n);
            s.store_some(self.states.get().add(at), n, s.mul(o, T::tanh(s, c)));
        }
    }
}

fn backward<T: Float>(
    grads: LstmGradients,
    inputs: &Inputs,
    (y, gates, cells, wide): (&Array, &Array, &Array, Option<&Array>),
    needs: [bool; 8],
) -> Result<[Option<Array>; 8]> {
    path!("rnn/lstm_grad");
    let op = "lstm_sequence_grad";
    let o = Operands::new::<T>(op, GATES, inputs)?;
    let (hidden, out, rows, n) = (o.hidden, o.out, o.rows(), o.steps.batch());
    let width = GATES * hidden;
    let c0 = given_or_zero::<T>(op, "c0", inputs.c0, &[n, hidden])?;
    let y = given::<T>(op, "result", y, &o.shape)?;
    let gates = given::<T>(op, "gates", gates, &[rows, width])?;
    let cells = given::<T>(op, "cells", cells, &[rows, hidden])?;
    let wide = wide.map(|wide| given::<T>(op, "states", wide, &[rows, hidden])).transpose()?;
    denormals::flushed(|| {
        let last = given_or_zero::<T>(op, "grad of h_n", grads.h, &[n, out])?;
        let c_carry = own::<T>(op, "grad of c_n", grads.c, &[n, hidden])?;
        let e = Array::empty(&[rows, width], T::DTYPE)?;
        let w = o.w_hh.ptr::<T>();
        let projection = o.w_hr.as_ref();
        // Where there is a projection, the gradients of its results are summed up in `gy`, those of its operands in `gh`,
        // and the cells are given no sums.
        let gy = match projection {
            None => given_or_zero::<T>(op, "grad", grads.y, &o.shape)?,
            Some(_) => own::<T>(op, "grad", grads.y, &o.shape)?,
        };
        let gh = if projection.is_some() { Array::empty(&[rows, hidden], T::DTYPE)? } else { gy.clone() };
        let depth = if projection.is_some() { 0 } else { width };
        let weights = Weights::new(1, hidden, depth, &[Strided::new(w, 1, out as isize)])?;
        let cell = Backward {
            gh: SyncPtr::new(gh.ptr_mut::<T>()),
            gates: SyncPtr::new(gates.ptr_mut::<T>()),
            cells: SyncPtr::new(cells.ptr_mut::<T>()),
            c0: SyncPtr::new(c0.ptr_mut::<T>()),
            last: projection.is_none().then(|| SyncPtr::new(last.ptr_mut::<T>())),
            c_carry: SyncPtr::new(c_carry.ptr_mut::<T>()),
            e: SyncPtr::new(e.ptr_mut::<T>()),
            hidden,
        };
        let from = e.ptr::<T>();
        for t in o.steps.order().rev() {
            if let Some(w_hr) = projection {
                for part in o.steps.parts(t, 1) {
                    let gy = gy.ptr_mut::<T>().wrapping_add(part.row * out);
                    let gh = gh.ptr_mut::<T>().wrapping_add(part.row * hidden);
                    let w_hr = Matrix::new(w_hr.ptr::<T>(), hidden as isize, 1);
                    // SAFETY: the part's rows are this step's, in each array; its sequences have a row of `last`.
                    unsafe {
                        match o.steps.after(&part, 1) {
                            Some(row) => {
                                let e = from.wrapping_add(row * width);
                                product(part.count, out, width, e, Matrix::new(w, out as isize, 1), gy, true)?;
                            }
                            None => {
                                let last = last.ptr::<T>().wrapping_add(part.sequence * out);
                                for i in 0..part.count * out {
                                    *gy.add(i) += *last.add(i);
                                }
                            }
                        }
                        product(part.count, hidden, out, gy, w_hr, gh, false)?;
                    }
                }
            }
            let states = |part: &Part| {
                let row = o.steps.after(part, 1).filter(|_| projection.is_none());
                row.map(|row| States { ptr: from.wrapping_add(row * width), width }).into_iter().collect()
            };
            step(&weights, &o.steps, t, states, &cell);
        }
        let all = [Columns { from: 0, count: width, weight_row: 0 }];
        let e = GateGradients { all: e, rows, width };
        let [x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr] = needs;
        let bias = if b_ih || b_hh { Some(e.sums()?) } else { None };
        let through = [Columns { from: 0, count: out, weight_row: 0 }];
        let projected = GateGradients { all: gy, rows, width: out };
        Ok([
            if x { Some(e.input::<T>(&o.w_ih, o.x.shape(), &all)?) } else { None },
            if h0 { Some(o.initial::<T>(&e, all[0], zeros::<T>(&[n, out])?)?) } else { None },
            c0.then_some(c_carry),
            if w_ih { Some(e.weight::<T>(&o.x, width, &all)?) } else { None },
            if w_hh { Some(e.weight::<T>(&o.previous::<T>(&y)?, width, &all)?) } else { None },
            bias.clone().filter(|_| b_ih),
            if b_hh { bias.map(|bias| crate::clone(&bias)).transpose()? } else { None },
            match &wide {
                Some(wide) if w_hr => Some(projected.weight::<T>(wide, out, &through)?),
                _ => None,
            },
        ])
    })
}

#[derive(Clone, Copy)]
struct Backward<T> {
    gh: SyncPtr<T>,
    gates: SyncPtr<T>,
    cells: SyncPtr<T>,
    c0: SyncPtr<T>,
    /// The gradients of the last states, unless a projection stands before them.
    last: Option<SyncPtr<T>>,
    /// The gradients of the cell states, from the last to the first.
    c_carry: SyncPtr<T>,
    e: SyncPtr<T>,
    hidden: usize,
}

impl<T: Float> Cell<T> for Backward<T> {
    #[inline(always)]
    fn fetch(&self, spot: Spot) {
        for k in 0..GATES {
            let at = (spot.row * GATES + k) * self.hidden + spot.unit;
            prefetch(self.gates.get().wrapping_add(at));
            prefetch(self.e.get().wrapping_add(at));
        }
        let at = spot.row * self.hidden + spot.unit;
        prefetch(self.gh.get().wrapping_add(at));
        prefetch(self.cells.get().wrapping_add(at));
        prefetch(cells_before(self.cells, self.c0, self.hidden, &spot));
    }

    #[inline(always)]
    unsafe fn step<S: Simd<T>>(&self, s: S, spot: Spot, sums: *const T, _: usize) {
        let (hidden, n) = (self.hidden, spot.n);
        let at = spot.row * hidden + spot.unit;
        let carried = spot.sequence * hidden + spot.unit;
        let wide = |k: usize| spot.row * GATES * hidden + k * hidden + spot.unit;
        let before = cells_before(self.cells, self.c0, hidden, &spot);
        let one = s.splat(T::ONE);
        // SAFETY: the caller's promise.
        unsafe {
            let gate = |k: usize| s.load_some(self.gates.get().add(wide(k)), n);
            let (i, f, g, o) = (gate(0), gate(1), gate(2), gate(3));
            let mut gh = s.add(s.load_some(self.gh.get().add(at), n), s.load(sums));
            if let Some(last) = self.last.filter(|_| spot.left == 0) {
                gh = s.add(gh, s.load_some(last.get().add(carried), n));
            }
            let tanh = T::tanh(s, s.load_some(self.cells.get().add(at), n));
            // ∂Q/∂c_t = what comes from c_{t+1}, and from h_t = o·tanh(c_t).
            let slope = s.fma(s.neg(tanh), tanh, one);
            let gc = s.fma(s.mul(gh, o), slope, s.load_some(self.c_carry.get().add(carried), n));
            let sigmoid = |g: S::V, y: S::V| s.mul(g, s.mul(y, s.sub(one, y)));
            let e = |k: usize, v: S::V| s.store_some(self.e.get().add(wide(k)), n, v);
            e(0, sigmoid(s.mul(gc, g), i));
            e(1, sigmoid(s.mul(gc, s.load_some(before, n)), f));
            e(2, s.mul(s.mul(gc, i), s.fma(s.neg(g), g, one)));
            e(3, sigmoid(s.mul(gh, tanh), o));
            s.store_some(self.c_carry.get().add(carried), n, s.mul(gc, f));
        }
    }
}
