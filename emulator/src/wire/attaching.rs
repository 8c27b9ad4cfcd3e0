//! How links come and go.

use super::connection::{Channel, Connection, LinkEvent, LinkKey};
use super::error::{AmqpError, condition};
use super::inbound::MAX_LATE;
use super::inbound::{no_session, unattached};
use super::link::{IncomingLink, OutgoingLink};
use super::performative::{Attach, Detach, Performative, Role};
use super::session::Slot;
use super::value::Value;
use crate::clients::cut;
use crate::faults::{AttachFault, Kind, Place, When};
use crate::service::{self, Attached, Endpoint};
use bytes::BytesMut;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

/// More than we add to an answer before it is written: capabilities, a count, a size.
const TO_COME: usize = 80;
/// The settle mode of a sender that settles whatever it sends.
const SETTLED: u8 = 1;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    pub(super) fn on_attach(&mut self, channel: u16, attach: &Attach) -> Result<(), AmqpError> {
        let session = self.session(channel).ok_or_else(|| no_session(channel))?;
        session.check_handle(attach.handle)?;
        // A refusal would keep the handle until the client lets go of it: the session ends instead.
        let links: usize = self.channels.values().map(Channel::links).sum();
        self.limits().check_links(links)?;
        self.check_answer(attach)?;
        let place = service::place(attach);
        let fault = self.broker.faults.strike(&place, |kind| match kind {
            Kind::Attach(fault) => Some(fault.clone()),
            _ => None,
        });
        match fault {
            Some((_, AttachFault::Ignore)) => self.insert(channel, attach.handle, Slot::Detaching),
            Some((_, AttachFault::Refuse(failure))) => {
                let error = self.broker.told(failure, &place);
                self.broker.count_attach(attach, Some(&error.condition));
                self.refuse(channel, self.answer(attach), error);
            }
            Some((_, AttachFault::Delay(delay))) if self.late < MAX_LATE => {
                self.hold_back(channel, attach, delay);
            }
            _ => self.attach(channel, attach, place),
        }
        Ok(())
    }

    fn attach(&mut self, channel: u16, attach: &Attach, place: Place) {
        match self.admit(attach) {
            Ok(mut attached) => {
                let limit = self.broker.faults.strike(&place, |kind| match kind {
                    Kind::MaxMessageSize(bytes) => Some(*bytes),
                    _ => None,
                });
                if let Some((_, bytes)) = limit {
                    attached.max_message_size = attached.max_message_size.min(bytes);
                }
                self.accept(channel, attach, place, attached);
                self.broker.count_attach(attach, None);
                self.break_at(When::OnAttach, channel, attach.handle);
            }
            Err(error) => {
                self.broker.count_attach(attach, Some(&error.condition));
                self.refuse(channel, self.answer(attach), error);
            }
        }
    }

    fn hold_back(&mut self, channel: u16, attach: &Attach, delay: Duration) {
        self.late += 1;
        self.last_link += 1;
        let id = self.last_link;
        self.insert(channel, attach.handle, Slot::Attaching(id, None));
        let attach = Box::new(attach.clone());
        self.wait_for(async move {
            sleep(delay).await;
            LinkEvent::Attach {
                channel,
                id,
                attach,
            }
        });
    }

    /// Deals with an attach that was held back, and with what was said of the link meanwhile.
    pub(super) fn attach_late(&mut self, channel: u16, id: u64, attach: &Attach) {
        let handle = attach.handle;
        let Some(session) = self.session(channel) else {
            return;
        };
        let flow = match session.slots.get_mut(&handle) {
            Some(Slot::Attaching(waiting, flow)) if *waiting == id => flow.take(),
            _ => return,
        };
        session.slots.remove(&handle);
        self.attach(channel, attach, service::place(attach));
        if let Some(flow) = flow
            && let Err(error) = self.on_flow(channel, &flow)
        {
            self.end_session(channel, error);
        }
    }

    fn admit(&self, attach: &Attach) -> Result<Attached, AmqpError> {
        Ok(self.broker.attach(attach, &self.authorization)?)
    }

    /// As AMQP says: the answer lacks the terminus that there is not, and a closing detach follows at once.
    fn refuse(&mut self, channel: u16, mut answer: Attach, error: AmqpError) {
        match answer.role {
            Role::Sender => answer.source = Value::Null,
            Role::Receiver => answer.target = Value::Null,
        }
        let handle = answer.handle;
        self.insert(channel, handle, Slot::Detaching);
        Performative::Attach(Box::new(answer)).write(&mut self.io.output, channel);
        self.write_detach(channel, handle, error);
    }

    fn accept(&mut self, channel: u16, attach: &Attach, place: Place, attached: Attached) {
        let handle = attach.handle;
        let mut answer = self.answer(attach);
        answer.offered_capabilities = attached.offered_capabilities;
        answer.max_message_size = Some(attached.max_message_size);
        let (details, hub) = self.broker.describe(attach);
        let record = self.record.attach(details, hub);
        match attached.endpoint {
            Endpoint::Sink(sink) => {
                let count = attach.initial_delivery_count.unwrap_or(0);
                let link = IncomingLink::new(
                    cut(&attach.name),
                    sink,
                    place,
                    count,
                    attached.max_message_size,
                    record,
                );
                self.insert(channel, handle, Slot::Incoming(link));
                Performative::Attach(Box::new(answer)).write(&mut self.io.output, channel);
                self.write_flow(channel, Some(handle));
            }
            Endpoint::Source(source, displaced) => {
                answer.initial_delivery_count = Some(0);
                self.last_link += 1;
                let key = LinkKey {
                    channel,
                    handle,
                    id: self.last_link,
                };
                if let Some(displaced) = displaced {
                    // It ends by itself with the link, whose lease holds the other end.
                    self.wait_for(async move {
                        match displaced.await {
                            Ok(reason) => LinkEvent::Displaced(key, reason.into()),
                            Err(_) => LinkEvent::Stale,
                        }
                    });
                }
                let settled = attach.snd_settle_mode == SETTLED;
                let name = cut(&attach.name);
                let link = OutgoingLink::new(name, key.id, source, place, settled, record);
                self.insert(channel, handle, Slot::Outgoing(link));
                Performative::Attach(Box::new(answer)).write(&mut self.io.output, channel);
            }
        }
    }

    /// Our side of a link: of its ends the addresses only where the rest would not fit into a frame of the peer's.
    fn answer(&self, attach: &Attach) -> Attach {
        let mut answer = answer(attach);
        if !fits(&answer, self.peer.max_frame_size) {
            answer.source = address_only(&answer.source);
            answer.target = address_only(&answer.target);
        }
        answer
    }

    fn check_answer(&self, attach: &Attach) -> Result<(), AmqpError> {
        let max = self.peer.max_frame_size;
        if fits(&self.answer(attach), max) {
            return Ok(());
        }
        let text = format!("The answer to the attach does not fit into a frame of {max} bytes.");
        Err(AmqpError::new(condition::FRAME_SIZE_TOO_SMALL, text))
    }

    /// Tells the client that its link is closed.
    pub(super) fn write_detach(&mut self, channel: u16, handle: u32, error: AmqpError) {
        let error = error.within(self.peer.max_frame_size);
        Performative::Detach(Detach {
            handle,
            closed: true,
            error: Some(error),
        })
        .write(&mut self.io.output, channel);
    }

    fn insert(&mut self, channel: u16, handle: u32, slot: Slot) {
        if let Some(session) = self.session(channel) {
            session.slots.insert(handle, slot);
        }
    }

    pub(super) fn on_detach(&mut self, channel: u16, detach: &Detach) -> Result<(), AmqpError> {
        let handle = detach.handle;
        let session = self.session(channel).ok_or_else(|| no_session(channel))?;
        match session.slots.remove(&handle) {
            Some(Slot::Attaching(..) | Slot::Detaching) => {}
            Some(slot) => {
                // A receiver gives up its place before the client hears of it.
                self.drop_slot(slot);
                // In kind: a client that only suspends its link is not told that it is closed.
                let closed = detach.closed;
                Performative::Detach(Detach {
                    handle,
                    closed,
                    error: None,
                })
                .write(&mut self.io.output, channel);
            }
            None => return Err(unattached(handle)),
        }
        Ok(())
    }

    /// Takes a link from the client.
    pub(super) fn detach(&mut self, key: LinkKey, reason: AmqpError) {
        let Some(session) = self.session(key.channel) else {
            return;
        };
        let Some(link) = session.outgoing(key) else {
            return;
        };
        link.record.failed(&reason.condition);
        session.slots.insert(key.handle, Slot::Detaching);
        self.write_detach(key.channel, key.handle, reason);
    }
}

impl Channel {
    fn links(&self) -> usize {
        match self {
            Self::Open(session) => session.slots.len(),
            Self::Ending => 0,
        }
    }
}

/// Our side of a link as the peer's attach asks for it.
fn answer(attach: &Attach) -> Attach {
    Attach {
        role: match attach.role {
            Role::Sender => Role::Receiver,
            Role::Receiver => Role::Sender,
        },
        // Some clients ask for `second` and then ignore the dispositions it takes: `first`.
        rcv_settle_mode: 0,
        initial_delivery_count: None,
        max_message_size: None,
        offered_capabilities: Value::Null,
        desired_capabilities: Value::Null,
        properties: Value::Null,
        ..attach.clone()
    }
}

/// Whether an answer fits into a frame once it is complete.
fn fits(answer: &Attach, max_frame_size: usize) -> bool {
    let answer = Performative::Attach(Box::new(answer.clone()));
    answer.write_within(&mut BytesMut::new(), 0, max_frame_size - TO_COME)
}

/// A source or target that says no more than where it is.
fn address_only(terminus: &Value) -> Value {
    match terminus {
        Value::Described(descriptor, fields) => {
            let address = match &**fields {
                Value::List(fields) => fields.iter().take(1).cloned().collect(),
                _ => Vec::new(),
            };
            Value::Described(descriptor.clone(), Box::new(Value::List(address)))
        }
        _ => Value::Null,
    }
}
