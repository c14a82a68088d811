use ferrograd_array::{Array, Result};

use super::block::{Finish, Hide, Pack, Softmax, Turn, run};
use super::operands::{Mask, Operands, at};
use super::{Attention, Inputs, Panel, ROWS, each, ns_of};
use crate::gemm::InPlace;
use crate::parallel::SyncPtr;
use crate::path;
use crate::simd::{Float, lanes};

/// Keys whose scores a panel holds at a time: 16 KiB of scores in f32, half of a first-level cache.
const KEYS: usize = 128;
/// Weights of at most this many keys are kept, in at most so many bytes.
const KEPT_KEYS: usize = 128;
const KEPT_BYTES: usize = 8 << 20;

/// Whether the weights of so many sequences are kept for the gradient.
pub(super) fn keeps<T>(heads: usize, queries: usize, keys: usize) -> bool {
    keys <= KEPT_KEYS && heads.saturating_mul(queries).saturating_mul(keys * size_of::<T>()) <= KEPT_BYTES
}

/// Into `y`, where it is given.
pub(super) fn forward<T: Float>(inputs: &Inputs, save: bool, y: Option<Array>) -> Result<Attention> {
    let operands = Operands::<T>::new("attention", inputs)?;
    let Operands { queries, keys, features, values, .. } = operands;
    let heads = operands.heads();
    let y = y.map_or_else(|| operands.result(inputs.q, queries, values), Ok)?;
    let tiles = InPlace::new::<T>();
    let panels = queries.div_ceil(ROWS);
    let log_sums = save.then(|| Array::empty(&[heads, queries], T::DTYPE)).transpose()?;
    let keep = save && keeps::<T>(heads, queries, keys);
    let kept = keep.then(|| Array::empty(&[heads, panels, keys, ROWS], T::DTYPE)).transpose()?;
    let job = Job { operands: &operands, tiles, y: &y, log_sums: log_sums.as_ref(), kept: kept.as_ref(), panels };
    if keep {
        path!("attention/kept", parallel);
    } else {
        path!("attention/tiled", parallel);
    }
    let share = if operands.causal { 0.5 } else { 1.0 };
    let ns = ns_of::<T>(share * 2.0 * (ROWS * keys * (features + values)) as f64) + 500.0;
    each::<T>(heads * panels, ns, job.scratch(), |unit, scratch| {
        // SAFETY: each unit writes the results of its own queries, and has the scratch memory to itself.
        unsafe { job.panel(unit / panels, unit % panels, scratch) }
    })?;
    Ok(Attention { y, log_sums, kept })
}

struct Job<'a, T> {
    operands: &'a Operands<T>,
    tiles: InPlace,
    y: &'a Array,
    log_sums: Option<&'a Array>,
    kept: Option<&'a Array>,
    panels: usize,
}

// SAFETY: the operands are only read, and each unit of work writes elements of its own.
unsafe impl<T> Sync for Job<'_, T> {}

impl<T: Float> Job<'_, T> {
    /// Elements of scratch memory.
    fn scratch(&self) -> usize {
        let Operands { features, values, .. } = self.operands;
        ROWS * (2 * features + values + KEYS + 2)
    }

    /// # Safety
    /// `scratch` has room, and nobody else works on this panel.
    unsafe fn panel(&self, head: usize, index: usize, scratch: *mut T) {
        let (o, tiles, step) = (self.operands, self.tiles, ROWS);
        let Operands { queries, keys, features, values, .. } = *o;
        let panel = Panel::new(index, lanes::<T>(), queries);
        let Panel { first, rows, lanes } = panel;
        let (key, value, mask) = (o.key(head), o.value(head), o.mask(head));
        let mut rest = SyncPtr::new(scratch);
        let mut room = |rows: usize| {
            let here = rest.get();
            rest = SyncPtr::new(here.wrapping_add(rows * step));
            here
        };
        let (across, along, sums, scores) = (room(features), room(features), room(values), room(KEYS));
        let (highest, total) = (room(1), room(1));
        let kept = self.kept.map(|a| a.ptr_mut::<T>().wrapping_add((head * self.panels + index) * keys * step));
        // SAFETY: the scratch memory has the parts above; operands and results have the panel's queries and these keys.
        unsafe {
            for i in 0..step {
                *highest.add(i) = T::NEG_INFINITY;
                *total.add(i) = T::ZERO;
            }
            run(Pack { from: at(o.query(head), first, 0), rows, features, scale: o.scale, along, across });
            let seen = panel.seen(o);
            let many = if kept.is_some() { seen.max(1) } else { KEYS };
            let scores = kept.unwrap_or(scores);
            for from in (0..seen).step_by(many) {
                let n = many.min(seen - from);
                let to = (scores, step as isize);
                tiles.product((lanes, n, features), (across, step as isize), at(key, from, 0).transposed(), to, false);
                let diagonal = (o.causal && from + n > first + 1).then(|| first as isize - from as isize);
                if diagonal.is_some() || !matches!(mask, Mask::None) {
                    let mask = mask.from(first, from);
                    run(Hide { scores, step, rows, lanes, keys: n, mask, diagonal });
                }
                let begun = if from > 0 { values } else { 0 };
                let whole = kept.is_some();
                run(Softmax { scores, step, lanes, keys: n, highest, total, sums, features: begun, whole });
                let to = (sums, step as isize);
                tiles.product((lanes, values, n), (scores, step as isize), at(value, from, 0), to, from > 0);
            }
            if seen == 0 {
                for i in 0..values * step {
                    *sums.add(i) = T::ZERO;
                }
            }
            let log_sums = self.log_sums.map_or(std::ptr::null_mut(), |a| a.ptr_mut::<T>().add(head * queries + first));
            let means = if kept.is_some() { 0 } else { values };
            run(Finish { step, rows, highest, total, sums, features: means, log_sums });
            let y = at(o.of(self.y, head), first, 0);
            let (to, to_step) = (y.ptr.cast_mut(), y.row_stride);
            run(Turn { sums, step, rows, features: values, scale: T::ONE, add: false, to, to_step });
        }
    }
}
