use super::*;
use crate::line::Mishap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

/// Orders that a test gives.
#[derive(Debug, Clone, Default)]
struct Desk(Arc<Mutex<Option<Orders>>>);

impl Desk {
    fn give(&self, orders: Orders) {
        *self.0.lock().unwrap() = Some(orders);
    }
}

impl Orderer for Desk {
    fn news(&mut self) -> Option<Orders> {
        self.0.lock().unwrap().take()
    }

    fn befallen(&mut self, _fault: FaultId) {}
}

fn line(orders: Orders) -> (DuplexStream, Line<DuplexStream, Desk>, Desk) {
    let (client, server) = duplex(64 * 1024);
    let desk = Desk::default();
    desk.give(orders);
    (client, Line::new(server, desk.clone()), desk)
}

fn to_client(shape: Shape) -> Orders {
    let to_client = Direction {
        shape,
        ..Direction::default()
    };
    Orders {
        to_client,
        ..Orders::default()
    }
}

fn from_client(shape: Shape) -> Orders {
    let from_client = Direction {
        shape,
        ..Direction::default()
    };
    Orders {
        from_client,
        ..Orders::default()
    }
}

fn armed(mishap: Mishap, after: u64) -> Direction {
    let fault = FaultId::default();
    Direction {
        armed: vec![Armed {
            fault,
            mishap,
            after,
        }],
        ..Direction::default()
    }
}

fn latency(millis: u64) -> Shape {
    Shape {
        latency: Duration::from_millis(millis),
        ..Shape::default()
    }
}

/// Sends `count` bytes from one side to the other; what arrived and how long it took.
async fn carry<A, B>(mut from: A, mut to: B, count: usize) -> (Vec<u8>, Duration)
where
    A: AsyncWrite + Unpin,
    B: AsyncRead + Unpin,
{
    let sent: Vec<u8> = (0..count).map(|n| n as u8).collect();
    let start = Instant::now();
    let send = async {
        from.write_all(&sent).await.unwrap();
        from.flush().await.unwrap();
    };
    let mut received = vec![0; count];
    let receive = async { to.read_exact(&mut received).await.unwrap() };
    tokio::join!(send, receive);
    assert_eq!(received, sent);
    (received, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_long_line_delays_each_direction_by_its_latency() {
    let (client, line, _desk) = line(to_client(latency(80)));
    assert_eq!(carry(line, client, 10).await.1, Duration::from_millis(80));
    let (client, line, _desk) = self::line(from_client(latency(80)));
    assert_eq!(carry(client, line, 10).await.1, Duration::from_millis(80));
}

#[tokio::test(start_paused = true)]
async fn a_narrow_line_takes_the_time_its_bandwidth_says() {
    let narrow = Shape {
        bandwidth: NonZeroU64::new(100_000),
        ..Shape::default()
    };
    let (client, line, _desk) = line(to_client(narrow));
    assert_eq!(carry(line, client, 200_000).await.1, Duration::from_secs(2));
    let (client, line, _desk) = self::line(from_client(narrow));
    let (_, took) = carry(client, line, 200_000).await;
    assert_eq!(took, Duration::from_secs(2));
}

#[tokio::test]
async fn slices_are_seen_one_by_one_on_both_sides() {
    let thin = Shape {
        slice: NonZeroUsize::new(3),
        ..Shape::default()
    };
    let (mut client, mut line, desk) = line(from_client(thin));
    client.write_all(b"abcdefgh").await.unwrap();
    let mut read = [0; 8];
    assert_eq!(line.read(&mut read).await.unwrap(), 3);
    line.read_exact(&mut read[3..]).await.unwrap();
    assert_eq!(&read, b"abcdefgh");

    desk.give(to_client(thin));
    let write = tokio::spawn(async move {
        line.write_all(b"abcdefgh").await.unwrap();
        line.flush().await.unwrap();
    });
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 8 {
        sizes.push(client.read(&mut read).await.unwrap());
    }
    write.await.unwrap();
    assert_eq!(sizes, [3, 3, 2]);
}

#[tokio::test]
async fn a_cut_line_carries_the_bytes_before_the_cut_and_breaks() {
    let (mut client, mut line, _desk) = line(Orders {
        from_client: armed(Mishap::Cut, 5),
        ..Orders::default()
    });
    client.write_all(b"abcdefgh").await.unwrap();
    let mut read = Vec::new();
    let error = line.read_to_end(&mut read).await.unwrap_err();
    assert_eq!(
        (&read[..], error.kind()),
        (&b"abcde"[..], io::ErrorKind::ConnectionReset)
    );
    let error = line.write_all(b"x").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "both ways");
}

#[tokio::test]
async fn a_line_cut_towards_the_client_delivers_what_was_before_the_cut() {
    let (mut client, mut line, _desk) = line(Orders {
        to_client: armed(Mishap::Cut, 5),
        ..Orders::default()
    });
    assert!(line.write_all(b"abcdefgh").await.is_err());
    drop(line);
    let mut read = Vec::new();
    client.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"abcde");
}

#[tokio::test]
async fn one_byte_is_corrupted_and_the_line_is_clean_again() {
    let (mut client, mut line, _desk) = line(Orders {
        to_client: armed(Mishap::Corrupt, 2),
        ..Orders::default()
    });
    line.write_all(b"abcd").await.unwrap();
    line.write_all(b"efgh").await.unwrap();
    line.flush().await.unwrap();
    let mut read = [0; 8];
    client.read_exact(&mut read).await.unwrap();
    assert_eq!(read, [b'a', b'b', !b'c', b'd', b'e', b'f', b'g', b'h']);
}

#[tokio::test(start_paused = true)]
async fn a_dead_line_swallows_what_is_sent_and_tells_neither_side() {
    let (mut client, mut line, _desk) = line(Orders {
        dead: true,
        ..Orders::default()
    });
    client.write_all(b"hello?").await.unwrap();
    line.write_all(b"anybody?").await.unwrap();
    line.shutdown().await.unwrap();
    let mut byte = [0];
    let silence = Duration::from_secs(3600);
    assert!(timeout(silence, line.read(&mut byte)).await.is_err());
    assert!(timeout(silence, client.read(&mut byte)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_healed_line_first_delivers_what_was_under_way() {
    let (mut client, mut line, desk) = line(to_client(latency(80)));
    line.write_all(b"first").await.unwrap();
    desk.give(Orders::default());
    line.write_all(b"second").await.unwrap();
    line.flush().await.unwrap();
    let mut read = [0; 11];
    client.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"firstsecond");
    let start = Instant::now();
    line.write_all(b"third").await.unwrap();
    client.read_exact(&mut read[..5]).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn the_end_of_the_clients_bytes_comes_after_them() {
    let (mut client, mut line, _desk) = line(from_client(Shape {
        slice: NonZeroUsize::new(1),
        ..Shape::default()
    }));
    client.write_all(b"bye").await.unwrap();
    drop(client);
    let mut read = Vec::new();
    line.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"bye");
}
