//! Who reads, and what is asked of ours.

mod azeventhubs;
mod bare;
mod flow;
mod official;

pub(crate) use flow::fill;

use crate::support::{Bar, Contestant, Failure, Group, Load, Measure, Usage};

/// The client that fills the hubs.
pub(crate) const FILL: &str = "fill";

/// What each hub holds, and each client reads.
pub(crate) const EVENTS: u64 = 240_000;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Reader {
    Consumer,
    Receiver,
    Official,
    Azeventhubs,
    Bare,
}

const CONSUMER: &str = "EpochSafeConsumer";
const RECEIVER: &str = "amqp receiver";
const OFFICIAL: &str = "official EventReceiver";
const BARE: &str = "bare fe2o3 receiver";

impl Reader {
    const ALL: [Self; 5] = [
        Self::Consumer,
        Self::Receiver,
        Self::Official,
        Self::Azeventhubs,
        Self::Bare,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Consumer => CONSUMER,
            Self::Receiver => RECEIVER,
            Self::Official => OFFICIAL,
            Self::Azeventhubs => "azeventhubs (pays for TLS)",
            Self::Bare => BARE,
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reader| reader.name() == name)
    }

    fn options(self) -> String {
        match self {
            Self::Consumer => flow::consumer_options(),
            Self::Receiver => flow::receiver_options(),
            Self::Official => official::options(),
            Self::Azeventhubs => azeventhubs::options(),
            Self::Bare => bare::options(),
        }
    }

    /// Reads the hub twice, over a connection each; the second time counts, from when
    /// it is connected and before a link is attached.
    ///
    /// # Errors
    /// If an event is not read.
    pub(crate) async fn read(self, load: &Load) -> Result<Usage, Failure> {
        self.read_once(load.clone()).await?;
        let usage = self.read_once(load.clone()).await?;
        Ok(Usage {
            warm_up: load.events,
            ..usage
        })
    }

    /// In a task: all clients read on the threads of the runtime, and none on the one that
    /// waits for it, which costs a wake-up each time that there is nothing to read.
    async fn read_once(self, load: Load) -> Result<Usage, Failure> {
        let reading = async move {
            match self {
                Self::Consumer => flow::consumer(&load).await,
                Self::Receiver => flow::receiver(&load).await,
                Self::Official => official::receiver(&load).await,
                Self::Azeventhubs => azeventhubs::stream(&load).await,
                Self::Bare => bare::receiver(&load).await,
            }
        };
        tokio::spawn(reading).await?
    }
}

pub(crate) fn groups() -> Vec<Group> {
    let group = |bytes| {
        let size = if bytes == 100 { "100 B" } else { "1 KiB" };
        Group {
            title: format!("reading, {size}"),
            bytes,
            delay: 1,
            sends: false,
            ours: CONSUMER,
            contestants: Reader::ALL
                .map(|reader| Contestant::new(reader.name(), reader.options(), EVENTS))
                .into(),
            bars: [CONSUMER, RECEIVER].into_iter().flat_map(bars).collect(),
        }
    };
    Load::SIZES.map(group).into()
}

fn bars(of: &'static str) -> [Bar; 3] {
    let bar = |beside, measure, bound| Bar {
        of,
        beside,
        measure,
        bound,
    };
    [
        bar(&[OFFICIAL], Measure::Rate, 2.0),
        bar(&[OFFICIAL], Measure::Cpu, 0.5),
        bar(&[BARE], Measure::Rate, 0.85),
    ]
}
