//! Where the events go: an event hub of yours, or an emulator on this machine.
//!
//! Without a connection string the example that starts first hosts the
//! emulator, and others join it:
//!
//! ```text
//!             who listens on port 5672?
//!   nobody ──────────┬────────── an emulator ──────┬────────── something else
//!   host one there   │           join it           │           say so, keep away
//! ```

use std::fmt;
use std::future::{Future, pending};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eventhubs_emulator::{Emulator, Identity, StartError, identify};
use eventhubs_flow::consumer::checkpoint::FileStore;
use eventhubs_flow::{ErrorKind, EventHub};
use tokio::time::{interval, sleep};

use super::{Failure, settings};

/// The hub that every emulator has unless it was told otherwise.
const EMULATOR_HUB: &str = "eh1";
/// How often a joined emulator is looked after, and a lost one looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A place to send events to and read them from.
pub(crate) struct Place {
    pub(crate) hub: EventHub,
    kind: Kind,
}

enum Kind {
    /// The event hub that the environment names.
    Yours,
    /// An emulator in this process; it stops when we do.
    Hosted { emulator: Box<Emulator> },
    /// An emulator in another program, and when that one began.
    Joined { port: u16, since: SystemTime },
}

/// Why a place is over.
pub(crate) enum Over {
    /// Its emulator has stopped: what it held is gone.
    Lost,
    /// It was told to stop.
    Stopped,
}

impl Place {
    /// Finds a place.
    ///
    /// # Errors
    ///
    /// If the hub cannot be reached, or the port belongs to something that is
    /// no emulator of ours.
    pub(crate) async fn find() -> Result<Self, Failure> {
        match settings::event_hub()? {
            Some((connection_string, name)) => Self::yours(&connection_string, name).await,
            None => Self::emulator(settings::emulator_port()?).await,
        }
    }

    /// Finds a place again after the last one was lost: waits until it can.
    pub(crate) async fn find_again() -> Self {
        let mut told = String::new();
        loop {
            match Self::find().await {
                Ok(place) => return place,
                Err(failure) => {
                    let failure = failure.to_string();
                    if failure != told {
                        eprintln!("Error: {failure}");
                    }
                    told = failure;
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// A place to write too much to: your event hub, or an emulator of our own
    /// with one throughput unit, on a free port.
    pub(crate) async fn with_one_unit() -> Result<Self, Failure> {
        match settings::event_hub()? {
            Some((connection_string, name)) => Self::yours(&connection_string, name).await,
            None => {
                let emulator = Emulator::builder().throughput_units(NonZeroU32::MIN);
                Self::hosted(emulator.start().await?).await
            }
        }
    }

    /// A place that nobody else uses: your event hub, or an emulator of our own on a
    /// free port.
    pub(crate) async fn of_our_own() -> Result<Self, Failure> {
        match settings::event_hub()? {
            Some((connection_string, name)) => Self::yours(&connection_string, name).await,
            None => Self::hosted(Emulator::start().await?).await,
        }
    }

    /// The emulator, if we host it.
    pub(crate) fn own_emulator(&self) -> Option<&Emulator> {
        match &self.kind {
            Kind::Hosted { emulator } => Some(emulator),
            Kind::Yours | Kind::Joined { .. } => None,
        }
    }

    /// How another process reaches the emulator that we host.
    pub(crate) fn connection_string(&self) -> Option<String> {
        let emulator = self.own_emulator()?;
        Some(emulator.connection_string_for(EMULATOR_HUB))
    }

    /// A store that all processes of this machine share for an example and for this very
    /// hub: an emulator that is started anew has other events.
    pub(crate) async fn store(&self, example: &str) -> Result<FileStore, Failure> {
        let created = self.hub.properties().await?.created_at;
        let millis = created.duration_since(UNIX_EPOCH)?.as_millis();
        let directory = std::env::temp_dir().join(format!("eventhubs-flow-{example}-{millis}"));
        println!("Owners and checkpoints are in {}.", directory.display());
        Ok(FileStore::open(directory).await?)
    }

    async fn yours(connection_string: &str, name: Option<String>) -> Result<Self, Failure> {
        let hub = match name {
            Some(name) => EventHub::connect_to(connection_string, &name).await?,
            None => EventHub::connect(connection_string).await?,
        };
        let kind = Kind::Yours;
        Ok(Self { hub, kind })
    }

    async fn emulator(port: u16) -> Result<Self, Failure> {
        loop {
            match identify(port).await {
                Identity::Nobody => match Emulator::builder().port(port).start().await {
                    Ok(emulator) => return Self::hosted(emulator).await,
                    // Another program was faster: see who it is.
                    Err(StartError::PortTaken { .. }) => sleep(LOOK_EVERY).await,
                    Err(error) => return Err(error.into()),
                },
                Identity::Emulator => return Self::joined(port).await,
                foreign => {
                    return Err(format!(
                        "port {port} belongs to {foreign}, which is not the emulator that this example uses: \
                         stop it, set EMULATOR_PORT to a free port, or set EVENTHUB_CONNECTION_STRING to use it"
                    )
                    .into());
                }
            }
        }
    }

    async fn hosted(emulator: Emulator) -> Result<Self, Failure> {
        let hub = EventHub::connect(&emulator.connection_string_for(EMULATOR_HUB)).await?;
        let emulator = Box::new(emulator);
        let kind = Kind::Hosted { emulator };
        Ok(Self { hub, kind })
    }

    async fn joined(port: u16) -> Result<Self, Failure> {
        let cannot = |error| format!("the emulator on port {port} cannot be joined: {error}");
        let connection_string = format!(
            "Endpoint=sb://localhost:{port};SharedAccessKeyName=RootManageSharedAccessKey;\
             SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;EntityPath={EMULATOR_HUB}"
        );
        let hub = EventHub::connect(&connection_string)
            .await
            .map_err(cannot)?;
        let since = hub.properties().await.map_err(cannot)?.created_at;
        let kind = Kind::Joined { port, since };
        Ok(Self { hub, kind })
    }

    /// Waits until the place is over.
    pub(crate) async fn over(&self, stop: Pin<&mut impl Future>) -> Over {
        tokio::select! {
            () = self.lost() => Over::Lost,
            _ = stop => Over::Stopped,
        }
    }

    /// Waits until the emulator that was joined has stopped.
    async fn lost(&self) {
        let Kind::Joined { port, since } = self.kind else {
            // We host it; and a hub of yours the library connects to again.
            return pending().await;
        };
        let mut look = interval(LOOK_EVERY);
        loop {
            look.tick().await;
            match self.hub.properties().await {
                Ok(hub) if hub.created_at == since => {}
                Err(error) if *error.kind() == ErrorKind::Timeout => {}
                // It is gone, or another one is there already.
                _ => break,
            }
        }
        println!("The emulator on port {port} has stopped: the events it held are gone.");
    }

    /// Leaves the place; the emulator stops if it is ours.
    pub(crate) async fn leave(self) {
        // Whatever is said to this, we are leaving.
        let _ = self.hub.close().await;
        if let Kind::Hosted { emulator } = self.kind {
            emulator.stop().await;
            println!("The emulator has stopped.");
        }
    }
}

/// Which place it is, as a sentence.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hub = self.hub.name();
        match &self.kind {
            Kind::Yours => write!(f, "Connected to the event hub '{hub}'."),
            Kind::Hosted { emulator } => {
                let port = emulator.address().port();
                write!(
                    f,
                    "Hosting an Event Hubs emulator on port {port}, hub '{hub}'."
                )
            }
            Kind::Joined { port, .. } => {
                write!(
                    f,
                    "Joined the Event Hubs emulator on port {port}, hub '{hub}'."
                )
            }
        }
    }
}
