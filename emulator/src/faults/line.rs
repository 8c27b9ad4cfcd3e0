//! Faults of the line: bytes that come late, slowly, in slices, wrong or not at all.

use super::fault::Fault;
use super::kind::Kind;
use super::registry::{FaultId, Registry};
use crate::line::{Armed, Direction, Mishap, Orderer, Orders, Shape};
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

/// What a fault does to bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineFault {
    what: What,
    /// `None` is the fault's own choice.
    towards: Option<Towards>,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Latency(Duration),
    Bandwidth(NonZeroU64),
    Slice(NonZeroUsize),
    Mishap(Mishap, u64),
    HalfOpen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Towards {
    Emulator,
    Client,
}

/// The line: these concern connections, whatever links they hold, and strike once at each. One that has a place given
/// ([`Fault::hub`] and the like) strikes none.
impl Fault {
    /// Bytes come late by `delay`, each way: a round trip takes twice as long more.
    pub fn latency(delay: Duration) -> Self {
        Self::line(What::Latency(delay))
    }

    /// No more than so many bytes per second pass, each way.
    pub fn bandwidth(bytes_per_second: NonZeroU64) -> Self {
        Self::line(What::Bandwidth(bytes_per_second))
    }

    /// Bytes pass in slices of so many at most, each way; 1 is byte by byte.
    pub fn slices(bytes: NonZeroUsize) -> Self {
        Self::line(What::Slice(bytes))
    }

    /// After so many bytes to the client, or the other way with [`Fault::from_client`], one comes with all its bits
    /// flipped. It strikes when that happens.
    pub fn corrupt(after_bytes: u64) -> Self {
        Self::line(What::Mishap(Mishap::Corrupt, after_bytes))
    }

    /// After so many bytes from the client, or the other way with [`Fault::to_client`], the socket closes without a
    /// word. It strikes when that happens.
    pub fn cut(after_bytes: u64) -> Self {
        Self::line(What::Mishap(Mishap::Cut, after_bytes))
    }

    /// Nothing passes any more either way, and nobody is told: the connection is half open. It stays so when the fault
    /// is over; new ones work.
    pub fn half_open() -> Self {
        Self::line(What::HalfOpen)
    }

    /// Only bytes from the client.
    pub fn from_client(self) -> Self {
        self.towards(Towards::Emulator)
    }

    /// Only bytes to the client.
    pub fn to_client(self) -> Self {
        self.towards(Towards::Client)
    }

    fn line(what: What) -> Self {
        Self::new(Kind::Line(LineFault {
            what,
            towards: None,
        }))
    }

    fn towards(mut self, towards: Towards) -> Self {
        if let Kind::Line(fault) = &mut self.kind {
            fault.towards = Some(towards);
        }
        self
    }
}

/// The faults as one connection's line meets them.
#[derive(Debug)]
pub(crate) struct LineOrders {
    registry: Arc<Registry>,
    seen: u64,
    /// Those that have struck here, or are to.
    taken: Vec<FaultId>,
    dead: bool,
}

impl LineOrders {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            seen: 0,
            taken: Vec::new(),
            dead: false,
        }
    }

    fn apply(&mut self, id: FaultId, fault: LineFault, is_new: bool, orders: &mut Orders) {
        let LineFault { what, towards } = fault;
        let usual = match what {
            What::Mishap(Mishap::Corrupt, _) => Some(Towards::Client),
            What::Mishap(Mishap::Cut, _) => Some(Towards::Emulator),
            _ => None,
        };
        let towards = towards.or(usual);
        for (direction, own) in [
            (&mut orders.from_client, Towards::Emulator),
            (&mut orders.to_client, Towards::Client),
        ] {
            if towards.is_none_or(|towards| towards == own) {
                what.shape(&mut direction.shape);
                if let (What::Mishap(mishap, after), true) = (what, is_new) {
                    let fault = id;
                    direction.armed.push(Armed {
                        fault,
                        mishap,
                        after,
                    });
                }
            }
        }
        if matches!(what, What::HalfOpen) {
            self.dead = true;
        }
        // A mishap counts when it comes about.
        if is_new && !matches!(what, What::Mishap(..)) {
            self.registry.count_strike(id);
        }
    }
}

impl What {
    /// Several faults together are as bad as all of them.
    fn shape(self, shape: &mut Shape) {
        match self {
            Self::Latency(delay) => shape.latency += delay,
            Self::Bandwidth(rate) => {
                shape.bandwidth = Some(shape.bandwidth.map_or(rate, |other| other.min(rate)));
            }
            Self::Slice(bytes) => {
                shape.slice = Some(shape.slice.map_or(bytes, |other| other.min(bytes)));
            }
            Self::Mishap(..) | Self::HalfOpen => {}
        }
    }
}

impl Orderer for LineOrders {
    fn news(&mut self) -> Option<Orders> {
        let version = self.registry.version();
        if version == self.seen {
            return None;
        }
        self.seen = version;
        let faults = self.registry.line_faults(&self.taken);
        let mut orders = Orders {
            from_client: Direction::default(),
            to_client: Direction::default(),
            holding: faults.iter().map(|(id, ..)| *id).collect(),
            dead: false,
        };
        self.taken = orders.holding.clone();
        for (id, fault, is_new) in faults {
            self.apply(id, fault, is_new, &mut orders);
        }
        orders.dead = self.dead;
        Some(orders)
    }

    fn befallen(&mut self, fault: FaultId) {
        self.registry.count_strike(fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inject(registry: &Arc<Registry>, fault: Fault) -> FaultId {
        registry.inject(fault, None).0
    }

    #[test]
    fn a_line_hears_of_faults_once_and_again_when_they_are_over() {
        let registry = Arc::new(Registry::default());
        let mut line = LineOrders::new(Arc::clone(&registry));
        assert_eq!(line.news(), None);
        let delay = Duration::from_millis(5);
        let late = inject(&registry, Fault::latency(delay).to_client());
        inject(&registry, Fault::latency(delay));
        let orders = line.news().unwrap();
        assert_eq!(orders.to_client.shape.latency, 2 * delay, "together");
        assert_eq!(orders.from_client.shape.latency, delay);
        assert_eq!(line.news(), None);
        registry.end(late);
        let orders = line.news().unwrap();
        assert_eq!(orders.to_client.shape.latency, delay);
    }

    #[test]
    fn a_fault_for_one_connection_strikes_the_first_that_asks_and_stays_there() {
        let registry = Arc::new(Registry::default());
        let [mut first, mut second] = [(); 2].map(|()| LineOrders::new(Arc::clone(&registry)));
        let (_, struck) = registry.inject(Fault::latency(Duration::from_millis(5)).times(1), None);
        let late = |line: &mut LineOrders| {
            line.news()
                .map(|orders| orders.to_client.shape.latency > Duration::ZERO)
        };
        assert_eq!(late(&mut first), Some(true));
        assert_eq!(late(&mut second), Some(false));
        inject(&registry, Fault::cut(100));
        assert_eq!(late(&mut first), Some(true));
        assert_eq!(late(&mut second), Some(false));
        assert_eq!(*struck.borrow(), 1);
    }

    #[test]
    fn a_mishap_is_armed_once_and_counts_when_it_comes_about() {
        let registry = Arc::new(Registry::default());
        let mut line = LineOrders::new(Arc::clone(&registry));
        let (cut, struck) = registry.inject(Fault::cut(7), None);
        let orders = line.news().unwrap();
        assert_eq!(orders.from_client.armed[0].after, 7);
        assert_eq!(orders.to_client.armed, []);
        assert_eq!(*struck.borrow(), 0);
        inject(&registry, Fault::half_open());
        let orders = line.news().unwrap();
        assert_eq!((orders.from_client.armed, orders.dead), (vec![], true));
        assert!(orders.holding.contains(&cut));
        line.befallen(cut);
        assert_eq!(*struck.borrow(), 1);
    }

    #[test]
    fn a_dead_line_stays_dead() {
        let registry = Arc::new(Registry::default());
        let mut line = LineOrders::new(Arc::clone(&registry));
        let dead = inject(&registry, Fault::half_open());
        assert!(line.news().unwrap().dead);
        registry.end(dead);
        assert!(line.news().unwrap().dead);
    }
}
