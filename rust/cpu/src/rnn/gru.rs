use ferrograd_array::{Array, Result};

use super::operands::{Columns, GateGradients, Inputs, Operands, bias_sum, given, given_or_zero, own, picked};
use super::recurrent::{Cell, Spot, States, Weights, step};
use super::steps::Part;
use crate::denormals;
use crate::gemm::Strided;
use crate::parallel::SyncPtr;
use crate::path;
use crate::reduce::by_float;
use crate::simd::{Float, Simd, prefetch};

const GATES: usize = 3;
/// Columns of what is kept, in units: r, z, n and the recurrent part of n; and of its gradients.
const KEPT: usize = 4;

/// With `a = x_t·W_ihᵀ + b_ih` and `b = h_{t−1}·W_hhᵀ + b_hh`, whose thirds are those of r, z, n:
///
/// `r = σ(a_r + b_r)`, `z = σ(a_z + b_z)`, `n = tanh(a_n + r·b_n)`, `h_t = (1 − z)·n + z·h_{t−1}`.
///
/// Returns all states, the last of each sequence, and for the gradient (r, z, n, b_n) of each row.
pub fn gru(inputs: &Inputs) -> Result<(Array, Array, Array)> {
    by_float!("gru_sequence", inputs.x, forward(inputs))
}

/// The gradients of x, h0, w_ih, w_hh, b_ih and b_hh, as far as `needs` asks for them.
pub fn gru_grad(
    gy: Option<&Array>,
    gh: Option<&Array>,
    inputs: &Inputs,
    y: &Array,
    gates: &Array,
    needs: [bool; 6],
) -> Result<[Option<Array>; 6]> {
    by_float!("gru_sequence_grad", inputs.x, backward(gy, gh, inputs, y, gates, needs))
}

fn forward<T: Float>(inputs: &Inputs) -> Result<(Array, Array, Array)> {
    path!("rnn/gru");
    let op = "gru_sequence";
    let o = Operands::new::<T>(op, GATES, inputs)?;
    let hidden = o.hidden;
    let width = KEPT * hidden;
    denormals::flushed(|| {
        let y = Array::empty(&o.shape, T::DTYPE)?;
        let gates = Array::empty(&[o.rows(), width], T::DTYPE)?;
        let bias = bias_sum::<T>(op, inputs.b_ih, inputs.b_hh, GATES * hidden, 2 * hidden)?;
        let b_hh = given_or_zero::<T>(op, "bias_hh", inputs.b_hh, &[GATES * hidden])?;
        o.project(&bias, gates.ptr_mut::<T>(), width)?;
        let w = o.w_hh.ptr::<T>();
        let weights = Weights::new(GATES, hidden, hidden, &[Strided::new(w, hidden as isize, 1)])?;
        let cell = Forward {
            gates: SyncPtr::new(gates.ptr_mut::<T>()),
            y: SyncPtr::new(y.ptr_mut::<T>()),
            h0: SyncPtr::new(o.h0.ptr_mut::<T>()),
            bias: SyncPtr::new(b_hh.ptr_mut::<T>().wrapping_add(2 * hidden)),
            hidden,
        };
        for t in o.steps.order() {
            step(&weights, &o.steps, t, |part| o.states_before(part, y.ptr::<T>()), &cell);
        }
        let last = o.last::<T>(&y, hidden)?;
        Ok((y, last, gates))
    })
}

/// Turns the input's products, which stand in `gates`, into gates and states.
#[derive(Clone, Copy)]
struct Forward<T> {
    gates: SyncPtr<T>,
    y: SyncPtr<T>,
    h0: SyncPtr<T>,
    /// b_hn
    bias: SyncPtr<T>,
    hidden: usize,
}

/// The state of the step before a spot.
fn state_before<T>(y: SyncPtr<T>, h0: SyncPtr<T>, hidden: usize, spot: &Spot) -> *const T {
    let row =
        spot.before.map_or(h0.get().wrapping_add(spot.sequence * hidden), |row| y.get().wrapping_add(row * hidden));
    row.wrapping_add(spot.unit).cast_const()
}

impl<T: Float> Cell<T> for Forward<T> {
    #[inline(always)]
    fn fetch(&self, spot: Spot) {
        for k in 0..KEPT {
            prefetch(self.gates.get().wrapping_add((spot.row * KEPT + k) * self.hidden + spot.unit));
        }
        prefetch(state_before(self.y, self.h0, self.hidden, &spot));
    }

    #[inline(always)]
    unsafe fn step<S: Simd<T>>(&self, s: S, spot: Spot, sums: *const T, step: usize) {
        let (hidden, units) = (self.hidden, spot.n);
        let kept = |k: usize| self.gates.get().wrapping_add(spot.row * KEPT * hidden + k * hidden + spot.unit);
        // SAFETY: the caller's promise.
        unsafe {
            let a = |k: usize| s.load_some(kept(k), units);
            let b = |k: usize| s.load(sums.add(k * step));
            let r = T::sigmoid_flushed(s, s.add(a(0), b(0)));
            let z = T::sigmoid_flushed(s, s.add(a(1), b(1)));
            let bn = s.add(b(2), s.load_some(self.bias.get().add(spot.unit), units));
            s.store_some(kept(0), units, r);
            s.store_some(kept(1), units, z);
            s.store_some(kept(3), units, bn);
        }
    }

    #[inline(always)]
    unsafe fn finish<S: Simd<T>>(&self, s: S, spot: Spot) {
        let (hidden, units) = (self.hidden, spot.n);
        let kept = |k: usize| self.gates.get().wrapping_add(spot.row * KEPT * hidden + k * hidden + spot.unit);
        let before = state_before(self.y, self.h0, hidden, &spot);
        // SAFETY: the caller's promise.
        unsafe {
            let a = |k: usize| s.load_some(kept(k), units);
            let (r, z, bn) = (a(0), a(1), a(3));
            let n = T::tanh(s, s.fma(r, bn, a(2)));
            let h = s.fma(z, s.sub(s.load_some(before, units), n), n);
            s.store_some(kept(2), units, n);
            s.store_some(self.y.get().add(spot.row * hidden + spot.unit), units, h);
        }
    }
}

fn backward<T: Float>(
    gy: Option<&Array>,
    gh: Option<&Array>,
    inputs: &Inputs,
    y: &Array,
    gates: &Array,
    needs: [bool; 6],
) -> Result<[Option<Array>; 6]> {
    path!("rnn/gru_grad");
    let op = "gru_sequence_grad";
    let o = Operands::new::<T>(op, GATES, inputs)?;
    let (hidden, rows, n) = (o.hidden, o.rows(), o.steps.batch());
    let (width, depth) = (KEPT * hidden, GATES * hidden);
    let gy = given_or_zero::<T>(op, "grad", gy, &o.shape)?;
    let y = given::<T>(op, "result", y, &o.shape)?;
    let gates = given::<T>(op, "gates", gates, &[rows, width])?;
    denormals::flushed(|| {
        let carry = own::<T>(op, "grad of h_n", gh, &[n, hidden])?;
        // Columns n, r, z, b_n: the last three belong to W_hh, the first three to W_ih.
        let e = Array::empty(&[rows, width], T::DTYPE)?;
        let w = o.w_hh.ptr::<T>();
        let weights = Weights::new(1, hidden, depth, &[Strided::new(w, 1, hidden as isize)])?;
        let cell = Backward {
            gy: SyncPtr::new(gy.ptr_mut::<T>()),
            gates: SyncPtr::new(gates.ptr_mut::<T>()),
            y: SyncPtr::new(y.ptr_mut::<T>()),
            h0: SyncPtr::new(o.h0.ptr_mut::<T>()),
            carry: SyncPtr::new(carry.ptr_mut::<T>()),
            e: SyncPtr::new(e.ptr_mut::<T>()),
            hidden,
        };
        let from = e.ptr::<T>();
        for t in o.steps.order().rev() {
            let state = |row: usize| States { ptr: from.wrapping_add(row * width + hidden), width };
            let states = |part: &Part| o.steps.after(part, 1).map(state).into_iter().collect();
            step(&weights, &o.steps, t, states, &cell);
        }
        let of_input = [
            Columns { from: hidden, count: 2 * hidden, weight_row: 0 },
            Columns { from: 0, count: hidden, weight_row: 2 * hidden },
        ];
        let of_state = [Columns { from: hidden, count: depth, weight_row: 0 }];
        let e = GateGradients { all: e, rows, width };
        let [x, h0, w_ih, w_hh, b_ih, b_hh] = needs;
        let sums = if b_ih || b_hh { Some(e.sums()?) } else { None };
        let bias = |asked: bool, columns: &[Columns]| {
            sums.as_ref().filter(|_| asked).map(|sums| picked::<T>(sums, depth, columns)).transpose()
        };
        Ok([
            if x { Some(e.input::<T>(&o.w_ih, o.x.shape(), &of_input)?) } else { None },
            if h0 { Some(o.initial::<T>(&e, of_state[0], carry)?) } else { None },
            if w_ih { Some(e.weight::<T>(&o.x, depth, &of_input)?) } else { None },
            if w_hh { Some(e.weight::<T>(&o.previous::<T>(&y)?, depth, &of_state)?) } else { None },
            bias(b_ih, &of_input)?,
            bias(b_hh, &of_state)?,
        ])
    })
}

#[derive(Clone, Copy)]
struct Backward<T> {
    gy: SyncPtr<T>,
    gates: SyncPtr<T>,
    y: SyncPtr<T>,
    h0: SyncPtr<T>,
    /// The gradients that pass the gates by, from the last state to the first: z·∂Q/∂h_t.
    carry: SyncPtr<T>,
    e: SyncPtr<T>,
    hidden: usize,
}

impl<T: Float> Cell<T> for Backward<T> {
    #[inline(always)]
    fn fetch(&self, spot: Spot) {
        for k in 0..KEPT {
            let at = (spot.row * KEPT + k) * self.hidden + spot.unit;
            prefetch(self.gates.get().wrapping_add(at));
            prefetch(self.e.get().wrapping_add(at));
        }
        prefetch(self.gy.get().wrapping_add(spot.row * self.hidden + spot.unit));
        prefetch(state_before(self.y, self.h0, self.hidden, &spot));
    }

    #[inline(always)]
    unsafe fn step<S: Simd<T>>(&self, s: S, spot: Spot, sums: *const T, _: usize) {
        let (hidden, units) = (self.hidden, spot.n);
        let at = spot.row * hidden + spot.unit;
        let kept = |k: usize| spot.row * KEPT * hidden + k * hidden + spot.unit;
        let before = state_before(self.y, self.h0, hidden, &spot);
        let carry = self.carry.get().wrapping_add(spot.sequence * hidden + spot.unit);
        let one = s.splat(T::ONE);
        // SAFETY: the caller's promise.
        unsafe {
            let gate = |k: usize| s.load_some(self.gates.get().add(kept(k)), units);
            let (r, z, n, bn) = (gate(0), gate(1), gate(2), gate(3));
            let gh = s.add(s.load_some(self.gy.get().add(at), units), s.load_some(carry, units));
            let gh = s.add(gh, s.load(sums));
            let sigmoid = |g: S::V, y: S::V| s.mul(g, s.mul(y, s.sub(one, y)));
            let e = |k: usize, v: S::V| s.store_some(self.e.get().add(kept(k)), units, v);
            let en = s.mul(s.mul(gh, s.sub(one, z)), s.fma(s.neg(n), n, one));
            e(0, en);
            e(1, sigmoid(s.mul(en, bn), r));
            e(2, sigmoid(s.mul(gh, s.sub(s.load_some(before, units), n)), z));
            e(3, s.mul(en, r));
            s.store_some(carry, units, s.mul(gh, z));
        }
    }
}
