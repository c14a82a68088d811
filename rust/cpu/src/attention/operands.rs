use ferrograd_array::{Array, DType, Dims, Error, Result, Shape, broadcast_shapes};
use smallvec::SmallVec;

use super::Inputs;
use crate::contiguous;
use crate::gemm::Matrix;
use crate::simd::Float;

/// The operands checked, and seen with the leading dimensions of the result.
pub(super) struct Operands<T> {
    q: Array,
    k: Array,
    v: Array,
    mask: Option<Array>,
    heads: Heads,
    pub batch: Dims,
    pub queries: usize,
    pub keys: usize,
    pub features: usize,
    pub values: usize,
    pub scale: T,
    pub causal: bool,
}

/// A row that lies a multiple of this many bytes from the next shares its few places in the first-level cache with it.
const CROWDED: usize = 2048;

impl<T: Float> Operands<T> {
    pub fn new(op: &str, inputs: &Inputs) -> Result<Self> {
        let Inputs { q, k, v, mask, scale, causal } = *inputs;
        for (argument, a) in [("query", q), ("key", k), ("value", v)] {
            if a.ndim() < 2 {
                return Err(Error::shape(op, argument, "at least 2 dimensions", Shape(a.shape())));
            }
            if a.dtype() != T::DTYPE {
                return Err(Error::dtype(op, argument, format_args!("{}, as query has", T::DTYPE), a.dtype()));
            }
        }
        let ([.., queries, features], [.., keys, _], [.., values]) = (q.shape(), k.shape(), v.shape()) else {
            unreachable!("the number of dimensions was checked");
        };
        let (queries, features, keys, values) = (*queries, *features, *keys, *values);
        let lead = |a: &Array| Dims::from_slice(&a.shape()[..a.ndim() - 2]);
        if k.shape()[k.ndim() - 1] != features {
            return Err(Error::shape(op, "key", format_args!("{features} features"), Shape(k.shape())));
        }
        if v.shape()[v.ndim() - 2] != keys {
            return Err(Error::shape(op, "value", format_args!("{keys} rows, as key has"), Shape(v.shape())));
        }
        let batch = broadcast_shapes(op, "key", &lead(q), &lead(k))?;
        let batch = broadcast_shapes(op, "value", &batch, &lead(v))?;
        let wide = |rows: usize, columns: usize| batch.iter().copied().chain([rows, columns]).collect::<Dims>();
        let to = |a: &Array, rows, columns| a.view(a.layout().broadcast_to(&wide(rows, columns)));
        let mask = match mask {
            None => None,
            Some(mask) => {
                let full = wide(queries, keys);
                if mask.dtype() != DType::Bool && mask.dtype() != T::DTYPE {
                    return Err(Error::dtype(op, "mask", format_args!("bool or {}", T::DTYPE), mask.dtype()));
                }
                if broadcast_shapes(op, "mask", &full, mask.shape())? != full {
                    let expected = format!("a shape that broadcasts to {}", Shape(&full));
                    return Err(Error::shape(op, "mask", expected, Shape(mask.shape())));
                }
                Some(to(mask, queries, keys))
            }
        };
        let (k, v) = (settled::<T>(k)?, settled::<T>(v)?);
        Ok(Self {
            q: to(q, queries, features),
            k: to(&k, keys, features),
            v: to(&v, keys, values),
            mask,
            heads: Heads::new(&batch),
            queries,
            keys,
            features,
            values,
            scale: T::from_f64(scale),
            causal,
            batch,
        })
    }

    pub fn heads(&self) -> usize {
        self.heads.count
    }

    /// The leading dimensions and two more.
    pub fn shape(&self, rows: usize, columns: usize) -> Dims {
        self.batch.iter().copied().chain([rows, columns]).collect()
    }

    /// An array of leading dimensions, `rows` and `columns`, which lie in memory as those of `like` do, the columns side
    /// by side.
    pub fn result(&self, like: &Array, rows: usize, columns: usize) -> Result<Array> {
        let shape = self.shape(rows, columns);
        let layout = like.layout().dense_like(&shape);
        let apart = columns > 1 && layout.strides[shape.len() - 1] != 1;
        if apart { Array::empty(&shape, T::DTYPE) } else { Array::empty_like(like, &shape, T::DTYPE) }
    }

    pub fn query(&self, head: usize) -> Matrix<T> {
        self.heads.matrix(&self.q, head)
    }

    pub fn key(&self, head: usize) -> Matrix<T> {
        self.heads.matrix(&self.k, head)
    }

    pub fn value(&self, head: usize) -> Matrix<T> {
        self.heads.matrix(&self.v, head)
    }

    /// One head of an array with the leading dimensions of the result.
    pub fn of(&self, a: &Array, head: usize) -> Matrix<T> {
        self.heads.matrix(a, head)
    }

    pub fn mask(&self, head: usize) -> Mask<T> {
        match &self.mask {
            None => Mask::None,
            Some(mask) if mask.dtype() == DType::Bool => Mask::Seen(self.heads.matrix(mask, head)),
            Some(mask) => Mask::Added(self.heads.matrix(mask, head)),
        }
    }
}

/// What decides which keys a query sees, of one head or from some query and key on.
#[derive(Clone, Copy)]
pub(super) enum Mask<T> {
    None,
    Seen(Matrix<u8>),
    Added(Matrix<T>),
}

impl<T: Float> Mask<T> {
    pub fn from(self, query: usize, key: usize) -> Self {
        match self {
            Mask::None => Mask::None,
            Mask::Seen(m) => Mask::Seen(at(m, query, key)),
            Mask::Added(m) => Mask::Added(at(m, query, key)),
        }
    }

    /// All queries see the same.
    #[inline(always)]
    pub fn is_shared(&self) -> bool {
        match self {
            Mask::None => true,
            Mask::Seen(m) => m.row_stride == 0,
            Mask::Added(m) => m.row_stride == 0,
        }
    }

    /// What is added to the score of a query and a key.
    ///
    /// # Safety
    /// They lie inside the mask.
    #[inline(always)]
    pub unsafe fn added(&self, query: usize, key: usize) -> T {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Mask::None => T::ZERO,
                Mask::Seen(m) if *at(*m, query, key).ptr != 0 => T::ZERO,
                Mask::Seen(_) => T::NEG_INFINITY,
                Mask::Added(m) => *at(*m, query, key).ptr,
            }
        }
    }
}

/// The matrix from row `i` and column `j` on.
#[inline(always)]
pub(super) fn at<T>(m: Matrix<T>, i: usize, j: usize) -> Matrix<T> {
    let ptr = m.ptr.wrapping_offset(i as isize * m.row_stride).wrapping_offset(j as isize * m.col_stride);
    Matrix { ptr, ..m }
}

/// `a` itself, or a copy where its columns lie apart or its rows crowd the cache.
fn settled<T: Float>(a: &Array) -> Result<Array> {
    let (rows, columns) = (a.ndim() - 2, a.ndim() - 1);
    let step = a.strides()[rows].unsigned_abs() * size_of::<T>();
    let apart = a.shape()[columns] > 1 && a.strides()[columns] != 1;
    let crowded = a.shape()[rows] > 4 && step != 0 && step.is_multiple_of(CROWDED);
    if apart || crowded { contiguous(a) } else { Ok(a.clone()) }
}

/// The leading dimensions, counted as one.
struct Heads {
    sizes: Dims,
    count: usize,
}

impl Heads {
    fn new(batch: &[usize]) -> Self {
        Self { sizes: Dims::from_slice(batch), count: batch.iter().product() }
    }

    fn matrix<E: ferrograd_array::Element>(&self, a: &Array, mut head: usize) -> Matrix<E> {
        debug_assert_eq!(a.ndim(), self.sizes.len() + 2);
        let strides: SmallVec<[isize; 6]> = SmallVec::from_slice(a.strides());
        let mut ptr = a.ptr::<E>();
        for (k, &size) in self.sizes.iter().enumerate().rev() {
            ptr = ptr.wrapping_offset((head % size) as isize * strides[k]);
            head /= size;
        }
        Matrix::new(ptr, strides[self.sizes.len()], strides[self.sizes.len() + 1])
    }
}
