//! Which kernel paths were entered: op and strategy, under which instruction set, with how many tasks.
//!
//! Compiled in with the feature `testing` (test builds); otherwise [`path!`] and [`tasks`] are nothing. Each use of
//! [`path!`] declares the path where it stands, so a path that no test ever enters is known by name.

#[cfg(feature = "testing")]
mod counted {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::isa::{self, Isa};

    /// A path that was compiled in, and the most tasks it was seen with under each instruction set; 0 where it was not
    /// entered. `parallel` paths must be seen with more than one task. Without a lock, so that a child forked at any
    /// moment can go on counting.
    pub struct Path {
        pub name: &'static str,
        pub parallel: bool,
        seen: [AtomicUsize; 4],
    }

    impl Path {
        pub const fn new(name: &'static str, parallel: bool) -> Self {
            Self { name, parallel, seen: [const { AtomicUsize::new(0) }; 4] }
        }

        fn saw(&self, tasks: usize) {
            self.seen[isa::current() as usize].fetch_max(tasks, Ordering::Relaxed);
        }
    }

    pub struct Declared(pub &'static Path);

    inventory::collect!(Declared);

    thread_local! {
        static LAST: Cell<Option<&'static Path>> = const { Cell::new(None) };
    }

    pub fn enter(path: &'static Path) {
        LAST.with(|last| last.set(path.parallel.then_some(path)));
        path.saw(1);
    }

    pub fn tasks(n: usize) {
        if let Some(path) = LAST.with(Cell::get) {
            path.saw(n);
        }
    }

    /// Every path compiled in.
    pub fn declared() -> Vec<(&'static str, bool)> {
        let mut all: Vec<_> = inventory::iter::<Declared>.into_iter().map(|d| (d.0.name, d.0.parallel)).collect();
        all.sort();
        all.dedup();
        all
    }

    /// `(path, instruction set, most tasks)` of every path entered.
    pub fn entered() -> Vec<(&'static str, &'static str, usize)> {
        let mut all = std::collections::BTreeMap::new();
        for Declared(path) in inventory::iter::<Declared> {
            for isa in Isa::available() {
                let tasks = path.seen[isa as usize].load(Ordering::Relaxed);
                if tasks > 0 {
                    let most: &mut usize = all.entry((path.name, isa.name())).or_default();
                    *most = tasks.max(*most);
                }
            }
        }
        all.into_iter().map(|((name, isa), tasks)| (name, isa, tasks)).collect()
    }
}

#[cfg(feature = "testing")]
pub use counted::{Declared, Path, declared, enter, entered, tasks};

#[cfg(feature = "testing")]
#[doc(hidden)]
pub use inventory;

#[cfg(not(feature = "testing"))]
#[inline(always)]
pub fn tasks(_n: usize) {}

/// Declares and counts a kernel path: `path!("gemm/packed")`, or `path!("softmax/rows", parallel)` where the work can
/// be split over threads. It stands in the kernel's entry function, before `parallel::run`.
#[macro_export]
macro_rules! path {
    (@ $name:expr, $parallel:literal) => {
        #[cfg(feature = "testing")]
        {
            static PATH: $crate::paths::Path = $crate::paths::Path::new($name, $parallel);
            $crate::paths::inventory::submit! { $crate::paths::Declared(&PATH) }
            $crate::paths::enter(&PATH);
        }
    };
    ($name:expr) => {
        $crate::path!(@ $name, false)
    };
    ($name:expr, parallel) => {
        $crate::path!(@ $name, true)
    };
}
