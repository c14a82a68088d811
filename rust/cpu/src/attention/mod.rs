//! Scaled dot-product attention, `softmax(scale · Q Kᵀ + mask) V`, and its gradients, each head by itself.
//!
//! A task takes panels of [`ROWS`] queries, which are whole tiles of the products. Scores lie keys down, queries across, so
//! that the softmax of a panel runs down its columns, a query a lane, and what it leaves is at once the left operand of
//! the next product: nothing is turned over but the queries and the results. Keys and values are read where they lie,
//! so heads may be columns of one matrix.
//!
//! Of long sequences a panel sees some keys at a time and corrects its sums as larger scores come up; the gradient
//! computes the weights again from the scores and from the logarithm of each query's sum. Of short ones
//! ([`forward::keeps`]) the weights are kept.

mod backward;
mod block;
mod forward;
mod operands;
mod packed;
#[cfg(feature = "testing")]
mod tests;

use ferrograd_array::{Array, Buffer, Result};

use crate::reduce::by_float;
use crate::simd::Float;
use crate::{denormals, isa, parallel};
use backward::backward;
use forward::forward;
use operands::Operands;
pub use packed::{Packed, self_attention, self_attention_grad};

/// What attention is given: `q` (…, L, E), `k` (…, S, E), `v` (…, S, Ev), whose leading dimensions broadcast, and a mask
/// that broadcasts to (…, L, S): of bools, true where a query sees a key, or of numbers that are added to the scores.
/// With `causal`, query i sees the keys up to i.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    pub q: &'a Array,
    pub k: &'a Array,
    pub v: &'a Array,
    pub mask: Option<&'a Array>,
    pub scale: f64,
    pub causal: bool,
}

/// `y` (…, L, Ev), whose dimensions lie in memory as those of `q` do; and, where they are asked for, what the gradient
/// needs: the logarithm of the sum of each query's exponentials (heads, L), and the weights of short sequences.
pub struct Attention {
    pub y: Array,
    pub log_sums: Option<Array>,
    pub kept: Option<Array>,
}

/// The weighted means. A query that sees no key gets 0.
pub fn attention(inputs: &Inputs, save: bool) -> Result<Attention> {
    by_float!("attention", inputs.q, forward(inputs, save, None))
}

/// The gradients of q, k and v that `needs` asks for, from `g`, the result's, and what the forward pass saved. Each has
/// the leading dimensions of the result: those along which an operand was broadcast are the caller's to sum.
pub fn attention_grad(
    g: &Array,
    inputs: &Inputs,
    y: &Array,
    log_sums: &Array,
    kept: Option<&Array>,
    needs: [bool; 3],
) -> Result<[Option<Array>; 3]> {
    by_float!("attention_grad", inputs.q, backward(g, inputs, y, log_sums, kept, needs, None))
}

/// What a task takes at least.
const TASK_NS: f64 = 20_000.0;

/// Estimated time of `flops` of products on one core.
fn ns_of<T>(flops: f64) -> f64 {
    let flops_per_ns = match isa::current() {
        isa::Isa::Scalar => 8.0,
        #[cfg(target_arch = "x86_64")]
        _ => 60.0,
    };
    flops / (flops_per_ns * 4.0 / size_of::<T>() as f64)
}

/// Calls `f(unit, scratch)` for each unit of work, in parallel, with scratch memory of `elements` that a task has to
/// itself.
fn each<T: Float>(units: usize, ns: f64, elements: usize, f: impl Fn(usize, *mut T) + Sync) -> Result<()> {
    let group = ((TASK_NS / ns.max(1.0)) as usize).clamp(1, units.max(1));
    denormals::flushed(|| {
        parallel::try_run(units.div_ceil(group), units as f64 * ns, |index| {
            let scratch = Buffer::alloc(elements * size_of::<T>())?;
            let start = index * group;
            (start..(start + group).min(units)).for_each(|unit| f(unit, scratch.as_ptr().cast()));
            Ok(())
        })
    })
}

/// Queries of a panel at most: a multiple of a tile's rows on every instruction set, and the depth of the products that
/// sum over queries.
const ROWS: usize = 32;

/// Queries of a panel that a call works on: `rows` from `first` on, and lanes for them in whole vectors.
#[derive(Clone, Copy)]
struct Panel {
    first: usize,
    rows: usize,
    lanes: usize,
}

impl Panel {
    fn new(index: usize, lanes: usize, queries: usize) -> Self {
        let first = index * ROWS;
        let rows = ROWS.min(queries - first);
        Self { first, rows, lanes: rows.next_multiple_of(lanes) }
    }

    /// The keys that any of the queries sees.
    fn seen<T: Float>(&self, operands: &Operands<T>) -> usize {
        if operands.causal { operands.keys.min(self.first + self.rows) } else { operands.keys }
    }
}
