//! Rows of a table by number, and the gradient of the table.

use ferrograd_array::{Array, DType, Error, Layout, Result, Shape};

use super::{Bad, by_index, check_index_dtype, index_get, read_index, wrap};
use crate::bits::contiguous;
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{Float, Kernel, Simd, vectorize};
use crate::strided::Plan;

/// `out[…, :] = weight[index[…], :]`: `weight (V, D)`, `index` of any shape.
pub fn embedding(weight: &Array, index: &Array) -> Result<Array> {
    let op = "embedding";
    if weight.ndim() != 2 {
        return Err(Error::shape(op, "weight", "2 dimensions, (V, D)", Shape(weight.shape())));
    }
    check_index_dtype(op, index)?;
    index_get(weight, &[(0, index)]).map_err(|e| match e {
        Error::Index(message) => Error::Index(message.replace("index_get: indices[0]", "embedding: index")),
        other => other,
    })
}

/// The gradient of the table: row `v` is the sum of `g[…, :]` over all places where `index` is `v`, in their order.
/// `g (…, D)`, `index (…)`; row `padding_idx` stays zero.
pub fn embedding_grad(g: &Array, index: &Array, num_embeddings: usize, padding_idx: Option<isize>) -> Result<Array> {
    let op = "embedding_grad";
    check_index_dtype(op, index)?;
    let Some((&d, lead)) = g.shape().split_last().filter(|(_, lead)| *lead == index.shape()) else {
        return Err(Error::shape(
            op,
            "grad",
            format_args!("the shape of index and the row, ({}…, D)", Shape(index.shape())),
            Shape(g.shape()),
        ));
    };
    let places: usize = lead.iter().product();
    let padding = match padding_idx {
        None => None,
        Some(p) => Some(wrap(p as i64, num_embeddings).ok_or_else(|| {
            Error::value(op, "padding_idx", format_args!("a row of the table of {num_embeddings}"), p)
        })?),
    };
    let order = Order::new(op, index, num_embeddings, places)?;
    match g.dtype() {
        DType::F32 => sum_rows::<f32>(&contiguous(g)?, &order, num_embeddings, d, padding),
        DType::F64 => sum_rows::<f64>(&contiguous(g)?, &order, num_embeddings, d, padding),
        other => Err(Error::dtype(op, "grad", "float32 or float64 (cast it)", other)),
    }
}

/// The places of each row of the table, one row after the other: a stable counting sort.
struct Order {
    /// Places `sorted[starts[v]..starts[v + 1]]` belong to row `v`.
    starts: Array,
    sorted: Array,
}

impl Order {
    fn new(op: &str, index: &Array, rows: usize, places: usize) -> Result<Self> {
        let starts = Array::empty(&[rows + 2], DType::I64)?;
        let (wrapped, sorted) = (Array::empty(&[places], DType::I64)?, Array::empty(&[places], DType::I64)?);
        let private = SyncPtr::new(wrapped.ptr_mut::<i64>());
        let bad = Bad::new();
        path!("index/order", parallel);
        let plan = Plan::new([&Layout::contiguous(index.shape()), index.layout()]);
        let [so, si] = plan.inner_strides();
        by_index!(index, I => {
            let pi = SyncPtr::new(index.ptr_mut::<I>());
            plan.run(1.0, |[o, i], n| {
                for j in 0..n as isize {
                    // SAFETY: the plan stays inside both layouts.
                    unsafe {
                        let index = read_index(pi.get().offset(i + si * j));
                        match wrap(index, rows) {
                            Some(at) => *private.get().offset(o + so * j) = at as i64,
                            None => bad.note(o + so * j, index),
                        }
                    }
                }
            });
        });
        bad.check(op, "index", 0, rows)?;
        // SAFETY: new memory of these lengths, used here only; `wrapped` is filled, for no index was bad.
        unsafe {
            let starts = std::slice::from_raw_parts_mut(starts.ptr_mut::<i64>(), rows + 2);
            let sorted = std::slice::from_raw_parts_mut(sorted.ptr_mut::<i64>(), places);
            let wrapped = std::slice::from_raw_parts(wrapped.ptr::<i64>(), places);
            starts.fill(0);
            for &v in wrapped {
                starts[v as usize + 2] += 1;
            }
            for v in 0..rows {
                starts[v + 2] += starts[v + 1];
            }
            // Each start moves on to its end, which is the next row's start.
            for (place, &v) in wrapped.iter().enumerate() {
                let at = &mut starts[v as usize + 1];
                sorted[*at as usize] = place as i64;
                *at += 1;
            }
        }
        Ok(Self { starts, sorted })
    }
}

/// Rows of the table that one task sums.
const ROWS: usize = 32;

fn sum_rows<T: Float>(g: &Array, order: &Order, rows: usize, d: usize, padding: Option<usize>) -> Result<Array> {
    let out = Array::empty(&[rows, d], T::DTYPE)?;
    if d == 0 {
        return Ok(out);
    }
    let (po, pg) = (SyncPtr::new(out.ptr_mut::<T>()), SyncPtr::new(g.ptr_mut::<T>()));
    // SAFETY: arrays of these lengths, which nobody writes to any more.
    let (starts, sorted) = unsafe {
        (
            std::slice::from_raw_parts(order.starts.ptr::<i64>(), rows + 2),
            std::slice::from_raw_parts(order.sorted.ptr::<i64>(), order.sorted.numel()),
        )
    };
    path!("index/embedding_grad", parallel);
    let ns = (out.numel() + g.numel()) as f64 * 0.4;
    parallel::run(rows.div_ceil(ROWS), ns, |task| {
        for v in task * ROWS..((task + 1) * ROWS).min(rows) {
            let places = if padding == Some(v) { &[] } else { &sorted[starts[v] as usize..starts[v + 1] as usize] };
            // SAFETY: row `v` of the table is this task's.
            let out = unsafe { po.get().add(v * d) };
            vectorize(SumRows { out, g: pg.get(), places, d });
        }
    });
    Ok(out)
}

/// `out = Σ g[place, :]`.
struct SumRows<'a, T> {
    out: *mut T,
    g: *const T,
    places: &'a [i64],
    d: usize,
}

impl<T: Float> Kernel<T> for SumRows<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let mut j = 0;
        // Four registers at a time: whole cache lines of a row.
        while j + 4 * S::LANES <= self.d {
            let mut sum = [s.zero(); 4];
            for &place in self.places {
                for (k, sum) in sum.iter_mut().enumerate() {
                    // SAFETY: a place is below the number of rows of `g`, each of `d` elements.
                    *sum = s.add(*sum, unsafe { s.load(self.g.add(place as usize * self.d + j + k * S::LANES)) });
                }
            }
            for (k, &sum) in sum.iter().enumerate() {
                // SAFETY: `d` elements at `out`.
                unsafe { s.store(self.out.add(j + k * S::LANES), sum) };
            }
            j += 4 * S::LANES;
        }
        while j < self.d {
            let n = S::LANES.min(self.d - j);
            let mut sum = s.zero();
            for &place in self.places {
                // SAFETY: as above.
                sum = s.add(sum, unsafe { s.load_partial(self.g.add(place as usize * self.d + j), n) });
            }
            // SAFETY: `d` elements at `out`.
            unsafe { s.store_some(self.out.add(j), n, sum) };
            j += n;
        }
    }
}
