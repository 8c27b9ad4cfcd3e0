//! Clients that mean harm: whatever they send, the emulator stays up and serves the others.

mod support;

use eventhubs_emulator::Emulator;
use std::time::Duration;
use support::raw::{AMQP, NULL, SASL, ZERO, frame, list, signed_in, string};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// 36 KB of lists in lists.
fn nested() -> Vec<u8> {
    let mut value = vec![0x45];
    for _ in 0..4000 {
        let size = u32::try_from(value.len() + 4).unwrap().to_be_bytes();
        value = [&[0xD0], &size[..], &[0, 0, 0, 1], &value].concat();
    }
    value
}

/// A sender at the hub, with these link properties.
fn attach(properties: &[u8]) -> Vec<u8> {
    let (source, target) = (list(0x28, &[]), list(0x29, &[&string("eh1")]));
    let mut fields = vec![NULL; 14];
    let name = string("s");
    (fields[0], fields[1], fields[2]) = (&name, ZERO, &[0x42]);
    (fields[5], fields[6], fields[9], fields[13]) = (&source, &target, ZERO, properties);
    frame(0, &list(0x12, &fields))
}

fn transfer(payload: &[u8]) -> Vec<u8> {
    let performative = list(0x14, &[ZERO, ZERO, &[0xA0, 1, 0], ZERO, &[0x42], &[0x42]]);
    frame(0, &[&performative, payload].concat())
}

/// What hostile clients say, by what it is.
fn attacks() -> Vec<(&'static str, Vec<u8>)> {
    let nested = nested();
    let open = |field: usize, value: &[u8]| {
        let name = string("h");
        let mut fields = vec![NULL; 10];
        fields[0] = &name;
        fields[field] = value;
        [AMQP, &frame(0, &list(0x10, &fields))].concat()
    };
    let after = |bytes: Vec<u8>| [signed_in(), bytes].concat();
    let linked = |bytes: Vec<u8>| after([attach(NULL), bytes].concat());
    let huge_binary = [0xB0, 0xFF, 0xFF, 0xFF, 0xFF];
    let huge_list = [0xD0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
    let huge_count = [0xD0, 0, 0, 0, 6, 0xFF, 0xFF, 0xFF, 0xFF, 0x40, 0x40];
    let huge_array = [0xF0, 0, 0, 0, 5, 0xFF, 0xFF, 0xFF, 0xFF, 0x40];
    let nested_message = [&[0x00, 0x53, 0x74][..], &nested, b"\x00\x53\x75\xA0\x01x"].concat();
    let flow = |value: &[u8]| {
        frame(
            0,
            &list(
                0x13,
                &[
                    ZERO, ZERO, ZERO, ZERO, NULL, NULL, NULL, NULL, NULL, NULL, value,
                ],
            ),
        )
    };
    vec![
        (
            "nested lists where SASL is spoken",
            [SASL, &frame(1, &list(0x41, &[&nested]))].concat(),
        ),
        ("nested lists in open", open(9, &nested)),
        (
            "nested lists in begin",
            after(frame(
                0,
                &list(0x11, &[NULL, ZERO, ZERO, ZERO, NULL, NULL, NULL, &nested]),
            )),
        ),
        ("nested lists in attach", after(attach(&nested))),
        ("nested lists in flow", linked(flow(&nested))),
        (
            "nested lists in a disposition",
            linked(frame(0, &list(0x15, &[&[0x42], ZERO, NULL, NULL, &nested]))),
        ),
        (
            "nested lists in a message",
            linked(transfer(&nested_message)),
        ),
        ("a chain of descriptors", open(9, &vec![0; 40_000])),
        (
            "a frame of 4 GiB",
            [AMQP, &[0xFF; 4], &[2, 0, 0, 0]].concat(),
        ),
        ("a binary of 4 GiB", open(9, &huge_binary)),
        ("a list of 4 GiB", open(9, &huge_list)),
        ("a list of 4 G items", open(9, &huge_count)),
        ("an array of 4 G nulls", open(9, &huge_array)),
        (
            "a message of 4 GiB",
            linked(transfer(&[&[0x00, 0x53, 0x75], &huge_binary[..]].concat())),
        ),
        (
            "another protocol",
            b"\x01\x02\x03\x04\x05\x06\x07\x08".repeat(1000),
        ),
        ("garbage after the header", [AMQP, &[0xAB; 5000]].concat()),
        ("garbage after the session began", after(vec![0xAB; 5000])),
        (
            "a frame that is never finished",
            [AMQP, &[0, 0, 4, 0, 2, 0, 0, 0, 1]].concat(),
        ),
    ]
}

#[tokio::test]
async fn no_bytes_bring_it_down() {
    let emulator = Emulator::start().await.unwrap();
    for (number, (what, bytes)) in attacks().into_iter().enumerate() {
        let mut stream = TcpStream::connect(emulator.address()).await.unwrap();
        // It may hang up before it has read all.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let told = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer));
        assert!(told.await.is_ok(), "{what}: the connection does not end");

        let mut good = Client::authorized(&emulator).await;
        let mut sender = good.sender("eh1/Partitions/1").await;
        send(&mut sender, batch(None, [event("good")])).await;
        let stored = emulator.received("eh1");
        let good = stored.iter().filter(|event| event.partition == 1).count();
        assert_eq!(good, number + 1, "after {what}");
    }
}

/// Connections that say nothing of SASL and are reset, 1000 at a time, against the program itself.
#[cfg(target_os = "linux")]
mod floods {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    const AT_A_TIME: usize = 1000;
    const WARM_UP: usize = 10;

    struct Program(Child);

    impl Program {
        fn start() -> (Self, String) {
            let mut child = Command::new(env!("CARGO_BIN_EXE_eventhubs-emulator"))
                .args(["--port", "0", "--health-port", "0"])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut ready = String::new();
            BufReader::new(child.stdout.as_mut().unwrap())
                .read_line(&mut ready)
                .unwrap();
            let rest = ready.strip_prefix("Event Hubs emulator ready on ").unwrap();
            let address = rest.split_once(": ").unwrap().0.to_owned();
            (Self(child), address)
        }

        /// What it holds in memory, in KiB.
        fn resident(&self) -> u64 {
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))
                .unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        }
    }

    impl Drop for Program {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    async fn flood(address: &str) {
        let mut streams = Vec::with_capacity(AT_A_TIME);
        for _ in 0..AT_A_TIME {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(AMQP).await.unwrap();
            streams.push(stream);
        }
        // The last one was heard; now all of them are reset.
        let mut header = [0; 8];
        streams
            .last_mut()
            .unwrap()
            .read_exact(&mut header)
            .await
            .unwrap();
        for stream in streams {
            socket2::SockRef::from(&stream)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
        }
    }

    #[tokio::test]
    async fn its_memory_is_flat_over_thousands_of_connections() {
        let rounds = std::env::var("HOSTILE_CONNECTIONS")
            .ok()
            .and_then(|count| count.parse().ok());
        let rounds: usize = rounds.unwrap_or(5_000) / AT_A_TIME;
        let (program, address) = Program::start();
        for _ in 0..WARM_UP {
            flood(&address).await;
        }
        let before = program.resident();
        for _ in 0..rounds {
            flood(&address).await;
        }
        let after = program.resident();
        println!(
            "{} connections: {before} KiB, then {after} KiB",
            rounds * AT_A_TIME
        );
        assert!(after < before + 6 * 1024, "{before} KiB, then {after} KiB");
        TcpStream::connect(address).await.unwrap();
    }
}
