//! Shared and boxed transports are transports.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    HubProperties, PartitionProperties, ReceiverOptions, TransportConsumer, TransportManagement,
    TransportProducer, TransportReceiver,
};
use crate::batch::{BatchLimits, EventBatch};
use crate::error::{Error, SendBatchError};
use crate::partition::{PartitionId, Target};
use crate::producer::ThrottleGate;

macro_rules! forward {
    ($pointer:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<T: TransportManagement + ?Sized> TransportManagement for $pointer<T> {
            async fn hub_properties(&self) -> Result<HubProperties, Error> {
                (**self).hub_properties().await
            }

            async fn partition_properties(
                &self,
                partition: PartitionId,
            ) -> Result<PartitionProperties, Error> {
                (**self).partition_properties(partition).await
            }
        }

        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<T: TransportProducer + ?Sized> TransportProducer for $pointer<T> {
            async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
                (**self).send_batch(batch).await
            }

            fn limits(&self, target: &Target) -> BatchLimits {
                (**self).limits(target)
            }

            fn throttle_gate(&self) -> Option<ThrottleGate> {
                (**self).throttle_gate()
            }

            async fn close(&self) -> Result<(), Error> {
                (**self).close().await
            }
        }

        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<T: TransportConsumer + ?Sized> TransportConsumer for $pointer<T> {
            async fn open_receiver(
                &self,
                options: ReceiverOptions,
            ) -> Result<Box<dyn TransportReceiver>, Error> {
                (**self).open_receiver(options).await
            }

            async fn close(&self) -> Result<(), Error> {
                (**self).close().await
            }
        }
    };
}

forward!(Arc);
forward!(Box);
