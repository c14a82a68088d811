//! Elementwise ops on arrays of any layout: `y_i = f(a_i, b_i, …)`, broadcast, each result in the memory order of its
//! first full-sized operand.

use ferrograd_array::{Array, DType, Element, Error, Layout, Result, broadcast_shapes};

use crate::parallel::SyncPtr;
use crate::path;
use crate::simd::{Float, Kernel, Simd, vectorize};
use crate::strided::Plan;

/// Elements that are gathered into a tile before a vector loop runs over them, where a row is not dense.
const TILE: usize = 256;

/// A function of two floats, over vectors.
pub(crate) trait Binary<T: Float>: Copy + Send + Sync {
    /// Nanoseconds an element, for the serial threshold; a memory-bound op takes about 0.5.
    const NS: f64 = 0.5;
    fn apply<S: Simd<T>>(self, s: S, a: S::V, b: S::V) -> S::V;
}

/// Where the result of an op goes: new memory, or an array that it may overwrite.
pub(crate) fn output(
    op: &str,
    shape: &[usize],
    operands: &[&Array],
    dtype: DType,
    out: Option<&Array>,
) -> Result<Array> {
    if let Some(out) = out {
        return check_out(op, shape, operands, dtype, out);
    }
    match operands.iter().find(|a| a.shape() == shape) {
        Some(like) => Array::empty_like(like, shape, dtype),
        None => Array::empty(shape, dtype),
    }
}

/// `out` itself where it can be written element by element while the operands are read, else new memory (NumPy's
/// rule on overlap; the caller copies it over).
fn check_out(op: &str, shape: &[usize], operands: &[&Array], dtype: DType, out: &Array) -> Result<Array> {
    if out.shape() != shape {
        return Err(Error::shape(
            op,
            "out",
            format_args!("shape {}", ferrograd_array::Shape(shape)),
            ferrograd_array::Shape(out.shape()),
        ));
    }
    if out.dtype() != dtype {
        return Err(Error::dtype(op, "out", dtype, out.dtype()));
    }
    let same = |a: &Array| a.layout() == out.layout() && a.buffer().as_ptr() == out.buffer().as_ptr();
    if operands.iter().all(|a| same(a) || !a.overlaps(out)) {
        Ok(out.clone())
    } else {
        Array::empty_like(out, shape, dtype)
    }
}

/// Copies the result to where it was wanted, if it had to be computed elsewhere.
pub(crate) fn deliver(result: Array, out: Option<&Array>) -> Result<Array> {
    match out {
        Some(out) if out.buffer().as_ptr() != result.buffer().as_ptr() => {
            copy_same_dtype(&result, out);
            Ok(out.clone())
        }
        _ => Ok(result),
    }
}

/// `out_i = a_i` for two arrays of one shape and dtype that do not overlap.
fn copy_same_dtype(a: &Array, out: &Array) {
    match a.dtype().size() {
        1 => map1(a, out, |x: u8| x),
        2 => map1(a, out, |x: half::f16| x),
        4 => map1(a, out, |x: i32| x),
        _ => map1(a, out, |x: i64| x),
    }
}

/// `out_i = f(a_i)` by plain loops; for types without vectors. The element types agree in size with the arrays.
fn map1<A: Element, O: Element>(a: &Array, out: &Array, f: impl Fn(A) -> O + Sync) {
    let layout = a.layout().broadcast_to(out.shape());
    let plan = Plan::new([out.layout(), &layout]);
    let (src, dst) = (SyncPtr::new(raw::<A>(a)), SyncPtr::new(raw::<O>(out)));
    let [so, sa] = plan.inner_strides();
    plan.run(0.5, |[o, i], n| {
        // SAFETY: the plan stays inside both layouts, whose extents were checked when the arrays were made.
        unsafe {
            let (dst, src) = (dst.get().offset(o), src.get().offset(i));
            if so == 1 && sa == 1 {
                for j in 0..n {
                    *dst.add(j) = f(*src.add(j));
                }
            } else {
                for j in 0..n as isize {
                    *dst.offset(so * j) = f(*src.offset(sa * j));
                }
            }
        }
    });
}

/// The first element, whatever the dtype says; for moving bits.
fn raw<T>(a: &Array) -> *mut T {
    debug_assert_eq!(size_of::<T>(), a.dtype().size());
    a.buffer().as_ptr().cast::<T>().wrapping_add(a.layout().offset)
}

/// A row of two operands, or the tile that holds it.
struct Row<'a, T: Float, F> {
    f: F,
    out: *mut T,
    a: *const T,
    b: *const T,
    strides: [isize; 3],
    n: usize,
    _scope: std::marker::PhantomData<&'a T>,
}

impl<T: Float, F: Binary<T>> Kernel<T> for Row<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let [so, sa, sb] = self.strides;
        // SAFETY: `n` elements at each stride lie inside the arrays; tiles hold TILE elements.
        unsafe {
            if so == 1 && sa == 1 && sb == 1 {
                return dense(s, self.f, self.out, self.a, self.b, self.n);
            }
            let (mut ta, mut tb, mut to) = ([T::ZERO; TILE], [T::ZERO; TILE], [T::ZERO; TILE]);
            let mut start = 0;
            while start < self.n {
                let n = TILE.min(self.n - start);
                let a = gather(self.a, sa, start, n, &mut ta);
                let b = gather(self.b, sb, start, n, &mut tb);
                if so == 1 {
                    dense(s, self.f, self.out.add(start), a, b, n);
                } else {
                    dense(s, self.f, to.as_mut_ptr(), a, b, n);
                    scatter(&to, self.out, so, start, n);
                }
                start += n;
            }
        }
    }
}

/// A dense pointer to elements `start..start + n` of a strided row: the row itself, or a filled tile.
#[inline(always)]
unsafe fn gather<T: Float>(p: *const T, stride: isize, start: usize, n: usize, tile: &mut [T; TILE]) -> *const T {
    // SAFETY: as the caller's.
    unsafe {
        match stride {
            1 => p.add(start),
            0 => {
                if start == 0 {
                    tile.fill(*p);
                }
                tile.as_ptr()
            }
            _ => {
                for j in 0..n {
                    tile[j] = *p.offset((start + j) as isize * stride);
                }
                tile.as_ptr()
            }
        }
    }
}

#[inline(always)]
unsafe fn scatter<T: Float>(tile: &[T; TILE], p: *mut T, stride: isize, start: usize, n: usize) {
    for j in 0..n {
        // SAFETY: as the caller's.
        unsafe { *p.offset((start + j) as isize * stride) = tile[j] };
    }
}

#[inline(always)]
unsafe fn dense<T: Float, S: Simd<T>, F: Binary<T>>(s: S, f: F, out: *mut T, a: *const T, b: *const T, n: usize) {
    let mut i = 0;
    // SAFETY: the caller gives n elements at each pointer.
    unsafe {
        while i + S::LANES <= n {
            s.store(out.add(i), f.apply(s, s.load(a.add(i)), s.load(b.add(i))));
            i += S::LANES;
        }
        if i < n {
            let rest = n - i;
            let v = f.apply(s, s.load_partial(a.add(i), rest), s.load_partial(b.add(i), rest));
            s.store_partial(out.add(i), rest, v);
        }
    }
}

/// `f` over two float arrays of one dtype.
fn binary_float<T: Float, F: Binary<T>>(op: &str, a: &Array, b: &Array, out: Option<&Array>, f: F) -> Result<Array> {
    path!("elementwise/binary", parallel);
    let (result, la, lb) = prepare(op, a, b, T::DTYPE, out)?;
    let plan = Plan::new([result.layout(), &la, &lb]);
    let strides = plan.inner_strides();
    let (po, pa, pb) =
        (SyncPtr::new(result.ptr_mut::<T>()), SyncPtr::new(a.ptr_mut::<T>()), SyncPtr::new(b.ptr_mut::<T>()));
    plan.run(F::NS, |[o, i, j], n| {
        // SAFETY: the plan's offsets lie inside the arrays.
        let (out, a, b) = unsafe { (po.get().offset(o), pa.get().offset(i), pb.get().offset(j)) };
        vectorize(Row { f, out, a, b, strides, n, _scope: std::marker::PhantomData });
    });
    deliver(result, out)
}

/// `f` over two arrays of one element type without vectors.
fn binary_plain<A: Element, O: Element>(
    op: &str,
    a: &Array,
    b: &Array,
    dtype: DType,
    out: Option<&Array>,
    f: impl Fn(A, A) -> O + Sync,
) -> Result<Array> {
    path!("elementwise/binary_plain", parallel);
    let (result, la, lb) = prepare(op, a, b, dtype, out)?;
    let plan = Plan::new([result.layout(), &la, &lb]);
    let [so, sa, sb] = plan.inner_strides();
    let (po, pa, pb) = (SyncPtr::new(raw::<O>(&result)), SyncPtr::new(raw::<A>(a)), SyncPtr::new(raw::<A>(b)));
    plan.run(0.5, |[o, i, j], n| {
        // SAFETY: the plan stays inside the three layouts.
        unsafe {
            let (out, a, b) = (po.get().offset(o), pa.get().offset(i), pb.get().offset(j));
            for k in 0..n as isize {
                *out.offset(so * k) = f(*a.offset(sa * k), *b.offset(sb * k));
            }
        }
    });
    deliver(result, out)
}

fn prepare(op: &str, a: &Array, b: &Array, dtype: DType, out: Option<&Array>) -> Result<(Array, Layout, Layout)> {
    let shape = broadcast_shapes(op, "other", a.shape(), b.shape())?;
    let result = output(op, &shape, &[a, b], dtype, out)?;
    Ok((result, a.layout().broadcast_to(&shape), b.layout().broadcast_to(&shape)))
}

macro_rules! binary {
    ($name:ident, $struct:ident, $doc:literal, |$s:ident, $a:ident, $b:ident| $vector:expr, |$x:ident, $y:ident| $int:expr) => {
        #[derive(Clone, Copy)]
        struct $struct;

        impl<T: Float> Binary<T> for $struct {
            #[inline(always)]
            fn apply<S: Simd<T>>(self, $s: S, $a: S::V, $b: S::V) -> S::V {
                $vector
            }
        }

        #[doc = $doc]
        pub fn $name(a: &Array, b: &Array, out: Option<&Array>) -> Result<Array> {
            let op = stringify!($name);
            match a.dtype() {
                DType::F32 => binary_float::<f32, _>(op, a, b, out, $struct),
                DType::F64 => binary_float::<f64, _>(op, a, b, out, $struct),
                DType::I64 => binary_plain(op, a, b, DType::I64, out, |$x: i64, $y: i64| $int),
                DType::I32 => binary_plain(op, a, b, DType::I32, out, |$x: i32, $y: i32| $int),
                DType::U8 => binary_plain(op, a, b, DType::U8, out, |$x: u8, $y: u8| $int),
                other => Err(Error::dtype(op, "input", "a numeric dtype that is computed with", other)),
            }
        }
    };
}

binary!(add, Add, "`a_i + b_i`; integers wrap.", |s, a, b| s.add(a, b), |x, y| x.wrapping_add(y));
binary!(mul, Mul, "`a_i · b_i`; integers wrap.", |s, a, b| s.mul(a, b), |x, y| x.wrapping_mul(y));
