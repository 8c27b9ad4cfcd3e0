//! What the links lead to: the `$cbs` and `$management` nodes, senders into partition logs, receivers out of them.
//!
//! The wire gives a link's attach to [`Broker::attach`] and gets back a [`Sink`] or a [`Source`]; everything AMQP
//! about frames, credit and windows stays there, everything about hubs stays in the namespace.

mod address;
mod answers;
mod authorization;
mod batch;
mod broker;
mod cbs;
mod delivery;
mod faulty;
mod management;
mod message;
mod receiver;
mod seen;
mod sender;

pub(crate) use answers::{AnswerRoom, Queued};
pub(crate) use authorization::{Authorization, Claim};
pub(crate) use batch::partition_key;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use batch::split_message;
pub(crate) use broker::{Attached, Broker, Endpoint, Reply};
pub(crate) use faulty::place;
pub(crate) use message::first_body;
pub(crate) use receiver::{Source, Supply};
pub(crate) use sender::{Node, Sink};
