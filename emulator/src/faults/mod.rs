//! Faults on demand: an emulator that misbehaves when it is told to.
//!
//! A [`Fault`] says what goes wrong, where and how often; [`Faults::inject`] returns a [`FaultGuard`], which tells how
//! often it struck and ends it when dropped.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), eventhubs_emulator::StartError> {
//! use eventhubs_emulator::{Emulator, Fault};
//!
//! let emulator = Emulator::start().await?;
//! let busy = emulator.faults().inject(Fault::server_busy().partition(0).times(3));
//! // A program sends; once the fault has struck three times, it gets through.
//! assert_eq!(busy.struck(), 0);
//! busy.heal();
//! # Ok(())
//! # }
//! ```
//!
//! # Which one strikes
//!
//! At each chance (a message, an attach, a request, ..) the faults are asked in the order in which they were injected;
//! the first that concerns the place, does something at such a chance and has a strike left strikes, and no other.
//! A chance that one lets pass ([`Fault::after`]) goes to the next. So a fault for one batch in front of a fault for
//! all is an exception to it. A fault with [`Fault::times`] or [`Fault::lasting`] ends by itself; the guard still tells
//! how often it struck.
//!
//! # Which there are
//!
//! | fault | the client sees | it tests |
//! |---|---|---|
//! | [`Fault::delay_outcomes`], [`Fault::hold_outcomes`] | its message stored, and an outcome that comes late | time-outs; late outcomes ignored |
//! | [`Fault::lose_outcomes`] | its message stored, and no outcome | sending again |
//! | [`Fault::release`], [`Fault::modify`] | `released` or `modified`; nothing stored | that neither counts as delivered |
//! | [`Fault::reject`] | `rejected` with any error; nothing stored | permanent errors |
//! | [`Fault::server_busy`] | `rejected` with `com.microsoft:server-busy` and the service's text | throttling |
//! | [`Fault::detach_busy`] | the same as a detach | throttling |
//! | [`Fault::detach`] | a closing detach with any error | attaching again, in order |
//! | [`Fault::detach_idle`] | a detach with `amqp:link:detach-forced` | the next send after a long pause |
//! | [`Fault::end_session`] | an end with any error | one recovery for all links |
//! | [`Fault::close_connection`] | a close with any error | one recovery for all sessions |
//! | [`Fault::drop_connection`] | a socket that closes without a word | lost connections: [`When::OnTransfer`] before the message is stored, [`When::AfterStoring`] before its outcome is told |
//! | [`Fault::refuse_attach`] | an attach without terminus, then a detach | errors at the start |
//! | [`Fault::delay_attach`], [`Fault::ignore_attach`] | an answer that comes late or never | time-outs |
//! | [`Fault::max_message_size`] | a lower limit in the attach, and larger messages rejected | splitting batches anew |
//! | [`Fault::withhold_credit`] | a link without credit | producers that wait, memory that does not grow |
//! | [`Fault::stall_delivery`] | silence, then every event | liveness checks of consumers |
//! | [`Fault::latency`], [`Fault::bandwidth`] | a long or a narrow line | throughput over distance, time-outs |
//! | [`Fault::slices`] | frames that come in pieces, byte by byte | decoding |
//! | [`Fault::corrupt`] | a byte that is wrong | an error and a new connection, never an abort |
//! | [`Fault::cut`] | a socket that closes in mid frame | lost connections |
//! | [`Fault::half_open`] | silence | dead peers noticed |
//! | [`Fault::refuse_tokens`], [`Fault::delay_tokens`], [`Fault::ignore_tokens`] | any status from `$cbs`, late or never | renewal of tokens |
//! | [`Fault::refuse_management`], [`Fault::delay_management`], [`Fault::ignore_management`] | any status from `$management`, late or never | queries about hubs and partitions |

mod fault;
mod guard;
mod kind;
mod line;
mod registry;
mod scope;
#[cfg(test)]
mod tests;

pub use fault::Fault;
pub use guard::FaultGuard;
pub use kind::When;
pub(crate) use kind::{AnswerFault, AttachFault, Break, Failure, Kind, OutcomeFault};
pub(crate) use line::LineOrders;
pub(crate) use registry::{FaultId, Immediate, Registry};
pub(crate) use scope::{LinkKind, Place};

use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

/// Where faults are injected into an emulator; see [`Emulator::faults`](crate::Emulator::faults).
#[derive(Debug, Clone)]
pub struct Faults {
    registry: Arc<Registry>,
    runtime: Handle,
}

impl Faults {
    /// The time of faults runs on `runtime`.
    pub(crate) fn new(registry: Arc<Registry>, runtime: Handle) -> Self {
        Self { registry, runtime }
    }

    /// Injects a fault behind those there are.
    pub fn inject(&self, fault: Fault) -> FaultGuard {
        let ends = fault.lasting.map(|lasting| Instant::now() + lasting);
        let (id, struck) = self.registry.inject(fault, ends);
        let timer = ends.map(|ends| {
            let registry = Arc::clone(&self.registry);
            let over = async move {
                sleep_until(ends).await;
                registry.end(id);
            };
            self.runtime.spawn(over).abort_handle()
        });
        FaultGuard {
            registry: Arc::clone(&self.registry),
            id,
            struck,
            timer,
        }
    }
}
