//! Troubleshooting by error text: what it means, what to do.
//!
//! An error's own sentence says what happened here; the service's words are its
//! [`source`](std::error::Error::source). Search this page for a piece of either. `…`
//! stands for what changes. The service's texts go on with a `TrackingId`, which its
//! support asks for.
//!
//! # Reading a partition
//! ```text
//! At least one receiver for the endpoint is created with epoch of '…', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected.
//! partition … is held by …; owner level … or higher would win it; …: it is given up
//! ```
//! **Means:** the tutorial's error. Another reader of the same consumer group has an
//! owner level: a processor of any SDK, or an earlier run of your program that the
//! service still holds for alive. This one has none, and may not read beside it.
//! **Do:** give each application a consumer group of its own; or close the other
//! reader; or [choose a policy](super::epochs) with a level.
//!
//! ```text
//! New receiver '…' with higher epoch of '…' is created hence current receiver '…' with epoch '…' is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used.
//! partition … was taken by …
//! ```
//! **Means:** another receiver took the partition, at the same or a higher level
//! ("higher" is said of both). Its name is the first one, `nil` if it has none.
//! **Do:** nothing, if that is the newer deployment. If the two are equals, give them
//! different partitions or groups. Names are set by
//! [`with_name`](crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_name).
//!
//! ```text
//! Receiver '…' with a higher epoch '…' already exists. Receiver '…' with epoch … cannot be created. Make sure you are creating receiver with increasing epoch value to ensure connectivity, or ensure all old epoch receivers are closed or disconnected.
//! ```
//! **Means:** the owner has a higher level than you ask for. **Do:** ask for the level
//! that the error names, wait with
//! [`WaitForRelease`](crate::consumer::epoch_safe::EpochPolicy::WaitForRelease), or
//! close the owner.
//!
//! ```text
//! Exceeded the maximum number of allowed receivers per partition in a consumer group which is …. List of connected receivers - ….
//! ```
//! **Means:** five receivers without a level read the partition in this group. **Do:**
//! close one, or use a group of your own.
//!
//! ```text
//! partition … has a later owner in the store; …: it is given up
//! the store names '…' as the owner of partition …, with generation …
//! ```
//! **Means:** another process claimed the partition in the store. **Do:** as for a
//! theft; if the owner is gone for good, open the consumer again.
//!
//! ```text
//! generation … owns partition … no more: whoever does reads event … again
//! generation … was followed by …, which has fenced the partition: stop, the later owner goes on from the last checkpoint
//! a later owner has fenced the partition's checkpoint
//! ```
//! **Means:** [`Fenced`](crate::ErrorKind::Fenced): you acknowledge, or write, for a
//! partition that was lost meanwhile. **Do:** drop what you did for that event if you
//! can, since it is handled again. Nothing is broken: this is the fence
//! [at work](super::checkpoints).
//!
//! ```text
//! The supplied offset '…' is invalid. The last offset in the system is '…'
//! partition … was read up to event …, but the oldest event kept is …: those in between are gone
//! ```
//! (or the same of a `sequence number`). **Means:** the position after the checkpoint
//! does not exist: the hub was created anew, or events were not kept long enough. **Do:** decide. Either
//! [`with_missing_position`](crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_missing_position),
//! or [`reset`](crate::consumer::checkpoint::CheckpointStore::reset) the checkpoint.
//!
//! ```text
//! partition … has events up to …, and none came within the liveness time-out
//! ```
//! **Means:** the service fell silent though it has events. **Do:** nothing: the
//! partition is opened again. In the log only.
//!
//! ```text
//! The specified partition is invalid for an EventHub partition sender or receiver. It should be between 0 and ….
//! partition … does not exist: the hub has …, from 0
//! the hub has no partition …
//! ```
//! **Do:** name one that
//! [`properties`](crate::EventHub::properties) lists, or none.
//!
//! # Sending
//! ```text
//! The request was terminated because the entity is being throttled. Error code : …. Please wait … seconds and try again.
//! the service was busy for longer than the throttle deadline of …
//! ```
//! **Means:** more is written than the namespace (or, by the same code 50002, one
//! partition) takes. 50008 is said of too many questions about hubs and partitions.
//! **Do:** a buffered producer waits by itself; to meet it less often, add a
//! [limiter](super::throttling) or throughput units. The second text: without
//! [`with_throttle_deadline`](crate::producer::buffered::BufferedProducerOptions::with_throttle_deadline)
//! it waits as long as it takes.
//!
//! ```text
//! The received message (delivery-id:…, size:… bytes) exceeds the limit (… bytes) currently allowed on the link.
//! … bytes encoded exceed the limit of … bytes: send a smaller event
//! … bytes exceed the … bytes that the link takes: send smaller batches
//! ```
//! **Means:** an event, or a batch of your own making, is larger than the tier takes
//! (256 KB in Basic, 1 MB in Standard and Premium). **Do:** send less, or a reference
//! to it. A buffered producer splits batches by itself.
//!
//! ```text
//! no room now: wait with `enqueue`, shed load, or raise the bounds
//! there was no room for the event within …
//! displaced by a newer event
//! ```
//! **Means:** the buffer is full, and the policy or the call is not to wait; the event
//! came back, or gave way. **Do:** [choose bounds](super::bounds), or answer "busy".
//!
//! ```text
//! … never pass a burst of …: send less at once or raise the burst
//! ```
//! **Means:** a batch that you made, or an event, costs more than the limiter lets pass
//! at once. **Do:** build batches within
//! [`limits`](crate::transport::TransportProducer::limits), or raise the burst.
//!
//! ```text
//! …: the service gave the batch back unacknowledged
//! …: no answer within …
//! ```
//! **Means:** the batch was released, or its answer did not come: it may be stored.
//! **Do:** a buffered producer sends it again; when it gives up, the event is
//! [`Unknown`](crate::producer::buffered::UndeliveredReason::Unknown). Long round
//! trips want a longer
//! [try time-out](crate::EventHubOptions::with_try_timeout).
//!
//! ```text
//! the event's deadline passed before it was sent
//! the producer was closed before it arrived
//! … events had no outcome when the flush's time was up
//! ```
//! **Means:** time was up. The event is
//! [`Expired`](crate::producer::buffered::UndeliveredReason::Expired),
//! [`Returned`](crate::producer::buffered::UndeliveredReason::Returned) or `Unknown`,
//! or pending still. **Do:** see [`outcomes`](super::outcomes).
//!
//! ```text
//! an event for … cannot join a batch for …
//! the permit is for …: reserve one for the event's own target
//! ```
//! **Do:** one batch, or one permit, per target; the buffer sorts events by itself.
//!
//! # Connecting
//! ```text
//! invalid connection string: …
//! the connection string names no event hub: add EntityPath=<hub>, or use EventHub::connect_to
//! the connection string is for event hub …, not …: name one hub
//! ```
//! **Do:** what it says. A string of the portal's namespace page names no hub, one of
//! the hub's page does. No text shows a key.
//!
//! ```text
//! UseDevelopmentEmulator=true turns TLS off and is for this machine only, not for …
//! ```
//! **Do:** remove the flag for a real namespace; for an emulator elsewhere,
//! [`allow_plaintext_to`](crate::EventHubOptions::allow_plaintext_to).
//!
//! ```text
//! connecting to …
//! ```
//! followed by a word of the operating system, such as `Connection refused`, or by `no
//! answer within …`. **Means:** nobody listens there, or the network blocks it: AMQP
//! needs port 5671. **Do:** check the host; where only 443 is open,
//! [`with_web_sockets`](crate::EventHubOptions::with_web_sockets).
//!
//! ```text
//! …: the certificate of … is not trusted: …
//! this machine has no root certificates: install them (ca-certificates), or give some with …
//! ```
//! **Means:** someone in between (a proxy that looks into TLS, an emulator with a
//! certificate of its own), or a bare container. **Do:** install or give the right
//! roots; there is no switch that turns the check off.
//!
//! ```text
//! …: no WebSocket at …: …
//! ```
//! **Means:** something answered on that port that is no Event Hubs, often a proxy.
//!
//! # Rights
//! ```text
//! Unauthorized access. '…' claim(s) are required to perform this operation. Resource: '…'.
//! InvalidSignature: The token has an invalid signature.
//! ExpiredToken: The token is expired. Expiration time: '…'
//! ```
//! **Means:** the key lacks the right `Send` or `Listen`, is another one, or the token
//! is too old. (The last two are the emulator's words; the service's may differ.)
//! **Do:** take the right policy of the portal. A token in a connection string
//! (`SharedAccessSignature=`) is not renewed: give a key, or a
//! [credential](crate::TokenCredential).
//!
//! ```text
//! the credential gives no token: …
//! … The token was not renewed: …
//! ```
//! **Means:** your credential failed; why stands at the end. It is asked again while
//! the last token is good.
//!
//! ```text
//! The messaging entity '…' could not be found.
//! ```
//! **Means:** no such hub, or no such consumer group: the name tells which. **Do:**
//! consumer groups other than `$Default` must be created.
//!
//! # What heals by itself
//! ```text
//! The connection was inactive for more than the allowed … milliseconds and is closed by container '…'.
//! The connection was closed by container '…' because it did not have any active links in the past … milliseconds.
//! The link '…' is force detached by the broker due to errors occurred in …
//! ```
//! **Means:** the service closes what is idle. **Do:** nothing; the next call makes a
//! new one.
//!
//! ```text
//! the service sent what is not safe to decode: …
//! ```
//! **Means:** bytes that nest without end, or are no AMQP: a broken line, or an event
//! made to harm. The connection is made again. **Do:** if it comes again at one
//! partition, an event there is at fault: start behind it.
//!
//! # Stores
//! ```text
//! … cannot be understood, …: bring it back from a copy, or set the position anew by `reset`
//! ```
//! **Means:** a record of a [`FileStore`](crate::consumer::checkpoint::FileStore) was
//! cut off, changed or moved. It is never taken for none. **Do:** as it says; the
//! [module](crate::consumer::checkpoint::file) tells which generation to reset with.
//!
//! ```text
//! …: no answer from the store within …
//! cannot open the store …
//! ```
//! **Means:** [`StoreUnavailable`](crate::ErrorKind::StoreUnavailable). Reading goes on
//! up to its bound. **Do:** mend the store; what waits is written then.
//!
//! ```text
//! a checkpoint does not go back, from … to …: use `reset` for a rewind, or if the hub was created anew
//! a store keeps its records under the namespace's host: name it by with_namespace
//! a reader without an owner level owns nothing and writes no checkpoints: choose another policy, or no store
//! ```
//! **Do:** what it says. The second is met with transports other than an
//! [`EventHub`](crate::EventHub)'s only.
//!
//! # In the log
//! | text | means | do |
//! |---|---|---|
//! | `a buffered producer was dropped without close: nothing more is sent` | events were lost with the last handle | [`close`](crate::producer::buffered::BufferedProducer::close) it |
//! | `events not delivered` | with how many, why, and where | [`outcomes`](super::outcomes) |
//! | `halted: an event was not delivered` | the policy is to halt | mend, then [`resume`](crate::producer::buffered::BufferedProducer::resume) |
//! | `throttled: the rate falls` | an adaptive limiter gives way | nothing |
//! | `partition taken away: it is taken back` | the policy escalates; `war` says that it was taken more than once | find the other one |
//! | `partition pauses: too many of its events are yielded and neither acknowledged nor written as a checkpoint` | a handler never ends, or failed events are not acknowledged | [`checkpoints`](super::checkpoints) |
//! | `checkpoint not stored` | the store failed; it is tried again | look at the store |
//! | `a handler is slow: its event is not acknowledged and its place stays taken until it ends` | it runs for more than 60 s | give it a time-out |
//! | `process_concurrently was dropped without close: its handlers are aborted` | their events come again | close it |
//! | `a token was not renewed: trying again` | the credential or the service failed | look at the credential |
//! | `not connected` | with why, and the wait before the next attempt | [connecting](#connecting) |
