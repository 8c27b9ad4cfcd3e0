//! The retry policy that makes no second attempt.

use std::error::Error;
use std::time::Duration;

use azeventhubs::{EventHubsRetryOptions, EventHubsRetryPolicy};

/// A retry policy of azeventhubs that never tries again, whatever the options say.
///
/// A second attempt is where azeventhubs takes a refused batch for sent, polls what
/// has ended, and steals partitions back. A client with this policy makes none.
///
/// # Examples
/// ```no_run
/// use azeventhubs::producer::EventHubProducerClient;
/// use eventhubs_flow::transport::{AzeventhubsOptions, AzeventhubsProducer, OneAttempt};
///
/// # async fn wrap(connection_string: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let client = EventHubProducerClient::with_policy::<OneAttempt>()
///     .new_from_connection_string(connection_string, None, Default::default())
///     .await
///     .map_err(|error| error.to_string())?;
/// let producer = AzeventhubsProducer::from_client(client, &AzeventhubsOptions::default());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct OneAttempt {
    try_timeout: Duration,
}

impl From<EventHubsRetryOptions> for OneAttempt {
    fn from(options: EventHubsRetryOptions) -> Self {
        Self {
            try_timeout: options.try_timeout,
        }
    }
}

impl EventHubsRetryPolicy for OneAttempt {
    fn calculate_try_timeout(&self, _: u32) -> Duration {
        self.try_timeout
    }

    fn calculate_retry_delay(&self, _: &dyn Error, _: u32) -> Option<Duration> {
        None
    }
}
