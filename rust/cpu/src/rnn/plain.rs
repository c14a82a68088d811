use ferrograd_array::{Array, Result};

use super::operands::{Columns, GateGradients, Inputs, Operands, bias_sum, given, given_or_zero, zeros};
use super::recurrent::{Cell, Spot, States, Weights, step};
use super::steps::{Part, Place};
use crate::activation::Activation;
use crate::denormals;
use crate::gemm::Strided;
use crate::parallel::SyncPtr;
use crate::path;
use crate::reduce::by_float;
use crate::simd::{Float, Simd, prefetch};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonlinearity {
    Tanh,
    Relu,
}

/// `h_t = f(x_t·W_ihᵀ + b_ih + Σ_j h_{t−j}·W_jᵀ + b_hh)`, where `w_hh` holds W_1, W_2, … of as many steps as the order, side
/// by side. Returns all states, and of each sequence the last, as many as the order, the latest first.
pub fn rnn(inputs: &Inputs, nonlinearity: Nonlinearity) -> Result<(Array, Array)> {
    by_float!("rnn_sequence", inputs.x, forward(inputs, nonlinearity))
}

/// The gradients of x, h0, w_ih, w_hh, b_ih and b_hh, as far as `needs` asks for them, from those of [`rnn`]'s results
/// (None where nothing depends on one) and its states `y`: `e_t = f′·(∂Q/∂h_t + Σ_j e_{t+j}·W_j)`.
pub fn rnn_grad(
    gy: Option<&Array>,
    gh: Option<&Array>,
    inputs: &Inputs,
    y: &Array,
    nonlinearity: Nonlinearity,
    needs: [bool; 6],
) -> Result<[Option<Array>; 6]> {
    by_float!("rnn_sequence_grad", inputs.x, backward(gy, gh, inputs, y, nonlinearity, needs))
}

fn forward<T: Float>(inputs: &Inputs, nonlinearity: Nonlinearity) -> Result<(Array, Array)> {
    path!("rnn/plain");
    let op = "rnn_sequence";
    let o = Operands::new::<T>(op, 1, inputs)?;
    let hidden = o.hidden;
    denormals::flushed(|| {
        let y = Array::empty(&o.shape, T::DTYPE)?;
        let bias = bias_sum::<T>(op, inputs.b_ih, inputs.b_hh, hidden, hidden)?;
        o.project(&bias, y.ptr_mut::<T>(), hidden)?;
        let (w, width) = (o.w_hh.ptr::<T>(), (o.order * hidden) as isize);
        let source = |k: usize| Strided::new(w.wrapping_add(k * hidden), width, 1);
        let weights = Weights::new(1, hidden, hidden, &(0..o.order).map(source).collect::<Vec<_>>())?;
        let cell = Forward { y: SyncPtr::new(y.ptr_mut::<T>()), hidden, nonlinearity };
        for t in o.steps.order() {
            step(&weights, &o.steps, t, |part| o.states_before(part, y.ptr::<T>()), &cell);
        }
        let last = o.last::<T>(&y, hidden)?;
        Ok((y, last))
    })
}

/// Turns the input's products, which stand in `y`, into states.
#[derive(Clone, Copy)]
struct Forward<T> {
    y: SyncPtr<T>,
    hidden: usize,
    nonlinearity: Nonlinearity,
}

impl<T: Float> Cell<T> for Forward<T> {
    #[inline(always)]
    fn fetch(&self, spot: Spot) {
        prefetch(self.y.get().wrapping_add(spot.row * self.hidden + spot.unit));
    }

    #[inline(always)]
    unsafe fn step<S: Simd<T>>(&self, s: S, spot: Spot, sums: *const T, _: usize) {
        let Spot { row, unit, n, .. } = spot;
        let y = self.y.get().wrapping_add(row * self.hidden + unit);
        // SAFETY: the caller's promise.
        unsafe {
            let a = s.add(s.load_some(y, n), s.load(sums));
            let h = match self.nonlinearity {
                Nonlinearity::Tanh => T::tanh(s, a),
                Nonlinearity::Relu => Activation::Relu.apply(s, a),
            };
            s.store_some(y, n, h);
        }
    }
}

fn backward<T: Float>(
    gy: Option<&Array>,
    gh: Option<&Array>,
    inputs: &Inputs,
    y: &Array,
    nonlinearity: Nonlinearity,
    needs: [bool; 6],
) -> Result<[Option<Array>; 6]> {
    path!("rnn/plain_grad");
    let op = "rnn_sequence_grad";
    let o = Operands::new::<T>(op, 1, inputs)?;
    let (hidden, rows, n) = (o.hidden, o.rows(), o.steps.batch());
    let gy = given_or_zero::<T>(op, "grad", gy, &o.shape)?;
    let y = given::<T>(op, "result", y, &o.shape)?;
    denormals::flushed(|| {
        let order = o.order;
        let last = given_or_zero::<T>(op, "grad of h_n", gh, &[n, order * hidden])?;
        let e = Array::empty(&[rows, hidden], T::DTYPE)?;
        let (w, width) = (o.w_hh.ptr::<T>(), (order * hidden) as isize);
        let source = |k: usize| Strided::new(w.wrapping_add(k * hidden), 1, width);
        let weights = Weights::new(1, hidden, hidden, &(0..order).map(source).collect::<Vec<_>>())?;
        let cell = Backward {
            gy: SyncPtr::new(gy.ptr_mut::<T>()),
            y: SyncPtr::new(y.ptr_mut::<T>()),
            last: SyncPtr::new(last.ptr_mut::<T>()),
            e: SyncPtr::new(e.ptr_mut::<T>()),
            hidden,
            order,
            nonlinearity,
        };
        let from = e.ptr::<T>();
        for t in o.steps.order().rev() {
            let state = |row: usize| States { ptr: from.wrapping_add(row * hidden), width: hidden };
            let states = |part: &Part| (1..=order).map_while(|by| o.steps.after(part, by)).map(state).collect();
            step(&weights, &o.steps, t, states, &cell);
        }
        let all = [Columns { from: 0, count: hidden, weight_row: 0 }];
        let e = GateGradients { all: e, rows, width: hidden };
        let [x, h0, w_ih, w_hh, b_ih, b_hh] = needs;
        let bias = if b_ih || b_hh { Some(e.sums()?) } else { None };
        Ok([
            if x { Some(e.input::<T>(&o.w_ih, o.x.shape(), &all)?) } else { None },
            if h0 { Some(o.initial::<T>(&e, all[0], past::<T>(&o, &last)?)?) } else { None },
            if w_ih { Some(e.weight::<T>(&o.x, hidden, &all)?) } else { None },
            if w_hh { Some(e.weight::<T>(&o.previous::<T>(&y)?, hidden, &all)?) } else { None },
            bias.clone().filter(|_| b_ih),
            if b_hh { bias.map(|bias| crate::clone(&bias)).transpose()? } else { None },
        ])
    })
}

/// Of the gradient of the last states, what belongs to initial ones: those of sequences shorter than the order.
fn past<T: Float>(o: &Operands, last: &Array) -> Result<Array> {
    let (hidden, order) = (o.hidden, o.order);
    let past = zeros::<T>(last.shape())?;
    for at in 0..o.steps.batch() * order {
        let (b, by) = (at / order, at % order);
        let Place::Initial(k) = o.steps.place(b, by) else { continue };
        let (from, to) = (last.ptr::<T>().wrapping_add(at * hidden), (b * order + k) * hidden);
        // SAFETY: both have `order` states of `hidden` numbers for each sequence; `past` is new.
        unsafe { std::ptr::copy_nonoverlapping(from, past.ptr_mut::<T>().add(to), hidden) };
    }
    Ok(past)
}

#[derive(Clone, Copy)]
struct Backward<T> {
    gy: SyncPtr<T>,
    y: SyncPtr<T>,
    /// The gradients of the last states.
    last: SyncPtr<T>,
    e: SyncPtr<T>,
    hidden: usize,
    order: usize,
    nonlinearity: Nonlinearity,
}

impl<T: Float> Cell<T> for Backward<T> {
    #[inline(always)]
    fn fetch(&self, spot: Spot) {
        for p in [self.gy, self.y, self.e] {
            prefetch(p.get().wrapping_add(spot.row * self.hidden + spot.unit));
        }
    }

    #[inline(always)]
    unsafe fn step<S: Simd<T>>(&self, s: S, spot: Spot, sums: *const T, _: usize) {
        let Spot { row, sequence, left, unit, n, .. } = spot;
        let at = row * self.hidden + unit;
        // SAFETY: the caller's promise.
        unsafe {
            let mut g = s.add(s.load_some(self.gy.get().add(at), n), s.load(sums));
            if left < self.order {
                g = s.add(g, s.load_some(self.last.get().add((sequence * self.order + left) * self.hidden + unit), n));
            }
            let h = s.load_some(self.y.get().add(at), n);
            let e = match self.nonlinearity {
                // g·(1 − h²)
                Nonlinearity::Tanh => s.fma(s.neg(s.mul(h, h)), g, g),
                Nonlinearity::Relu => s.select(s.le(h, s.zero()), s.zero(), g),
            };
            s.store_some(self.e.get().add(at), n, e);
        }
    }
}
