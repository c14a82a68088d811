//! Matrix products: C = A·B or C += A·B, then bias and activation, for strided operands.
//!
//! [`gemm`] sorts a product into one of the strategies: a vector on one side (`vector`), an outer product, or tiles
//! (`blocking`) whose operands are read where they lie or packed first (`pack`), of the whole depth or of parts of it
//! that are added at the end (`deep`), or dot products where there are few rows or columns (`dots`). Which strategy, and
//! in which order each element of C is summed, depend on shapes, strides and the instruction set alone, so results are
//! bit-equal for any number of threads.

mod blocking;
mod deep;
mod dots;
mod microkernel;
mod pack;
#[cfg(feature = "testing")]
mod tests;
mod vector;

use ferrograd_array::{Buffer, Result};

pub(crate) use blocking::InPlace;
pub(crate) use microkernel::{MAX_TILE, Tile, UNROLLED};
pub use pack::Strided;

use crate::activation::Activation;
use crate::simd::Float;
use crate::{denormals, isa, parallel, path};

/// A matrix to read: element (i, j) is at `ptr + i·row_stride + j·col_stride`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<T> {
    pub ptr: *const T,
    pub row_stride: isize,
    pub col_stride: isize,
    /// The memory of a constant: what is packed of it may be kept there for the next product.
    pub(crate) constant: *const Buffer,
}

impl<T> Matrix<T> {
    pub fn new(ptr: *const T, row_stride: isize, col_stride: isize) -> Self {
        Self { ptr, row_stride, col_stride, constant: std::ptr::null() }
    }

    /// The same, whose elements in `buffer` are likely to be multiplied again as they are.
    pub fn constant(self, buffer: &Buffer) -> Self {
        Self { constant: buffer, ..self }
    }

    pub fn transposed(self) -> Self {
        Self { row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }
}

/// A matrix to write; its elements lie apart from each other and from what is read.
#[derive(Debug, Clone, Copy)]
pub struct MatrixMut<T> {
    pub ptr: *mut T,
    pub row_stride: isize,
    pub col_stride: isize,
}

impl<T> MatrixMut<T> {
    pub fn new(ptr: *mut T, row_stride: isize, col_stride: isize) -> Self {
        Self { ptr, row_stride, col_stride }
    }
}

/// A vector added to C, contiguous: `Rows` has m elements, one for each row; `Columns` has n.
#[derive(Debug, Clone, Copy)]
pub enum Bias<T> {
    None,
    Rows(*const T),
    Columns(*const T),
}

impl<T> Bias<T> {
    fn starting_at(self, row: usize, column: usize) -> Self {
        match self {
            Self::None => Self::None,
            Self::Rows(bias) => Self::Rows(bias.wrapping_add(row)),
            Self::Columns(bias) => Self::Columns(bias.wrapping_add(column)),
        }
    }
}

/// What happens to an element of C after its last product, while it is in cache: the bias, then the activation.
#[derive(Debug, Clone, Copy)]
pub struct Epilogue<T> {
    pub bias: Bias<T>,
    pub activation: Activation,
}

impl<T> Epilogue<T> {
    pub const NONE: Self = Self { bias: Bias::None, activation: Activation::None };
}

/// One dimension of a batch: how many products, and the step of each operand (0 where it is shared).
#[derive(Debug, Clone, Copy)]
pub struct BatchDim {
    pub size: usize,
    pub a: isize,
    pub b: isize,
    pub c: isize,
}

/// A product without its operands.
#[derive(Clone, Copy)]
struct Problem<T> {
    m: usize,
    n: usize,
    k: usize,
    c: MatrixMut<T>,
    accumulate: bool,
    epilogue: Epilogue<T>,
}

// SAFETY: blocks that run at once write disjoint parts of C; the bias is only read.
unsafe impl<T> Sync for Problem<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Problem<T> {}

impl<T: Float> Problem<T> {
    /// Cᵀ = Bᵀ·Aᵀ: the caller swaps the operands.
    fn transposed(self) -> Self {
        let bias = match self.epilogue.bias {
            Bias::None => Bias::None,
            Bias::Rows(p) => Bias::Columns(p),
            Bias::Columns(p) => Bias::Rows(p),
        };
        let c = MatrixMut::new(self.c.ptr, self.c.col_stride, self.c.row_stride);
        Self { m: self.n, n: self.m, c, epilogue: Epilogue { bias, ..self.epilogue }, ..self }
    }

    fn c_at(&self, i: usize, j: usize) -> *mut T {
        self.c.ptr.wrapping_offset(i as isize * self.c.row_stride).wrapping_offset(j as isize * self.c.col_stride)
    }

    /// Estimated time on one core, for deciding about threads: a little below the usual speed of products or of memory.
    fn ns(&self) -> f64 {
        let (m, n, k) = (self.m as f64, self.n as f64, self.k as f64);
        let flops_per_ns = match isa::current() {
            isa::Isa::Scalar => 8.0,
            #[cfg(target_arch = "x86_64")]
            _ => 80.0,
        };
        let size = size_of::<T>() as f64;
        (2.0 * m * n * k / (flops_per_ns * 4.0 / size)).max((m * n + m * k + k * n) * size / 10.0)
    }
}

/// C (m × n) = A (m × k) · B (k × n), or C += A·B where `accumulate`; then the epilogue. With k = 0 the product is
/// zero. The only error is `Error::Memory` (there is no room to pack); C is then undefined.
///
/// # Safety
/// The three matrices and the bias are valid over their shapes, for reads, and C for writes; C overlaps neither
/// itself nor the others.
pub unsafe fn gemm<T: Float>(
    m: usize,
    n: usize,
    k: usize,
    a: Matrix<T>,
    b: Matrix<T>,
    c: MatrixMut<T>,
    accumulate: bool,
    epilogue: Epilogue<T>,
) -> Result<()> {
    let problem = Problem { m, n, k, c, accumulate, epilogue };
    // SAFETY: the caller's promise.
    denormals::flushed(|| unsafe { solve(problem, rows_of(a), columns_of(b)) })
}

/// One product for each index of the `batch` dimensions, all of one shape and with one epilogue; the dimensions
/// step through the operands, which may be shared (step 0) except C.
///
/// # Safety
/// As [`gemm`], for each product; no two share elements of C.
pub unsafe fn gemm_batched<T: Float>(
    batch: &[BatchDim],
    m: usize,
    n: usize,
    k: usize,
    a: Matrix<T>,
    b: Matrix<T>,
    c: MatrixMut<T>,
    accumulate: bool,
    epilogue: Epilogue<T>,
) -> Result<()> {
    if m == 0 || n == 0 || batch.iter().any(|dim| dim.size == 0) {
        return Ok(());
    }
    let problem = Problem { m, n, k, c, accumulate, epilogue };
    let (a, b) = (rows_of(a), columns_of(b));
    let count: usize = batch.iter().map(|dim| dim.size).product();
    let one = |mut index: usize| {
        let (mut a, mut b, mut problem) = (a, b, problem);
        for dim in batch.iter().rev() {
            let i = (index % dim.size) as isize;
            index /= dim.size;
            a.ptr = a.ptr.wrapping_offset(i * dim.a);
            b.ptr = b.ptr.wrapping_offset(i * dim.b);
            problem.c.ptr = problem.c.ptr.wrapping_offset(i * dim.c);
        }
        // SAFETY: the caller's promise, for this product.
        unsafe { solve(problem, a, b) }
    };
    denormals::flushed(|| {
        let ns = problem.ns();
        if ns > LARGE_NS || count == 1 {
            return (0..count).try_for_each(one);
        }
        path!("gemm/batched", parallel);
        let group = ((GROUP_NS / ns) as usize).clamp(1, count);
        parallel::try_run(count.div_ceil(group), count as f64 * ns, |index| {
            (index * group..((index + 1) * group).min(count)).try_for_each(one)
        })
    })
}

/// Products of a batch that take longer than this are split over threads one after the other; shorter ones run whole
/// on one thread each.
const LARGE_NS: f64 = 1_000_000.0;
/// What a thread takes at a time from a batch of short products.
const GROUP_NS: f64 = 10_000.0;

fn rows_of<T>(a: Matrix<T>) -> Strided<T> {
    Strided { constant: a.constant, ..Strided::new(a.ptr, a.row_stride, a.col_stride) }
}

fn columns_of<T>(b: Matrix<T>) -> Strided<T> {
    rows_of(b.transposed())
}

/// # Safety
/// As [`gemm`].
unsafe fn solve<T: Float>(problem: Problem<T>, a: Strided<T>, b: Strided<T>) -> Result<()> {
    let Problem { m, n, k, c, .. } = problem;
    if m == 0 || n == 0 {
        return Ok(());
    }
    // SAFETY: the caller's promise; a transposed problem has its operands swapped.
    unsafe {
        if k > 1 && n == 1 {
            return vector::matrix_vector(&problem, a, b);
        }
        if k > 1 && m == 1 {
            return vector::matrix_vector(&problem.transposed(), b, a);
        }
        // Vectors run along the contiguous dimension of C.
        let natural = if c.row_stride == 1 || c.col_stride == 1 { c.row_stride == 1 } else { a.step == 1 };
        let (problem, a, b) = if natural { (problem, a, b) } else { (problem.transposed(), b, a) };
        if k == 1 && problem.c.row_stride == 1 {
            return vector::outer(&problem, a, b);
        }
        if dots::pay(&problem, b) {
            return dots::product(&problem, a, b);
        }
        // Vectors of A must lie in memory, else A is packed; a large A against a small B is better read element by
        // element, and C turned over on its way out.
        if a.step != 1 && k >= TURN_DEPTH && problem.m >= 4 * problem.n {
            return blocking::tiles(&problem.transposed(), b, a);
        }
        blocking::tiles(&problem, a, b)
    }
}

/// From this depth on, writing a tile of C across is cheap against computing it.
const TURN_DEPTH: usize = 64;
