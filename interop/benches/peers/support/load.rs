//! What a client is to do.

use super::{Failure, Meter, Usage};

/// What events are made of, as cheaply as the client allows: some share it, others copy
/// it because they take nothing but a `Vec`.
static BODY: [u8; 1024] = [b'x'; 1024];

const KEY: &str = "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE";

/// So many events of so many bytes, and where the emulator is.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) port: u16,
    pub(crate) hub: String,
    pub(crate) bytes: usize,
    pub(crate) events: u64,
    /// Before an acknowledgement, in milliseconds.
    pub(crate) delay: u64,
}

impl Load {
    /// Of events, in bytes.
    pub(crate) const SIZES: [usize; 2] = [100, 1024];
    pub(crate) const PARTITIONS: u32 = 4;

    pub(crate) fn body(&self) -> &'static [u8] {
        &BODY[..self.bytes]
    }

    /// Events of each partition.
    pub(crate) fn share(&self) -> u64 {
        self.events / u64::from(Self::PARTITIONS)
    }

    /// Looks at an event that was read.
    ///
    /// # Errors
    /// If its body is not of that many bytes.
    pub(crate) fn check(&self, bytes: usize) -> Result<(), Failure> {
        match bytes == self.bytes {
            true => Ok(()),
            false => Err(format!("an event of {bytes} bytes").into()),
        }
    }

    /// The connection string for clients that learn from it that there is no TLS.
    pub(crate) fn plain(&self) -> String {
        let Self { port, hub, .. } = self;
        format!("Endpoint=sb://localhost:{port};{KEY};EntityPath={hub};UseDevelopmentEmulator=true")
    }

    /// The connection string for clients that are told the port apart.
    pub(crate) fn portless(&self) -> String {
        format!("Endpoint=sb://localhost/;{KEY};EntityPath={}", self.hub)
    }

    pub(crate) fn endpoint(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}", self.port)
    }

    /// Measures `work`, which a quarter of the events have warmed up.
    ///
    /// # Errors
    /// Whatever goes wrong at work.
    pub(crate) async fn measure(
        &self,
        mut work: impl AsyncFnMut(u64) -> Result<(), Failure>,
    ) -> Result<Usage, Failure> {
        let warm_up = self.events / 4;
        work(warm_up).await?;
        let meter = Meter::start();
        work(self.events).await?;
        Ok(meter.stop(self.events, warm_up))
    }

    pub(crate) fn arguments(&self) -> [String; 5] {
        let Self {
            port,
            hub,
            bytes,
            events,
            delay,
        } = self;
        [
            port.to_string(),
            hub.clone(),
            bytes.to_string(),
            events.to_string(),
            delay.to_string(),
        ]
    }

    /// Of [`arguments`](Self::arguments).
    pub(crate) fn parse(arguments: &[String]) -> Option<Self> {
        let [port, hub, bytes, events, delay] = arguments else {
            return None;
        };
        Some(Self {
            port: port.parse().ok()?,
            hub: hub.clone(),
            bytes: bytes.parse().ok()?,
            events: events.parse().ok()?,
            delay: delay.parse().ok()?,
        })
    }
}
