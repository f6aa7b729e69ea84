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

    use super::Grid;
    use crate::{Random, Timestamp, random::SeededRandom};

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

    /// An evenly spread number below `bound`, and its logarithm evenly spread every other time: small ones come too.
    fn draw(random: &SeededRandom, bound: u64) -> u64 {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        let value = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        let shift = if bytes[8] & 1 == 0 { 0 } else { bytes[9] % 60 };
        (value >> shift) % bound
    }

    #[test]
    fn the_next_start_is_the_first_grid_point_ahead() {
        let random = SeededRandom::new(1);
        for _ in 0..20_000 {
            let starts_at = Timestamp::from_micros(draw(&random, 2_000_000_000_000_000) as i64);
            let now = starts_at.plus(Duration::from_micros(draw(&random, 2_000_000_000_000_000)));
            let interval = Duration::from_micros(30_000_000 + draw(&random, 315_000_000_000_000));
            let grid = Grid {
                starts_at,
                interval,
            };
            let next = grid.next_after(now);
            assert!(next > now, "{grid:?} {now:?}");
            assert!(next.since(now) <= interval, "{grid:?} {now:?}");
            assert_eq!(
                next.since(starts_at).as_micros() % interval.as_micros(),
                0,
                "{grid:?} {now:?}"
            );
        }
    }

    #[test]
    fn a_changed_interval_never_delays_what_is_due() {
        let random = SeededRandom::new(2);
        for _ in 0..20_000 {
            let starts_at = Timestamp::from_micros(draw(&random, 2_000_000_000_000_000) as i64);
            let due = starts_at.plus(Duration::from_micros(draw(&random, 1_000_000_000_000)));
            let now = due.plus(Duration::from_micros(draw(&random, 1_000_000_000_000)));
            let interval = Duration::from_micros(30_000_000 + draw(&random, 1_000_000_000_000));
            let grid = Grid {
                starts_at,
                interval,
            };
            assert_eq!(grid.next_after_change(due, now), due);
            let early = starts_at.minus(Duration::from_micros(1));
            assert!(grid.next_after_change(due, early) <= due.max(starts_at));
        }
    }
}
