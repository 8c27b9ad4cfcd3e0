//! Beginning, idling, misbehaving and ending.

use super::peer::*;
use crate::config::Config;
use crate::wire::connection::serve;
use crate::wire::decode::Decoder;
use crate::wire::encode;
use crate::wire::error::condition;
use crate::wire::frame::{self, FrameKind};
use crate::wire::performative::{Attach, Begin, Flow, Open, Performative, Role};
use crate::wire::value::Value;
use bytes::{BufMut, BytesMut};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_client_may_skip_sasl_and_send_everything_at_once() {
    let mut peer = Peer::connect(&Config::default());
    peer.io.output.put_slice(AMQP);
    peer.send(0, &Performative::Open(open()));
    peer.send(0, &begin(10));
    peer.send(
        0,
        &Performative::Attach(Box::new(attach(Role::Sender, "$cbs"))),
    );
    assert_eq!(peer.io.header().await.unwrap(), AMQP);
    let Performative::Open(open) = read(&peer.frame().await).0 else {
        panic!()
    };
    assert_eq!(
        (open.max_frame_size, open.channel_max, open.idle_time_out),
        (65_536, 4999, Some(240_000))
    );
    let frame = peer.frame().await;
    let Performative::Begin(begin) = read(&frame).0 else {
        panic!()
    };
    assert_eq!(
        (
            begin.incoming_window,
            begin.handle_max,
            begin.remote_channel
        ),
        (5000, 255, Some(0))
    );
    assert!(matches!(
        read(&peer.frame().await).0,
        Performative::Attach(_)
    ));
    assert!(peer.flow().await.link_credit.unwrap() > 0);
}

#[tokio::test(start_paused = true)]
async fn every_performative_is_written_with_all_its_fields() {
    let fields = |frame: &frame::Frame| {
        let mut decoder = Decoder::new(&frame.body);
        (decoder.descriptor().unwrap(), decoder.list().unwrap().left)
    };
    let mut peer = Peer::connect(&Config::default());
    peer.io.output.put_slice(AMQP);
    peer.send(0, &Performative::Open(open()));
    peer.send(0, &begin(10));
    peer.send(
        0,
        &Performative::Attach(Box::new(attach(Role::Sender, "nowhere"))),
    );
    peer.io.header().await.unwrap();
    assert_eq!(fields(&peer.frame().await), (0x10, 10));
    assert_eq!(fields(&peer.frame().await), (0x11, 8));
    assert_eq!(fields(&peer.frame().await), (0x12, 14));
    let detach = peer.frame().await;
    assert_eq!(fields(&detach), (0x16, 3));
    let mut decoder = Decoder::new(&detach.body);
    decoder.descriptor().unwrap();
    let mut detach = decoder.list().unwrap();
    let (_handle, _closed, error) = (detach.u32(), detach.bool(), detach.value().unwrap());
    let error = error.described_list().unwrap();
    assert_eq!(
        (error.len(), &error[2]),
        (3, &Value::Map(vec![])),
        "info is no null"
    );

    let mut peer = Peer::ready().await;
    peer.send(
        0,
        &Performative::Attach(Box::new(attach(Role::Sender, "eh1/Partitions/0"))),
    );
    peer.frame().await;
    assert_eq!(fields(&peer.frame().await), (0x13, 11));
    peer.transfer(0, &message(b"x"), 100);
    assert_eq!(fields(&peer.frame().await), (0x15, 6));
    let mut receiving = receiver();
    receiving.handle = 1;
    peer.attach(receiving).await;
    peer.send(
        0,
        &Performative::Flow(crate::wire::performative::Flow {
            handle: Some(1),
            ..credit(1)
        }),
    );
    assert_eq!(fields(&peer.frame().await), (0x14, 11));
    peer.send(0, &Performative::End(None));
    assert_eq!(fields(&peer.frame().await), (0x17, 1));
    peer.send(0, &Performative::Close(None));
    assert_eq!(fields(&peer.frame().await), (0x18, 1));
}

#[tokio::test(start_paused = true)]
async fn a_client_hears_of_us_twice_within_its_idle_time_out() {
    let mut peer = Peer::connect(&Config::default());
    let idle = Duration::from_secs(10);
    peer.open(&Open {
        idle_time_out: Some(10_000),
        ..open()
    })
    .await;
    for _ in 0..4 {
        let before = Instant::now();
        let frame = peer.io.frame().await.unwrap();
        assert!(frame.body.is_empty());
        assert!(
            before.elapsed() <= idle / 2 + Duration::from_millis(2),
            "{:?}",
            before.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_closed_after_twice_our_idle_time_out_and_not_before() {
    let mut peer = Peer::connect(&Config::default());
    peer.open(&open()).await;
    // With a link that waits for events, or the connection would be closed for having none.
    peer.begin(0, 1000).await;
    peer.attach(receiver()).await;
    peer.send(0, &Performative::Flow(credit(1)));
    peer.io.flush().await.unwrap();
    let opened = Instant::now();
    tokio::time::sleep(Duration::from_secs(470)).await;
    frame::write_heartbeat(&mut peer.io.output);
    peer.io.flush().await.unwrap();
    let (condition, text) = peer.closed().await;
    assert_eq!(condition, condition::CONNECTION_FORCED);
    assert!(text.contains("480000 milliseconds"), "{text}");
    assert!(
        opened.elapsed() >= Duration::from_secs(470 + 480),
        "{:?}",
        opened.elapsed()
    );
    peer.hung_up().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_a_byte_of_a_frame_now_and_then_is_silent() {
    let mut peer = Peer::ready().await;
    peer.attach(receiver()).await;
    peer.send(0, &Performative::Flow(credit(1)));
    peer.io.flush().await.unwrap();
    let opened = Instant::now();
    // A frame of 60 KiB: it would take a month.
    for byte in [0, 0, 0xF0, 0, 2].into_iter().chain([0; 15]) {
        peer.io.output.put_u8(byte);
        let told = tokio::time::timeout(Duration::from_secs(60), peer.closed());
        if let Ok((condition, _)) = told.await {
            assert_eq!(condition, condition::CONNECTION_FORCED);
            break;
        }
    }
    assert_eq!(opened.elapsed().as_secs(), 480);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_opens_is_hung_up_on() {
    let mut peer = Peer::connect(&Config::default());
    peer.io.output.put_slice(AMQP);
    let begun = Instant::now();
    peer.io.header().await.unwrap();
    peer.hung_up().await;
    assert!(
        begun.elapsed() <= Duration::from_secs(61),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn half_a_header_and_then_silence_is_hung_up_on() {
    let mut peer = Peer::connect(&Config::default());
    peer.io.output.put_slice(&AMQP[..4]);
    let begun = Instant::now();
    peer.hung_up().await;
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_open_is_answered_with_one_and_a_close() {
    let before_open: [&[u8]; 3] = [
        b"\x00\x00\x00\x0C\x02\x00\x00\x00\x00\x53\x18\x45",
        b"\x00\x00\x00\x08\x02\x00\x00\x00",
        b"\xFF\xFF\xFF\xFF\x02\x00\x00\x00",
    ];
    for bytes in before_open {
        let mut peer = Peer::connect(&Config::default());
        peer.io.output.put_slice(AMQP);
        peer.io.output.put_slice(bytes);
        assert_eq!(peer.io.header().await.unwrap(), AMQP);
        let frame = peer.frame().await;
        assert!(matches!(read(&frame).0, Performative::Open(_)), "{frame:?}");
        assert_eq!(peer.closed().await.0, condition::FRAMING_ERROR);
        peer.hung_up().await;
    }
}

#[tokio::test(start_paused = true)]
async fn another_protocol_is_answered_with_ours_and_hung_up_on() {
    for foreign in [
        &b"GET / HT"[..],
        b"AMQP\x00\x00\x09\x01",
        b"AMQP\x02\x01\x00\x00",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
    ] {
        let mut peer = Peer::connect(&Config::default());
        peer.io.output.put_slice(foreign);
        assert_eq!(peer.io.header().await.unwrap(), AMQP);
        peer.hung_up().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_closes_with_connection_forced() {
    let mut peer = Peer::ready().await;
    peer.stop.send_replace(true);
    assert_eq!(peer.closed().await.0, condition::CONNECTION_FORCED);
    peer.hung_up().await;
    drop(peer.io);
    peer.server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_just_goes_ends_its_connection() {
    let peer = Peer::ready().await;
    drop(peer.io);
    peer.server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn frames_that_break_the_rules_close_the_connection_with_a_reason() {
    for (bytes, expected) in [
        (
            &b"\xFF\xFF\xFF\xFF\x02\x00\x00\x00"[..],
            condition::FRAMING_ERROR,
        ),
        (
            b"\x00\x00\x00\x08\x01\x00\x00\x00",
            condition::FRAMING_ERROR,
        ),
        (
            // a SASL frame
            b"\x00\x00\x00\x08\x02\x01\x00\x00",
            condition::FRAMING_ERROR,
        ),
        (
            b"\x00\x00\x00\x0C\x02\x00\x00\x00\x00\x53\x99\x45",
            condition::DECODE_ERROR,
        ),
        (
            b"\x00\x00\x00\x0C\x02\x00\x00\x00\x00\x53\x12\x45",
            condition::DECODE_ERROR,
        ),
        (
            b"\x00\x00\x00\x11\x02\x00\x00\x00\x00\x53\x14\xD0\xFF\xFF\xFF\xFF\x00",
            condition::DECODE_ERROR,
        ),
    ] {
        let mut peer = Peer::ready().await;
        peer.io.output.put_slice(bytes);
        assert_eq!(peer.closed().await.0, expected, "{bytes:x?}");
        peer.hung_up().await;
    }
}

#[tokio::test(start_paused = true)]
async fn four_thousand_nested_lists_close_one_connection_and_harm_nobody() {
    let mut nested = vec![0x45];
    for _ in 0..4000 {
        let size = u32::try_from(nested.len() + 4).unwrap();
        let mut outer = vec![0xD0];
        outer.extend(size.to_be_bytes());
        outer.extend(1u32.to_be_bytes());
        outer.append(&mut nested);
        nested = outer;
    }
    let mut peer = Peer::ready().await;
    frame::write(&mut peer.io.output, FrameKind::Amqp, 0, |out| {
        encode::descriptor(out, 0x12);
        encode::list(out, 7, |out| {
            encode::string(out, "name");
            encode::u32(out, 0);
            encode::bool(out, true);
            encode::null(out);
            encode::null(out);
            out.put_slice(&nested);
            encode::null(out);
        });
    });
    assert_eq!(peer.closed().await.0, condition::DECODE_ERROR);
}

#[tokio::test(start_paused = true)]
async fn a_channel_without_a_session_and_one_begun_twice_close_the_connection() {
    let mut peer = Peer::ready().await;
    peer.send(3, &Performative::Flow(credit(1)));
    assert_eq!(peer.closed().await.0, condition::NOT_ALLOWED);
    let mut peer = Peer::ready().await;
    peer.send(0, &begin(1));
    assert_eq!(peer.closed().await.0, condition::NOT_ALLOWED);
}

#[tokio::test(start_paused = true)]
async fn a_channel_or_a_handle_above_our_maximum_closes_the_connection() {
    let flow = Performative::Flow(Flow {
        handle: Some(256),
        ..credit(1)
    });
    let attach = Performative::Attach(Box::new(Attach {
        handle: 256,
        ..receiver()
    }));
    for (channel, performative) in [(5000, begin(1)), (0, flow), (0, attach)] {
        let mut peer = Peer::connect(&Config::default());
        peer.open(&Open {
            channel_max: u16::MAX,
            ..open()
        })
        .await;
        peer.begin(4999, 10).await;
        peer.begin(0, 10).await;
        peer.attach(Attach {
            handle: 255,
            ..receiver()
        })
        .await;
        peer.send(channel, &performative);
        assert_eq!(peer.closed().await.0, condition::FRAMING_ERROR);
        peer.hung_up().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_on_a_channel_above_the_clients_maximum() {
    let mut peer = Peer::connect(&Config::default());
    peer.open(&Open {
        channel_max: 3,
        ..open()
    })
    .await;
    peer.begin(3, 10).await;
    peer.send(4, &begin(10));
    let frame = peer.frame().await;
    let Performative::Close(Some(error)) = read(&frame).0 else {
        panic!("{frame:?}")
    };
    assert_eq!(error.condition, condition::NOT_ALLOWED);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_attached_at_a_handle_above_the_clients_maximum() {
    let mut peer = Peer::connect(&Config::default());
    peer.open(&open()).await;
    let Performative::Begin(asked) = begin(10) else {
        unreachable!()
    };
    peer.send(
        0,
        &Performative::Begin(Begin {
            handle_max: 3,
            ..asked
        }),
    );
    peer.frame().await;
    peer.attach(Attach {
        handle: 3,
        ..receiver()
    })
    .await;
    let beyond = Attach {
        handle: 4,
        ..receiver()
    };
    peer.send(0, &Performative::Attach(Box::new(beyond)));
    let frame = peer.frame().await;
    let Performative::End(Some(error)) = read(&frame).0 else {
        panic!("{frame:?}")
    };
    assert_eq!(error.condition, condition::NOT_ALLOWED);
}

#[tokio::test(start_paused = true)]
async fn an_error_in_one_session_ends_that_session_only() {
    let mut peer = Peer::ready().await;
    peer.begin(1, 10).await;
    peer.transfer(0, &message(b"x"), 100);
    let frame = peer.frame().await;
    let (Performative::End(Some(error)), 0) = (read(&frame).0, frame.channel) else {
        panic!("{frame:?}")
    };
    assert_eq!(error.condition, condition::UNATTACHED_HANDLE);
    // What was under way is ignored until the client ends its side, then the channel is free again.
    peer.transfer(1, &message(b"y"), 100);
    peer.send(0, &Performative::End(None));
    peer.begin(0, 10).await;
    peer.send(1, &Performative::End(None));
    let frame = peer.frame().await;
    assert!(
        matches!(
            (read(&frame).0, frame.channel),
            (Performative::End(None), 1)
        ),
        "{frame:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_and_asks_but_reads_no_answers_is_stopped_until_it_does() {
    const TRIED: usize = 64 * 1024 * 1024;
    let (mut stream, server) = tokio::io::duplex(64 * 1024);
    let broker = Peer::connect(&Config::default()).broker;
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(serve(server, ADDRESS, broker, stopped));
    let mut bytes = BytesMut::from(AMQP);
    Performative::Open(open()).write(&mut bytes, 0);
    begin(10).write(&mut bytes, 0);
    stream.write_all(&bytes).await.unwrap();
    let echo = Flow {
        handle: None,
        echo: true,
        ..credit(0)
    };
    let mut question = BytesMut::new();
    Performative::Flow(echo).write(&mut question, 0);
    let questions = question.repeat(1000);
    let next = |asked: usize| &questions[asked % questions.len()..];
    let mut asked = 0;
    let patience = Duration::from_secs(1);
    while asked < TRIED {
        match tokio::time::timeout(patience, stream.write(next(asked))).await {
            Ok(written) => asked += written.unwrap(),
            Err(_) => break,
        }
    }
    assert!(asked < 4 * 1024 * 1024, "{asked} bytes were taken in");
    let mut answers = vec![0; 1024 * 1024];
    stream.read_exact(&mut answers).await.unwrap();
    tokio::time::timeout(patience, stream.write(next(asked)))
        .await
        .unwrap()
        .unwrap();
}
