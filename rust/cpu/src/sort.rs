//! Sorting along one dimension and what follows from it: the k first, the k-th, the median, the most frequent.
//!
//! An element becomes an unsigned key in the order of its numbers (NaN last, −0 equal to 0), and the key gets the
//! element's index as its low half: these words are all different, so any sort of them is a stable sort of the
//! elements, and indices come with it.

use ferrograd_array::{Array, DType, Element, Error, Layout, Result, Shape};

use crate::bits::raw;
use crate::dense::arranged;
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::reduce::dimension;

/// Elements of a task, about.
const TASK: usize = 4 * 1024;
/// Nanoseconds an element, about, for the serial threshold.
const NS: f64 = 20.0;

/// An element that can be sorted.
trait Sortable: Element {
    /// A number in the order of the elements; that of NaN is the largest.
    fn key(self) -> u64;
    const NAN_KEY: Option<u64> = None;
}

macro_rules! sortable_int {
    ($($t:ty, $u:ty),*) => {$(
        impl Sortable for $t {
            #[inline(always)]
            fn key(self) -> u64 {
                (self as $u ^ ((1 as $u) << (<$u>::BITS - 1))) as u64
            }
        }
    )*};
}

sortable_int!(i32, u32, i64, u64);

impl Sortable for u8 {
    #[inline(always)]
    fn key(self) -> u64 {
        self as u64
    }
}

macro_rules! sortable_float {
    ($($t:ty, $u:ty),*) => {$(
        impl Sortable for $t {
            #[inline(always)]
            fn key(self) -> u64 {
                if self.is_nan() {
                    return <$u>::MAX as u64;
                }
                // −0 becomes 0. Of negative numbers all bits turn, of positive ones the sign.
                let bits = (self + 0.0).to_bits();
                let sign = (1 as $u) << (<$u>::BITS - 1);
                (if bits & sign == 0 { bits | sign } else { !bits }) as u64
            }
            const NAN_KEY: Option<u64> = Some(<$u>::MAX as u64);
        }
    )*};
}

sortable_float!(f32, u32, f64, u64);

/// A key and an index in one word.
trait Word: Copy + Ord + Send + Sync {
    fn new(key: u64, index: usize) -> Self;
    fn key(self) -> u64;
    fn index(self) -> usize;
}

impl Word for u64 {
    #[inline(always)]
    fn new(key: u64, index: usize) -> Self {
        key << 32 | index as u64
    }
    #[inline(always)]
    fn key(self) -> u64 {
        self >> 32
    }
    #[inline(always)]
    fn index(self) -> usize {
        self as u32 as usize
    }
}

/// Two halves, because a 128-bit number would want more alignment than the memory of a column has.
impl Word for (u64, u64) {
    #[inline(always)]
    fn new(key: u64, index: usize) -> Self {
        (key, index as u64)
    }
    #[inline(always)]
    fn key(self) -> u64 {
        self.0
    }
    #[inline(always)]
    fn index(self) -> usize {
        self.1 as usize
    }
}

/// What is taken of each sorted line.
#[derive(Clone, Copy)]
enum Take {
    /// The first so many.
    First(usize),
    /// The one at this place.
    At(usize),
    /// The lower of the middle ones; the first NaN if there is one.
    Median,
    /// The same of what is not NaN.
    NanMedian,
    /// The last of the smallest of the most frequent ones.
    Mode,
}

impl Take {
    /// Elements taken of each line.
    fn count(self) -> usize {
        match self {
            Take::First(k) => k,
            _ => 1,
        }
    }

    /// Puts the words that are wanted first, in order; there is one at least.
    fn arrange<W: Word>(self, words: &mut [W], nan_key: Option<u64>) {
        let n = words.len();
        let pick = |words: &mut [W], at: usize| {
            words.select_nth_unstable(at);
            words[0] = words[at];
        };
        match self {
            Take::First(k) if k < n => {
                if k > 0 {
                    words.select_nth_unstable(k - 1);
                    words[..k].sort_unstable();
                }
            }
            Take::First(_) => words.sort_unstable(),
            Take::At(k) => pick(words, k),
            Take::Median | Take::NanMedian => {
                let is_nan = |w: &W| Some(w.key()) == nan_key;
                let nans = words.iter().filter(|&w| is_nan(w)).count();
                match self {
                    Take::Median if nans > 0 => words[0] = *words.iter().find(|&w| is_nan(w)).expect("counted above"),
                    _ => pick(words, (n - nans).saturating_sub(1) / 2),
                }
            }
            Take::Mode => {
                words.sort_unstable();
                let (mut best, mut most, mut start) = (words[0], 0, 0);
                for i in 0..n {
                    if i + 1 == n || words[i + 1].key() != words[i].key() {
                        if i + 1 - start > most {
                            (best, most) = (words[i], i + 1 - start);
                        }
                        start = i + 1;
                    }
                }
                words[0] = best;
            }
        }
    }
}

/// `layout` with dimension `dim` as the fastest and of size `n`, the others in the order they have.
fn line_by_line(layout: &Layout, dim: usize, n: usize) -> Layout {
    let mut shape = layout.shape.clone();
    if shape.is_empty() {
        return Layout::contiguous(&[]);
    }
    shape[dim] = n;
    let mut out = Layout::contiguous(&shape);
    let mut step = n.max(1) as isize;
    out.strides[dim] = 1;
    for &k in layout.memory_order().iter().rev().filter(|&&k| k != dim) {
        out.strides[k] = step;
        step *= shape[k].max(1) as isize;
    }
    out
}

fn taken(op: &str, a: &Array, dim: usize, descending: bool, take: Take) -> Result<(Array, Array)> {
    match a.dtype() {
        DType::F32 => taken_of::<f32, u64>(a, dim, descending, take),
        DType::F64 => taken_of::<f64, (u64, u64)>(a, dim, descending, take),
        DType::I64 => taken_of::<i64, (u64, u64)>(a, dim, descending, take),
        DType::I32 => taken_of::<i32, u64>(a, dim, descending, take),
        DType::U8 | DType::Bool => taken_of::<u8, u64>(a, dim, descending, take),
        other => Err(Error::dtype(op, "input", "a dtype that is computed with", other)),
    }
}

fn taken_of<T: Sortable, W: Word>(a: &Array, dim: usize, descending: bool, take: Take) -> Result<(Array, Array)> {
    let n = a.shape().get(dim).copied().unwrap_or(1);
    if size_of::<W>() == 8 && n > u32::MAX as usize {
        return taken_of::<T, (u64, u64)>(a, dim, descending, take);
    }
    let k = take.count();
    let values = Array::with_layout(line_by_line(a.layout(), dim, k), a.dtype())?;
    let indices = Array::with_layout(line_by_line(a.layout(), dim, k), DType::I64)?;
    if values.numel() == 0 {
        return Ok((values, indices));
    }
    path!("sort/lines", parallel);
    let a = arranged(a, &line_by_line(a.layout(), dim, n))?;
    let lines = a.numel() / n;
    let words = Array::empty(&[a.numel(), size_of::<W>() / 8], DType::I64)?;
    let (pa, pw) = (SyncPtr::new(raw::<T>(&a)), SyncPtr::new(words.ptr_mut::<i64>().cast::<W>()));
    let (pv, pi) = (SyncPtr::new(raw::<T>(&values)), SyncPtr::new(indices.ptr_mut::<i64>()));
    // The other order turns the keys, not the words: equal elements stay in the order of their indices.
    let mask = if descending { u64::MAX >> (64 - 8 * size_of::<T>().min(8)) } else { 0 };
    let nan_key = T::NAN_KEY.map(|key| key ^ mask);
    let block = (TASK / n).max(1);
    parallel::for_range(lines, block, NS * n as f64, |first, last| {
        for line in first..last {
            // SAFETY: the line's own elements of dense arrays that hold `lines` lines of `n` (or `k`) elements, and
            // its words, which are written before the slice is made. Indices in words are below `n`.
            unsafe {
                let (x, w) = (pa.get().add(line * n), pw.get().add(line * n));
                for i in 0..n {
                    w.add(i).write(W::new((*x.add(i)).key() ^ mask, i));
                }
                let words = std::slice::from_raw_parts_mut(w, n);
                take.arrange(words, nan_key);
                for (j, word) in words[..k].iter().enumerate() {
                    *pv.get().add(line * k + j) = *x.add(word.index());
                    *pi.get().add(line * k + j) = word.index() as i64;
                }
            }
        }
    });
    Ok((values, indices))
}

/// The size of dimension `dim`, of which an element is wanted.
fn not_empty(op: &str, a: &Array, dim: usize) -> Result<usize> {
    match a.shape().get(dim).copied().unwrap_or(1) {
        0 => Err(Error::index(
            op,
            "dim",
            "a dimension of non-zero size",
            format_args!("dimension {dim} of {}", Shape(a.shape())),
        )),
        n => Ok(n),
    }
}

/// The dimension of size 1 that a result of one element a line has, dropped unless it is to be kept.
fn squeezed((values, indices): (Array, Array), dim: usize, keepdim: bool) -> (Array, Array) {
    if keepdim || values.ndim() == 0 {
        return (values, indices);
    }
    let kept: Vec<usize> = (0..values.ndim()).filter(|&k| k != dim).collect();
    let drop = |a: Array| a.view(a.layout().permuted(&kept));
    (drop(values), drop(indices))
}

/// The elements along `dim` in order, and their indices. Stable; NaN counts as the largest number.
pub fn sort(a: &Array, dim: isize, descending: bool) -> Result<(Array, Array)> {
    let dim = dimension("sort", dim, a.ndim())?;
    let n = a.shape().get(dim).copied().unwrap_or(1);
    taken("sort", a, dim, descending, Take::First(n))
}

/// The `k` largest or smallest elements along `dim` in order, and their indices.
pub fn topk(a: &Array, k: usize, dim: isize, largest: bool) -> Result<(Array, Array)> {
    let dim = dimension("topk", dim, a.ndim())?;
    let n = a.shape().get(dim).copied().unwrap_or(1);
    if k > n {
        return Err(Error::shape("topk", "k", format_args!("at most {n}, the size of dimension {dim}"), k));
    }
    let taken = taken("topk", a, dim, largest, Take::First(k))?;
    // Of a 0-d array, none is an empty one.
    Ok(if a.ndim() == 0 && k == 0 { (Array::empty(&[0], a.dtype())?, Array::empty(&[0], DType::I64)?) } else { taken })
}

/// The `k`-th smallest element along `dim`, counted from 1, and its index.
pub fn kthvalue(a: &Array, k: usize, dim: isize, keepdim: bool) -> Result<(Array, Array)> {
    let dim = dimension("kthvalue", dim, a.ndim())?;
    let n = not_empty("kthvalue", a, dim)?;
    if k == 0 || k > n {
        return Err(Error::shape("kthvalue", "k", format_args!("1 to {n}, the size of dimension {dim}"), k));
    }
    Ok(squeezed(taken("kthvalue", a, dim, false, Take::At(k - 1))?, dim, keepdim))
}

/// The lower median along `dim` and its index; NaN where there is one, or left out where `ignore_nan`.
pub fn median(a: &Array, dim: isize, keepdim: bool, ignore_nan: bool) -> Result<(Array, Array)> {
    let dim = dimension("median", dim, a.ndim())?;
    not_empty("median", a, dim)?;
    let take = if ignore_nan { Take::NanMedian } else { Take::Median };
    Ok(squeezed(taken("median", a, dim, false, take)?, dim, keepdim))
}

/// The smallest of the most frequent elements along `dim`, and its last index.
pub fn mode(a: &Array, dim: isize, keepdim: bool) -> Result<(Array, Array)> {
    let dim = dimension("mode", dim, a.ndim())?;
    not_empty("mode", a, dim)?;
    Ok(squeezed(taken("mode", a, dim, false, Take::Mode)?, dim, keepdim))
}

/// Where each value would stand in its sorted line: before the elements equal to it, or after them where `right`.
/// `sequence` is `(…, n)` with the leading dimensions of `values`, or one line for all of them.
pub fn searchsorted(sequence: &Array, values: &Array, right: bool) -> Result<Array> {
    let op = "searchsorted";
    if sequence.dtype() != values.dtype() {
        return Err(Error::dtype(op, "input", sequence.dtype(), values.dtype()));
    }
    let lead = sequence.ndim().saturating_sub(1);
    let fits = lead == 0 || (values.ndim() == lead + 1 && sequence.shape()[..lead] == values.shape()[..lead]);
    if sequence.ndim() == 0 || !fits {
        return Err(Error::shape(
            op,
            "sorted_sequence",
            format_args!("one dimension, or the leading ones of {}", Shape(values.shape())),
            Shape(sequence.shape()),
        ));
    }
    match values.dtype() {
        DType::F32 => search_of::<f32>(sequence, values, right),
        DType::F64 => search_of::<f64>(sequence, values, right),
        DType::I64 => search_of::<i64>(sequence, values, right),
        DType::I32 => search_of::<i32>(sequence, values, right),
        DType::U8 | DType::Bool => search_of::<u8>(sequence, values, right),
        other => Err(Error::dtype(op, "input", "a dtype that is computed with", other)),
    }
}

fn search_of<T: Sortable>(sequence: &Array, values: &Array, right: bool) -> Result<Array> {
    let (sequence, values) = (crate::bits::contiguous(sequence)?, crate::bits::contiguous(values)?);
    let out = Array::empty(values.shape(), DType::I64)?;
    if out.numel() == 0 {
        return Ok(out);
    }
    path!("sort/search", parallel);
    let n = sequence.shape()[sequence.ndim() - 1];
    let each = if sequence.ndim() == 1 { values.numel() } else { values.shape()[values.ndim() - 1] };
    let (ps, pv) = (SyncPtr::new(raw::<T>(&sequence)), SyncPtr::new(raw::<T>(&values)));
    let po = SyncPtr::new(out.ptr_mut::<i64>());
    parallel::for_range(values.numel(), TASK, 2.0 * (n.max(2) as f64).log2(), |start, end| {
        for i in start..end {
            // SAFETY: elements of contiguous arrays; the search stays inside its line of n elements.
            unsafe {
                let (line, value) = (ps.get().add(i / each * n), (*pv.get().add(i)).key());
                let (mut low, mut high) = (0, n);
                while low < high {
                    let middle = low + (high - low) / 2;
                    let here = (*line.add(middle)).key();
                    if here < value || (right && here == value) { low = middle + 1 } else { high = middle }
                }
                *po.get().add(i) = low as i64;
            }
        }
    });
    Ok(out)
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;
    use crate::reduce::tests::{layouts, noise};

    #[test]
    fn sorts_as_the_standard_library_does() {
        let shape = [7, 30, 11];
        let x: Vec<f32> = noise(7 * 30 * 11, 5).iter().map(|v| (v * 4.0).round() as f32).collect();
        let a = Array::from_slice(&x, &shape).unwrap();
        let strides = [330, 11, 1];
        for a in layouts(&a) {
            for dim in 0..3 {
                for descending in [false, true] {
                    let (values, indices) = sort(&a, dim as isize, descending).unwrap();
                    let (values, indices) = (values.to_vec::<f32>(), indices.to_vec::<i64>());
                    for at in (0..x.len()).filter(|at| at / strides[dim] % shape[dim] == 0) {
                        let mut order: Vec<usize> = (0..shape[dim]).collect();
                        let line = |i: usize| x[at + i * strides[dim]];
                        order.sort_by(|&i, &j| {
                            let ascending = line(i).partial_cmp(&line(j)).unwrap();
                            if descending { ascending.reverse() } else { ascending }
                        });
                        for (place, &i) in order.iter().enumerate() {
                            let here = at + place * strides[dim];
                            assert_eq!((values[here], indices[here]), (line(i), i as i64));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_dtype_in_the_order_of_its_numbers() {
        let f = Array::from_slice(&[0.0, f64::NAN, -1.5, f64::INFINITY, -0.0, f64::NEG_INFINITY], &[6]).unwrap();
        assert_eq!(sort(&f, 0, false).unwrap().1.to_vec::<i64>(), [5, 2, 0, 4, 3, 1]);
        assert_eq!(sort(&f, 0, true).unwrap().1.to_vec::<i64>(), [1, 3, 0, 4, 2, 5]);
        let i = Array::from_slice(&[3i64, i64::MIN, i64::MAX, -1], &[4]).unwrap();
        assert_eq!(sort(&i, 0, false).unwrap().0.to_vec::<i64>(), [i64::MIN, -1, 3, i64::MAX]);
        assert_eq!(sort(&i, 0, true).unwrap().0.to_vec::<i64>(), [i64::MAX, 3, -1, i64::MIN]);
        let i = Array::from_slice(&[3i32, i32::MIN, i32::MAX, -1], &[4]).unwrap();
        assert_eq!(sort(&i, 0, true).unwrap().1.to_vec::<i64>(), [2, 0, 3, 1]);
        let u = Array::from_slice(&[200u8, 3, 255, 0], &[4]).unwrap();
        assert_eq!(sort(&u, 0, true).unwrap().0.to_vec::<u8>(), [255, 200, 3, 0]);
        assert_eq!(sort(&Array::scalar(2.0f32).unwrap(), 0, false).unwrap().1.to_vec::<i64>(), [0]);
    }

    #[test]
    fn parts_of_a_sorted_line() {
        let x = Array::from_slice(&[4f32, 1.0, f32::NAN, 1.0, 3.0, 4.0], &[6]).unwrap();
        let one = |r: Result<(Array, Array)>| {
            let (value, index) = r.unwrap();
            assert_eq!(value.ndim(), 0);
            (value.to_vec::<f32>()[0], index.to_vec::<i64>()[0])
        };
        assert_eq!(topk(&x, 3, 0, true).unwrap().1.to_vec::<i64>(), [2, 0, 5]);
        assert_eq!(topk(&x, 2, 0, false).unwrap().1.to_vec::<i64>(), [1, 3]);
        assert_eq!(one(kthvalue(&x, 3, 0, false)), (3.0, 4));
        assert_eq!(one(median(&x, 0, false, true)), (3.0, 4));
        let (value, index) = one(median(&x, 0, false, false));
        assert!(value.is_nan() && index == 2);
        assert_eq!(one(mode(&x, 0, false)), (1.0, 3));
        assert!(matches!(topk(&x, 7, 0, true), Err(Error::Shape(_))));
        assert!(matches!(kthvalue(&x, 0, 0, true), Err(Error::Shape(_))));
        assert!(matches!(median(&Array::empty(&[0], DType::F32).unwrap(), 0, false, true), Err(Error::Index(_))));
    }

    #[test]
    fn places_in_a_sorted_line() {
        let lines = Array::from_slice(&[1f64, 2.0, 2.0, 5.0, 0.0, 1.0, 3.0, f64::NAN], &[2, 4]).unwrap();
        let values = Array::from_slice(&[2.0, 9.0, 0.5, f64::NAN], &[2, 2]).unwrap();
        assert_eq!(searchsorted(&lines, &values, false).unwrap().to_vec::<i64>(), [1, 4, 1, 3]);
        assert_eq!(searchsorted(&lines, &values, true).unwrap().to_vec::<i64>(), [3, 4, 1, 4]);
        let row = Array::from_slice(&[1f64, 2.0], &[2]).unwrap();
        assert_eq!(searchsorted(&row, &values, false).unwrap().to_vec::<i64>(), [1, 2, 0, 2]);
        assert!(matches!(searchsorted(&lines, &row, false), Err(Error::Shape(_))));
    }
}
