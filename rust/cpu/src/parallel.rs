//! One way to work in parallel: [`run`] splits work into numbered blocks over our own threads.
//!
//! The threads are a rayon `ThreadPool` of our own (never the global one); on each of them runs [`Helper::serve`], a
//! short fork-join. Rayon's own `scope` cannot be used for short regions: a job that was handed out must be waited
//! for even where it has not begun, and waking a sleeping thread takes 16–38 µs. Here the caller takes blocks as well,
//! and closes the region when none is left, whether or not a helper arrived in time.
//!
//! Blocks must not depend on the number of threads; results are then bit-equal for any number.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use ferrograd_array::{Error, memory, os};

use crate::denormals;

/// How long a helper stays awake after work: longer than the pauses inside a training step, shorter than a person
/// or another process would notice.
const AWAKE: Duration = Duration::from_micros(200);
/// Work below this many nanoseconds of one core is not worth a second thread. Chosen, not yet measured.
const SERIAL_BELOW_NS: f64 = 20_000.0;

const OPEN: u32 = 1 << 31;

/// One region of parallel work, as the helpers see it.
#[derive(Clone, Copy)]
struct Job {
    f: *const (dyn Fn(usize) + Sync),
    blocks: usize,
    /// Control bits of the caller's floating-point unit, which its blocks inherit.
    mode: denormals::Mode,
}

struct Helper {
    /// Grows by one for each region; what sleeping and spinning helpers watch.
    epoch: AtomicU32,
    /// [`OPEN`] while a region takes helpers, plus the number of helpers inside.
    gate: AtomicU32,
    /// Blocks taken so far, and those of them that helpers took.
    taken: AtomicUsize,
    taken_behind: AtomicUsize,
    job: Mutex<Option<Job>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
    stop: AtomicBool,
    /// There are more threads than cores: whoever waits gives way.
    crowded: bool,
}

// SAFETY: `Job::f` is used only between entering and leaving the gate, while the caller of `run` waits.
unsafe impl Send for Job {}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Helper {
    fn new(crowded: bool) -> Self {
        Self {
            epoch: AtomicU32::new(0),
            gate: AtomicU32::new(0),
            taken: AtomicUsize::new(0),
            taken_behind: AtomicUsize::new(0),
            job: Mutex::new(None),
            panic: Mutex::new(None),
            sleepers: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
            stop: AtomicBool::new(false),
            crowded,
        }
    }

    fn pause(&self, spins: u32) {
        if self.crowded || spins % 64 == 63 {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }

    /// The life of a helper thread: wait for a region, take blocks, until told to stop.
    fn serve(&self) {
        IN_REGION.with(|inside| inside.set(true));
        let mut seen = 0;
        loop {
            seen = self.await_epoch(seen);
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            if self.enter() {
                let job = (*lock(&self.job)).expect("an open region has a job");
                let before = denormals::Mode::current();
                job.mode.apply();
                self.take_blocks(&job, true);
                before.apply();
                self.gate.fetch_sub(1, Ordering::Release);
            }
        }
    }

    fn await_epoch(&self, seen: u32) -> u32 {
        let started = Instant::now();
        let mut spins = 0u32;
        loop {
            let epoch = self.epoch.load(Ordering::Acquire);
            if epoch != seen || self.stop.load(Ordering::Acquire) {
                return epoch;
            }
            spins = spins.wrapping_add(1);
            if !spins.is_multiple_of(128) || started.elapsed() < AWAKE {
                self.pause(spins);
                continue;
            }
            let mut guard = lock(&self.sleep);
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            while self.epoch.load(Ordering::SeqCst) == seen && !self.stop.load(Ordering::SeqCst) {
                guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn enter(&self) -> bool {
        let mut gate = self.gate.load(Ordering::Relaxed);
        while gate & OPEN != 0 {
            match self.gate.compare_exchange_weak(gate, gate + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => gate = now,
            }
        }
        false
    }

    /// Takes blocks until none is left: the caller the first ones, helpers those from `behind`. So with two threads each
    /// has the same part of an array in one region as in the next, and finds it in its own cache.
    fn take_blocks(&self, job: &Job, behind: bool) -> usize {
        let mut done = 0;
        loop {
            if self.taken.fetch_add(1, Ordering::Relaxed) >= job.blocks {
                return done;
            }
            let block = if behind { job.blocks - 1 - self.taken_behind.fetch_add(1, Ordering::Relaxed) } else { done };
            // SAFETY: the caller of `run` keeps the closure alive until the gate is closed and empty.
            let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { (*job.f)(block) }));
            if let Err(payload) = outcome {
                lock(&self.panic).get_or_insert(payload);
                self.taken.store(job.blocks, Ordering::Relaxed);
            }
            done += 1;
        }
    }

    fn notify(&self) {
        fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            let _guard = lock(&self.sleep);
            self.wake.notify_all();
        }
    }

    /// Runs one region from its caller's thread; returns how many blocks the caller did itself.
    fn region(&self, job: Job) -> usize {
        *lock(&self.job) = Some(job);
        self.taken.store(0, Ordering::Relaxed);
        self.taken_behind.store(0, Ordering::Relaxed);
        self.gate.store(OPEN, Ordering::Release);
        self.epoch.fetch_add(1, Ordering::Release);
        self.notify();
        let done = self.take_blocks(&job, false);
        self.gate.fetch_and(!OPEN, Ordering::AcqRel);
        let mut spins = 0u32;
        while self.gate.load(Ordering::Acquire) != 0 {
            spins = spins.wrapping_add(1);
            self.pause(spins);
        }
        *lock(&self.job) = None;
        done
    }
}

struct Pool {
    threads: usize,
    helper: Arc<Helper>,
    _rayon: Option<rayon::ThreadPool>,
}

impl Pool {
    fn new(threads: usize) -> Self {
        let helper = Arc::new(Helper::new(threads > default_threads()));
        let rayon = (threads > 1).then(|| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads - 1)
                .thread_name(|i| format!("ferrograd-{}", i + 1))
                .build()
                .unwrap_or_else(|why| panic!("cannot start {} threads: {why}", threads - 1));
            let helper = helper.clone();
            pool.spawn_broadcast(move |_| helper.serve());
            pool
        });
        Self { threads, helper, _rayon: rayon }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.helper.stop.store(true, Ordering::SeqCst);
        self.helper.epoch.fetch_add(1, Ordering::SeqCst);
        self.helper.notify();
    }
}

/// The pool, made on first use. Whoever holds the lock runs the one region at a time.
static POOL: Mutex<Option<Pool>> = Mutex::new(None);
/// The number asked for; 0 until then.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// This thread runs a block already: what it starts runs serially.
    static IN_REGION: Cell<bool> = const { Cell::new(false) };
    static FORK_GUARD: RefCell<Option<MutexGuard<'static, Option<Pool>>>> = const { RefCell::new(None) };
}

/// Cores that this process may use: its affinity mask and its cgroup's quota are respected.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// The most threads that can be asked for.
pub const MAX_THREADS: usize = 1024;

/// Reads `FERROGRAD_NUM_THREADS`. Called when the library is loaded, so that a wrong value is an error then.
pub fn init() -> Result<(), String> {
    static REGISTER: Once = Once::new();
    // The handlers of the last to register run first before a fork: the memory pool's must come after ours, because a
    // region that ours waits for may allocate.
    memory::stats();
    REGISTER.call_once(|| os::at_fork(before_fork, after_fork_parent, after_fork_child));
    let threads = match std::env::var("FERROGRAD_NUM_THREADS") {
        Ok(text) if !text.is_empty() => {
            text.parse().ok().filter(|n| (1..=MAX_THREADS).contains(n)).ok_or_else(|| {
                format!("FERROGRAD_NUM_THREADS: expected an integer from 1 to {MAX_THREADS}, got '{text}'")
            })?
        }
        _ => default_threads(),
    };
    THREADS.store(threads, Ordering::Relaxed);
    Ok(())
}

pub fn num_threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => {
            init().unwrap_or_else(|why| panic!("{why}"));
            num_threads()
        }
        n => n,
    }
}

/// Uses `threads` threads from the next region on, the caller's included.
///
/// # Panics
/// Outside `1..=MAX_THREADS`.
pub fn set_num_threads(threads: usize) {
    assert!((1..=MAX_THREADS).contains(&threads));
    num_threads();
    THREADS.store(threads, Ordering::Relaxed);
}

/// Whether work of this estimated time on one core is too short to be shared.
#[inline]
pub fn is_serial(ns: f64) -> bool {
    ns < SERIAL_BELOW_NS
}

/// Calls `f(0)`, …, `f(blocks - 1)`, each once, on however many threads are free; returns when all are done.
///
/// `ns` is the estimated time of the whole on one core; short work stays on the caller's thread, as does work
/// started from inside a block or while another thread's region runs. A panic in a block is raised here.
#[inline(always)]
pub fn run(blocks: usize, ns: f64, f: impl Fn(usize) + Sync) {
    run_dyn(blocks, ns, &f);
}

/// Not generic: a closure compiled into both of the ways below would stand in the library twice.
#[inline(never)]
fn run_dyn(blocks: usize, ns: f64, f: &(dyn Fn(usize) + Sync)) {
    if blocks <= 1 || is_serial(ns) || num_threads() == 1 || IN_REGION.with(Cell::get) {
        crate::paths::tasks(1);
        (0..blocks).for_each(f);
        return;
    }
    let Ok(mut slot) = POOL.try_lock() else {
        (0..blocks).for_each(f);
        return;
    };
    let threads = num_threads();
    if slot.as_ref().is_none_or(|pool| pool.threads != threads) {
        *slot = Some(Pool::new(threads));
    }
    let helper = slot.as_ref().expect("made above").helper.clone();
    // SAFETY: only the lifetime changes; `region` returns after the last use of the closure.
    let f: *const (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), _>(f) };
    crate::paths::tasks(threads.min(blocks));
    IN_REGION.with(|inside| inside.set(true));
    helper.region(Job { f, blocks, mode: denormals::Mode::current() });
    IN_REGION.with(|inside| inside.set(false));
    let panic = lock(&helper.panic).take();
    drop(slot);
    if let Some(payload) = panic {
        resume_unwind(payload);
    }
}

/// [`run`] for blocks that can fail; the first error found is the result.
#[inline(always)]
pub fn try_run(
    blocks: usize,
    ns: f64,
    f: impl Fn(usize) -> ferrograd_array::Result<()> + Sync,
) -> ferrograd_array::Result<()> {
    let error: Mutex<Option<Error>> = Mutex::new(None);
    run(blocks, ns, |block| {
        if let Err(why) = f(block) {
            lock(&error).get_or_insert(why);
        }
    });
    error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Splits `n` elements into blocks of `block` and calls `f(start, end)` for each.
#[inline(always)]
pub fn for_range(n: usize, block: usize, ns_per_element: f64, f: impl Fn(usize, usize) + Sync) {
    run(n.div_ceil(block.max(1)), n as f64 * ns_per_element, |i| f(i * block, ((i + 1) * block).min(n)));
}

extern "C" fn before_fork() {
    if IN_REGION.with(Cell::get) {
        return; // Forked from inside a block: the lock is this thread's own.
    }
    let guard = lock(&POOL);
    FORK_GUARD.with(|slot| *slot.borrow_mut() = Some(guard));
}

extern "C" fn after_fork_parent() {
    FORK_GUARD.with(|slot| slot.borrow_mut().take());
}

extern "C" fn after_fork_child() {
    // The threads did not come along: the old pool is forgotten, the next region makes a new one.
    FORK_GUARD.with(|slot| {
        if let Some(mut guard) = slot.borrow_mut().take() {
            std::mem::forget(guard.take());
        }
    });
}

/// A pointer that blocks share; what each block touches is disjoint.
#[derive(Clone, Copy)]
pub struct SyncPtr<T>(*mut T);

// SAFETY: the kernels that share it give each block its own elements.
unsafe impl<T> Send for SyncPtr<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for SyncPtr<T> {}

impl<T> SyncPtr<T> {
    pub fn new(p: *mut T) -> Self {
        Self(p)
    }

    #[inline(always)]
    pub fn get(self) -> *mut T {
        self.0
    }
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;
    use std::sync::atomic::AtomicU64;

    static ONE: Mutex<()> = Mutex::new(());

    #[test]
    fn every_block_runs_once() {
        let _one = lock(&ONE);
        for threads in [1, 2, 3, 8] {
            set_num_threads(threads);
            for blocks in [0, 1, 2, 7, 1000] {
                let counts: Vec<AtomicU64> = (0..blocks).map(|_| AtomicU64::new(0)).collect();
                run(blocks, 1e9, |i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn many_regions_in_a_row() {
        let _one = lock(&ONE);
        set_num_threads(2);
        let total = AtomicU64::new(0);
        for _ in 0..20_000 {
            run(4, 1e9, |i| {
                total.fetch_add(i as u64, Ordering::Relaxed);
            });
        }
        assert_eq!(total.into_inner(), 6 * 20_000);
    }

    #[test]
    fn nested_regions_run_serially() {
        let _one = lock(&ONE);
        set_num_threads(2);
        let total = AtomicU64::new(0);
        run(8, 1e9, |_| {
            run(8, 1e9, |_| {
                total.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(total.into_inner(), 64);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let _one = lock(&ONE);
        set_num_threads(2);
        let caught = catch_unwind(|| run(64, 1e9, |i| assert!(i != 13, "block thirteen")));
        assert!(caught.is_err());
        every_block(64);
    }

    fn every_block(blocks: usize) {
        let total = AtomicU64::new(0);
        run(blocks, 1e9, |_| {
            total.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(total.into_inner(), blocks as u64);
    }

    #[test]
    fn the_floating_point_mode_reaches_the_helpers() {
        let _one = lock(&ONE);
        set_num_threads(2);
        let flushed = AtomicU64::new(0);
        denormals::flushed(|| {
            run(256, 1e9, |_| {
                let tiny = std::hint::black_box(f32::MIN_POSITIVE);
                if std::hint::black_box(tiny * 0.5) == 0.0 {
                    flushed.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let expected = if denormals::CAN_FLUSH { 256 } else { 0 };
        assert_eq!(flushed.into_inner(), expected);
    }
}
