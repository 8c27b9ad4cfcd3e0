use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;

const SECOND: Duration = Duration::from_secs(1);
/// What the service asks for.
const WAIT: Duration = Duration::from_secs(4);

fn pace(options: Adaptive) -> (Pace, Instant) {
    let now = Instant::now();
    (Pace::new(options, now).expect("valid options"), now)
}

fn to_seventy_percent() -> Adaptive {
    Adaptive::default().with_decrease(0.7)
}

#[test]
fn it_begins_at_the_ceiling_and_stays_there() {
    let (pace, now) = pace(to_seventy_percent());
    for after in [0, 1, 1_000_000] {
        let now = now + SECOND * after;
        assert_eq!((pace.share(now), pace.next_step(now)), (1000, None));
    }
}

#[test]
fn an_episode_lowers_the_rate_once_however_many_refusals_it_has() {
    let (mut pace, start) = pace(to_seventy_percent());
    assert!(pace.throttled(WAIT, start));
    for refusal in 0..4 {
        assert!(!pace.throttled(WAIT, start + SECOND * refusal));
    }
    assert_eq!(pace.share(start + WAIT), 700);
    assert!(pace.throttled(WAIT, start + WAIT));
    assert_eq!(pace.share(start + WAIT), 490);
}

#[test]
fn a_later_refusal_within_an_episode_does_not_prolong_it() {
    let (mut pace, start) = pace(to_seventy_percent());
    assert!(pace.throttled(WAIT, start));
    assert!(!pace.throttled(60 * SECOND, start + 3 * SECOND));
    assert!(pace.throttled(WAIT, start + 4 * SECOND));
}

#[test]
fn the_rate_stays_for_the_episode_and_then_grows_evenly_to_the_ceiling() {
    let (mut pace, start) = pace(to_seventy_percent());
    pace.throttled(WAIT, start);
    for (after, share) in [(0, 700), (4, 700), (10, 800), (16, 900), (22, 1000)] {
        assert_eq!(pace.share(start + SECOND * after), share, "after {after} s");
    }
    assert_eq!(pace.share(start + SECOND * 1_000_000), 1000);
}

#[test]
fn it_tells_when_the_share_grows_next() {
    let (mut pace, start) = pace(to_seventy_percent());
    pace.throttled(WAIT, start);
    let step = Duration::from_millis(60);
    assert_eq!(pace.next_step(start), Some(WAIT + step));
    let ended = start + WAIT;
    assert_eq!(pace.next_step(ended + step / 4), Some(step * 3 / 4));
    assert_eq!(pace.next_step(ended + step), Some(step));
    assert_eq!(pace.next_step(ended + step * 299), Some(step));
    assert_eq!(pace.next_step(ended + step * 300), None);
}

#[test]
fn an_episode_lasts_a_second_at_least_and_a_minute_at_most() {
    for (asked, lasts) in [(Duration::ZERO, SECOND), (3600 * SECOND, 60 * SECOND)] {
        let (mut pace, start) = pace(to_seventy_percent());
        pace.throttled(asked, start);
        assert!(!pace.throttled(asked, start + lasts - Duration::from_nanos(1)));
        assert!(pace.throttled(asked, start + lasts));
    }
}

#[test]
fn it_never_falls_below_the_floor_and_the_floor_is_never_nothing() {
    let (mut pace, mut now) = pace(Adaptive::default().with_floor(0.25));
    for _ in 0..20 {
        assert!(pace.throttled(WAIT, now));
        now += WAIT;
    }
    assert_eq!(pace.share(now), 250);
    assert_eq!(share_of(1, 1), 1);
    assert_eq!(share_of(1, 1_000_001), 1001);
    let largest = u64::from(u32::MAX);
    assert_eq!(share_of(WHOLE, largest), largest);
}

#[test]
fn options_that_make_no_sense_are_refused_by_name() {
    let ok = Adaptive::default();
    for (options, words) in [
        (ok.with_decrease(0.0), "decrease to 0 "),
        (ok.with_decrease(1.0), "decrease to 1 "),
        (ok.with_decrease(f64::NAN), "decrease to NaN "),
        (ok.with_floor(0.0), "floor of 0 "),
        (ok.with_floor(1.1), "floor of 1.1 "),
        (ok.with_floor(-0.5), "floor of -0.5 "),
        (ok.with_recovery(Duration::ZERO), "recovery in 0ns "),
    ] {
        let error = Pace::new(options, Instant::now()).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidOptions);
        assert!(error.message().contains(words), "{error}");
    }
    let edges = ok
        .with_decrease(0.999)
        .with_floor(1.0)
        .with_recovery(Duration::from_millis(1));
    assert!(Pace::new(edges, Instant::now()).is_ok());
}

proptest! {
    /// Whatever is refused when: between floor and ceiling, at most one decrease
    /// per episode, no growth faster than promised.
    #[test]
    fn the_share_keeps_its_bounds_and_its_pace(
        decrease in 0.001..0.9994_f64,
        floor in 0.001..1.0_f64,
        recovery in 1..600_000_u64,
        refusals in vec((0..20_000_u64, 0..90_u64), 1..100),
    ) {
        let recovery = Duration::from_millis(recovery);
        let options = Adaptive::default()
            .with_decrease(decrease)
            .with_floor(floor)
            .with_recovery(recovery);
        let (mut pace, mut now) = pace(options);
        let mut episode_ends = now;
        for (gap, asked) in refusals {
            let before = (pace.share(now), now);
            now += Duration::from_millis(gap);
            let grown = pace.share(now);
            prop_assert!(grown >= before.0 && grown <= WHOLE);
            let elapsed = (now - before.1).as_nanos();
            let most = elapsed * u128::from(WHOLE) / recovery.as_nanos() + 1;
            prop_assert!(u128::from(grown - before.0) <= most);
            if let Some(next) = pace.next_step(now) {
                prop_assert!(next > Duration::ZERO);
                prop_assert_eq!(pace.share(now + next - Duration::from_nanos(1)), grown);
                prop_assert_eq!(pace.share(now + next), grown + 1);
            }

            let lowered = pace.throttled(SECOND * u32::try_from(asked).unwrap(), now);
            prop_assert_eq!(lowered, now >= episode_ends);
            if lowered {
                episode_ends = now + SECOND * u32::try_from(asked.clamp(1, 60)).unwrap();
            }
            let share = pace.share(now);
            prop_assert!(share >= thousandths(floor) && share <= grown);
        }
    }
}
