//! Kernels of one element at stride 1: a convolution is a product of matrices, and so are its gradients.

use ferrograd_array::Result;

use super::block::Source;
use crate::activation::Activation;
use crate::gemm::{BatchDim, Bias, Epilogue, Matrix, MatrixMut, gemm, gemm_batched};
use crate::simd::Float;

/// The stride of several dimensions as one, if they can be seen so.
fn merged(dims: &[(usize, isize)]) -> Option<isize> {
    let mut found: Option<(usize, isize)> = None;
    for &(size, stride) in dims.iter().rev() {
        if size == 1 {
            continue;
        }
        found = Some(match found {
            None => (size, stride),
            Some((inner, step)) if stride == step.wrapping_mul(inner as isize) => (size * inner, step),
            Some(_) => return None,
        });
    }
    Some(found.map_or(0, |(_, step)| step))
}

/// The points of each image as one dimension, and with the images as one.
pub(super) struct Points {
    pub image: Option<isize>,
    pub all: Option<isize>,
}

impl Points {
    pub fn new<T>(n: usize, sizes: [usize; 3], source: &Source<T>) -> Self {
        let s = source.strides;
        let dims = [(n, s[0]), (sizes[0], s[2]), (sizes[1], s[3]), (sizes[2], s[4])];
        Self { image: merged(&dims[1..]), all: merged(&dims) }
    }
}

/// dst (n · points, rows), row-major = activation(source (n · points, channels) · wᵀ + bias), with w's strides given.
///
/// # Safety
/// The operands are valid over their shapes; `dst` is apart from them.
pub(super) unsafe fn forward<T: Float>(
    n: usize,
    points: usize,
    rows: usize,
    channels: usize,
    source: Source<T>,
    layout: &Points,
    w: Matrix<T>,
    bias: Option<*const T>,
    activation: Activation,
    dst: *mut T,
) -> Result<()> {
    let epilogue = Epilogue { bias: bias.map_or(Bias::None, Bias::Columns), activation };
    let c = MatrixMut::new(dst, rows as isize, 1);
    let (batch, m, step) = match (layout.all, layout.image) {
        (Some(step), _) => (1, n * points, step),
        (None, step) => (n, points, step.expect("the caller looked")),
    };
    let a = Matrix::new(source.ptr, step, source.strides[1]);
    let dims = [BatchDim { size: batch, a: source.strides[0], b: 0, c: (points * rows) as isize }];
    // SAFETY: the caller's promise; images do not share results.
    unsafe { gemm_batched(&dims, m, rows, channels, a, w.transposed(), c, false, epilogue) }
}

/// dst (rows, channels), row-major = gradᵀ · source, over all points at once.
///
/// # Safety
/// As [`forward`].
pub(super) unsafe fn weight<T: Float>(
    points: usize,
    rows: usize,
    channels: usize,
    grad: (Source<T>, isize),
    source: (Source<T>, isize),
    dst: *mut T,
) -> Result<()> {
    let a = Matrix::new(grad.0.ptr, grad.0.strides[1], grad.1);
    let b = Matrix::new(source.0.ptr, source.1, source.0.strides[1]);
    // SAFETY: the caller's promise.
    unsafe { gemm(rows, channels, points, a, b, MatrixMut::new(dst, channels as isize, 1), false, Epilogue::NONE) }
}
