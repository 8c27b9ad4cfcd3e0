//! Wall-clock time as the wire and the texts show it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
#[cfg(test)]
use tokio::time::Instant;

/// Where the time comes from by which tokens are valid.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clock {
    /// The system's clock.
    System,
    /// A time to start with and tokio's clock, which a test can pause.
    #[cfg(test)]
    Tokio { start: Instant, unix_millis: i64 },
}

impl Clock {
    /// Milliseconds since the Unix epoch.
    pub(crate) fn unix_millis(self) -> i64 {
        match self {
            Self::System => unix_millis(),
            #[cfg(test)]
            Self::Tokio { start, unix_millis } => unix_millis + start.elapsed().as_millis() as i64,
        }
    }

    /// Seconds since the Unix epoch.
    pub(crate) fn unix_seconds(self) -> i64 {
        self.unix_millis() / 1000
    }

    /// How long it is until a Unix time in seconds; zero when it is past.
    pub(crate) fn until(self, unix_seconds: i64) -> Duration {
        let left = unix_seconds
            .saturating_mul(1000)
            .saturating_sub(self.unix_millis());
        Duration::from_millis(u64::try_from(left).unwrap_or_default())
    }
}

/// Milliseconds since the Unix epoch, now.
pub(crate) fn unix_millis() -> i64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// A Unix time in seconds as `YYYY-MM-DD<separator>HH:MM:SS`, in UTC.
pub(crate) fn iso_seconds(unix_seconds: i64, separator: char) -> String {
    // A token may name any time at all: clamp to 1970..=9999.
    let seconds = unix_seconds.clamp(0, 253_402_300_799);
    let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_date(days);
    format!(
        "{year:04}-{month:02}-{day:02}{separator}{:02}:{:02}:{:02}",
        second_of_day / 3600,
        second_of_day / 60 % 60,
        second_of_day % 60
    )
}

/// The Gregorian date `days` after 1970-01-01.
///
/// Years are counted from March, so that the leap day is the last of its year; 400 years are 146,097 days.
fn civil_date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_calendar_over_leap_days_and_centuries() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_709_210_096, "2024-02-29T12:34:56"),
            (1_735_689_599, "2024-12-31T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            assert_eq!(iso_seconds(seconds, 'T'), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_until_a_second_is_zero_once_it_has_come() {
        let clock = Clock::Tokio {
            start: Instant::now(),
            unix_millis: 5_250,
        };
        assert_eq!(clock.until(6), Duration::from_millis(750));
        tokio::time::advance(Duration::from_millis(750)).await;
        assert_eq!((clock.unix_seconds(), clock.until(6)), (6, Duration::ZERO));
        assert!(clock.until(i64::MAX) > Duration::from_secs(1 << 40));
        assert_eq!(clock.until(i64::MIN), Duration::ZERO);
    }

    #[test]
    fn a_time_outside_the_calendar_is_clamped() {
        assert_eq!(iso_seconds(i64::MAX, ' '), "9999-12-31 23:59:59");
        assert_eq!(iso_seconds(i64::MIN, ' '), "1970-01-01 00:00:00");
    }
}
