use std::any::Any;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::{Result, memory};

/// A block of bytes and whoever keeps it alive: our pool, or a foreign owner such as a NumPy array.
///
/// The bytes are reached through raw pointers only, because Python may hold views of the same memory.
pub struct Buffer {
    ptr: NonNull<u8>,
    len: usize,
    owner: Owner,
    serial: u64,
    /// Somebody outside has a pointer and may write through it, which no version tells.
    exported: AtomicBool,
    derived: OnceLock<Box<Mutex<Derived>>>,
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

/// What a kernel has made of the contents, and of which.
#[derive(Default)]
struct Derived {
    /// The version of the contents, and what is made of them.
    of: Option<(u32, [usize; 8])>,
    value: Option<Arc<dyn Any + Send + Sync>>,
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
        Self {
            ptr,
            len,
            owner,
            serial,
            exported: AtomicBool::new(false),
            derived: OnceLock::new(),
            version: AtomicU32::new(0),
            graph_version: AtomicU32::new(0),
        }
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

    /// Notes that a pointer to the bytes leaves the library, through which they may be written.
    pub fn export(&self) {
        self.exported.store(true, Ordering::Relaxed);
    }

    /// What `make` makes of the contents (weights in a kernel's own order, say), kept for as long as the contents are the
    /// same. It is made when it is asked for twice in a row, as by a network that is evaluated and not trained; before
    /// that, and where the contents may change unseen, there is None. `key` tells what else it depends on.
    pub fn derived<V: Send + Sync + 'static>(
        &self,
        key: [usize; 8],
        make: impl FnOnce() -> Result<V>,
    ) -> Result<Option<Arc<V>>> {
        if self.is_foreign() || self.exported.load(Ordering::Relaxed) {
            self.forget_derived();
            return Ok(None);
        }
        // Another thread makes it, or a fork has cut it short: one can do without.
        let Ok(mut slot) = self.derived.get_or_init(Box::default).try_lock() else { return Ok(None) };
        let now = Some((self.version(), key));
        if slot.of != now {
            *slot = Derived { of: now, value: None };
            return Ok(None);
        }
        if let Some(value) = &slot.value {
            return Ok(value.clone().downcast().ok());
        }
        let made = Arc::new(make()?);
        slot.value = Some(made.clone());
        Ok(Some(made))
    }

    /// Gives back what [`Buffer::derived`] keeps.
    pub fn forget_derived(&self) {
        if let Some(slot) = self.derived.get()
            && let Ok(mut slot) = slot.try_lock()
        {
            *slot = Derived::default();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_derived_is_kept_from_the_second_time_until_the_contents_change() {
        let buffer = Buffer::alloc(64).unwrap();
        let ask = |key, value: u32| buffer.derived([key; 8], || Ok(value)).unwrap().map(|v| *v);
        assert_eq!([ask(1, 10), ask(1, 11), ask(1, 12)], [None, Some(11), Some(11)]);
        assert_eq!([ask(2, 20), ask(2, 21)], [None, Some(21)]);
        buffer.bump_version();
        assert_eq!([ask(2, 22), ask(2, 23), ask(2, 24)], [None, Some(23), Some(23)]);
        buffer.forget_derived();
        assert_eq!([ask(2, 25), ask(2, 26)], [None, Some(26)]);
        buffer.export();
        assert_eq!([ask(2, 27), ask(2, 28), ask(2, 29)], [None, None, None]);
        let mut bytes = [0u8; 8];
        // SAFETY: the bytes outlive the buffer.
        let foreign = unsafe { Buffer::foreign(NonNull::from(&mut bytes).cast(), 8, true, Box::new(())) };
        assert!((0..3).all(|_| foreign.derived([0; 8], || Ok(1u32)).unwrap().is_none()));
    }

    #[test]
    fn serial_numbers_do_not_return() {
        let first = Buffer::alloc(64).unwrap();
        let (address, serial) = (first.as_ptr(), first.serial());
        drop(first);
        let second = Buffer::alloc(64).unwrap();
        assert!(second.serial() > serial && Buffer::made() > second.serial(), "{address:?}");
    }
}
