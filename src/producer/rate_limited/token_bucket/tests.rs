use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const NANO: Duration = Duration::from_nanos(1);

fn buckets(limit: RateLimit) -> (TokenBuckets, Instant) {
    limit.validate().expect("a valid limit");
    let now = Instant::now();
    (TokenBuckets::full(&limit, now), now)
}

/// A rate that divides a second evenly, one that does not, and the extremes.
fn rates() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(1_000),
        Just(7_000_000),
        Just(70_000_000),
        Just(300_000_000),
        Just(u64::from(u32::MAX)),
        Just(4_294_967_291), // the largest prime below
        1..100_u64,
        1..=u64::from(u32::MAX),
    ]
}

#[test]
fn a_batch_at_the_very_limit_passes_and_then_nothing() {
    let (mut buckets, now) = buckets(RateLimit::throughput_units(1));
    assert_eq!(buckets.try_take(Cost::new(1000, 1_000_000), now), Ok(()));
    assert_eq!(
        buckets.try_take(Cost::new(1, 0), now),
        Err(Duration::from_millis(1))
    );
    assert_eq!(
        buckets.try_take(Cost::new(0, 1), now),
        Err(Duration::from_micros(1))
    );
}

#[test]
fn a_take_refused_by_one_bucket_takes_nothing_from_the_other() {
    for (first, refused, other) in [
        (
            Cost::new(1, 1_000_000),
            Cost::new(999, 1),
            Cost::new(999, 0),
        ),
        (
            Cost::new(1000, 1),
            Cost::new(1, 999_999),
            Cost::new(0, 999_999),
        ),
    ] {
        let (mut buckets, now) = buckets(RateLimit::throughput_units(1));
        assert_eq!(buckets.try_take(first, now), Ok(()));
        for _ in 0..3 {
            assert!(buckets.try_take(refused, now).is_err());
        }
        assert_eq!(buckets.try_take(other, now), Ok(()));
    }
}

#[test]
fn refused_by_both_the_longer_wait_is_told() {
    let (mut buckets, now) = buckets(RateLimit::throughput_units(1));
    assert_eq!(buckets.try_take(Cost::new(1000, 1_000_000), now), Ok(()));
    assert_eq!(
        buckets.try_take(Cost::new(100, 900_000), now),
        Err(Duration::from_millis(900))
    );
    assert_eq!(
        buckets.try_take(Cost::new(100, 9), now),
        Err(Duration::from_millis(100))
    );
}

#[test]
fn an_absent_limit_lets_all_pass() {
    let (mut buckets, now) = buckets(RateLimit::events_per_second(10));
    assert_eq!(buckets.try_take(Cost::new(10, usize::MAX), now), Ok(()));
    assert!(buckets.try_take(Cost::new(1, 0), now).is_err());
}

#[test]
fn a_century_of_idleness_yields_one_burst_at_every_rate() {
    for rate in [1, 999_983, 300_000_000, u64::from(u32::MAX)] {
        let (mut buckets, now) = buckets(RateLimit::bytes_per_second(rate));
        let later = now + Duration::from_secs(100 * 365 * 86_400);
        let all = Cost::new(0, usize::try_from(rate).unwrap());
        assert_eq!(buckets.try_take(all, now), Ok(()));
        assert_eq!(buckets.try_take(all, later), Ok(()), "{rate} bytes/s");
        assert!(buckets.try_take(Cost::new(0, 1), later).is_err());
    }
}

proptest! {
    /// Whoever takes as soon as it may gets the whole rate, to the byte.
    #[test]
    fn the_rate_is_reached_exactly(rate in rates(), share in 1..1000_u64, takes in 1..200_u64) {
        let cost = (rate * share / 1000).max(1);
        let (mut buckets, start) = buckets(RateLimit::bytes_per_second(rate));
        let mut now = start;
        for _ in 0..takes {
            let cost = Cost { events: 0, bytes: cost };
            if let Err(wait) = buckets.try_take(cost, now) {
                prop_assert!(buckets.try_take(cost, now + wait - NANO).is_err());
                now += wait;
                prop_assert_eq!(buckets.try_take(cost, now), Ok(()));
            }
        }
        // All but the burst had to refill.
        let refilled = u128::from((takes * cost).saturating_sub(rate));
        let least = (refilled * 1_000_000_000).div_ceil(rate.into());
        prop_assert_eq!((now - start).as_nanos(), least);
    }

    /// For all windows: used <= rate * t + burst, in whole numbers.
    #[test]
    fn no_window_exceeds_rate_and_burst(
        rate in rates(),
        burst in rates(),
        takes in vec((0..2_000_000_000_u64, 0..4_294_967_296_u64, any::<bool>()), 1..100),
    ) {
        let limit = RateLimit::bytes_per_second(rate).with_bytes_burst(burst);
        let (mut buckets, mut now) = buckets(limit);
        let mut taken = Vec::new();
        for (gap, cost, patient) in takes {
            now += Duration::from_nanos(gap);
            let cost = Cost { events: 0, bytes: cost % burst + 1 };
            match buckets.try_take(cost, now) {
                Ok(()) => taken.push((now, cost.bytes)),
                Err(wait) if patient => {
                    now += wait;
                    prop_assert_eq!(buckets.try_take(cost, now), Ok(()));
                    taken.push((now, cost.bytes));
                }
                Err(_) => {}
            }
        }
        for from in 0..taken.len() {
            let mut used = 0;
            for &(to, bytes) in &taken[from..] {
                used += u128::from(bytes);
                let window = (to - taken[from].0).as_nanos();
                let allowed = u128::from(rate) * window + u128::from(burst) * 1_000_000_000;
                prop_assert!(used * 1_000_000_000 <= allowed, "{used} bytes in {window} ns");
            }
        }
    }
}

/// What a bucket of bytes holds, found by taking.
fn left(buckets: &mut TokenBuckets, burst: u64, now: Instant) -> u64 {
    let (mut left, mut step) = (0, burst.next_power_of_two());
    while step > 0 {
        let cost = Cost {
            events: 0,
            bytes: step,
        };
        if step <= burst && buckets.try_take(cost, now).is_ok() {
            left += step;
        }
        step /= 2;
    }
    left
}

#[test]
fn a_change_keeps_the_tokens_as_far_as_they_fit() {
    for (rate, burst, kept) in [
        (1000, 1000, 400),
        (3, 1000, 400),
        (4_000_000_000, 4_000_000_000, 400),
        (1000, 400, 400),
        (1000, 399, 399),
        (7, 1, 1),
    ] {
        let (mut buckets, now) = buckets(RateLimit::bytes_per_second(1000));
        assert_eq!(buckets.try_take(Cost::new(0, 600), now), Ok(()));
        let limit = RateLimit::bytes_per_second(rate).with_bytes_burst(burst);
        buckets.change(&limit, now);
        assert_eq!(left(&mut buckets, burst, now), kept, "{limit:?}");
    }
}

#[test]
fn time_before_a_change_counts_at_the_old_rate_and_after_it_at_the_new() {
    let (mut buckets, start) = buckets(RateLimit::bytes_per_second(1000));
    buckets.drain(start);
    let change = start + Duration::from_millis(100);
    let limit = RateLimit::bytes_per_second(10).with_bytes_burst(1000);
    buckets.change(&limit, change);
    let later = change + Duration::from_secs(5);
    assert_eq!(left(&mut buckets, 1000, later), 100 + 50);
}

#[test]
fn a_unit_that_was_not_limited_begins_full_and_one_that_is_no_more_passes() {
    let (mut buckets, now) = buckets(RateLimit::events_per_second(10));
    buckets.change(&RateLimit::bytes_per_second(10), now);
    assert_eq!(buckets.try_take(Cost::new(1_000_000, 10), now), Ok(()));
    assert!(buckets.try_take(Cost::new(0, 1), now).is_err());
}

#[test]
fn drained_buckets_refill_at_the_rate() {
    let (mut buckets, now) = buckets(RateLimit::throughput_units(1));
    buckets.drain(now);
    assert_eq!(
        buckets.try_take(Cost::new(1, 1), now),
        Err(Duration::from_millis(1))
    );
    let later = now + Duration::from_secs(1);
    assert_eq!(buckets.try_take(Cost::new(1000, 1_000_000), later), Ok(()));
}

#[test]
fn a_look_with_an_earlier_clock_adds_nothing() {
    let (mut buckets, now) = buckets(RateLimit::bytes_per_second(1000));
    let later = now + Duration::from_secs(1);
    assert_eq!(buckets.try_take(Cost::new(0, 1000), later), Ok(()));
    assert!(buckets.try_take(Cost::new(0, 1), now).is_err());
    assert!(buckets.try_take(Cost::new(0, 1), later).is_err());
}

proptest! {
    /// For all windows, whatever the limit is changed to in between:
    /// used <= ∫ rate dt + the burst at the window's begin.
    #[test]
    fn no_window_exceeds_the_rates_in_it_and_one_burst(
        steps in vec(
            (0..2_000_000_000_u64, 0..4_294_967_296_u64, prop::option::of((rates(), rates()))),
            1..60,
        ),
    ) {
        let mut limit = (1000, 1000);
        let (mut buckets, start) =
            buckets(RateLimit::bytes_per_second(limit.0).with_bytes_burst(limit.1));
        let mut now = start;
        // By take: its bytes, the billionths refilled until then, the burst.
        let mut taken = Vec::new();
        let mut refilled = 0_u128;
        for (gap, cost, change) in steps {
            now += Duration::from_nanos(gap);
            refilled += u128::from(gap) * u128::from(limit.0);
            if let Some((rate, burst)) = change {
                limit = (rate, burst);
                let limit = RateLimit::bytes_per_second(rate).with_bytes_burst(burst);
                buckets.change(&limit, now);
            }
            let bytes = cost % limit.1 + 1;
            if buckets.try_take(Cost { events: 0, bytes }, now).is_ok() {
                taken.push((bytes, refilled, limit.1));
            }
        }
        for from in 0..taken.len() {
            let (_, begin, burst) = taken[from];
            let mut used = 0;
            for &(bytes, refilled, _) in &taken[from..] {
                used += u128::from(bytes) * 1_000_000_000;
                let allowed = refilled - begin + u128::from(burst) * 1_000_000_000;
                prop_assert!(used <= allowed, "{used} of {allowed}");
            }
        }
    }

    /// Changes back and forth lose nothing and make up nothing.
    #[test]
    fn changes_keep_every_token_that_fits(
        rates in vec(rates(), 1..50),
        held in 1..=1_000_000_u64,
    ) {
        let rate = |rate| RateLimit::bytes_per_second(rate).with_bytes_burst(1_000_000);
        let (mut buckets, now) = buckets(rate(1));
        let taken = Cost { events: 0, bytes: 1_000_000 - held };
        prop_assert_eq!(buckets.try_take(taken, now), Ok(()));
        for &it in &rates {
            buckets.change(&rate(it), now);
        }
        prop_assert_eq!(left(&mut buckets, 1_000_000, now), held);
    }
}
