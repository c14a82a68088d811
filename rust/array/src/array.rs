use std::fmt;
use std::sync::Arc;

use crate::{Buffer, DType, Element, Error, Layout, Result, Shape, checked_numel};

/// Where the elements of an array live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Device {
    Cpu,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
        }
    }
}

/// The memory behind an array, shared by all its views.
#[derive(Clone)]
#[non_exhaustive]
pub enum Storage {
    Cpu(Arc<Buffer>),
}

/// A strided array: shared storage, a layout, a dtype. Cloning it makes another view of the same memory.
#[derive(Clone)]
pub struct Array {
    storage: Storage,
    layout: Layout,
    dtype: DType,
}

impl Array {
    /// Row-major, contents arbitrary.
    pub fn empty(shape: &[usize], dtype: DType) -> Result<Self> {
        let elements = checked_numel(shape)?;
        Self::allocated(elements, Layout::contiguous(shape), dtype)
    }

    /// `shape` in the dense memory order of `like`, contents arbitrary.
    pub fn empty_like(like: &Array, shape: &[usize], dtype: DType) -> Result<Self> {
        checked_numel(shape)?;
        Self::with_layout(like.layout.dense_like(shape), dtype)
    }

    /// New memory for a dense `layout` of offset 0, contents arbitrary.
    pub fn with_layout(layout: Layout, dtype: DType) -> Result<Self> {
        Self::allocated(checked_numel(&layout.shape)?, layout, dtype)
    }

    fn allocated(elements: usize, layout: Layout, dtype: DType) -> Result<Self> {
        let bytes = elements
            .checked_mul(dtype.size())
            .ok_or_else(|| Error::Memory(format!("an array of shape {} is too large", Shape(&layout.shape))))?;
        debug_assert!(layout.is_dense() && layout.offset == 0);
        Ok(Self { storage: Storage::Cpu(Arc::new(Buffer::alloc(bytes)?)), layout, dtype })
    }

    /// A view of existing storage.
    ///
    /// # Panics
    /// Where the layout reaches outside the storage.
    pub fn from_parts(storage: Storage, layout: Layout, dtype: DType) -> Self {
        let Storage::Cpu(buffer) = &storage;
        if let Some((_, high)) = layout.extent() {
            assert!(
                high <= buffer.len() / dtype.size(),
                "a layout reaches element {high} of a buffer of {} bytes",
                buffer.len()
            );
        }
        Self { storage, layout, dtype }
    }

    /// A copy of a slice, row-major.
    pub fn from_slice<T: Element>(values: &[T], shape: &[usize]) -> Result<Self> {
        let out = Self::empty(shape, T::DTYPE)?;
        assert_eq!(values.len(), out.numel(), "the slice fills the shape");
        // SAFETY: `out` is new, contiguous and has `values.len()` elements of `T`.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), out.ptr_mut::<T>(), values.len()) };
        Ok(out)
    }

    /// A 0-d array.
    pub fn scalar<T: Element>(value: T) -> Result<Self> {
        Self::from_slice(&[value], &[])
    }

    /// The elements in row-major order.
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        let base = self.base_ptr::<T>();
        // SAFETY: `offset_of` stays inside the extent, which `from_parts` checked against the buffer.
        (0..self.numel()).map(|i| unsafe { *base.add(self.layout.offset_of(i)) }).collect()
    }

    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    pub fn buffer(&self) -> &Arc<Buffer> {
        let Storage::Cpu(buffer) = &self.storage;
        buffer
    }

    pub fn device(&self) -> Device {
        match self.storage {
            Storage::Cpu(_) => Device::Cpu,
        }
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    pub fn strides(&self) -> &[isize] {
        &self.layout.strides
    }

    pub fn ndim(&self) -> usize {
        self.layout.ndim()
    }

    pub fn numel(&self) -> usize {
        self.layout.numel()
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    pub fn is_contiguous(&self) -> bool {
        self.layout.is_contiguous()
    }

    /// The same memory seen through another layout.
    pub fn view(&self, layout: Layout) -> Self {
        Self::from_parts(self.storage.clone(), layout, self.dtype)
    }

    /// Whether two arrays may touch the same bytes.
    pub fn overlaps(&self, other: &Array) -> bool {
        let range = |a: &Array| {
            a.layout.extent().map(|(low, high)| {
                let base = a.buffer().as_ptr() as usize;
                (base + low * a.dtype.size(), base + high * a.dtype.size())
            })
        };
        match (range(self), range(other)) {
            (Some((a, b)), Some((c, d))) => a < d && c < b,
            _ => false,
        }
    }

    /// The first element of the storage, layout offset not applied.
    fn base_ptr<T: Element>(&self) -> *mut T {
        assert!(
            T::DTYPE == self.dtype || (self.dtype == DType::Bool && T::DTYPE == DType::U8),
            "a kernel for {} was called on an array of {}",
            T::DTYPE,
            self.dtype
        );
        self.buffer().as_ptr().cast()
    }

    /// The element at index 0 of every dimension. Valid to read over the layout's extent while the array lives.
    /// Boolean arrays are read as `u8`.
    pub fn ptr<T: Element>(&self) -> *const T {
        self.ptr_mut::<T>()
    }

    /// As [`ptr`](Self::ptr), to write. The caller sees to it that nobody else uses these elements meanwhile.
    pub fn ptr_mut<T: Element>(&self) -> *mut T {
        if self.layout.offset == 0 {
            return self.base_ptr();
        }
        // SAFETY: an offset of a non-empty layout lies inside the buffer; an empty one is never read.
        self.base_ptr::<T>().wrapping_add(self.layout.offset)
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Array({} {}, strides {:?}, offset {})",
            self.dtype,
            Shape(self.shape()),
            self.strides(),
            self.layout.offset
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_share_and_keep_memory() {
        let base = Array::from_slice(&[1f32, 2., 3., 4., 5., 6.], &[2, 3]).unwrap();
        let back = base.view(base.layout().permuted(&[1, 0]).sliced(0, 2, -1, 3));
        assert_eq!(back.to_vec::<f32>(), [3., 6., 2., 5., 1., 4.]);
        drop(base);
        assert_eq!(back.to_vec::<f32>()[0], 3.);
    }

    #[test]
    #[should_panic(expected = "a layout reaches")]
    fn a_layout_outside_the_buffer_is_refused() {
        let base = Array::empty(&[4], DType::F32).unwrap();
        base.view(Layout::contiguous(&[1000]));
    }

    #[test]
    #[should_panic(expected = "a kernel for float64")]
    fn a_wrong_dtype_is_refused() {
        Array::empty(&[4], DType::F32).unwrap().ptr::<f64>();
    }

    #[test]
    fn overlap_is_by_bytes() {
        let base = Array::empty(&[8], DType::F32).unwrap();
        let (left, right) = (base.view(base.layout().sliced(0, 0, 1, 4)), base.view(base.layout().sliced(0, 4, 1, 4)));
        assert!(!left.overlaps(&right) && base.overlaps(&right));
    }
}
