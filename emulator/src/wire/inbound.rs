//! What a connection does with the frames that come in.

use super::acks::Outcome;
use super::connection::{Channel, Connection, LinkEvent, LinkKey};
use super::decode::Decoder;
use super::error::{AmqpError, condition};
use super::frame::{Frame, FrameKind};
use super::handshake::CHANNEL_MAX;
use super::limits::Limits;
use super::link::Delivery;
use super::performative::{Begin, Disposition, Flow, Performative, Role, Transfer};
use super::session::{HANDLE_MAX, Session, Slot};
use super::value::Value;
use crate::faults::{OutcomeFault, When};
use crate::service::{Node, Queued, Reply, Sink, Source};
use crate::texts;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep};

/// How many attaches and answers faults may hold back on a connection; more are not held back.
pub(super) const MAX_LATE: usize = 1000;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// Takes in a frame; `true` if it closes the connection. An error closes the connection, too.
    pub(super) fn on_frame(&mut self, frame: &Frame, now: Instant) -> Result<bool, AmqpError> {
        if frame.kind != FrameKind::Amqp {
            let text = "a SASL frame came after the open";
            return Err(AmqpError::new(condition::FRAMING_ERROR, text));
        }
        if frame.body.is_empty() {
            return Ok(false);
        }
        let mut decoder = Decoder::new(&frame.body);
        let performative = Performative::decode(&mut decoder)?;
        let channel = frame.channel;
        check_numbers(channel, performative.handle())?;
        match performative {
            Performative::Close(_) => return Ok(true),
            Performative::Begin(begin) => return self.on_begin(channel, &begin).map(|()| false),
            Performative::End(_) => return self.on_end(channel).map(|()| false),
            _ => {}
        }
        match self.channels.get(&channel) {
            Some(Channel::Open(_)) => {}
            Some(Channel::Ending) => return Ok(false),
            None => return Err(no_session(channel)),
        }
        let result = match performative {
            Performative::Attach(attach) => self.on_attach(channel, &attach),
            Performative::Flow(flow) => self.on_flow(channel, &flow),
            Performative::Transfer(transfer) => {
                let payload = frame.body.slice_ref(decoder.rest());
                self.on_transfer(channel, &transfer, payload, now)
            }
            Performative::Disposition(disposition) => {
                self.on_disposition(channel, &disposition, now);
                Ok(())
            }
            Performative::Detach(detach) => self.on_detach(channel, &detach),
            Performative::Open(_) => {
                return Err(AmqpError::new(
                    condition::ILLEGAL_STATE,
                    "The connection is open already.",
                ));
            }
            Performative::Begin(_) | Performative::End(_) | Performative::Close(_) => Ok(()),
        };
        if let Err(error) = result {
            self.end_session(channel, error);
        }
        self.limits().check_held(self.held)?;
        Ok(false)
    }

    pub(super) fn limits(&self) -> &'static Limits {
        Limits::of(&self.authorization)
    }

    pub(super) fn session(&mut self, channel: u16) -> Option<&mut Session> {
        match self.channels.get_mut(&channel) {
            Some(Channel::Open(session)) => Some(session),
            _ => None,
        }
    }

    fn on_begin(&mut self, channel: u16, begin: &Begin) -> Result<(), AmqpError> {
        let refusal = |text| Err(AmqpError::new(condition::NOT_ALLOWED, text));
        if self.channels.contains_key(&channel) {
            return refusal(format!("The channel {channel} is not free."));
        }
        // A session of ours has the number of the client's.
        let max = self.peer.channel_max;
        if channel > max {
            return refusal(format!(
                "A session on channel {channel} cannot be answered: the client's own maximum is {max}."
            ));
        }
        self.limits().check_sessions(self.channels.len())?;
        let session = Session::new(begin);
        Performative::Begin(session.answer(channel)).write(&mut self.io.output, channel);
        self.channels.insert(channel, Channel::Open(session));
        Ok(())
    }

    fn on_end(&mut self, channel: u16) -> Result<(), AmqpError> {
        match self.channels.remove(&channel) {
            Some(Channel::Open(session)) => {
                self.drop_session(channel, session);
                Performative::End(None).write(&mut self.io.output, channel);
                Ok(())
            }
            Some(Channel::Ending) => Ok(()),
            None => Err(no_session(channel)),
        }
    }

    /// Ends a session whose client broke its rules.
    pub(super) fn end_session(&mut self, channel: u16, error: AmqpError) {
        if let Some(Channel::Open(session)) = self.channels.insert(channel, Channel::Ending) {
            self.drop_session(channel, session);
        }
        let error = error.within(self.peer.max_frame_size);
        Performative::End(Some(error)).write(&mut self.io.output, channel);
    }

    fn drop_session(&mut self, channel: u16, session: Session) {
        self.acks.forget(channel);
        session
            .slots
            .into_values()
            .for_each(|slot| self.drop_slot(slot));
    }

    pub(super) fn drop_slot(&mut self, slot: Slot) {
        if let Slot::Incoming(link) = slot {
            self.held -= link.assembly.held();
        }
    }

    /// Tells the client our view of the session and, with a handle, of a link.
    pub(super) fn write_flow(&mut self, channel: u16, handle: Option<u32>) {
        let Some(Channel::Open(session)) = self.channels.get_mut(&channel) else {
            return;
        };
        let mut flow = session.flow();
        match handle.and_then(|handle| session.slots.get_mut(&handle)) {
            Some(Slot::Incoming(link)) => {
                flow.delivery_count = Some(link.delivery_count);
                // Credit that is taken back may still be used by what is under way.
                flow.link_credit = Some(if link.has_no_credit(&self.broker.faults) {
                    0
                } else {
                    link.refill();
                    link.credit
                });
                flow.handle = handle;
            }
            Some(Slot::Outgoing(link)) => {
                flow.delivery_count = Some(link.delivery_count);
                flow.link_credit = Some(link.credit);
                flow.available = Some(0);
                flow.drain = link.drain;
                flow.handle = handle;
            }
            Some(Slot::Attaching(..) | Slot::Detaching) | None => {}
        }
        Performative::Flow(flow).write(&mut self.io.output, channel);
    }

    pub(super) fn on_flow(&mut self, channel: u16, flow: &Flow) -> Result<(), AmqpError> {
        let session = self.session(channel).ok_or_else(|| no_session(channel))?;
        let mut wakes = Vec::new();
        if session.flow_received(flow) {
            wakes.extend(session.outgoing_keys(channel));
        }
        if let Some(handle) = flow.handle {
            match session.slots.get_mut(&handle) {
                Some(Slot::Outgoing(link)) => {
                    link.last_used = Instant::now();
                    if let Some(credit) = flow.link_credit {
                        link.grant(flow.delivery_count, credit, flow.drain);
                        wakes.push(LinkKey {
                            channel,
                            handle,
                            id: link.id,
                        });
                    }
                }
                // A sender's word on its own deliveries; what it has skipped counts as used.
                Some(Slot::Incoming(link)) => {
                    link.last_used = Instant::now();
                    if let Some(count) = flow.delivery_count {
                        link.delivery_count = count;
                    }
                }
                Some(Slot::Attaching(_, last)) => {
                    *last = Some(*flow);
                    return Ok(());
                }
                Some(Slot::Detaching) => return Ok(()),
                None => return Err(unattached(handle)),
            }
        }
        wakes.into_iter().for_each(|key| self.enqueue(key));
        if flow.echo {
            self.write_flow(channel, flow.handle);
        }
        Ok(())
    }

    fn on_transfer(
        &mut self,
        channel: u16,
        transfer: &Transfer<'_>,
        payload: Bytes,
        now: Instant,
    ) -> Result<(), AmqpError> {
        let handle = transfer.handle;
        let session = self.session(channel).ok_or_else(|| no_session(channel))?;
        let mut tell = session.transfer_received()?;
        let link = match session.slots.get_mut(&handle) {
            Some(Slot::Incoming(link)) => link,
            Some(Slot::Attaching(..) | Slot::Detaching) => return Ok(()),
            Some(Slot::Outgoing(_)) | None => return Err(unattached(handle)),
        };
        link.last_used = now;
        if link.assembly.is_idle() {
            let Some(low) = link.take_credit() else {
                return Err(AmqpError::new(
                    condition::TRANSFER_LIMIT_EXCEEDED,
                    "The link has no credit left.",
                ));
            };
            tell |= low;
        }
        let before = link.assembly.held();
        let delivery = link.assembly.add(transfer, payload);
        let after = link.assembly.held();
        self.held = self.held + after - before;
        if let Some(delivery) = delivery {
            self.on_delivery(channel, handle, delivery, now);
        }
        // A fault may have taken the link.
        if tell && self.place(channel, handle).is_some() {
            self.write_flow(channel, Some(handle));
        }
        Ok(())
    }

    /// Deals with a message, as faults allow, and notes its outcome.
    fn on_delivery(&mut self, channel: u16, handle: u32, delivery: Delivery, now: Instant) {
        let (id, settled) = (delivery.id, delivery.settled);
        if self.break_at(When::OnTransfer, channel, handle) {
            return;
        }
        let fault = self.outcome_fault(channel, handle);
        let outcome = match &fault {
            Some((_, OutcomeFault::Release)) => Outcome::Released,
            Some((_, OutcomeFault::Modify)) => Outcome::Modified,
            Some((_, OutcomeFault::Reject(failure))) => {
                let place = self.place(channel, handle);
                let told = place.map(|place| self.broker.told(failure.clone(), place));
                told.map_or(Outcome::Released, Outcome::Rejected)
            }
            _ => self
                .pass_on(channel, handle, delivery)
                .map_or(Outcome::Accepted, Outcome::Rejected),
        };
        let outcome = outcome.within(self.peer.max_frame_size);
        self.record_sent(channel, handle, outcome.condition());
        if outcome == Outcome::Accepted && self.break_at(When::AfterStoring, channel, handle) {
            return;
        }
        if settled {
            return;
        }
        match fault {
            Some((_, OutcomeFault::Lose)) => {}
            Some((fault, OutcomeFault::Hold)) => self.acks.hold(fault, now, channel, id, outcome),
            Some((_, OutcomeFault::Delay(delay))) => {
                self.acks.push_late(now, delay, channel, id, outcome);
            }
            _ => self.acks.push(now, channel, id, outcome),
        }
    }

    /// Passes a message on; what comes back is why it is rejected, if it is.
    fn pass_on(&mut self, channel: u16, handle: u32, delivery: Delivery) -> Option<AmqpError> {
        let Some(Channel::Open(session)) = self.channels.get_mut(&channel) else {
            return None;
        };
        let Some(Slot::Incoming(link)) = session.slots.get_mut(&handle) else {
            return None;
        };
        let Some(message) = delivery.message else {
            let limit = link.assembly.max_size();
            return Some(texts::message_too_large(delivery.id, delivery.size, limit).into());
        };
        match &link.sink {
            Sink::Events(events) => events.store(delivery.format, &message).err(),
            // Before it is asked: a request that is refused has done nothing.
            Sink::Node(_) if !self.answer_room.is_left() => Some(too_many_answers()),
            &Sink::Node(node) => {
                match self.broker.answer(node, &message, &mut self.authorization) {
                    Ok(Reply::Silence) => None,
                    Ok(Reply::Answer { answer, to, delay }) => {
                        let Some(answer) = self.answer_room.take(answer) else {
                            return Some(too_many_answers());
                        };
                        if delay.is_zero() || self.late >= MAX_LATE {
                            return self.route_answer(channel, node, answer, to.as_deref());
                        }
                        self.late += 1;
                        self.wait_for(async move {
                            sleep(delay).await;
                            LinkEvent::Answer {
                                channel,
                                node,
                                answer,
                                to,
                            }
                        });
                        None
                    }
                    Err(error) => Some(error.into()),
                }
            }
        }
    }

    /// Tells a link's record that a message came over it, and what became of it.
    fn record_sent(&mut self, channel: u16, handle: u32, condition: Option<&str>) {
        let slot = self
            .session(channel)
            .and_then(|session| session.slots.get(&handle));
        if let Some(Slot::Incoming(link)) = slot {
            link.record.sent(link.credit, condition);
        }
    }

    /// Queues a node's answer at the link that the request names, else at this session's link from that node.
    pub(super) fn route_answer(
        &mut self,
        channel: u16,
        node: Node,
        answer: Queued,
        to: Option<&str>,
    ) -> Option<AmqpError> {
        let links = |address| {
            self.channels
                .iter()
                .filter_map(move |(&channel, session)| match session {
                    Channel::Open(session) => session.answers_link(channel, node, address),
                    Channel::Ending => None,
                })
        };
        let here = |key: &LinkKey| key.channel == channel;
        let named = to.and_then(|_| links(to).find(here).or_else(|| links(to).next()));
        let found = named.or_else(|| links(None).find(here));
        if let Some(key) = found
            && let Some(link) = self.outgoing(key)
            && let Source::Answers(answers) = &mut link.source
        {
            answers.push(answer);
            self.enqueue(key);
            return None;
        }
        Some(AmqpError::new(
            condition::NOT_FOUND,
            "There is no link that could take the answer.",
        ))
    }

    /// Outcomes change nothing here: what was delivered stays in the log. One that waits for us to settle is settled.
    fn on_disposition(&mut self, channel: u16, disposition: &Disposition, now: Instant) {
        if disposition.role == Role::Receiver
            && let Some(session) = self.session(channel)
        {
            session.settled(disposition, now);
        }
        if disposition.role == Role::Receiver && !disposition.settled {
            let settled = |state| {
                Performative::Disposition(Disposition {
                    role: Role::Sender,
                    settled: true,
                    state,
                    ..*disposition
                })
            };
            let (out, max) = (&mut self.io.output, self.peer.max_frame_size);
            // It knows its own state: where that does not fit it goes without saying.
            if !settled(disposition.state.clone()).write_within(out, channel, max) {
                settled(Value::Null).write(out, channel);
            }
        }
    }
}

/// Checks a frame's numbers against those announced; what is beyond closes the connection, as AMQP says.
fn check_numbers(channel: u16, handle: Option<u32>) -> Result<(), AmqpError> {
    let beyond = |what, number: u32, max: u32| {
        let text = format!("The {what} {number} is above the maximum of {max}.");
        Err(AmqpError::new(condition::FRAMING_ERROR, text))
    };
    match handle {
        _ if channel > CHANNEL_MAX => beyond("channel", channel.into(), CHANNEL_MAX.into()),
        Some(handle) if handle > HANDLE_MAX => beyond("handle", handle, HANDLE_MAX),
        _ => Ok(()),
    }
}

fn too_many_answers() -> AmqpError {
    AmqpError::new(
        condition::RESOURCE_LIMIT_EXCEEDED,
        "Too many answers wait for the client to take them.",
    )
}

pub(super) fn no_session(channel: u16) -> AmqpError {
    AmqpError::new(
        condition::NOT_ALLOWED,
        format!("There is no session on channel {channel}."),
    )
}

pub(super) fn unattached(handle: u32) -> AmqpError {
    AmqpError::new(
        condition::UNATTACHED_HANDLE,
        format!("No link is attached at handle {handle}."),
    )
}
