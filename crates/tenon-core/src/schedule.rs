//! When a schedule is due: always on the grid that its creation started (scheduler.md, 3).

use std::time::Duration;

use crate::Timestamp;

/// Instants `starts_at + n × interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    pub starts_at: Timestamp,
    pub interval: Duration,
}

impl Grid {
    /// The first instant of the grid after `now`; the start itself if that lies ahead. Missed instants are skipped.
    ///
    /// Strictly after, unlike the reference: a run that ends in the instant it started must not be due again at once.
    pub fn next_after(self, now: Timestamp) -> Timestamp {
        if now < self.starts_at {
            return self.starts_at;
        }
        let interval = i64::try_from(self.interval.as_micros())
            .unwrap_or(i64::MAX)
            .max(1);
        let passed = now.micros().saturating_sub(self.starts_at.micros());
        let steps = passed / interval + 1;
        Timestamp::from_micros(
            self.starts_at
                .micros()
                .saturating_add(steps.saturating_mul(interval)),
        )
    }

    /// Due time after the interval changed to this grid's: a start that is due already stays due.
    pub fn next_after_change(self, due_at: Timestamp, now: Timestamp) -> Timestamp {
        if due_at <= now {
            return due_at;
        }
        self.next_after(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::Grid;
    use crate::Timestamp;

    #[test]
    fn missed_instants_are_skipped() {
        let grid = Grid {
            starts_at: Timestamp::from_micros(1_000),
            interval: Duration::from_micros(100),
        };
        let next = |now| grid.next_after(Timestamp::from_micros(now)).micros();
        assert_eq!(next(0), 1_000);
        assert_eq!(next(1_000), 1_100);
        assert_eq!(next(1_099), 1_100);
        assert_eq!(next(1_100), 1_200);
        assert_eq!(next(9_999), 10_000);
    }

    proptest! {
        #[test]
        fn the_next_start_is_the_first_grid_point_ahead(
            starts_at in 0_i64..2_000_000_000_000_000,
            passed in 0_i64..2_000_000_000_000_000,
            interval in 30_000_000_u64..3_000_000_000_000,
        ) {
            let grid = Grid { starts_at: Timestamp::from_micros(starts_at), interval: Duration::from_micros(interval) };
            let now = Timestamp::from_micros(starts_at + passed);
            let next = grid.next_after(now);
            prop_assert!(next > now);
            prop_assert!(next.since(now) <= grid.interval);
            prop_assert_eq!(next.since(grid.starts_at).as_micros() % u128::from(interval), 0);
        }

        #[test]
        fn a_changed_interval_never_delays_what_is_due(
            due in 0_i64..2_000_000_000_000_000,
            late in 0_i64..2_000_000_000_000,
            interval in 30_000_000_u64..3_000_000_000_000,
        ) {
            let grid = Grid { starts_at: Timestamp::from_micros(0), interval: Duration::from_micros(interval) };
            let due = Timestamp::from_micros(due);
            let now = Timestamp::from_micros(due.micros() + late);
            prop_assert_eq!(grid.next_after_change(due, now), due);
        }
    }
}
