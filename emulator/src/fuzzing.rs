//! What fuzzers feed: any bytes at all, which may be refused but never panic, hang or grow the process.
//!
//! The targets in `fuzz/` call these; the tests here replay the corpus they have built up.

use crate::clock::Clock;
use crate::config::Config;
use crate::namespace::Namespace;
use crate::service::{self, Broker};
use crate::wire::{self, IdleTimeOuts, decode::Decoder, frame::Frame, performative::Performative};
use bytes::BytesMut;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use tokio::runtime::Builder;
use tokio::sync::watch;

/// Frames: what can be decoded means the same when it is written and decoded again.
///
/// # Panics
///
/// Panics if it does not.
pub fn frames(bytes: &[u8]) {
    let mut input = BytesMut::from(bytes);
    while let Ok(Some(frame)) = Frame::take(&mut input) {
        let Ok(performative) = Performative::decode(&mut Decoder::new(&frame.body)) else {
            continue;
        };
        let mut written = BytesMut::new();
        performative.clone().write(&mut written, frame.channel);
        // All fields and wide sizes may be more than a frame holds.
        if let Ok(Some(again)) = Frame::take(&mut written) {
            let decoded = Performative::decode(&mut Decoder::new(&again.body));
            assert_eq!(decoded, Ok(performative));
        }
    }
}

/// Messages: the first byte chooses between a batch and a single event.
pub fn messages(bytes: &[u8]) {
    if let Some((&kind, message)) = bytes.split_first() {
        service::split_message(kind % 2 == 0, message);
    }
}

/// A whole connection, on a clock of its own: the first byte chooses whether the client has signed in before.
///
/// # Panics
///
/// Panics if the connection does not end once the client has left.
pub fn connection(bytes: &[u8]) {
    const SIGNED_IN: &[u8] = include_bytes!("fuzzing/signed_in");
    let Some((&kind, bytes)) = bytes.split_first() else {
        return;
    };
    let bytes = match kind % 2 {
        0 => [SIGNED_IN, bytes].concat(),
        _ => bytes.to_vec(),
    };
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without a driver can be had");
    runtime.block_on(async {
        let broker = Arc::new(Broker {
            namespace: Namespace::new(&Config::default()),
            acknowledgement_delay: Duration::ZERO,
            clock: Clock::System,
            faults: Arc::default(),
            idle: IdleTimeOuts::default(),
        });
        let (client, server) = duplex(64 * 1024);
        let (mut reads, mut writes) = split(client);
        let (_stop, stopped) = watch::channel(false);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let serve = wire::serve(server, address, broker, stopped);
        let write = async {
            // The emulator may hang up at any time.
            let _ = writes.write_all(&bytes).await;
            let _ = writes.shutdown().await;
        };
        let read = async {
            let mut buffer = vec![0; 64 * 1024];
            while matches!(reads.read(&mut buffer).await, Ok(count) if count > 0) {}
        };
        let all = async { tokio::join!(serve, write, read) };
        let ended = tokio::time::timeout(Duration::from_secs(3600), all).await;
        assert!(ended.is_ok(), "the connection does not end");
    });
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Replays what the fuzzers of a target have found worth keeping.
    fn replay(target: &str, feed: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(target);
        let mut count = 0;
        for entry in fs::read_dir(&corpus).unwrap() {
            feed(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "{} is empty", corpus.display());
    }

    #[test]
    fn frames_of_the_corpus_mean_the_same_when_written_again() {
        replay("frames", super::frames);
    }

    #[test]
    fn messages_of_the_corpus_are_split_or_refused() {
        replay("messages", super::messages);
    }

    #[test]
    fn connections_of_the_corpus_end() {
        replay("connection", super::connection);
    }
}
