//! Throughput units: how much a namespace takes in and gives out per second.
//!
//! | limit | of | over it |
//! |---|---|---|
//! | 1,000,000 bytes and 1000 events in per unit | the namespace | a batch is rejected, a management call answered with 503: code 50002 |
//! | 1,000,000 bytes in, if asked for | a partition | a batch is rejected: code 50002, with the partition's tracker |
//! | 50 management calls | a hub | the call is answered with 503: code 50008 |
//! | 2,000,000 bytes and 4096 events out per unit | the namespace | receivers are slowed down, in turns, without an error |
//!
//! The window over which the service counts is not documented. Ours is a [`TokenBucket`] that holds one second's
//! worth: whatever was not used for a second may go at once. Bytes are those of whole messages, as they came in or go
//! out. The service counts management calls by hub and consumer group, but a call names no group, so ours counts by
//! hub. A management call is one event of the namespace's thousand, too.
//!
//! Without units nothing here is limited but the partitions, if that is asked for.

mod egress;
mod hub;
mod namespace;
mod token_bucket;

pub(crate) use egress::EgressShare;
pub(crate) use hub::HubThroughput;
pub(crate) use namespace::Throughput;
