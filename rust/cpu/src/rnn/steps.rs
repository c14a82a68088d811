use ferrograd_array::{Error, Result};

/// The steps of a packed batch, in the order of the recurrence.
#[derive(Debug, Clone)]
pub(super) struct Steps {
    /// Rows of each step; never more than of the step before.
    sizes: Vec<usize>,
    /// The first row of each step.
    starts: Vec<usize>,
    pub rows: usize,
    reverse: bool,
}

/// Neighbouring rows of one step that are alike: their sequences have been going on for as many steps, and go on for as
/// many more, as far as a recurrence of some order looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub step: usize,
    /// The first sequence, how many, and the row of the first.
    pub sequence: usize,
    pub count: usize,
    pub row: usize,
    /// Steps before this one and after it in the recurrence, at most the order.
    pub age: usize,
    pub left: usize,
}

impl Steps {
    pub fn new(op: &str, sizes: &[usize], rows: usize, reverse: bool) -> Result<Self> {
        if sizes.is_empty() {
            return Err(Error::value(op, "batch_sizes", "one step or more", "none"));
        }
        if sizes.windows(2).any(|pair| pair[0] < pair[1]) {
            return Err(Error::value(op, "batch_sizes", "sizes that never grow", format_args!("{sizes:?}")));
        }
        let total = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
        if total != Some(rows) {
            let expected = format!("{rows} rows together, as the input has");
            return Err(Error::value(op, "batch_sizes", expected, format_args!("{sizes:?}")));
        }
        let starts = sizes.iter().scan(0, |next, &size| Some(std::mem::replace(next, *next + size))).collect();
        Ok(Self { sizes: sizes.to_vec(), starts, rows, reverse })
    }

    /// How many sequences.
    pub fn batch(&self) -> usize {
        self.sizes[0]
    }

    /// The steps from the first of the recurrence to the last.
    pub fn order(&self) -> impl DoubleEndedIterator<Item = usize> + use<> {
        let (n, reverse) = (self.sizes.len(), self.reverse);
        (0..n).map(move |t| if reverse { n - 1 - t } else { t })
    }

    /// Rows of step `t`; none after the last.
    fn size(&self, t: usize) -> usize {
        self.sizes.get(t).copied().unwrap_or(0)
    }

    /// The rows of step `t`, cut where they stop being alike for a recurrence over `order` steps.
    pub fn parts(&self, t: usize, order: usize) -> impl Iterator<Item = Part> {
        // Before or after a step in time are as many steps for all, behind it as many as a sequence is long.
        let same = t.min(order);
        (0..=order).rev().filter_map(move |more| {
            let start = if more == order { 0 } else { self.size(t + more + 1) };
            let count = self.size(t + more).saturating_sub(start);
            let (age, left) = if self.reverse { (more, same) } else { (same, more) };
            (count > 0).then_some(Part { step: t, sequence: start, count, row: self.starts[t] + start, age, left })
        })
    }

    /// Every part of every step, in the order of the recurrence.
    pub fn all_parts(&self, order: usize) -> impl Iterator<Item = Part> {
        self.order().flat_map(move |t| self.parts(t, order))
    }

    /// The first row of a part's sequences `by` steps before, or which of the initial states stands there.
    pub fn before(&self, part: &Part, by: usize) -> Place {
        if by > part.age {
            return Place::Initial(by - part.age - 1);
        }
        let t = if self.reverse { part.step + by } else { part.step - by };
        Place::Row(self.starts[t] + part.sequence)
    }

    /// The first row of a part's sequences `by` steps after, where they go on for so long.
    pub fn after(&self, part: &Part, by: usize) -> Option<usize> {
        let t = if self.reverse { part.step.checked_sub(by) } else { Some(part.step + by) };
        t.filter(|_| by <= part.left).map(|t| self.starts[t] + part.sequence)
    }

    /// Steps of a sequence.
    fn length(&self, sequence: usize) -> usize {
        self.sizes.partition_point(|&size| size > sequence)
    }

    /// The row of a sequence `by` steps before its last, or which of the initial states stands there.
    pub fn place(&self, sequence: usize, by: usize) -> Place {
        let length = self.length(sequence);
        if by >= length {
            return Place::Initial(by - length);
        }
        let t = if self.reverse { by } else { length - 1 - by };
        Place::Row(self.starts[t] + sequence)
    }
}

/// Where a state is: a row of the results, or one of the initial states, of which 0 is the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Row(usize),
    Initial(usize),
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::Place::{Initial, Row};
    use super::*;

    /// (sequence, count, row, the step before, the step after) of each part.
    fn parts(steps: &Steps) -> Vec<(usize, usize, usize, Place, Option<usize>)> {
        let places = |p: Part| (p.sequence, p.count, p.row, steps.before(&p, 1), steps.after(&p, 1));
        steps.all_parts(1).map(places).collect()
    }

    #[test]
    fn a_sequence_begins_and_ends_where_its_direction_says() {
        let steps = Steps::new("op", &[3, 2, 2], 7, false).unwrap();
        assert_eq!(
            parts(&steps),
            [
                (0, 2, 0, Initial(0), Some(3)),
                (2, 1, 2, Initial(0), None),
                (0, 2, 3, Row(0), Some(5)),
                (0, 2, 5, Row(3), None)
            ]
        );
        assert_eq!([0, 1, 2].map(|b| steps.place(b, 0)), [Row(5), Row(6), Row(2)]);
        let steps = Steps::new("op", &[3, 2, 2], 7, true).unwrap();
        assert_eq!(
            parts(&steps),
            [
                (0, 2, 5, Initial(0), Some(3)),
                (0, 2, 3, Row(5), Some(0)),
                (0, 2, 0, Row(3), None),
                (2, 1, 2, Initial(0), None)
            ]
        );
        assert_eq!([0, 1, 2].map(|b| steps.place(b, 0)), [Row(0), Row(1), Row(2)]);
        let one = Steps::new("op", &[4], 4, false).unwrap();
        assert_eq!(parts(&one), [(0, 4, 0, Initial(0), None)]);
        assert!(parts(&Steps::new("op", &[0, 0], 0, false).unwrap()).is_empty());
    }

    #[test]
    fn a_higher_order_looks_further() {
        for reverse in [false, true] {
            let sizes = [4, 4, 3, 1];
            let steps = Steps::new("op", &sizes, 12, reverse).unwrap();
            let lengths = [4, 3, 3, 2];
            for part in steps.all_parts(3) {
                for b in part.sequence..part.sequence + part.count {
                    let (at, length) = (part.step, lengths[b]);
                    let (age, left) = if reverse { (length - 1 - at, at) } else { (at, length - 1 - at) };
                    assert_eq!((part.age, part.left), (age.min(3), left.min(3)));
                    for by in 1..=3 {
                        let row = |t: usize| sizes[..t].iter().sum::<usize>() + part.sequence;
                        let (back, on) =
                            if reverse { (at + by, at.wrapping_sub(by)) } else { (at.wrapping_sub(by), at + by) };
                        let before = if by <= age { Row(row(back)) } else { Initial(by - age - 1) };
                        assert_eq!(steps.before(&part, by), before);
                        assert_eq!(steps.after(&part, by), (by <= left).then(|| row(on)));
                    }
                }
            }
            assert_eq!(steps.all_parts(3).map(|part| part.count).sum::<usize>(), 12);
            assert_eq!(steps.place(3, 2), Initial(0));
            assert_eq!(steps.place(3, 1), Row(if reverse { 7 } else { 3 }));
        }
    }

    #[test]
    fn wrong_sizes_are_refused() {
        for (sizes, rows) in [(&[][..], 0), (&[1, 2], 3), (&[2, 1], 4), (&[usize::MAX, 1], 0)] {
            assert!(matches!(Steps::new("op", sizes, rows, false), Err(Error::Value(_))), "{sizes:?}");
        }
    }
}
