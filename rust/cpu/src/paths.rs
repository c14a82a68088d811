//! Which kernel paths were entered: op and strategy, under which instruction set, with how many tasks.
//!
//! Compiled in with the feature `paths` (test builds); otherwise [`path!`] and [`tasks`] are nothing. Each use of
//! [`path!`] declares the path where it stands, so a path that no test ever enters is known by name.

#[cfg(feature = "paths")]
mod counted {
    use std::cell::Cell;
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use crate::isa;

    /// A path that was compiled in. `parallel` paths must be seen with more than one task.
    pub struct Path {
        pub name: &'static str,
        pub parallel: bool,
    }

    inventory::collect!(Path);

    static SEEN: Mutex<BTreeMap<(&'static str, &'static str), usize>> = Mutex::new(BTreeMap::new());

    thread_local! {
        static LAST: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    pub fn enter(path: &'static Path) {
        LAST.with(|last| last.set(path.parallel.then_some(path.name)));
        SEEN.lock().expect("never poisoned").entry((path.name, isa::current().name())).or_insert(1);
    }

    pub fn tasks(n: usize) {
        if n > 1
            && let Some(name) = LAST.with(Cell::get)
        {
            SEEN.lock().expect("never poisoned").insert((name, isa::current().name()), n);
        }
    }

    /// Every path compiled in.
    pub fn declared() -> Vec<(&'static str, bool)> {
        let mut all: Vec<_> = inventory::iter::<Path>.into_iter().map(|p| (p.name, p.parallel)).collect();
        all.sort();
        all.dedup();
        all
    }

    /// `(path, instruction set, most tasks)` of every path entered.
    pub fn entered() -> Vec<(&'static str, &'static str, usize)> {
        SEEN.lock().expect("never poisoned").iter().map(|(&(name, isa), &tasks)| (name, isa, tasks)).collect()
    }
}

#[cfg(feature = "paths")]
pub use counted::{Path, declared, enter, entered, tasks};

#[cfg(feature = "paths")]
#[doc(hidden)]
pub use inventory;

#[cfg(not(feature = "paths"))]
#[inline(always)]
pub fn tasks(_n: usize) {}

/// Declares and counts a kernel path: `path!("gemm/packed")`, or `path!("softmax/rows", parallel)` where the work can
/// be split over threads. It stands in the kernel's entry function, before `parallel::run`.
#[macro_export]
macro_rules! path {
    (@ $name:expr, $parallel:literal) => {
        #[cfg(feature = "paths")]
        {
            static PATH: $crate::paths::Path = $crate::paths::Path { name: $name, parallel: $parallel };
            $crate::paths::inventory::submit! { $crate::paths::Path { name: $name, parallel: $parallel } }
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
