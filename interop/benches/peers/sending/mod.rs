//! Who sends, and what is asked of our buffered producer.

mod azeventhubs;
mod bare;
mod flow;
mod frames;
mod limit;
mod official;

use crate::support::{Bar, Contestant, Failure, Group, Load, Measure, Usage};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Sender {
    Buffered,
    Batches,
    OfficialOne,
    OfficialFour,
    OfficialBuffered,
    Azeventhubs,
    Bare,
    Limit,
}

const BUFFERED: &str = "BufferedProducer";
const OFFICIAL_ONE: &str = "official send_batch, 1 in flight";
const OFFICIAL_FOUR: &str = "official send_batch, 4 in flight";
const OFFICIAL_BUFFERED: &str = "official BufferedProducerClient";
const BARE: &str = "bare fe2o3 sender";

impl Sender {
    const ALL: [Self; 8] = [
        Self::Buffered,
        Self::Batches,
        Self::OfficialOne,
        Self::OfficialFour,
        Self::OfficialBuffered,
        Self::Azeventhubs,
        Self::Bare,
        Self::Limit,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Buffered => BUFFERED,
            Self::Batches => "amqp send_batch",
            Self::OfficialOne => OFFICIAL_ONE,
            Self::OfficialFour => OFFICIAL_FOUR,
            Self::OfficialBuffered => OFFICIAL_BUFFERED,
            Self::Azeventhubs => "azeventhubs send_batch (pays for TLS)",
            Self::Bare => BARE,
            Self::Limit => "the limit: frames made beforehand",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sender| sender.name() == name)
    }

    fn options(self, delay: u64) -> String {
        match self {
            Self::Buffered => flow::buffered_options(delay),
            Self::Batches => flow::batch_options(),
            Self::OfficialOne => official::batch_options(1),
            Self::OfficialFour => official::batch_options(4),
            Self::OfficialBuffered => official::buffered_options(),
            Self::Azeventhubs => azeventhubs::options(),
            Self::Bare => bare::options(delay),
            Self::Limit => limit::options(),
        }
    }

    /// Sends all events and waits until the hub has acknowledged them.
    ///
    /// # Errors
    /// If one is not acknowledged.
    pub(crate) async fn send(self, load: &Load) -> Result<Usage, Failure> {
        match self {
            Self::Buffered => flow::buffered(load).await,
            Self::Batches => flow::batches(load).await,
            Self::OfficialOne => official::batches(load, 1).await,
            Self::OfficialFour => official::batches(load, 4).await,
            Self::OfficialBuffered => official::buffered(load).await,
            Self::Azeventhubs => azeventhubs::batches(load).await,
            Self::Bare => bare::batches(load).await,
            Self::Limit => limit::frames(load).await,
        }
    }
}

/// The contests with so many milliseconds before an acknowledgement.
pub(crate) fn groups(delay: u64) -> Vec<Group> {
    let group = |bytes| {
        let size = if bytes == 100 { "100 B" } else { "1 KiB" };
        Group {
            title: format!("sending, {size}, acknowledged after {delay} ms"),
            bytes,
            delay,
            sends: true,
            ours: BUFFERED,
            contestants: Sender::ALL
                .map(|sender| Contestant::new(sender.name(), sender.options(delay), 64_000))
                .into(),
            bars: bars(bytes, delay),
        }
    };
    Load::SIZES.map(group).into()
}

fn bars(bytes: usize, delay: u64) -> Vec<Bar> {
    let bar = |beside, measure, bound| Bar {
        of: BUFFERED,
        beside,
        measure,
        bound,
    };
    let rate = |beside, bound| bar(beside, Measure::Rate, bound);
    let small = bytes == 100;
    let mut bars = if delay < 20 {
        vec![
            rate(&[OFFICIAL_BUFFERED], if small { 6.0 } else { 3.0 }),
            bar(&[OFFICIAL_BUFFERED], Measure::Cpu, 0.25),
            rate(&[OFFICIAL_ONE, OFFICIAL_FOUR], 2.0),
        ]
    } else {
        let bound = if small { 4.0 } else { 2.5 };
        vec![
            rate(&[OFFICIAL_BUFFERED], bound),
            rate(&[OFFICIAL_ONE], bound),
            rate(&[OFFICIAL_FOUR], 1.0),
        ]
    };
    bars.push(rate(&[BARE], 0.8));
    bars
}
