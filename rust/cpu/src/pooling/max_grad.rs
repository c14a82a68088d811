//! The gradient of max pooling: what the windows chose is scattered to where it was, or, where the windows are known
//! and apart, each input element asks its window whether it was chosen.

use ferrograd_array::{Array, DType, Error, Result, Shape, checked_numel};
use smallvec::SmallVec;

use super::apart::{Share, Windows, spread};
use super::{Axis, Geometry, Planes, Window, flat_step, offset};
use crate::index::Bad;
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{Float, Simd};

/// A geometry of `sizes` inputs and the outputs of `grad`: what a scatter by plane index needs.
fn by_index(op: &str, grad: &Array, indices: &Array, sizes: &[usize]) -> Result<Geometry> {
    let (shape, spatial) = (grad.shape(), sizes.len());
    if !(1..=3).contains(&spatial) || (shape.len() != spatial + 1 && shape.len() != spatial + 2) {
        let expected = format!("([N,] C, …) with {spatial} spatial dimensions, 1 to 3");
        return Err(Error::shape(op, "grad", expected, Shape(shape)));
    }
    if indices.shape() != shape {
        return Err(Error::shape(
            op,
            "indices",
            format_args!("the shape of grad, {}", Shape(shape)),
            Shape(indices.shape()),
        ));
    }
    if indices.dtype() != DType::I64 {
        return Err(Error::dtype(op, "indices", "int64, as max_pool returns them", indices.dtype()));
    }
    let batched = shape.len() == spatial + 2;
    let mut axes = [Axis::ONE; 3];
    for k in 0..spatial {
        axes[3 - spatial + k] = Axis { size: sizes[k], out: shape[shape.len() - spatial + k], ..Axis::ONE };
    }
    let (n, c) = if batched { (shape[0], shape[1]) } else { (1, shape[0]) };
    Ok(Geometry { n, c, axes, spatial, batched })
}

/// The gradient of the input: zeros of spatial size `sizes`, with each element of `grad` added at its plane index.
/// `window` says of which windows the indices are, if that is known: it changes nothing but the time.
pub fn max_pool_grad(grad: &Array, indices: &Array, sizes: &[usize], window: Option<&Window<'_>>) -> Result<Array> {
    let op = "max_pool_grad";
    match grad.dtype() {
        DType::F32 => backward::<f32>(op, grad, indices, sizes, window),
        DType::F64 => backward::<f64>(op, grad, indices, sizes, window),
        other => Err(Error::dtype(op, "grad", "float32 or float64 (cast it)", other)),
    }
}

fn backward<T: Float>(
    op: &str,
    grad: &Array,
    indices: &Array,
    sizes: &[usize],
    window: Option<&Window<'_>>,
) -> Result<Array> {
    let g = by_index(op, grad, indices, sizes)?;
    let shape = g.in_shape();
    checked_numel(&shape)?;
    if let Some(window) = window {
        let known = Geometry::new(op, &shape, window)?;
        known.check_out(op, "grad", grad)?;
        if let Some(out) = chosen::<T>(&known, grad, indices)? {
            return Ok(out);
        }
    }
    path!("max_pool/grad", parallel);
    let mut out = Array::empty_like(grad, &shape, T::DTYPE)?;
    let mut so = g.strides(out.layout());
    let step = match flat_step(&g, &so, |a| a.size) {
        Some(step) => step,
        None => {
            out = Array::empty(&shape, T::DTYPE)?;
            so = g.strides(out.layout());
            flat_step(&g, &so, |a| a.size).expect("row-major planes are flat")
        }
    };
    let (sg, si) = (g.strides(grad.layout()), g.strides(indices.layout()));
    let (plane, _) = g.planes();
    let [d, h, w] = g.axes.map(|a| a.out);
    let (po, pg, pi) =
        (SyncPtr::new(out.ptr_mut::<T>()), SyncPtr::new(grad.ptr_mut::<T>()), SyncPtr::new(indices.ptr_mut::<i64>()));
    let inside = step != 1;
    let planes = Planes::new(&g, inside);
    let bad = Bad::new();
    parallel::run(planes.tasks, out.numel() as f64 * 0.4 + grad.numel() as f64 * 1.5, |task| {
        let (n, channels) = planes.of(&g, task);
        let at = |s: &[isize; 5], c: usize| n as isize * s[0] + c as isize * s[1];
        // SAFETY: offsets are those of the geometry; a plane index is checked before it is used; planes are disjoint.
        unsafe {
            if inside {
                for i in 0..plane as isize {
                    for c in channels.clone() {
                        *po.get().offset(at(&so, c) + i * step) = T::ZERO;
                    }
                }
            } else {
                for c in channels.clone() {
                    std::slice::from_raw_parts_mut(po.get().offset(at(&so, c)), plane).fill(T::ZERO);
                }
            }
            for od in 0..d as isize {
                for oh in 0..h as isize {
                    let one = |c: usize, ow: isize| {
                        let i = at(&si, c) + od * si[2] + oh * si[3] + ow * si[4];
                        let index = pi.get().offset(i).read_volatile();
                        if (index as u64) < plane as u64 {
                            let v = *pg.get().offset(at(&sg, c) + od * sg[2] + oh * sg[3] + ow * sg[4]);
                            *po.get().offset(at(&so, c) + index as isize * step) += v;
                        } else {
                            bad.note(i, index);
                        }
                    };
                    if inside {
                        for ow in 0..w as isize {
                            channels.clone().for_each(|c| one(c, ow));
                        }
                    } else {
                        for c in channels.clone() {
                            (0..w as isize).for_each(|ow| one(c, ow));
                        }
                    }
                }
            }
        }
    });
    bad.check(op, "indices", out.ndim() - g.spatial, plane)?;
    Ok(out)
}

/// An element gets the window's gradient where the index names it, else zero.
#[derive(Clone, Copy)]
struct Chosen<T> {
    grad: (SyncPtr<T>, [isize; 5]),
    indices: (SyncPtr<i64>, [isize; 5]),
}

impl<T: Float> Share<T> for Chosen<T> {
    type Windows = (*const T, *const i64);

    fn strides(&self) -> SmallVec<[[isize; 5]; 2]> {
        [self.grad.1, self.indices.1].into()
    }

    #[inline(always)]
    fn windows(&self, at: [usize; 5]) -> Self::Windows {
        let Self { grad, indices } = self;
        let grad = grad.0.get().wrapping_offset(offset(at, grad.1));
        (grad, indices.0.get().wrapping_offset(offset(at, indices.1)))
    }
}

impl<T: Float> Windows<T> for (*const T, *const i64) {
    #[inline(always)]
    unsafe fn load<S: Simd<T>>(self, s: S, j: usize, n: usize) -> (S::V, S::V) {
        // SAFETY: the caller's promise.
        unsafe { (s.load_some(self.0.add(j), n), s.load_index_some(self.1.add(j), n)) }
    }

    #[inline(always)]
    fn give<S: Simd<T>>(self, s: S, (v, chosen): (S::V, S::V), flat: S::V) -> (S::V, S::M) {
        let here = s.eq(chosen, flat);
        (s.select(here, v, s.zero()), here)
    }
}

/// The gradient where no element lies in two windows: None where the arrays lie otherwise than that needs, or where an
/// index is none of its window's.
fn chosen<T: Float>(g: &Geometry, grad: &Array, indices: &Array) -> Result<Option<Array>> {
    let out = Array::empty_like(grad, &g.in_shape(), T::DTYPE)?;
    let share = Chosen {
        grad: (SyncPtr::new(grad.ptr_mut::<T>()), g.strides(grad.layout())),
        indices: (SyncPtr::new(indices.ptr_mut::<i64>()), g.strides(indices.layout())),
    };
    Ok((spread(g, &out, share) == Some(true)).then_some(out))
}
