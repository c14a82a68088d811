//! Elementwise ops on arrays of any layout: `y_i = f(a_i, b_i, …)`, broadcast, each result in the memory order of its
//! first full-sized operand.
//!
//! An op is a function over vectors ([`Unary`], [`Binary`], [`Ternary`]) or a plain function of numbers, which the
//! compiler vectorises ([`Plain`]); [`walk`] brings it to every layout.

mod activation;
mod binary;
mod compare;
mod distance;
mod divide;
mod long_power;
mod pow;
mod select;
mod special;
mod trigonometric;
mod unary;
mod walk;
mod widened;

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrograd_array::{Array, DType, Element, Error, Result, Shape, broadcast_shapes};

pub use activation::*;
pub use binary::*;
pub use compare::*;
pub use distance::*;
pub use divide::{floor_divide, fmod, remainder};
pub use pow::pow;
pub use select::*;
pub use special::*;
pub use trigonometric::*;
pub use unary::*;

use crate::cast::copy_into;
use crate::parallel::SyncPtr;
use crate::simd::{Float, Scalar, Simd, streamed};
use crate::strided::Plan;
pub(crate) use walk::{Map, apply, by_size};

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
/// rule on overlap; [`deliver`] copies it over). PyTorch's rule on dtypes: never into a lower category.
fn check_out(op: &str, shape: &[usize], operands: &[&Array], dtype: DType, out: &Array) -> Result<Array> {
    if out.shape() != shape {
        return Err(Error::shape(op, "out", format_args!("shape {}", Shape(shape)), Shape(out.shape())));
    }
    if dtype.kind() > out.dtype().kind() {
        let expected = format_args!("a dtype that a result of {dtype} can be cast to");
        return Err(Error::dtype(op, "out", expected, out.dtype()));
    }
    let same = |a: &Array| {
        a.layout() == out.layout()
            && a.buffer().as_ptr() == out.buffer().as_ptr()
            && a.dtype().size() == out.dtype().size()
    };
    if out.dtype() == dtype && operands.iter().all(|a| same(a) || !a.overlaps(out)) {
        Ok(out.clone())
    } else {
        Array::empty_like(out, shape, dtype)
    }
}

/// Copies the result to where it was wanted, if it had to be computed elsewhere.
pub(crate) fn deliver(result: Array, out: Option<&Array>) -> Result<Array> {
    match out {
        Some(out) if out.buffer().as_ptr() != result.buffer().as_ptr() => {
            copy_into(&result, out);
            Ok(out.clone())
        }
        _ => Ok(result),
    }
}

/// A function of one float, over vectors.
pub(crate) trait Unary<T: Float>: Copy + Send + Sync {
    /// Nanoseconds an element, for the serial threshold.
    const NS: f64 = 0.5;
    fn apply<S: Simd<T>>(self, s: S, x: S::V) -> S::V;
}

/// A function of two floats, over vectors.
pub(crate) trait Binary<T: Float>: Copy + Send + Sync {
    const NS: f64 = 0.5;
    fn apply<S: Simd<T>>(self, s: S, a: S::V, b: S::V) -> S::V;
}

/// A function of three floats, over vectors.
pub(crate) trait Ternary<T: Float>: Copy + Send + Sync {
    const NS: f64 = 0.75;
    fn apply<S: Simd<T>>(self, s: S, a: S::V, b: S::V, c: S::V) -> S::V;
}

/// A function over vectors of `T` as a loop.
struct Vectors<T, F> {
    f: F,
    /// Whether results are written past the caches, in whole lines.
    past: bool,
    lane: PhantomData<T>,
}

impl<T, F> Vectors<T, F> {
    fn new(f: F) -> Self {
        Self { f, past: false, lane: PhantomData }
    }
}

impl<T, F: Copy> Clone for Vectors<T, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, F: Copy> Copy for Vectors<T, F> {}

macro_rules! vectors {
    ($trait:ident, $p:literal, $($k:literal),*) => {
        impl<T: Float, F: $trait<T>> Map<$p> for Vectors<T, F> {
            type Lane = T;
            const SIZES: [usize; $p] = [size_of::<T>(); $p];
            const NS: f64 = F::NS;

            #[inline(always)]
            unsafe fn dense<S: Simd<T>>(self, s: S, p: [*mut u8; $p], n: usize) {
                let p = p.map(#[inline(always)] |p| p.cast::<T>());
                let mut i = 0;
                // SAFETY: n elements at each pointer.
                unsafe {
                    while i + S::LANES <= n {
                        s.put(p[0].add(i), self.f.apply(s, $(s.load(p[$k].add(i))),*), self.past);
                        i += S::LANES;
                    }
                    if i < n {
                        let rest = n - i;
                        let v = self.f.apply(s, $(s.load_partial(p[$k].add(i), rest)),*);
                        s.store_some(p[0].add(i), rest, v);
                    }
                }
                if self.past {
                    streamed();
                }
            }

            fn past_caches(self) -> Self {
                Self { past: true, ..self }
            }
        }
    };
}

vectors!(Unary, 2, 1);
vectors!(Binary, 3, 1, 2);
vectors!(Ternary, 4, 1, 2, 3);

macro_rules! plain_struct {
    ($name:ident, $doc:literal) => {
        #[doc = $doc]
        pub(crate) struct $name<F, Signature>(F, PhantomData<fn(Signature)>);

        impl<F: Copy, S> Clone for $name<F, S> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<F: Copy, S> Copy for $name<F, S> {}

        impl<F, S> $name<F, S> {
            pub(crate) fn new(f: F) -> Self {
                Self(f, PhantomData)
            }
        }
    };
}

plain_struct!(Plain, "A function of numbers as a loop: `F(A, …) -> O`.");

/// Elements that a plain loop reads before it writes any: the compiler need not ask whether they overlap.
const CHUNK: usize = 32;

macro_rules! plain {
    ($name:ident, $ns:literal, $p:literal, $($type:ident $operand:ident $k:literal),*; $($run:tt)*) => {
        impl<$($type: Element,)* O: Element, F> Map<$p> for $name<F, ($($type,)* O)>
        where
            F: Fn($($type),*) -> O + Copy + Send + Sync,
        {
            type Lane = f32;
            const SIZES: [usize; $p] = [size_of::<O>(), $(size_of::<$type>()),*];
            const NS: f64 = $ns;

            #[inline(always)]
            unsafe fn dense<S: Simd<f32>>(self, _: S, p: [*mut u8; $p], n: usize) {
                let f = self.0;
                let out = p[0].cast::<O>();
                $(let $operand = p[$k].cast::<$type>();)*
                let mut i = 0;
                // SAFETY: n elements at each pointer.
                unsafe {
                    while i + CHUNK <= n {
                        $(let $operand = $operand.add(i).cast::<[$type; CHUNK]>().read_unaligned();)*
                        let results: [O; CHUNK] = std::array::from_fn(#[inline(always)] |j| f($($operand[j]),*));
                        out.add(i).cast::<[O; CHUNK]>().write_unaligned(results);
                        i += CHUNK;
                    }
                    while i < n {
                        *out.add(i) = f($(*$operand.add(i)),*);
                        i += 1;
                    }
                }
            }

            $($run)*
        }
    };
}

/// `run` of a loop that is compiled once.
macro_rules! once {
    ($p:literal) => {
        #[inline]
        unsafe fn run(self, p: [*mut u8; $p], n: usize) {
            // SAFETY: as the caller promises.
            unsafe { self.dense(Scalar, p, n) }
        }
    };
}

plain!(Plain, 0.5, 2, A a 1; once!(2););
plain!(Plain, 0.5, 3, A a 1, B b 2; once!(3););
plain!(Plain, 0.75, 4, A a 1, B b 2, C c 3; once!(4););
plain!(Plain, 1.0, 5, A a 1, B b 2, C c 3, D d 4; once!(5););

/// `map` over one operand.
fn map1<M: Map<2>>(op: &str, a: &Array, dtype: DType, out: Option<&Array>, map: M) -> Result<Array> {
    let result = output(op, a.shape(), &[a], dtype, out)?;
    apply(map, [&result, a]);
    deliver(result, out)
}

/// `map` over two operands, broadcast.
fn map2<M: Map<3>>(op: &str, a: &Array, b: &Array, dtype: DType, out: Option<&Array>, map: M) -> Result<Array> {
    let result = if a.shape() == b.shape() {
        output(op, a.shape(), &[a, b], dtype, out)?
    } else {
        output(op, &broadcast_shapes(op, "other", a.shape(), b.shape())?, &[a, b], dtype, out)?
    };
    apply(map, [&result, a, b]);
    deliver(result, out)
}

/// `map` over three operands, broadcast; `names` are those of the second and the third.
fn map3<M: Map<4>>(
    op: &str,
    names: [&str; 2],
    [a, b, c]: [&Array; 3],
    dtype: DType,
    out: Option<&Array>,
    map: M,
) -> Result<Array> {
    let shape = broadcast_shapes(op, names[0], a.shape(), b.shape())?;
    let shape = broadcast_shapes(op, names[1], &shape, c.shape())?;
    let result = output(op, &shape, &[a, b, c], dtype, out)?;
    apply(map, [&result, a, b, c]);
    deliver(result, out)
}

fn float1<T: Float, F: Unary<T>>(op: &str, a: &Array, out: Option<&Array>, f: F) -> Result<Array> {
    map1(op, a, T::DTYPE, out, Vectors::<T, _>::new(f))
}

fn float2<T: Float, F: Binary<T>>(op: &str, a: &Array, b: &Array, out: Option<&Array>, f: F) -> Result<Array> {
    map2(op, a, b, T::DTYPE, out, Vectors::<T, _>::new(f))
}

fn float3<T: Float, F: Ternary<T>>(
    op: &str,
    names: [&str; 2],
    operands: [&Array; 3],
    out: Option<&Array>,
    f: F,
) -> Result<Array> {
    map3(op, names, operands, T::DTYPE, out, Vectors::<T, _>::new(f))
}

/// That a dtype is not for this op, and what to do about it.
fn unsupported(op: &str, argument: &str, expected: &str, got: DType) -> Error {
    match got {
        DType::F16 | DType::BF16 => {
            Error::dtype(op, argument, format_args!("{expected} (cast with .float() first)"), got)
        }
        _ => Error::dtype(op, argument, expected, got),
    }
}

const FLOAT: &str = "float32 or float64";
const NUMBER: &str = "float32, float64 or an integer dtype";

/// All operands have one dtype: the binding promotes.
fn same_dtype(op: &str, argument: &str, a: &Array, b: &Array) -> Result<()> {
    if a.dtype() == b.dtype() { Ok(()) } else { Err(Error::dtype(op, argument, a.dtype(), b.dtype())) }
}

/// Whether any element has a property; in the checks that come before a write.
fn any<T: Element>(a: &Array, property: impl Fn(T) -> bool + Sync) -> bool {
    let plan = Plan::new([a.layout()]);
    let [stride] = plan.inner_strides();
    let p = SyncPtr::new(a.ptr_mut::<T>());
    let found = AtomicBool::new(false);
    plan.run(0.3, |[offset], n| {
        // SAFETY: the plan stays inside the array.
        let here = unsafe {
            let row = p.get().offset(offset);
            (0..n as isize).fold(false, |any, i| any | property(*row.offset(i * stride)))
        };
        if here {
            found.store(true, Ordering::Relaxed);
        }
    });
    found.into_inner()
}

#[cfg(feature = "testing")]
mod tests;
