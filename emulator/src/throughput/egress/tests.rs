use super::*;
use std::time::Duration;
use tokio::task::JoinSet;

fn egress(units: u32) -> Arc<Egress> {
    let egress = Arc::new(Egress::default());
    egress.set_units(NonZeroU32::new(units));
    egress
}

/// Delivers messages of `bytes` until it is stopped, counting them.
async fn deliver(mut share: EgressShare, bytes: usize, count: Arc<Mutex<u64>>) {
    loop {
        while share.allows() {
            share.charge(bytes);
            *count.lock().unwrap() += 1;
        }
        share.wait().unwrap().await;
        share.granted();
    }
}

/// How many messages each of the receivers got within `time`, by the size of its messages.
async fn delivered<const N: usize>(
    egress: &Arc<Egress>,
    sizes: [usize; N],
    time: Duration,
) -> [u64; N] {
    let counts = sizes.map(|_| Arc::new(Mutex::new(0)));
    let mut receivers = JoinSet::new();
    for (bytes, count) in sizes.into_iter().zip(&counts) {
        let share = EgressShare::new(Arc::clone(egress));
        receivers.spawn(deliver(share, bytes, Arc::clone(count)));
    }
    tokio::time::sleep(time).await;
    receivers.shutdown().await;
    counts.map(|count| *count.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn small_events_go_out_at_the_events_of_a_unit() {
    let [count] = delivered(&egress(1), [10], Duration::from_secs(10)).await;
    // A second's worth at once; a turn may be under way.
    assert!((11 * 4096 - 32..=11 * 4096).contains(&count), "{count}");
}

#[tokio::test(start_paused = true)]
async fn large_events_go_out_at_the_bytes_of_the_units() {
    let [count] = delivered(&egress(3), [100_000], Duration::from_secs(10)).await;
    // The last message may be larger than what was left.
    assert!((659..=661).contains(&count), "{count}");
}

#[tokio::test(start_paused = true)]
async fn receivers_share_bytes_evenly_whatever_the_size_of_their_messages() {
    let sizes = [1000, 10_000, 100_000];
    let counts = delivered(&egress(1), sizes, Duration::from_secs(30)).await;
    // The first has taken the second's worth that there was at the start.
    let burst = [2_000_000, 0, 0];
    for n in 0..sizes.len() {
        let bytes = counts[n] * sizes[n] as u64 - burst[n];
        let fair = 20_000_000;
        assert!(bytes.abs_diff(fair) <= 200_000, "{n}: {bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_leaves_the_queue_holds_up_nobody() {
    let egress = egress(1);
    let mut first = EgressShare::new(Arc::clone(&egress));
    while first.allows() {
        first.charge(10);
    }
    let mut second = EgressShare::new(Arc::clone(&egress));
    assert!(!second.allows());
    let mut head = Box::pin(first.wait().unwrap());
    assert!(futures_util::poll!(&mut head).is_pending());
    drop(head);
    let before = Instant::now();
    second.wait().unwrap().await;
    second.granted();
    assert!(second.allows());
    assert!(before.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_change_of_units_wakes_those_that_wait() {
    let egress = egress(1);
    let mut share = EgressShare::new(Arc::clone(&egress));
    assert!(share.allows());
    share.charge(1_000_000_000);
    assert!(!share.allows());
    for units in [1_000_000, 0] {
        let begun = Instant::now();
        let mut wait = Box::pin(async {
            while !share.allows() {
                share.wait().unwrap().await;
                share.granted();
            }
            share.charge(1_000_000_000);
        });
        assert!(futures_util::poll!(&mut wait).is_pending());
        egress.set_units(NonZeroU32::new(units));
        wait.await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{units}");
        egress.set_units(NonZeroU32::new(1));
    }
}
