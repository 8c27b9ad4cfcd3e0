//! Transports that are what they hold: shared and boxed ones, wrappers, and those that give the
//! client of another crate a name of ours.

use std::sync::Arc;

use super::{TransportConsumer, TransportManagement, TransportProducer};

/// `forward!(producer: [generics] type, self => what it holds)`, or `consumer:`: each call
/// is one of what is held.
macro_rules! forward {
    (management: [$($generics:tt)*] $outer:ty, $this:ident => $inner:expr) => {
        #[async_trait::async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<$($generics)*> $crate::transport::TransportManagement for $outer {
            async fn hub_properties(
                &$this,
            ) -> Result<$crate::transport::HubProperties, $crate::error::Error> {
                $inner.hub_properties().await
            }

            async fn partition_properties(
                &$this,
                partition: $crate::partition::PartitionId,
            ) -> Result<$crate::transport::PartitionProperties, $crate::error::Error> {
                $inner.partition_properties(partition).await
            }
        }
    };
    (producer: [$($generics:tt)*] $outer:ty, $this:ident => $inner:expr) => {
        #[async_trait::async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<$($generics)*> $crate::transport::TransportProducer for $outer {
            async fn send_batch(
                &$this,
                batch: $crate::batch::EventBatch,
            ) -> Result<(), $crate::error::SendBatchError> {
                $inner.send_batch(batch).await
            }

            fn limits(&$this, target: &$crate::partition::Target) -> $crate::batch::BatchLimits {
                $inner.limits(target)
            }

            fn throttle_gate(&$this) -> Option<$crate::producer::ThrottleGate> {
                $inner.throttle_gate()
            }

            async fn close(&$this) -> Result<(), $crate::error::Error> {
                $inner.close().await
            }
        }
    };
    (consumer: [$($generics:tt)*] $outer:ty, $this:ident => $inner:expr) => {
        #[async_trait::async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<$($generics)*> $crate::transport::TransportConsumer for $outer {
            async fn open_receiver(
                &$this,
                options: $crate::transport::ReceiverOptions,
            ) -> Result<Box<dyn $crate::transport::TransportReceiver>, $crate::error::Error> {
                $inner.open_receiver(options).await
            }

            async fn close(&$this) -> Result<(), $crate::error::Error> {
                $inner.close().await
            }
        }
    };
}

pub(crate) use forward;

forward!(management: [T: TransportManagement + ?Sized] Arc<T>, self => (**self));
forward!(producer: [T: TransportProducer + ?Sized] Arc<T>, self => (**self));
forward!(consumer: [T: TransportConsumer + ?Sized] Arc<T>, self => (**self));
forward!(management: [T: TransportManagement + ?Sized] Box<T>, self => (**self));
forward!(producer: [T: TransportProducer + ?Sized] Box<T>, self => (**self));
forward!(consumer: [T: TransportConsumer + ?Sized] Box<T>, self => (**self));
