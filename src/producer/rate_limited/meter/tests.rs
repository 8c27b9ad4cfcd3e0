use super::*;
use crate::error::ErrorKind;
use crate::producer::rate_limited::Adaptive;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// What the service asks for.
const WAIT: Duration = Duration::from_secs(4);

fn adaptive(limit: RateLimit) -> (Meter, Instant) {
    let now = Instant::now();
    let pace = Pace::new(Adaptive::default().with_decrease(0.5), now).expect("valid options");
    (Meter::new(limit, Some(pace), now), now)
}

fn until(meter: &mut Meter, cost: Cost, now: Instant) -> Instant {
    match meter.try_take(cost, now) {
        Err(Refusal::Until(then)) => then,
        other => panic!("{other:?}"),
    }
}

#[test]
fn after_a_refusal_the_next_batch_comes_at_the_new_rate_whatever_was_saved_up() {
    let (mut meter, now) = adaptive(RateLimit::events_per_second(1000));
    let lowered = meter.throttled(WAIT, now).expect("the first of an episode");
    assert_eq!(lowered.events_rate(), Some(500));
    let cost = Cost::new(50, 0);
    assert_eq!(until(&mut meter, cost, now), now + 100 * MS);
    assert!(meter.try_take(cost, now + 100 * MS).is_ok());
    assert_eq!(
        until(&mut meter, cost, now + 100 * MS),
        now + 200 * MS,
        "no more than that"
    );
}

#[test]
fn a_later_refusal_of_the_episode_changes_nothing() {
    let (mut meter, now) = adaptive(RateLimit::events_per_second(1000));
    assert!(meter.throttled(WAIT, now).is_some());
    assert!(meter.throttled(WAIT, now + SECOND).is_none());
    assert!(meter.try_take(Cost::new(500, 0), now + SECOND).is_ok());
}

#[test]
fn without_adaptation_a_refusal_changes_nothing() {
    let now = Instant::now();
    let limit = RateLimit::throughput_units(1);
    let mut meter = Meter::new(limit, None, now);
    assert!(meter.throttled(WAIT, now).is_none());
    assert_eq!(meter.limit_at(now), limit);
    assert_eq!(meter.batch_limits(now), limit.batch_limits());
    assert!(meter.try_take(Cost::new(1000, 1_000_000), now).is_ok());
}

#[test]
fn both_rates_fall_and_recover_and_the_bursts_stay() {
    let limit = RateLimit::throughput_units(1);
    let (mut meter, now) = adaptive(limit);
    assert_eq!(meter.limit_at(now), limit);
    meter.throttled(WAIT, now);
    let lowered = RateLimit::throughput_units(1)
        .with_events_per_second(500)
        .with_events_burst(1000)
        .with_bytes_per_second(500_000)
        .with_bytes_burst(1_000_000);
    assert_eq!(meter.limit_at(now + WAIT), lowered);
    let half_way = meter.limit_at(now + WAIT + 15 * SECOND);
    assert_eq!(half_way.events_rate(), Some(750));
    assert_eq!(half_way.bytes_rate(), Some(750_000));
    assert_eq!(meter.limit_at(now + WAIT + 30 * SECOND), limit);
    assert_eq!(meter.limit(), limit);
}

#[test]
fn whoever_waits_looks_again_when_the_rate_grows() {
    let (mut meter, now) = adaptive(RateLimit::events_per_second(1000));
    meter.throttled(WAIT, now);
    // Two seconds at the rate of now, but that grows before.
    let cost = Cost::new(1000, 0);
    assert_eq!(until(&mut meter, cost, now), now + 2 * SECOND);
    let mut at = now + WAIT - SECOND;
    assert!(meter.try_take(cost, at).is_ok());
    let asked = at;
    for _ in 0..100 {
        match meter.try_take(cost, at) {
            Err(Refusal::Until(then)) => at = then,
            taken => {
                taken.expect("a cost within the burst");
                break;
            }
        }
    }
    // ∫ 500 dt over 1 s, then growing by 16.7 a second: 970 ms more.
    assert!(at - asked < 1985 * MS, "{:?}", at - asked);
}

#[test]
fn a_changed_ceiling_is_taken_at_the_share_of_now() {
    let (mut meter, now) = adaptive(RateLimit::events_per_second(1000));
    meter.throttled(WAIT, now);
    meter.set_limit(RateLimit::events_per_second(3000), now);
    assert_eq!(meter.limit_at(now).events_rate(), Some(1500));
    let cost = Cost::new(15, 0);
    assert_eq!(until(&mut meter, cost, now), now + 10 * MS);
    assert_eq!(meter.limit().events_rate(), Some(3000));
}

#[test]
fn an_adaptive_one_asks_for_small_batches_and_lets_larger_ones_pass() {
    let (mut meter, now) = adaptive(RateLimit::throughput_units(1));
    assert_eq!(
        meter.batch_limits(now),
        BatchLimits {
            bytes: 1_000_000,
            events: 50
        }
    );
    assert!(meter.try_take(Cost::new(1000, 1000), now).is_ok());
    meter.throttled(WAIT, now);
    assert_eq!(meter.batch_limits(now).events, 25);

    let (mut slow, now) = adaptive(RateLimit::events_per_second(3));
    assert_eq!(slow.batch_limits(now).events, 1);
    let (mut bytes, now) = adaptive(RateLimit::bytes_per_second(1000));
    assert_eq!(bytes.batch_limits(now).events, usize::MAX);
}

#[test]
fn a_cost_above_the_burst_never_passes() {
    let (mut meter, now) = adaptive(RateLimit::events_per_second(10));
    let refused = meter.try_take(Cost::new(11, 0), now);
    let Err(Refusal::Never(error)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        error.kind(),
        &ErrorKind::CostExceedsBurst {
            cost: 11,
            burst: 10
        }
    );
}
