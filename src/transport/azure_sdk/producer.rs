//! The producing port over the SDK's producer client.

use std::future::Future;
use std::sync::Arc;

use azure_messaging_eventhubs::ProducerClient;
use azure_messaging_eventhubs::builders::ProducerClientBuilder;

use super::connect::{Given, Opening, SharedClients};
use super::{AzureSdkOptions, errors};
use crate::error::Error;
use crate::transport::client::ClientProducer;
use crate::transport::forward::forward;

/// Sends batches by the official SDK.
///
/// To one partition, or to the gateway, one batch is sent at a time; batches to
/// different ones are on their way together, over one connection.
///
/// **`Ok` is no proof where the service gave a batch back: the SDK does not tell.**
/// Such events are lost in silence.
///
/// An operation that takes longer than the try time-out fails with
/// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout): the SDK has none of its own,
/// and waits for ever for an outcome that it missed.
///
/// Closing it gives half a second to what is under way.
#[derive(Debug)]
pub struct AzureSdkProducer(ClientProducer<SharedClients>);

impl AzureSdkProducer {
    /// Sends by clients that `open` opens from a builder: one now, and another
    /// whenever the last one broke. Their own retries are off.
    ///
    /// # Errors
    /// Whatever keeps the first client from being opened.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    ///
    /// # Examples
    /// ```no_run
    /// use eventhubs_flow::transport::AzureSdkProducer;
    ///
    /// # async fn open(connection_string: String) -> Result<(), eventhubs_flow::Error> {
    /// let producer = AzureSdkProducer::open(move |client| {
    ///     let connection_string = connection_string.clone();
    ///     async move { client.open_with_connection_string(&connection_string, None).await }
    /// })
    /// .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open<F, O>(open: F) -> Result<Self, Error>
    where
        F: Fn(ProducerClientBuilder) -> O + Send + Sync + 'static,
        O: Future<Output = azure_messaging_eventhubs::Result<ProducerClient>> + Send + 'static,
    {
        Self::open_with(AzureSdkOptions::default(), open).await
    }

    /// As [`open`](Self::open), with options.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    ///
    /// # Cancel safety
    /// As [`open`](Self::open).
    pub async fn open_with<F, O>(options: AzureSdkOptions, open: F) -> Result<Self, Error>
    where
        F: Fn(ProducerClientBuilder) -> O + Send + Sync + 'static,
        O: Future<Output = azure_messaging_eventhubs::Result<ProducerClient>> + Send + 'static,
    {
        let opening = Opening::new(move || {
            let opening = open(ProducerClient::builder().with_retry_options(errors::one_attempt()));
            Box::pin(opening)
        });
        let clients = SharedClients::new(Box::new(opening));
        clients.first(options.try_timeout).await?;
        let producer = ClientProducer::new(Arc::new(clients), options.try_timeout);
        Ok(Self(producer))
    }

    /// Sends by a client that there is already, for good.
    ///
    /// Its retries are as it was built, so that it may make more than one attempt,
    /// and wait, within a call. Without retries it does not mend a connection that
    /// broke: [`open`](Self::open) has neither fault.
    #[must_use]
    pub fn from_client(client: ProducerClient, options: &AzureSdkOptions) -> Self {
        let clients = SharedClients::new(Box::new(Given::new(client)));
        Self(ClientProducer::new(Arc::new(clients), options.try_timeout))
    }
}

forward!(management: [] AzureSdkProducer, self => self.0);
forward!(producer: [] AzureSdkProducer, self => self.0);
