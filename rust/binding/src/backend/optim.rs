//! Optimizer steps: lists of all parameters, in place.

use ferrograd_array::{Array, Error};
use ferrograd_cpu::optim::{self, Adadelta, Adagrad, Adam, Adamax, NAdam, Norm, RAdam, RmsProp, Sgd};
use pyo3::prelude::*;

use super::index::{take, take_scalar};
use super::result;
use crate::error::{self, to_py};
use crate::tensor::{TensorBase, after_write, before_write};

type Tensors<'py> = Vec<Bound<'py, TensorBase>>;

fn arrays(tensors: &Tensors<'_>) -> Vec<Array> {
    tensors.iter().map(|t| t.borrow().array.clone()).collect()
}

/// Arrays that are read: tensors or ndarrays.
fn read(op: &str, argument: &str, list: &[Bound<'_, PyAny>]) -> PyResult<Vec<Array>> {
    list.iter().enumerate().map(|(k, x)| Ok(take(op, &format!("{argument}[{k}]"), x)?.0)).collect()
}

/// Checks that all of these may be written. A step is no part of a graph.
fn check_writable(op: &str, lists: &[&Tensors<'_>]) -> PyResult<()> {
    lists.iter().flat_map(|list| list.iter()).try_for_each(|tensor| before_write(op, tensor, false))
}

fn written(lists: &[&Tensors<'_>]) {
    lists.iter().flat_map(|list| list.iter()).for_each(|tensor| after_write(&tensor.borrow(), false));
}

fn refs(list: &[Array]) -> Vec<&Array> {
    list.iter().collect()
}

/// A step of stochastic gradient descent.
#[pyfunction]
#[pyo3(signature = (params, grads, momentum_buffers, lr, steps, momentum, dampening, weight_decay, nesterov, maximize))]
pub fn sgd_step<'py>(
    params: Tensors<'py>,
    grads: Vec<Bound<'py, PyAny>>,
    momentum_buffers: Tensors<'py>,
    lr: &Bound<'py, PyAny>,
    steps: Tensors<'py>,
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
    maximize: bool,
) -> PyResult<()> {
    let (op, py) = ("sgd_step", lr.py());
    let lists = [&params, &momentum_buffers, &steps];
    check_writable(op, &lists)?;
    let (p, g, b, s) = (arrays(&params), read(op, "grads", &grads)?, arrays(&momentum_buffers), arrays(&steps));
    let lr = take_scalar(op, "lr", lr)?;
    let work = p.iter().map(Array::numel).sum();
    let sgd = Sgd { momentum, dampening, weight_decay, nesterov, maximize };
    error::call(py, work, || optim::sgd_step(&refs(&p), &refs(&g), &refs(&b), &lr, &refs(&s), sgd))?;
    written(&lists);
    Ok(())
}

/// A step of Adam, AdamW or AMSGrad.
#[pyfunction]
#[pyo3(signature = (
    params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, lr, steps, beta1, beta2, eps, weight_decay, decoupled, maximize
))]
pub fn adam_step<'py>(
    params: Tensors<'py>,
    grads: Vec<Bound<'py, PyAny>>,
    exp_avgs: Tensors<'py>,
    exp_avg_sqs: Tensors<'py>,
    max_exp_avg_sqs: Tensors<'py>,
    lr: &Bound<'py, PyAny>,
    steps: Tensors<'py>,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    decoupled: bool,
    maximize: bool,
) -> PyResult<()> {
    let (op, py) = ("adam_step", lr.py());
    let lists = [&params, &exp_avgs, &exp_avg_sqs, &max_exp_avg_sqs, &steps];
    check_writable(op, &lists)?;
    let (p, g, s) = (arrays(&params), read(op, "grads", &grads)?, arrays(&steps));
    let (m, v, largest) = (arrays(&exp_avgs), arrays(&exp_avg_sqs), arrays(&max_exp_avg_sqs));
    let lr = take_scalar(op, "lr", lr)?;
    let work = p.iter().map(Array::numel).sum();
    let adam = Adam { betas: (beta1, beta2), eps, weight_decay, decoupled, maximize };
    error::call(py, work, || {
        optim::adam_step(&refs(&p), &refs(&g), &refs(&m), &refs(&v), &refs(&largest), &lr, &refs(&s), adam)
    })?;
    written(&lists);
    Ok(())
}

/// A step of Adagrad.
#[pyfunction]
#[pyo3(signature = (params, grads, sums, lr, steps, lr_decay, weight_decay, eps, maximize))]
pub fn adagrad_step<'py>(
    params: Tensors<'py>,
    grads: Vec<Bound<'py, PyAny>>,
    sums: Tensors<'py>,
    lr: &Bound<'py, PyAny>,
    steps: Tensors<'py>,
    lr_decay: f64,
    weight_decay: f64,
    eps: f64,
    maximize: bool,
) -> PyResult<()> {
    let (op, py) = ("adagrad_step", lr.py());
    let lists = [&params, &sums, &steps];
    check_writable(op, &lists)?;
    let (p, g, s) = (arrays(&params), read(op, "grads", &grads)?, arrays(&steps));
    let sum = arrays(&sums);
    let lr = take_scalar(op, "lr", lr)?;
    let work = p.iter().map(Array::numel).sum();
    let options = Adagrad { lr_decay, weight_decay, eps, maximize };
    error::call(py, work, || optim::adagrad_step(&refs(&p), &refs(&g), &refs(&sum), &lr, &refs(&s), options))?;
    written(&lists);
    Ok(())
}

/// A step of Adadelta.
#[pyfunction]
#[pyo3(signature = (params, grads, square_avgs, acc_deltas, lr, steps, rho, eps, weight_decay, maximize))]
pub fn adadelta_step<'py>(
    params: Tensors<'py>,
    grads: Vec<Bound<'py, PyAny>>,
    square_avgs: Tensors<'py>,
    acc_deltas: Tensors<'py>,
    lr: &Bound<'py, PyAny>,
    steps: Tensors<'py>,
    rho: f64,
    eps: f64,
    weight_decay: f64,
    maximize: bool,
) -> PyResult<()> {
    let (op, py) = ("adadelta_step", lr.py());
    let lists = [&params, &square_avgs, &acc_deltas, &steps];
    check_writable(op, &lists)?;
    let (p, g, s) = (arrays(&params), read(op, "grads", &grads)?, arrays(&steps));
    let (v, u) = (arrays(&square_avgs), arrays(&acc_deltas));
    let lr = take_scalar(op, "lr", lr)?;
    let work = p.iter().map(Array::numel).sum();
    let options = Adadelta { rho, eps, weight_decay, maximize };
    error::call(py, work, || {
        optim::adadelta_step(&refs(&p), &refs(&g), &refs(&v), &refs(&u), &lr, &refs(&s), options)
    })?;
    written(&lists);
    Ok(())
}

/// A step of RMSprop; without `grad_avgs` it is not centered.
#[pyfunction]
#[pyo3(signature = (
    params, grads, square_avgs, grad_avgs, momentum_buffers, lr, steps, alpha, eps, weight_decay, momentum, maximize
))]
pub fn rmsprop_step<'py>(
    params: Tensors<'py>,
    grads: Vec<Bound<'py, PyAny>>,
    square_avgs: Tensors<'py>,
    grad_avgs: Tensors<'py>,
    momentum_buffers: Tensors<'py>,
    lr: &Bound<'py, PyAny>,
    steps: Tensors<'py>,
    alpha: f64,
    eps: f64,
    weight_decay: f64,
    momentum: f64,
    maximize: bool,
) -> PyResult<()> {
    let (op, py) = ("rmsprop_step", lr.py());
    let lists = [&params, &square_avgs, &grad_avgs, &momentum_buffers, &steps];
    check_writable(op, &lists)?;
    let (p, g, s) = (arrays(&params), read(op, "grads", &grads)?, arrays(&steps));
    let (v, m, b) = (arrays(&square_avgs), arrays(&grad_avgs), arrays(&momentum_buffers));
    let lr = take_scalar(op, "lr", lr)?;
    let work = p.iter().map(Array::numel).sum();
    let options = RmsProp { alpha, eps, weight_decay, momentum, maximize };
    error::call(py, work, || {
        optim::rmsprop_step(&refs(&p), &refs(&g), &refs(&v), &refs(&m), &refs(&b), &lr, &refs(&s), options)
    })?;
    written(&lists);
    Ok(())
}

/// A step of Adamax.
#[pyfunction]
#[pyo3(signature = (params, grads, exp_avgs, exp_infs, lr, steps, beta1, beta2, eps, weight_decay, maximize))]
pub fn adamax_step<'py>(
    params: Tensors<'py>,
    grads: Vec<Bound<'py, PyAny>>,
    exp_avgs: Tensors<'py>,
    exp_infs: Tensors<'py>,
    lr: &Bound<'py, PyAny>,
    steps: Tensors<'py>,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    maximize: bool,
) -> PyResult<()> {
    let (op, py) = ("adamax_step", lr.py());
    let lists = [&params, &exp_avgs, &exp_infs, &steps];
    check_writable(op, &lists)?;
    let (p, g, s) = (arrays(&params), read(op, "grads", &grads)?, arrays(&steps));
    let (m, u) = (arrays(&exp_avgs), arrays(&exp_infs));
    let lr = take_scalar(op, "lr", lr)?;
    let work = p.iter().map(Array::numel).sum();
    let options = Adamax { betas: (beta1, beta2), eps, weight_decay, maximize };
    error::call(py, work, || optim::adamax_step(&refs(&p), &refs(&g), &refs(&m), &refs(&u), &lr, &refs(&s), options))?;
    written(&lists);
    Ok(())
}

/// A step of NAdam.
#[pyfunction]
#[pyo3(signature = (
    params, grads, exp_avgs, exp_avg_sqs, mu_products, lr, steps, beta1, beta2, eps, weight_decay, momentum_decay, decoupled, maximize
))]
pub fn nadam_step<'py>(
    params: Tensors<'py>,
    grads: Vec<Bound<'py, PyAny>>,
    exp_avgs: Tensors<'py>,
    exp_avg_sqs: Tensors<'py>,
    mu_products: Tensors<'py>,
    lr: &Bound<'py, PyAny>,
    steps: Tensors<'py>,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    momentum_decay: f64,
    decoupled: bool,
    maximize: bool,
) -> PyResult<()> {
    let (op, py) = ("nadam_step", lr.py());
    let lists = [&params, &exp_avgs, &exp_avg_sqs, &mu_products, &steps];
    check_writable(op, &lists)?;
    let (p, g, s) = (arrays(&params), read(op, "grads", &grads)?, arrays(&steps));
    let (m, v, products) = (arrays(&exp_avgs), arrays(&exp_avg_sqs), arrays(&mu_products));
    let lr = take_scalar(op, "lr", lr)?;
    let work = p.iter().map(Array::numel).sum();
    let options = NAdam { betas: (beta1, beta2), eps, weight_decay, momentum_decay, decoupled, maximize };
    error::call(py, work, || {
        optim::nadam_step(&refs(&p), &refs(&g), &refs(&m), &refs(&v), &refs(&products), &lr, &refs(&s), options)
    })?;
    written(&lists);
    Ok(())
}

/// A step of RAdam.
#[pyfunction]
#[pyo3(signature = (
    params, grads, exp_avgs, exp_avg_sqs, lr, steps, beta1, beta2, eps, weight_decay, decoupled, maximize
))]
pub fn radam_step<'py>(
    params: Tensors<'py>,
    grads: Vec<Bound<'py, PyAny>>,
    exp_avgs: Tensors<'py>,
    exp_avg_sqs: Tensors<'py>,
    lr: &Bound<'py, PyAny>,
    steps: Tensors<'py>,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    decoupled: bool,
    maximize: bool,
) -> PyResult<()> {
    let (op, py) = ("radam_step", lr.py());
    let lists = [&params, &exp_avgs, &exp_avg_sqs, &steps];
    check_writable(op, &lists)?;
    let (p, g, s) = (arrays(&params), read(op, "grads", &grads)?, arrays(&steps));
    let (m, v) = (arrays(&exp_avgs), arrays(&exp_avg_sqs));
    let lr = take_scalar(op, "lr", lr)?;
    let work = p.iter().map(Array::numel).sum();
    let options = RAdam { betas: (beta1, beta2), eps, weight_decay, decoupled, maximize };
    error::call(py, work, || optim::radam_step(&refs(&p), &refs(&g), &refs(&m), &refs(&v), &lr, &refs(&s), options))?;
    written(&lists);
    Ok(())
}

/// The norm of all gradients together; `norm_type` 1, 2 or infinity.
#[pyfunction]
pub fn grad_norm<'py>(py: Python<'py>, grads: Vec<Bound<'py, PyAny>>, norm_type: f64) -> PyResult<Bound<'py, PyAny>> {
    let op = "grad_norm";
    let norm = match norm_type {
        1.0 => Norm::One,
        2.0 => Norm::Two,
        f64::INFINITY => Norm::Infinity,
        other => return Err(to_py(py, Error::value(op, "norm_type", "1, 2 or infinity", other))),
    };
    let g = read(op, "grads", &grads)?;
    let work = g.iter().map(Array::numel).sum();
    result(py, error::call(py, work, || optim::grad_norm(&refs(&g), norm))?, false)
}

/// All gradients times a 0-d factor, in place.
#[pyfunction]
pub fn scale_grads<'py>(grads: Tensors<'py>, factor: &Bound<'py, PyAny>) -> PyResult<()> {
    let op = "scale_grads";
    check_writable(op, &[&grads])?;
    let (g, py) = (arrays(&grads), factor.py());
    let factor = take_scalar(op, "factor", factor)?;
    let work = g.iter().map(Array::numel).sum();
    error::call(py, work, || optim::scale_grads(&refs(&g), &factor))?;
    written(&[&grads]);
    Ok(())
}
