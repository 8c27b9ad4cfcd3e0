//! One partition, from its claim to its hand-over.

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::future::{Either, pending};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use super::core::Core;
use super::courtesy;
use super::keeping::keep;
use super::lease::Lease;
use super::meters::Loss;
use super::owned::{OwnedPartition, Returned};
use super::snapshot::OwnershipState;
use crate::consumer::checkpoint::{Checkpoint, Ownership};
use crate::consumer::epoch_safe::{Closer, ConsumerHandle, EpochSafeConsumer};
use crate::error::Error;
use crate::partition::PartitionId;
use crate::retry::Backoff;
use crate::transport::StartPosition;

/// A claim that was made.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) partition: PartitionId,
    pub(super) held: Ownership,
    /// When it was asked for.
    pub(super) asked: Instant,
    /// Told to give it up.
    pub(super) leave: Arc<Notify>,
    /// Whether another that had it may read it still.
    pub(super) may_be_read: bool,
}

/// Why it is owned no more.
#[derive(Debug)]
enum End {
    Lost(Loss),
    /// The processor stops, or the partition is not in the hub any more.
    Leaving,
    /// Whoever read it is done with it.
    Returned(Returned),
}

/// A partition that is read.
struct Reading {
    handle: ConsumerHandle,
    closer: Closer,
    returned: oneshot::Receiver<Returned>,
}

/// Owns a partition until it is lost, left or given back.
pub(super) async fn own(core: Arc<Core>, claimed: Claimed, ready: mpsc::Sender<OwnedPartition>) {
    let Claimed {
        partition,
        held,
        asked,
        leave,
        may_be_read,
    } = claimed;
    let generation = held.generation;
    // Told when all is over, however this ends; and the processor's stream does not end
    // before that.
    let taking = ready.clone();
    let (over, is_over) = watch::channel(());
    let lease = Arc::new(Lease::new(asked, core.options.lease()));
    let _hold = Forgetting(Arc::clone(&core), partition);
    let mut keeping = Box::pin(keep(&core, partition, held, &lease));
    let leaving = async {
        tokio::select! {
            () = core.stopped() => {}
            () = leave.notified() => {}
        }
    };
    tokio::pin!(leaving);

    let opening = async {
        let is_over = is_over.clone();
        open(
            &core,
            partition,
            generation,
            may_be_read,
            &lease,
            is_over,
            taking,
        )
        .await
    };
    let opened = tokio::select! {
        biased;
        loss = &mut keeping => Err(End::Lost(loss)),
        () = &mut leaving => Err(End::Leaving),
        opened = Box::pin(opening) => Ok(opened),
    };
    let end = match opened {
        Err(end) => end,
        Ok(mut reading) => {
            core.is_now(partition, OwnershipState::Owned);
            let since = Instant::now();
            let end = tokio::select! {
                biased;
                loss = &mut keeping => End::Lost(loss),
                () = &mut leaving => End::Leaving,
                returned = &mut reading.returned => End::Returned(returned.unwrap_or(None)),
            };
            if let End::Returned(_) = end {
                core.is_given_back(partition, since.elapsed());
            }
            core.is_now(partition, OwnershipState::HandingOver);
            tracing::info!(%partition, generation, ?end, "partition is handed over");
            let keeping = match end {
                End::Lost(_) => Either::Left(pending()),
                _ => Either::Right(keeping),
            };
            hand_over(&core, partition, reading, end, keeping).await
        }
    };
    match end {
        // It is another's.
        End::Lost(loss @ Loss::Stolen) => core.registry.meters.lost(loss),
        end => {
            if let End::Lost(loss) = end {
                core.registry.meters.lost(loss);
            }
            if let Err(error) = core.registry.release(partition, generation).await {
                tracing::warn!(%partition, generation, %error, "partition not released: it expires");
            }
        }
    }
    drop((over, ready));
}

/// Reads nothing more, lets whoever reads the partition come to an end, and closes it:
/// the checkpoint is written before anybody else can have it.
async fn hand_over(
    core: &Core,
    partition: PartitionId,
    reading: Reading,
    end: End,
    keeping: impl Future<Output = Loss>,
) -> End {
    let Reading {
        handle,
        closer,
        returned,
    } = reading;
    handle.stop();
    let closing = async {
        let (end, tell) = match end {
            End::Returned(tell) => (End::Returned(None), tell),
            end => (end, drained(core, partition, returned).await),
        };
        // The service is not waited for without end.
        let limit = core.options.hand_over_timeout.max(core.registry.timeout());
        let closed = match timeout(limit, closer.close()).await {
            Ok(closed) => closed,
            Err(_) => Err(Error::closed("partition")),
        };
        (end, tell, closed)
    };
    let mut closing = Box::pin(closing);
    // Renewed all the while: nobody is to have it before.
    let (end, tell, closed) = tokio::select! {
        closed = &mut closing => closed,
        loss = keeping => {
            let (_, tell, closed) = closing.await;
            (End::Lost(loss), tell, closed)
        }
    };
    if let Err(error) = &closed {
        tracing::warn!(%partition, %error, "partition not closed as it should: its last events may be handled again");
    }
    if let Some(tell) = tell {
        // Whoever asked may be gone.
        let _ = tell.send(closed);
    }
    end
}

/// Waits until whoever reads a partition has come to an end.
async fn drained(
    core: &Core,
    partition: PartitionId,
    returned: oneshot::Receiver<Returned>,
) -> Returned {
    let limit = core.options.hand_over_timeout;
    if let Ok(returned) = timeout(limit, returned).await {
        return returned.unwrap_or(None);
    }
    tracing::warn!(
        %partition,
        "partition is taken from whoever reads it: the hand-over time-out has passed"
    );
    None
}

/// Begins to read a partition, and gives it to whoever takes the processor's partitions.
async fn open(
    core: &Core,
    partition: PartitionId,
    generation: u64,
    may_be_read: bool,
    lease: &Arc<Lease>,
    over: watch::Receiver<()>,
    ready: mpsc::Sender<OwnedPartition>,
) -> Reading {
    if may_be_read {
        core.is_now(partition, OwnershipState::Waiting);
        courtesy::until_free(core, partition).await;
        core.is_now(partition, OwnershipState::Opening);
    }
    let backoff = Backoff::default();
    let mut failures = 0;
    let mut consumer = loop {
        match consumer(core, partition, generation).await {
            Ok(consumer) => break consumer,
            Err(error) => {
                failures += 1;
                tracing::warn!(%partition, %error, failures, "partition not opened");
                sleep(backoff.delay(failures, error.retry_after())).await;
            }
        }
    };
    if let Some((events, interval)) = core.options.checkpoint_every {
        consumer = consumer.checkpoint_every(events, interval);
    }
    let (returning, returned) = oneshot::channel();
    let reading = Reading {
        handle: consumer.handle(),
        closer: consumer.closer(),
        returned,
    };
    let lease = Arc::clone(lease);
    let owned = OwnedPartition::new(partition, generation, consumer, lease, returning, over);
    // If nobody takes partitions any more, it is returned at once.
    let _ = ready.send(owned).await;
    reading
}

async fn consumer(
    core: &Core,
    partition: PartitionId,
    generation: u64,
) -> Result<EpochSafeConsumer, Error> {
    let options = &core.options;
    let mut of_one = options.consumer.clone();
    if !core.first.contains(&partition) {
        // All of it came after the start.
        of_one = of_one.with_position_of(partition, StartPosition::Earliest);
    }
    if *of_one.position_of(partition) == StartPosition::Latest {
        begin(core, partition, generation).await?;
    }
    let count = core.with_state(|state| state.partitions.len()).max(1);
    let bytes = NonZeroUsize::new(of_one.prefetch_bytes.get() / count);
    let of_one = of_one
        .with_partitions([partition])
        .with_prefetch_bytes(bytes.unwrap_or(NonZeroUsize::MIN))
        .with_policy(options.policy(generation))
        .with_claim(generation);
    EpochSafeConsumer::open(Arc::clone(&core.transport), of_one).await
}

/// Writes the end of a partition that is read from there as its first checkpoint: else
/// an owner that comes before there is another one would skip what came meanwhile.
async fn begin(core: &Core, partition: PartitionId, generation: u64) -> Result<(), Error> {
    let stores = &core.registry.stores;
    let (checkpoints, scope) = (&stores.checkpoints, &stores.scope);
    let reading = async { checkpoints.checkpoint(scope, partition).await };
    // What cannot be read shows when the partition is opened.
    if !matches!(
        stores.bounded("reading the checkpoint", reading).await,
        Ok(None)
    ) {
        return Ok(());
    }
    let properties = core.transport.partition_properties(partition).await?;
    let last = properties.last_enqueued_sequence_number;
    if last < 0 {
        return Ok(());
    }
    let first = Checkpoint {
        sequence_number: last,
        offset: None,
    };
    let storing = async {
        checkpoints
            .store(scope, partition, generation, &first)
            .await
    };
    stores
        .bounded("storing the first checkpoint", storing)
        .await
}

/// Forgets a partition that was held.
struct Forgetting(Arc<Core>, PartitionId);

impl Drop for Forgetting {
    fn drop(&mut self) {
        let Self(core, partition) = self;
        let owned = core.with_state(|state| {
            state.held.remove(partition);
            state.held.len()
        });
        core.registry.meters.sample(owned, None);
    }
}
