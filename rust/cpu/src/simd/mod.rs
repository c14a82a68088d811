//! Vectors of f32 and f64 behind one trait, [`Simd`]; one implementation per instruction set.
//!
//! A kernel is a type that implements [`Kernel`]: its data are the arguments, its `run` is generic over the
//! instruction set and marked `#[inline(always)]`. [`vectorize`] calls it inside a function compiled for the
//! instruction set in force; that function is the only place with `#[target_feature]`. Closures and helper
//! functions inside a kernel are `#[inline(always)]` too: what is not inlined would be compiled without the
//! instruction set, and slow.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod math;
mod scalar;
mod transpose;
mod words;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use scalar::Scalar;
pub use transpose::Transpose;
pub(crate) use transpose::copy_matrix;
pub use words::Words;

use ferrograd_array::Element;

use crate::isa::{self, Isa};

/// The lanes of the longest vector.
pub(crate) const MOST_LANES: usize = 16;

/// Operations on vectors of `T`; an implementation is a zero-sized token that names an instruction set.
///
/// `max` and `min` return the second operand where one is NaN (what the hardware does); `maximum` and `minimum`
/// return NaN where either operand is NaN, on every instruction set. Comparisons are false on NaN except `ne`.
pub trait Simd<T: Float>: Words {
    /// A vector register.
    type V: Copy;
    /// The outcome of a comparison, a lane each.
    type M: Copy;
    /// Elements of a vector.
    const LANES: usize;
    /// Vector registers of the instruction set, for choosing tiles.
    const REGISTERS: usize;
    /// Fused multiply-add is one rounding.
    const FUSED: bool;

    fn splat(self, x: T) -> Self::V;
    /// # Safety
    /// `LANES` elements are readable at `p`; no alignment is required.
    unsafe fn load(self, p: *const T) -> Self::V;
    /// # Safety
    /// `LANES` elements are writable at `p`.
    unsafe fn store(self, p: *mut T, v: Self::V);
    /// As `store`, past the caches where the instruction set can: for what is too large to be read again from them.
    /// Others see it after [`streamed`].
    /// # Safety
    /// `LANES` elements are writable at `p`, which is a multiple of their size.
    #[inline(always)]
    unsafe fn stream(self, p: *mut T, v: Self::V) {
        // SAFETY: the caller's promise.
        unsafe { self.store(p, v) }
    }
    /// [`stream`](Self::stream) where `past` the caches is meant, else [`store`](Self::store).
    /// # Safety
    /// As theirs.
    #[inline(always)]
    unsafe fn put(self, p: *mut T, v: Self::V, past: bool) {
        // SAFETY: the caller's promise.
        unsafe { if past { self.stream(p, v) } else { self.store(p, v) } }
    }
    /// The first `n ≤ LANES` elements, zero in the other lanes.
    /// # Safety
    /// `n` elements are readable at `p`.
    unsafe fn load_partial(self, p: *const T, n: usize) -> Self::V;
    /// Writes the first `n ≤ LANES` lanes.
    /// # Safety
    /// `n` elements are writable at `p`.
    unsafe fn store_partial(self, p: *mut T, n: usize, v: Self::V);

    /// As [`load_partial`](Self::load_partial), a whole vector by the plain instruction.
    /// # Safety
    /// `n` elements are readable at `p`.
    #[inline(always)]
    unsafe fn load_some(self, p: *const T, n: usize) -> Self::V {
        // SAFETY: the caller's promise.
        unsafe { if n == Self::LANES { self.load(p) } else { self.load_partial(p, n) } }
    }
    /// As [`store_partial`](Self::store_partial), a whole vector by the plain instruction, and where a store through a mask
    /// is slow a part by branches: not for loops that need all registers.
    /// # Safety
    /// `n` elements are writable at `p`.
    #[inline(always)]
    unsafe fn store_some(self, p: *mut T, n: usize, v: Self::V) {
        // SAFETY: the caller's promise.
        unsafe { if n == Self::LANES { self.store(p, v) } else { self.store_partial(p, n, v) } }
    }

    /// As [`store_some`](Self::store_some), a whole vector by [`put`](Self::put).
    /// # Safety
    /// As theirs.
    #[inline(always)]
    unsafe fn put_some(self, p: *mut T, n: usize, v: Self::V, past: bool) {
        // SAFETY: the caller's promise.
        unsafe { if n == Self::LANES { self.put(p, v, past) } else { self.store_some(p, n, v) } }
    }

    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where [`FUSED`](Self::FUSED).
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    fn sqrt(self, a: Self::V) -> Self::V;
    fn neg(self, a: Self::V) -> Self::V;
    fn abs(self, a: Self::V) -> Self::V;
    /// The magnitude of `a` with the sign of `b`.
    fn copysign(self, a: Self::V, b: Self::V) -> Self::V;
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// To the nearest integer, ties to even.
    fn round(self, a: Self::V) -> Self::V;
    fn floor(self, a: Self::V) -> Self::V;

    fn lt(self, a: Self::V, b: Self::V) -> Self::M;
    fn le(self, a: Self::V, b: Self::V) -> Self::M;
    fn eq(self, a: Self::V, b: Self::V) -> Self::M;
    fn ne(self, a: Self::V, b: Self::V) -> Self::M;
    fn mask_and(self, a: Self::M, b: Self::M) -> Self::M;
    fn mask_or(self, a: Self::M, b: Self::M) -> Self::M;
    fn mask_any(self, a: Self::M) -> bool;
    /// `a` in the lanes where the mask is set, else `b`.
    fn select(self, mask: Self::M, a: Self::V, b: Self::V) -> Self::V;

    /// `a · 2ⁿ` for an integral `n`, exact where the result is a normal number; `n` within ±(2 × the exponent range).
    fn ldexp(self, a: Self::V, n: Self::V) -> Self::V;
    /// `2ⁿ` for an integral `n`, where that is a normal number.
    fn power(self, n: Self::V) -> Self::V;
    /// For a positive normal `a`: `(m, e)` with `a = m · 2ᵉ`, `e` integral, `√½ ≤ m < √2`.
    fn frexp(self, a: Self::V) -> (Self::V, Self::V);

    /// The sum of the lanes, in a fixed order.
    fn sum(self, a: Self::V) -> T;
    /// The largest lane by [`maximum`](Self::maximum).
    fn hmax(self, a: Self::V) -> T;
    /// The smallest lane by [`minimum`](Self::minimum).
    fn hmin(self, a: Self::V) -> T;

    /// The even and the odd elements of the `2 LANES` that `a` and `b` hold.
    fn unzip(self, a: Self::V, b: Self::V) -> (Self::V, Self::V);
    /// `a₀ b₀ a₁ b₁ …` as two vectors: the inverse of [`unzip`](Self::unzip).
    fn zip(self, a: Self::V, b: Self::V) -> (Self::V, Self::V);
    /// Integers as floats, rounded; NaN for what is not in `0..2³¹`.
    /// # Safety
    /// `LANES` integers are readable at `p`.
    unsafe fn load_index(self, p: *const i64) -> Self::V;
    /// Writes `base` plus each lane, a whole number in `0..2³¹`, as [`put`](Self::put) does.
    /// # Safety
    /// `LANES` integers are writable at `p`, which for those `past` the caches is a multiple of their size.
    unsafe fn store_index(self, p: *mut i64, v: Self::V, base: i64, past: bool);

    /// The first `n ≤ LANES` integers as by [`load_index`](Self::load_index), NaN in the other lanes.
    /// # Safety
    /// `n` integers are readable at `p`.
    #[inline(always)]
    unsafe fn load_index_some(self, p: *const i64, n: usize) -> Self::V {
        const { assert!(Self::LANES <= MOST_LANES) };
        // SAFETY: the caller's promise; the array has room for a vector.
        unsafe {
            if n == Self::LANES {
                return self.load_index(p);
            }
            let mut lanes = [-1; MOST_LANES];
            std::ptr::copy_nonoverlapping(p, lanes.as_mut_ptr(), n);
            self.load_index(lanes.as_ptr())
        }
    }
    /// Writes the first `n ≤ LANES` integers as [`store_index`](Self::store_index) does, whole vectors `past` the caches.
    /// # Safety
    /// `n` integers are writable at `p`.
    #[inline(always)]
    unsafe fn store_index_some(self, p: *mut i64, n: usize, v: Self::V, base: i64, past: bool) {
        const { assert!(Self::LANES <= MOST_LANES) };
        // SAFETY: the caller's promise; the array has room for a vector.
        unsafe {
            if n == Self::LANES {
                return self.store_index(p, v, base, past);
            }
            let mut lanes = [0; MOST_LANES];
            self.store_index(lanes.as_mut_ptr(), v, base, false);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), p, n);
        }
    }
    /// The first `n ≤ 2 LANES` elements as two vectors, zero in the other lanes.
    /// # Safety
    /// `n` elements are readable at `p`.
    #[inline(always)]
    unsafe fn load_two(self, p: *const T, n: usize) -> (Self::V, Self::V) {
        // SAFETY: the caller's promise.
        unsafe {
            if n == 2 * Self::LANES {
                return (self.load(p), self.load(p.add(Self::LANES)));
            }
            let first = n.min(Self::LANES);
            (self.load_partial(p, first), self.load_partial(p.add(first), n - first))
        }
    }
    /// Writes the first `n ≤ 2 LANES` lanes of two vectors.
    /// # Safety
    /// `n` elements are writable at `p`.
    #[inline(always)]
    unsafe fn store_two(self, p: *mut T, n: usize, a: Self::V, b: Self::V) {
        // SAFETY: the caller's promise.
        unsafe {
            let first = n.min(Self::LANES);
            self.store_some(p, first, a);
            self.store_some(p.add(first), n - first, b);
        }
    }
    /// `0, 1, 2, …`
    #[inline(always)]
    fn ramp(self) -> Self::V {
        const { assert!(Self::LANES <= MOST_LANES) };
        let mut lanes = [T::ZERO; MOST_LANES];
        for (i, lane) in lanes.iter_mut().enumerate() {
            *lane = T::from_f64(i as f64);
        }
        // SAFETY: the array has room for a vector.
        unsafe { self.load(lanes.as_ptr()) }
    }

    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(T::ZERO)
    }

    #[inline(always)]
    fn gt(self, a: Self::V, b: Self::V) -> Self::M {
        self.lt(b, a)
    }

    #[inline(always)]
    fn ge(self, a: Self::V, b: Self::V) -> Self::M {
        self.le(b, a)
    }

    #[inline(always)]
    fn is_nan(self, a: Self::V) -> Self::M {
        self.ne(a, a)
    }

    #[inline(always)]
    fn maximum(self, a: Self::V, b: Self::V) -> Self::V {
        // `max` gives b where either is NaN; a NaN in a must win.
        self.select(self.is_nan(a), a, self.max(a, b))
    }

    #[inline(always)]
    fn minimum(self, a: Self::V, b: Self::V) -> Self::V {
        self.select(self.is_nan(a), a, self.min(a, b))
    }
}

/// A computation that is compiled once for each instruction set.
pub trait Kernel<T: Float> {
    type Output;
    /// Implementations are `#[inline(always)]`.
    fn run<S: Simd<T>>(self, s: S) -> Self::Output;
}

/// Whether a result of so many bytes goes past the caches: its lines would be read before they are written, and gone
/// before they are read again.
pub fn streams(bytes: usize) -> bool {
    bytes >= 8 << 20
}

/// Ends a series of [`Simd::stream`]s: what this thread does next comes after them for every other thread.
#[inline(always)]
pub fn streamed() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a fence does nothing else.
    unsafe {
        std::arch::x86_64::_mm_sfence()
    };
}

/// Fetches the line of `p` into the first cache.
#[inline(always)]
pub(crate) fn prefetch<T>(p: *const T) {
    fetch::<3, T>(p);
}

/// Fetches the line of `p` into the second cache.
#[inline(always)]
pub(crate) fn prefetch_second<T>(p: *const T) {
    fetch::<2, T>(p);
}

/// `HINT` as the processor has it (`_MM_HINT_T0` is 3, `_MM_HINT_T1` 2).
#[inline(always)]
fn fetch<const HINT: i32, T>(p: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address is harmless.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<HINT>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// The closure itself. `#[inline(always)]` may stand on a closure only where it is an argument, and a closure of a kernel
/// needs it: left as a function of its own, it would have no vector instructions.
#[inline(always)]
pub fn inlined<F>(f: F) -> F {
    f
}

/// Runs a kernel with the instruction set in force.
#[inline]
pub fn vectorize<T: Float, K: Kernel<T>>(kernel: K) -> K::Output {
    // SAFETY: `isa::current` only names an instruction set that `isa` found on this machine.
    unsafe { T::enter(isa::current(), kernel) }
}

/// Elements of a vector under the instruction set in force.
pub fn lanes<T: Float>() -> usize {
    struct Lanes;
    impl<T: Float> Kernel<T> for Lanes {
        type Output = usize;
        #[inline(always)]
        fn run<S: Simd<T>>(self, _: S) -> usize {
            S::LANES
        }
    }
    vectorize::<T, _>(Lanes)
}

/// f32 or f64: what every differentiable kernel is generic over.
pub trait Float:
    Element
    + PartialOrd
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + Default
    + math::Elementary
    + Transpose
{
    const ZERO: Self;
    const ONE: Self;
    const INFINITY: Self;
    const NEG_INFINITY: Self;
    const NAN: Self;
    fn from_f64(x: f64) -> Self;
    fn to_f64(self) -> f64;
    fn is_nan(self) -> bool;
    /// Runs a kernel with a given instruction set.
    /// # Safety
    /// The machine has it.
    unsafe fn enter<K: Kernel<Self>>(isa: Isa, kernel: K) -> K::Output;
}

macro_rules! float {
    ($t:ty) => {
        impl Float for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const INFINITY: Self = <$t>::INFINITY;
            const NEG_INFINITY: Self = <$t>::NEG_INFINITY;
            const NAN: Self = <$t>::NAN;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                self != self
            }

            #[inline]
            unsafe fn enter<K: Kernel<Self>>(isa: Isa, kernel: K) -> K::Output {
                match isa {
                    Isa::Scalar => kernel.run(Scalar),
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: the caller promises that the machine has the instruction set.
                    Isa::Avx2 => unsafe { avx2::enter(kernel) },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: as above.
                    Isa::Avx512 => unsafe { avx512::enter(kernel) },
                }
            }
        }
    };
}

float!(f32);
float!(f64);

#[cfg(feature = "testing")]
mod tests;
