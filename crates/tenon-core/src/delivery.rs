//! When a webhook is tried again, and when its endpoint counts as down (DESIGN, 5).

use std::time::Duration;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Waits after the first, second, ... failed attempt: 75.8 hours in all.
pub const WAITS: [Duration; 19] = [
    seconds(2),
    seconds(5),
    seconds(10),
    seconds(20),
    seconds(30),
    seconds(60),
    seconds(2 * 60),
    seconds(5 * 60),
    seconds(10 * 60),
    seconds(30 * 60),
    seconds(3_600),
    seconds(2 * 3_600),
    seconds(4 * 3_600),
    seconds(8 * 3_600),
    seconds(12 * 3_600),
    seconds(12 * 3_600),
    seconds(12 * 3_600),
    seconds(12 * 3_600),
    seconds(12 * 3_600),
];

/// Failures in a row, over all deliveries of an endpoint, that open its circuit.
pub const OPEN_AFTER: i64 = 5;

/// Failed attempts of one delivery that count against its endpoint: so at least three deliveries have to fail before a
/// circuit opens, and an event that no receiver would take does not stop the others.
pub const COUNTED_ATTEMPTS: i64 = 2;

/// An open circuit is probed this often.
pub const PROBE_EVERY: Duration = seconds(10);

/// So many failed attempts of a delivery hold back the younger ones of its connection (about a minute); after that the
/// others go on without it.
pub const HOLD_ATTEMPTS: i64 = 5;

/// A delivery that waited this long behind an open circuit is given up: a little more than all waits together. Probes are
/// no attempts of its own, so that order is kept over an outage.
pub const LIFETIME: Duration = seconds(80 * 3_600);

/// The wait after `attempts` failed attempts, spread by ± 20 % with `spread` from 0 to 1; `None` after the last.
pub fn wait(attempts: i64, spread: f64) -> Option<Duration> {
    let index = usize::try_from(attempts.checked_sub(1)?).ok()?;
    let wait = WAITS.get(index)?;
    Some(wait.mul_f64(0.8 + 0.4 * spread.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{WAITS, wait};

    #[test]
    fn waits_add_up_to_three_days() {
        let total: Duration = WAITS.iter().sum();
        assert_eq!(total, Duration::from_secs(272_947));
    }

    #[test]
    fn waits_are_spread_by_a_fifth() {
        assert_eq!(wait(1, 0.5), Some(Duration::from_secs(2)));
        assert_eq!(wait(3, 0.0), Some(Duration::from_secs(8)));
        assert_eq!(wait(3, 1.0), Some(Duration::from_secs(12)));
        assert_eq!(wait(19, 0.5), Some(Duration::from_secs(12 * 3_600)));
        assert_eq!(wait(20, 0.5), None);
        assert_eq!(wait(0, 0.5), None);
    }
}
