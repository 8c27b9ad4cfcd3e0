//! The producing port over azeventhubs's producer client.

use std::sync::{Arc, Mutex};

use azeventhubs::producer::EventHubProducerClient;

use super::connect::{Access, Source};
use super::{AzeventhubsOptions, OneAttempt};
use crate::error::Error;
use crate::transport::client::ClientProducer;
use crate::transport::forward::forward;

/// Sends batches by azeventhubs.
///
/// Its client takes **one call at a time**: every other send waits, to whichever
/// partition it goes. It is made again when it broke.
///
/// Closing it gives half a second to what is under way.
#[derive(Debug)]
pub struct AzeventhubsProducer(ClientProducer<Source>);

impl AzeventhubsProducer {
    /// Connects to the event hub that a connection string names, over TLS. Nothing
    /// is sent: whoever is not let in learns it with the first call.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidConnectionString`](crate::ErrorKind::InvalidConnectionString)
    ///   if the string is not understood, or no hub is named;
    /// - [`ErrorKind::InvalidOptions`](crate::ErrorKind::InvalidOptions) if the
    ///   custom endpoint is none.
    pub fn connect(connection_string: &str, options: AzeventhubsOptions) -> Result<Self, Error> {
        let access = Access::new(connection_string, options)?;
        let try_timeout = access.options().try_timeout;
        let source = Source::Access(Box::new(access));
        Ok(Self(ClientProducer::new(Arc::new(source), try_timeout)))
    }

    /// Sends by a client that there is already, for good: once it broke, every call
    /// fails with [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    #[must_use]
    pub fn from_client(
        client: EventHubProducerClient<OneAttempt>,
        options: &AzeventhubsOptions,
    ) -> Self {
        let source = Source::Given(Mutex::new(Some(Box::new(client))));
        Self(ClientProducer::new(Arc::new(source), options.try_timeout))
    }
}

forward!(management: [] AzeventhubsProducer, self => self.0);
forward!(producer: [] AzeventhubsProducer, self => self.0);
