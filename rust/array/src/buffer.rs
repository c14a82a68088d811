use std::any::Any;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::{Result, memory};

/// A block of bytes and whoever keeps it alive: our pool, or a foreign owner such as a NumPy array.
///
/// The bytes are reached through raw pointers only, because Python may hold views of the same memory.
pub struct Buffer {
    ptr: NonNull<u8>,
    len: usize,
    owner: Owner,
    serial: u64,
    version: AtomicU32,
    graph_version: AtomicU32,
}

enum Owner {
    /// Which gave a block of this size.
    Pool {
        size: usize,
    },
    Foreign {
        _keep: Box<dyn Any + Send + Sync>,
        writable: bool,
    },
}

// SAFETY: a buffer is a pointer and a length; concurrent access to the bytes is governed by the kernels, which
// take raw pointers and hold the buffer alive, never by references into it.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

static MADE: AtomicU64 = AtomicU64::new(0);

impl Buffer {
    /// `len` bytes from the pool, 64-byte aligned, their contents arbitrary.
    pub fn alloc(len: usize) -> Result<Self> {
        let (block, size) = memory::allocate(len)?;
        Ok(Self::new(block, len, Owner::Pool { size }))
    }

    /// Memory that `keep` owns.
    ///
    /// # Safety
    /// `ptr` is valid for `len` bytes, for reads and (if `writable`) writes, for as long as `keep` lives.
    pub unsafe fn foreign(ptr: NonNull<u8>, len: usize, writable: bool, keep: Box<dyn Any + Send + Sync>) -> Self {
        Self::new(ptr, len, Owner::Foreign { _keep: keep, writable })
    }

    fn new(ptr: NonNull<u8>, len: usize, owner: Owner) -> Self {
        let serial = MADE.fetch_add(1, Ordering::Relaxed);
        Self { ptr, len, owner, serial, version: AtomicU32::new(0), graph_version: AtomicU32::new(0) }
    }

    /// How many buffers were made so far: what is made from now on has at least this serial number.
    pub fn made() -> u64 {
        MADE.load(Ordering::Relaxed)
    }

    /// A number that no other buffer of this process has or had; an address returns once its memory is given back.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    pub fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory belongs to somebody else: NumPy, say.
    pub fn is_foreign(&self) -> bool {
        matches!(self.owner, Owner::Foreign { .. })
    }

    pub fn is_writable(&self) -> bool {
        !matches!(self.owner, Owner::Foreign { writable: false, .. })
    }

    /// How often an op has written into this memory; what autograd saved is stale once it has changed.
    pub fn version(&self) -> u32 {
        self.version.load(Ordering::Relaxed)
    }

    pub fn bump_version(&self) {
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    /// How often a *recorded* op has written here; views recorded before it no longer describe what they show.
    pub fn graph_version(&self) -> u32 {
        self.graph_version.load(Ordering::Relaxed)
    }

    pub fn bump_graph_version(&self) {
        self.graph_version.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Owner::Pool { size } = self.owner {
            // SAFETY: `alloc` got this block of this size from the pool, and nobody else gives it back.
            unsafe { memory::release(self.ptr, size) }
        }
    }
}
