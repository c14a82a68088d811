use ferrograd_array::{Array, Error, Layout, Result, Shape};

use super::block::{Dots, Hide, Pack, Scores, Turn, run};
use super::operands::{Mask, Operands, at};
use super::{Inputs, Panel, ROWS, each, ns_of};
use crate::copy_into;
use crate::gemm::{InPlace, Matrix};
use crate::parallel::SyncPtr;
use crate::path;
use crate::reduce;
use crate::simd::{Float, lanes};

/// Keys whose scores and their gradients a panel holds at a time: together 16 KiB in f32, half of a first-level cache.
const KEYS: usize = 64;
/// Keys that all panels pass before the next: they, the values and their gradients lie in half of a second-level cache.
const CHUNK: usize = 512;
/// Heads below this number are cut into ranges of keys, each of at least so many keys and so much time, so that threads
/// have something to share.
const HEADS: usize = 16;
const RANGE_KEYS: usize = 128;
const RANGE_NS: f64 = 100_000.0;

/// Into `into`, where it is given.
pub(super) fn backward<T: Float>(
    g: &Array,
    inputs: &Inputs,
    y: &Array,
    log_sums: &Array,
    kept: Option<&Array>,
    needs: [bool; 3],
    into: Option<[Array; 3]>,
) -> Result<[Option<Array>; 3]> {
    let op = "attention_grad";
    let operands = Operands::<T>::new(op, inputs)?;
    let Operands { queries, keys, features, values, .. } = operands;
    let heads = operands.heads();
    for (argument, a) in [("grad", g), ("result", y)] {
        let expected = operands.shape(queries, values);
        if a.shape() != expected.as_slice() {
            return Err(Error::shape(op, argument, format_args!("shape {}", Shape(&expected)), Shape(a.shape())));
        }
        if a.dtype() != T::DTYPE {
            return Err(Error::dtype(op, argument, T::DTYPE, a.dtype()));
        }
    }
    let tiles = InPlace::new::<T>();
    let panels = queries.div_ceil(ROWS);
    if log_sums.shape() != [heads, queries] || !log_sums.is_contiguous() {
        return Err(Error::shape(op, "log_sums", Shape(&[heads, queries]), Shape(log_sums.shape())));
    }
    if let Some(kept) = kept
        && (kept.shape() != [heads, panels, keys, ROWS] || !kept.is_contiguous())
    {
        return Err(Error::shape(op, "kept", Shape(&[heads, panels, keys, ROWS]), Shape(kept.shape())));
    }

    let products = needs[0] as usize + needs[1] as usize + 1 + kept.is_none() as usize;
    let share = if operands.causal { 0.5 } else { 1.0 };
    let flops = 2.0 * (queries * keys) as f64 * (products * features + (1 + needs[2] as usize) * values) as f64;
    let ns = ns_of::<T>(share * flops) + 1000.0;
    let most = keys.div_ceil(RANGE_KEYS).min((ns / RANGE_NS) as usize);
    let ranges = HEADS.div_ceil(heads.max(1)).min(most).max(1);
    let range = keys.div_ceil(ranges).next_multiple_of(KEYS).max(1);
    let ranges = keys.div_ceil(range).max(1);

    let [q_to, k_to, v_to] = into.map_or([None, None, None], |to| to.map(Some));
    let result = |need: bool, to: Option<Array>, like, rows, columns| match to {
        Some(to) => Ok(Some(to)),
        None => need.then(|| operands.result(like, rows, columns)).transpose(),
    };
    let parts = needs[0] && ranges > 1;
    let dq = if parts {
        Some(Array::empty(&[heads, ranges, queries, features], T::DTYPE)?)
    } else {
        result(needs[0], q_to.clone(), inputs.q, queries, features)?
    };
    let dk = result(needs[1], k_to, inputs.k, keys, features)?;
    let dv = result(needs[2], v_to, inputs.v, keys, values)?;
    let job = Job { operands: &operands, tiles, g, y, log_sums, kept, dk: dk.as_ref(), dv: dv.as_ref() };
    if kept.is_some() {
        path!("attention_grad/kept", parallel);
    } else {
        path!("attention_grad/tiled", parallel);
    }
    each::<T>(heads * ranges, ns / ranges as f64, job.scratch(), |unit, scratch| {
        let (head, part) = (unit / ranges, unit % ranges);
        let dq = match &dq {
            Some(dq) if parts => {
                let to = dq.ptr::<T>().wrapping_add(unit * queries * features);
                Some(Matrix::new(to, features as isize, 1))
            }
            Some(dq) => Some(operands.of(dq, head)),
            None => None,
        };
        let (from, to) = (part * range, ((part + 1) * range).min(keys));
        // SAFETY: each unit writes the gradients of its own keys and queries, and has the scratch memory to itself.
        unsafe { job.range(head, from, to, dq, scratch) }
    })?;
    let dq = match dq {
        Some(all) if parts => {
            let sum = reduce::sum(&all, &[1], false)?;
            let sum = sum.view(Layout::contiguous(&operands.shape(queries, features)));
            if let Some(to) = &q_to {
                copy_into(&sum, to);
            }
            Some(q_to.unwrap_or(sum))
        }
        dq => dq,
    };
    Ok([dq, dk, dv])
}

struct Job<'a, T> {
    operands: &'a Operands<T>,
    tiles: InPlace,
    g: &'a Array,
    y: &'a Array,
    log_sums: &'a Array,
    kept: Option<&'a Array>,
    dk: Option<&'a Array>,
    dv: Option<&'a Array>,
}

// SAFETY: the operands are only read, and each unit of work writes elements of its own.
unsafe impl<T> Sync for Job<'_, T> {}

/// The parts of a unit's scratch memory.
struct Room<T> {
    /// Queries and gradients of the result, a query a lane, and as rows.
    q_across: *mut T,
    q_along: *mut T,
    g_across: *mut T,
    g_along: *mut T,
    dq: *mut T,
    weights: *mut T,
    scores: *mut T,
    log_sums: *mut T,
    dots: *mut T,
}

impl<T: Float> Job<'_, T> {
    /// Elements of scratch memory.
    fn scratch(&self) -> usize {
        let Operands { features, values, .. } = self.operands;
        ROWS * (3 * features + 2 * values + 2 * KEYS + 2)
    }

    fn room(&self, scratch: *mut T) -> Room<T> {
        let &Operands { features, values, .. } = self.operands;
        let mut rest = SyncPtr::new(scratch);
        let mut take = |rows: usize| {
            let here = rest.get();
            rest = SyncPtr::new(here.wrapping_add(rows * ROWS));
            here
        };
        Room {
            q_across: take(features),
            q_along: take(features),
            g_across: take(values),
            g_along: take(values),
            dq: take(features),
            weights: take(KEYS),
            scores: take(KEYS),
            log_sums: take(1),
            dots: take(1),
        }
    }

    /// The gradients of keys and values `from..to`, and what these keys give to those of the queries.
    ///
    /// # Safety
    /// `scratch` has room, and nobody else works on this range; `dq` is writable.
    unsafe fn range(&self, head: usize, from: usize, to: usize, dq: Option<Matrix<T>>, scratch: *mut T) {
        let (o, room) = (self.operands, self.room(scratch));
        let panels = o.queries.div_ceil(ROWS);
        let lanes = lanes::<T>();
        let of = |a: Option<&Array>| a.map(|a| o.of(a, head));
        let (dk, dv) = (of(self.dk), of(self.dv));
        // SAFETY: the caller's promise.
        unsafe {
            for (d, columns) in [(dk, o.features), (dv, o.values)] {
                let Some(d) = d else { continue };
                for key in from..to {
                    std::slice::from_raw_parts_mut(at(d, key, 0).ptr.cast_mut(), columns).fill(T::ZERO);
                }
            }
            let mut start = from;
            loop {
                let end = to.min(start + CHUNK);
                for index in 0..panels {
                    let panel = Panel::new(index, lanes, o.queries);
                    let end = end.min(panel.seen(o));
                    self.panel(head, index, panel, (start, end.max(start)), start > from, [dq, dk, dv], &room);
                }
                start = end;
                if start >= to {
                    break;
                }
            }
        }
    }

    /// One panel against the keys `start..end`; `add` to the gradients of the queries.
    unsafe fn panel(
        &self,
        head: usize,
        index: usize,
        panel: Panel,
        (start, end): (usize, usize),
        add: bool,
        [dq, dk, dv]: [Option<Matrix<T>>; 3],
        room: &Room<T>,
    ) {
        let (o, tiles, step) = (self.operands, self.tiles, ROWS);
        let Operands { queries, keys, features, values, scale, .. } = *o;
        let Panel { first, rows, lanes } = panel;
        let (key, value, mask) = (o.key(head), o.value(head), o.mask(head));
        let wide = step as isize;
        let panels = queries.div_ceil(step);
        let kept = self.kept.map(|a| a.ptr_mut::<T>().wrapping_add((head * panels + index) * keys * step));
        // SAFETY: the scratch memory has the parts of `room`; operands and results have the panel's queries and these
        // keys.
        unsafe {
            let from = at(o.query(head), first, 0);
            if start < end {
                let (along, across) = (room.q_along, room.q_across);
                run(Pack { from, rows, features, scale, along, across });
                let (along, across) = (room.g_along, room.g_across);
                let from = at(o.of(self.g, head), first, 0);
                run(Pack { from, rows, features: values, scale: T::ONE, along, across });
                let y = at(o.of(self.y, head), first, 0);
                run(Dots { a: along, b: y, rows, lanes, features: values, dots: room.dots });
                for i in 0..lanes {
                    let log = self.log_sums.ptr::<T>().add(head * queries + first + i.min(rows - 1));
                    *room.log_sums.add(i) = *log;
                }
            }
            for from in (start..end).step_by(KEYS) {
                let n = KEYS.min(end - from);
                let weights = match kept {
                    Some(kept) => kept.add(from * step),
                    None => {
                        let (a, to) = ((room.q_across.cast_const(), wide), (room.weights, wide));
                        tiles.product((lanes, n, features), a, at(key, from, 0).transposed(), to, false);
                        let diagonal = (o.causal && from + n > first + 1).then(|| first as isize - from as isize);
                        if diagonal.is_some() || !matches!(mask, Mask::None) {
                            let mask = mask.from(first, from);
                            run(Hide { scores: room.weights, step, rows, lanes, keys: n, mask, diagonal });
                        }
                        room.weights
                    }
                };
                let onwards = dq.is_some() || dk.is_some();
                if onwards {
                    let (a, to) = ((room.g_across.cast_const(), wide), (room.scores, wide));
                    tiles.product((lanes, n, values), a, at(value, from, 0).transposed(), to, false);
                }
                let log_sums = kept.is_none().then_some(room.log_sums.cast_const());
                if onwards || log_sums.is_some() {
                    let (gradients, dots) = (room.scores, room.dots.cast_const());
                    run(Scores { weights, gradients, step, lanes, keys: n, log_sums, dots });
                }
                // Sums over queries: rows of the result are keys, whose numbers lie side by side.
                let over_queries = |to: Matrix<T>, along: *mut T, columns: usize, of: *mut T| {
                    let (a, to) = ((along.cast_const(), columns as isize), at(to, from, 0));
                    let (c, of) = ((to.ptr.cast_mut(), to.row_stride), Matrix::new(of.cast_const(), 1, wide));
                    tiles.product((columns, n, rows), a, of, c, true);
                };
                if let Some(dv) = dv {
                    over_queries(dv, room.g_along, values, weights);
                }
                if let Some(dk) = dk {
                    over_queries(dk, room.q_along, features, room.scores);
                }
                if dq.is_some() {
                    let (a, to) = ((room.scores.cast_const(), wide), (room.dq, wide));
                    tiles.product((lanes, features, n), a, at(key, from, 0), to, from > start);
                }
            }
            let Some(dq) = dq else { return };
            if start >= end {
                if add {
                    return;
                }
                for i in 0..features * step {
                    *room.dq.add(i) = T::ZERO;
                }
            }
            let to = at(dq, first, 0);
            let (to, to_step) = (to.ptr.cast_mut(), to.row_stride);
            run(Turn { sums: room.dq, step, rows, features, scale, add, to, to_step });
        }
    }
}
