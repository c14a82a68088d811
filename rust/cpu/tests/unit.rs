//! Runs the unit tests that the library holds; as `cargo test` does, and for `cargo nextest`.

use libtest_mimic::{Arguments, Trial};

fn main() {
    let trial = |unit: &'static ferrograd_cpu::units::Unit| {
        let name = unit.name.split_once("::").map_or(unit.name, |(_, name)| name);
        let run = move || {
            (unit.run)();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(unit.ignored)
    };
    libtest_mimic::run(&Arguments::from_args(), ferrograd_cpu::units::all().map(trial).collect()).exit();
}
