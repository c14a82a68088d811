//! The memory pool: 64-byte aligned blocks in size classes, kept for the next request instead of given back.
//!
//! Classes divide each power of two into eight, so that a block wastes at most 12.5% (plus the rounding to 64
//! bytes). Contents are never zeroed. Blocks of 2 MiB and more are aligned to 2 MiB and advised to be huge pages.
//! Before a large block is asked of the system, one of up to twice the size is taken that lies unused.
//! In a steady loop every request finds a block, and no system call and no page fault is made.

use std::alloc::{Layout, alloc, dealloc};
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once};

use crate::{Error, Result, os};

pub const ALIGN: usize = 64;
const HUGE: usize = 2 << 20;
const CLASSES: usize = 8 * 58;
/// From this size on a larger block may do, of one of so many classes above.
const LARGE: usize = 1 << 15;
const ABOVE: usize = 8;

/// Bytes in use, cached and at their highest, and how the requests were met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes that live arrays hold.
    pub in_use: usize,
    /// The highest that `in_use` has been since the last [`reset_peak`].
    pub peak: usize,
    /// Bytes kept for later requests.
    pub cached: usize,
    /// Requests met from the cache.
    pub hits: usize,
    /// Requests that went to the operating system.
    pub misses: usize,
}

struct Pool {
    free: [Vec<NonNull<u8>>; CLASSES],
    stats: Stats,
}

// SAFETY: the pointers are blocks that only the pool holds.
unsafe impl Send for Pool {}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    free: [const { Vec::new() }; CLASSES],
    stats: Stats { in_use: 0, peak: 0, cached: 0, hits: 0, misses: 0 },
});
/// Requests above this are refused at once: the system would promise the memory and kill the process later.
static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// The class of a size and the bytes of its blocks.
fn class_of(len: usize) -> (usize, usize) {
    let units = len.div_ceil(ALIGN).max(1);
    if units <= 8 {
        return (units - 1, units * ALIGN);
    }
    // units = 2^e · (1 + f), f in eighths, rounded up.
    let e = (units - 1).ilog2() as usize;
    let step = 1usize << (e - 3);
    let eighths = units.div_ceil(step); // 9..=16
    (8 * (e - 3) + eighths - 1, eighths * step * ALIGN)
}

fn block_layout(size: usize) -> Layout {
    let align = if size >= HUGE { HUGE } else { ALIGN };
    Layout::from_size_align(size, align).expect("size classes stay below isize::MAX")
}

thread_local! {
    static FORK_GUARD: RefCell<Option<MutexGuard<'static, Pool>>> = const { RefCell::new(None) };
}

fn lock() -> MutexGuard<'static, Pool> {
    static REGISTER: Once = Once::new();
    REGISTER.call_once(|| os::at_fork(before_fork, after_fork, after_fork));
    POOL.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

extern "C" fn before_fork() {
    let guard = POOL.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    FORK_GUARD.with(|slot| *slot.borrow_mut() = Some(guard));
}

extern "C" fn after_fork() {
    FORK_GUARD.with(|slot| slot.borrow_mut().take());
}

fn too_large(len: usize) -> Error {
    Error::Memory(format!("cannot allocate {len} bytes ({:.1} GiB)", len as f64 / (1u64 << 30) as f64))
}

fn limit() -> usize {
    match LIMIT.load(Ordering::Relaxed) {
        0 => {
            let limit = os::physical_memory().unwrap_or(isize::MAX as usize / 2).min(isize::MAX as usize / 2);
            LIMIT.store(limit, Ordering::Relaxed);
            limit
        }
        limit => limit,
    }
}

/// A block for `len` bytes, and its own size.
pub(crate) fn allocate(len: usize) -> Result<(NonNull<u8>, usize)> {
    if len > limit() {
        return Err(too_large(len));
    }
    let (class, size) = class_of(len);
    {
        let mut pool = lock();
        let last = if size < LARGE { class } else { (class + ABOVE).min(CLASSES - 1) };
        if let Some((block, class)) = (class..=last).find_map(|c| Some((pool.free[c].pop()?, c))) {
            let size = size_of_class(class);
            pool.stats.cached -= size;
            pool.stats.hits += 1;
            pool.stats.in_use += size;
            pool.stats.peak = pool.stats.peak.max(pool.stats.in_use);
            return Ok((block, size));
        }
    }
    let block = system_alloc(size).or_else(|| {
        empty_cache();
        system_alloc(size)
    });
    let block = block.ok_or_else(|| too_large(len))?;
    let mut pool = lock();
    pool.stats.misses += 1;
    pool.stats.in_use += size;
    pool.stats.peak = pool.stats.peak.max(pool.stats.in_use);
    Ok((block, size))
}

fn system_alloc(size: usize) -> Option<NonNull<u8>> {
    let layout = block_layout(size);
    // SAFETY: the size is at least 64.
    let block = NonNull::new(unsafe { alloc(layout) })?;
    if size >= HUGE {
        // SAFETY: the block was just allocated with this size.
        unsafe { os::advise_huge_pages(block.as_ptr(), size) };
    }
    Some(block)
}

/// Gives a block back to the pool.
///
/// # Safety
/// `block` came from [`allocate`] with this `size` and is not used again.
pub(crate) unsafe fn release(block: NonNull<u8>, size: usize) {
    let (class, _) = class_of(size);
    let mut pool = lock();
    pool.stats.in_use -= size;
    pool.stats.cached += size;
    pool.free[class].push(block);
}

/// Returns every cached block to the operating system.
pub fn empty_cache() {
    let mut pool = lock();
    for class in 0..CLASSES {
        for block in std::mem::take(&mut pool.free[class]) {
            // SAFETY: the block was allocated with this layout and stands in no other list.
            unsafe { dealloc(block.as_ptr(), block_layout(size_of_class(class))) };
        }
    }
    pool.stats.cached = 0;
}

fn size_of_class(class: usize) -> usize {
    if class < 8 { (class + 1) * ALIGN } else { ((class % 8) + 9) * (1 << (class / 8 - 1)) * ALIGN }
}

pub fn stats() -> Stats {
    lock().stats
}

pub fn reset_peak() {
    let mut pool = lock();
    pool.stats.peak = pool.stats.in_use;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What looks at cached blocks, while another test could empty the cache.
    static CACHE: Mutex<()> = Mutex::new(());

    #[test]
    fn classes_waste_at_most_an_eighth() {
        let mut len = 1usize;
        while len < 1 << 40 {
            for probe in [len, len + 1, len + len / 3] {
                let (class, size) = class_of(probe);
                assert!(size >= probe && size_of_class(class) == size, "{probe} -> {class} {size}");
                assert!(size as f64 <= probe.next_multiple_of(ALIGN) as f64 * 1.125, "{probe} -> {size}");
            }
            len = len * 5 / 4 + 1;
        }
    }

    #[test]
    fn a_block_comes_back() {
        let _alone = CACHE.lock().unwrap();
        let (first, size) = allocate(12345).unwrap();
        assert_eq!(first.as_ptr() as usize % ALIGN, 0);
        // SAFETY: allocated above with this size.
        unsafe { release(first, size) };
        let hits = stats().hits;
        let (second, size) = allocate(12300).unwrap();
        assert!(stats().hits > hits);
        // SAFETY: as above.
        unsafe { release(second, size) };
    }

    #[test]
    fn a_larger_block_does_where_none_fits() {
        let _alone = CACHE.lock().unwrap();
        // Sizes of no other test.
        let (block, size) = allocate(1000 << 20).unwrap();
        // SAFETY: allocated above with this size.
        unsafe { release(block, size) };
        let (taken, whole) = allocate(600 << 20).unwrap();
        assert_eq!((taken, whole), (block, size));
        let (other, own) = allocate(600 << 20).unwrap();
        assert!(other != block && own < size);
        for (block, size) in [(taken, whole), (other, own)] {
            // SAFETY: as above.
            unsafe { release(block, size) };
        }
        let (fitting, own) = allocate(600 << 20).unwrap();
        assert_eq!((fitting, own), (other, class_of(600 << 20).1));
        // SAFETY: as above.
        unsafe { release(fitting, own) };
    }

    #[test]
    fn the_cache_is_given_back() {
        let _alone = CACHE.lock().unwrap();
        let (block, size) = allocate(1 << 20).unwrap();
        // SAFETY: allocated above with this size.
        unsafe { release(block, size) };
        empty_cache();
        // Other tests use other classes meanwhile.
        assert!(lock().free[class_of(1 << 20).0].is_empty());
    }

    #[test]
    fn what_cannot_be_had_is_an_error() {
        assert!(matches!(allocate(isize::MAX as usize - 100), Err(Error::Memory(_))));
        assert!(matches!(allocate(usize::MAX), Err(Error::Memory(_))));
    }
}
