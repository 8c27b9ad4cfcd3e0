//! The AMQP 1.0 engine: bytes to frames to performatives, connections, sessions and links.
//!
//! Our own rather than a library's, because an emulator must do what a library keeps from its users: refuse a link
//! inside the attach answer, write every field of every performative, reject a message that is too large instead of
//! detaching, and pass stored events on without decoding them. Pure from `decode` to `link`; `io` and `connection`
//! are the async shell.
//!
//! ```text
//!  socket ⇄ io ─ frame ─ performative ─ connection ─┬─ session ─ link ─ Sink    → partition log, node
//!                                        (one task) └─ session ─ link ← Source  ← partition log, node
//! ```
//!
//! # Bounds
//!
//! Nothing that a client sends or leaves undone grows the process beyond these. Where two values stand, the first one
//! holds until the client has shown a key or put a valid token.
//!
//! | what, of one connection unless said otherwise | bound | beyond it |
//! |---|---|---|
//! | time until AMQP begins, TLS and WebSocket included | 30 s | hung up on |
//! | time for SASL and open | 60 s | hung up on |
//! | time without a whole frame | 2 × 240 s, an option | closed, `connection:forced` |
//! | time without links other than those of `$cbs` | 5 min, an option | closed, `connection:forced` |
//! | time in which a link is not used | 30 min, an option | detached, `link:detach-forced` |
//! | time for the end of a connection | 2 s | hung up on |
//! | a frame taken in | 64 KiB | closed, `connection:framing-error` |
//! | a frame sent | the client's maximum, 512 bytes at least | error texts are cut, attaches tell addresses only |
//! | the answer to an attach that is too large even so | | session ended, `frame-size-too-small` |
//! | nesting of a value | 64 | closed, `decode-error`; a request is rejected |
//! | values within a value | 4096 | closed, `decode-error`; a request is rejected |
//! | bytes read and not taken in | 256 KiB, one read of 128 KiB more | reading pauses |
//! | bytes written and not sent | 1 MiB, and what one frame causes | reading pauses |
//! | the same of deliveries | 256 KiB, one turn of 64 frames more | deliveries pause |
//! | channel, handle | 4999, 255 | closed, `connection:framing-error` |
//! | channel, handle, by the client's own maximum | as the client says | closed, session ended; `not-allowed` |
//! | sessions | 16, 5000 | closed, `resource-limit-exceeded` |
//! | links, refused ones that are not detached included | 32, 5000 | session ended, `resource-limit-exceeded` |
//! | bytes of deliveries that are not complete | 1 MiB, 64 MiB | closed, `resource-limit-exceeded` |
//! | bytes of one delivery | as its attach says | rejected, `link:message-size-exceeded` |
//! | credit of a link on which the client sends | 1000 messages | session ended, `link:transfer-limit-exceeded` |
//! | incoming window of a session | 5000 frames | session ended, `session:window-violation` |
//! | outcomes that are held back | 10,000 | reading pauses |
//! | attaches and answers that faults delay | 1000 | not delayed |
//! | bytes of nodes' answers that wait, over all links | 1 MiB | sent first; requests rejected, `resource-limit-exceeded` |
//! | a request to a node | 64 KiB | rejected, `link:message-size-exceeded` |
//! | a request's message id, its address for the answer | 4 KiB each | rejected, `decode-error` |
//! | the description in an answer | 4 KiB | cut |
//! | the audience of a token | 2 KiB | answered with 400 |
//! | tokens | 4096 | answered with 403 |
//! | an address | 2 KiB | refused, `not-found` |
//! | names of the client's choice that are kept | 256 bytes | cut |
//! | connections of a namespace | as its tier says | 64 at a time are told so, the rest hung up on |

mod acks;
mod attaching;
mod connection;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod error;
mod expiry;
mod faulting;
pub(crate) mod frame;
mod handshake;
mod idle;
mod inbound;
mod io;
mod limits;
mod link;
mod outbound;
pub(crate) mod performative;
pub(crate) mod probe;
mod sasl;
mod session;
#[cfg(test)]
mod tests;
pub(crate) mod value;

pub(crate) use connection::{refuse, serve, stopped};
pub(crate) use handshake::PRODUCT;
pub(crate) use idle::IdleTimeOuts;
