use super::*;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn tokens(bytes: u64, events: u64) -> Tokens {
    Tokens { bytes, events }
}

#[test]
fn a_second_refills_what_a_second_allows_and_no_more() {
    let start = Instant::now();
    let mut bucket = TokenBucket::full(tokens(100, 10), start);
    assert_eq!(bucket.try_take(tokens(100, 10), start), Ok(()));
    let tenth = start + SECOND / 10;
    assert_eq!(bucket.try_take(tokens(0, 1), start), Err(tenth));
    let before = tenth - Duration::from_nanos(1);
    assert_eq!(bucket.try_take(tokens(0, 1), before), Err(tenth));
    assert_eq!(bucket.try_take(tokens(0, 1), tenth), Ok(()));
    let later = start + 100 * SECOND;
    assert_eq!(bucket.try_take(tokens(100, 0), later), Ok(()));
    assert_eq!(
        bucket.try_take(tokens(1, 0), later),
        Err(later + SECOND / 100)
    );
}

#[test]
fn whichever_runs_out_first_holds_up_both() {
    let start = Instant::now();
    let mut bucket = TokenBucket::full(tokens(100, 10), start);
    assert_eq!(bucket.try_take(tokens(80, 1), start), Ok(()));
    let refusal = bucket.try_take(tokens(30, 1), start);
    assert_eq!(refusal, Err(start + SECOND / 10));
    // Nothing was taken of the events either: nine are left.
    assert_eq!(bucket.try_take(tokens(0, 9), start), Ok(()));
    assert_eq!(
        bucket.try_take(tokens(0, 1), start),
        Err(start + SECOND / 10)
    );
}

#[test]
fn more_than_the_bucket_holds_is_taken_when_it_is_full_and_paid_off_afterwards() {
    let start = Instant::now();
    let mut bucket = TokenBucket::full(tokens(100, 10), start);
    assert_eq!(bucket.try_take(tokens(1, 0), start), Ok(()));
    let full = start + SECOND / 100;
    assert_eq!(bucket.try_take(tokens(350, 1), start), Err(full));
    assert_eq!(bucket.try_take(tokens(350, 1), full), Ok(()));
    let paid = full + 5 * SECOND / 2;
    let one_more = paid + SECOND / 100;
    assert_eq!(bucket.try_take(tokens(1, 0), paid), Err(one_more));
    assert_eq!(bucket.try_take(tokens(1, 0), one_more), Ok(()));
}

#[test]
fn a_new_rate_holds_from_now_on_and_hands_out_nothing() {
    let start = Instant::now();
    let mut bucket = TokenBucket::full(tokens(100, 10), start);
    assert_eq!(bucket.try_take(tokens(100, 0), start), Ok(()));
    let half = start + SECOND / 2;
    bucket.set_rate(tokens(1000, 10), half);
    let refusal = bucket.try_take(tokens(51, 0), half);
    assert_eq!(refusal, Err(half + SECOND / 1000), "half a second at 100");
    bucket.set_rate(tokens(20, 10), half);
    assert_eq!(bucket.try_take(tokens(20, 0), half), Ok(()));
    assert_eq!(bucket.try_take(tokens(1, 0), half), Err(half + SECOND / 20));
}

#[test]
fn a_clock_read_earlier_but_shown_later_takes_nothing_back() {
    let start = Instant::now() + SECOND;
    let mut bucket = TokenBucket::full(tokens(100, 10), start);
    assert_eq!(bucket.try_take(tokens(100, 0), start), Ok(()));
    assert!(bucket.try_take(tokens(1, 0), start - SECOND).is_err());
    assert_eq!(bucket.try_take(tokens(1, 0), start + SECOND / 100), Ok(()));
}

#[test]
fn what_is_unlimited_never_runs_out() {
    let start = Instant::now();
    let mut bucket = TokenBucket::full(tokens(Tokens::UNLIMITED, 2), start);
    for at in [start, start, start + 400_000 * SECOND] {
        assert_eq!(bucket.try_take(tokens(1 << 40, 1), at), Ok(()));
    }
}

fn rates() -> impl Strategy<Value = Tokens> {
    (1..5000u64, 1..500u64).prop_map(|(bytes, events)| tokens(bytes, events))
}

/// Pauses and costs; those above a second's worth are among them.
fn steps() -> impl Strategy<Value = Vec<(Duration, Tokens)>> {
    let pause = (0..1_500_000_000u64).prop_map(Duration::from_nanos);
    let pause = prop_oneof![Just(Duration::ZERO), pause];
    let cost = (0..6000u64, 0..600u64).prop_map(|(bytes, events)| tokens(bytes, events));
    prop::collection::vec((pause, cost), 1..60)
}

proptest! {
    #[test]
    fn over_any_window_at_most_the_rate_and_a_seconds_worth_are_admitted(
        rate in rates(),
        steps in steps(),
    ) {
        let mut now = Instant::now();
        let mut bucket = TokenBucket::full(rate, now);
        let mut admitted = Vec::new();
        for (pause, cost) in steps {
            now += pause;
            if cost.bytes <= rate.bytes && cost.events <= rate.events
                && bucket.try_take(cost, now).is_ok()
            {
                admitted.push((now, cost));
            }
        }
        for (first, (from, _)) in admitted.iter().enumerate() {
            let mut taken = tokens(0, 0);
            for (to, cost) in &admitted[first..] {
                taken = tokens(taken.bytes + cost.bytes, taken.events + cost.events);
                let nanos = (*to - *from).as_nanos() + 1_000_000_000;
                let allowed = |per_second: u64| u128::from(per_second) * nanos;
                prop_assert!(u128::from(taken.bytes) * 1_000_000_000 <= allowed(rate.bytes));
                prop_assert!(u128::from(taken.events) * 1_000_000_000 <= allowed(rate.events));
            }
        }
    }

    #[test]
    fn a_refusal_takes_nothing_and_names_the_first_moment_that_would_do(
        rate in rates(),
        steps in steps(),
    ) {
        let mut now = Instant::now();
        let mut bucket = TokenBucket::full(rate, now);
        let mut unasked = TokenBucket::full(rate, now);
        for (pause, cost) in steps {
            now += pause;
            if let Err(at) = bucket.try_take(cost, now) {
                prop_assert!(at > now);
                prop_assert_eq!(bucket.try_take(cost, at - Duration::from_nanos(1)), Err(at));
                now = at;
                prop_assert_eq!(bucket.try_take(cost, now), Ok(()));
            }
            // The same takes without the refusals leave the same behind.
            prop_assert_eq!(unasked.try_take(cost, now), Ok(()));
            prop_assert_eq!(bucket.bytes.left, unasked.bytes.left);
            prop_assert_eq!(bucket.events.left, unasked.events.left);
        }
    }
}
