//! Who listens on a port is told, however foreign it is.

use eventhubs_emulator::{Emulator, HubConfig, Identity, identify};
use std::future::pending;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SASL: &[u8] = b"AMQP\x03\x01\x00\x00";
const AMQP: &[u8] = b"AMQP\x00\x01\x00\x00";

#[tokio::test]
async fn an_emulator_is_recognised_whatever_its_hubs_and_keys() {
    let emulator = Emulator::builder()
        .hub(HubConfig::new("orders"))
        .access_key("other", "key")
        .start()
        .await
        .unwrap();
    let port = emulator.address().port();
    assert_eq!(identify(port).await, Identity::Emulator);
    while emulator.connection_count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_port_without_a_listener_is_nobodys() {
    let emulator = Emulator::start().await.unwrap();
    let port = emulator.address().port();
    emulator.stop().await;
    assert_eq!(identify(port).await, Identity::Nobody);
}

#[tokio::test]
async fn an_amqp_server_is_called_by_its_product_and_version() {
    let properties = [("product", "RabbitMQ"), ("version", "4.0.5")];
    let name = name_of(amqp_server(&["PLAIN", "ANONYMOUS"], &properties)).await;
    assert_eq!(name, "RabbitMQ 4.0.5");
}

#[tokio::test]
async fn a_name_from_the_wire_is_cut_and_holds_no_control_characters() {
    let long = format!("\x1b[2J{}", "x".repeat(150));
    let name = name_of(amqp_server(&["ANONYMOUS"], &[("product", &long)])).await;
    assert_eq!(name, format!("[2J{}", "x".repeat(61)));
}

#[tokio::test]
async fn an_amqp_server_without_a_product_is_told_by_how_one_signs_in() {
    for (mechanisms, expected) in [
        (&["MSSBCBS", "PLAIN", "ANONYMOUS"][..], "Microsoft's"),
        (&["PLAIN", "AMQPLAIN"], "RabbitMQ"),
        (&["PLAIN"], "an AMQP 1.0 server that does not say its name"),
    ] {
        let name = name_of(amqp_server(mechanisms, &[])).await;
        assert!(name.starts_with(expected), "{mechanisms:?}: {name}");
    }
}

#[tokio::test]
async fn servers_of_other_protocols_are_named() {
    for (answer, expected) in [
        (&b"AMQP\x00\x00\x09\x01"[..], "an AMQP 0-9-1 server"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "an HTTP server"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "a TLS server"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "an SSH server"),
        (
            b"-ERR unknown command\r\n",
            "a server that does not speak AMQP",
        ),
        (b"", "a server that does not speak AMQP"),
        (
            b"AMQP\x03\x01\x00\x00garbage that is no frame",
            "an AMQP 1.0 server",
        ),
    ] {
        let name = name_of(Script(vec![(8, answer.to_vec())])).await;
        assert!(name.starts_with(expected), "{answer:?}: {name}");
    }
}

#[tokio::test]
async fn an_http_server_that_waits_for_a_whole_line_is_recognised() {
    let serve = |mut stream: TcpStream| async move {
        let mut heard = Vec::new();
        while !heard.contains(&b'\n') {
            if stream.read_buf(&mut heard).await.unwrap() == 0 {
                return;
            }
        }
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await.unwrap();
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream));
        }
    };
    tokio::select! {
        identity = identify(port) => {
            assert_eq!(identity, Identity::Foreign("an HTTP server".to_owned()));
        }
        () = serving => {}
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_does_not_hold_one_up_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let expected = Identity::Foreign("a server that says nothing".to_owned());
    assert_eq!(identify(port).await, expected);
}

/// What a server does: after so many more bytes it says this, and after the last of them it hangs up.
#[derive(Clone)]
struct Script(Vec<(usize, Vec<u8>)>);

/// What a server that follows the script is taken for.
async fn name_of(script: Script) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            follow(&script, stream).await;
        }
    };
    tokio::select! {
        identity = identify(port) => match identity {
            Identity::Foreign(name) => name,
            other => panic!("{other:?}"),
        },
        () = serving => pending().await,
    }
}

async fn follow(Script(steps): &Script, mut stream: TcpStream) {
    for (bytes, answer) in steps {
        let mut heard = vec![0; *bytes];
        if stream.read_exact(&mut heard).await.is_err() {
            return;
        }
        stream.write_all(answer).await.unwrap();
    }
    // Bytes left unread would make TCP throw away what was said last.
    stream.shutdown().await.unwrap();
    while let Ok(1..) = stream.read(&mut [0; 256]).await {}
}

/// An AMQP 1.0 server that lets anyone in who may be anonymous.
fn amqp_server(mechanisms: &[&str], properties: &[(&str, &str)]) -> Script {
    let symbols: Vec<u8> = mechanisms.iter().flat_map(|name| short(name)).collect();
    let offer = array(0xA3, mechanisms.len(), &symbols);
    let greeting = [SASL, &frame(1, 0x40, &list(1, &offer))].concat();
    if !mechanisms.contains(&"ANONYMOUS") {
        // Whatever the client signs in as, it is not let in.
        return Script(vec![
            (8, greeting),
            (1, frame(1, 0x44, &list(1, &[0x50, 1]))),
        ]);
    }
    let entries: Vec<u8> = properties
        .iter()
        .flat_map(|(key, value)| [&[0xA3][..], &short(key), &[0xA1], &short(value)].concat())
        .collect();
    let mut fields = [&[0xA1][..], &short("container")].concat();
    fields.extend([0x40; 8]);
    fields.extend(compound(0xD1, properties.len() * 2, &entries));
    let welcome = frame(1, 0x44, &list(1, &[0x50, 0]));
    let open = [AMQP, &frame(0, 0x10, &list(10, &fields))].concat();
    Script(vec![(8, greeting), (SASL_INIT_SIZE, welcome), (8, open)])
}

/// Header, descriptor, and the list of mechanism, empty response and null.
const SASL_INIT_SIZE: usize = 8 + 3 + 9 + 11 + 2 + 1;

fn short(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

fn list(count: usize, items: &[u8]) -> Vec<u8> {
    compound(0xD0, count, items)
}

fn array(constructor: u8, count: usize, items: &[u8]) -> Vec<u8> {
    compound(0xF0, count, &[&[constructor][..], items].concat())
}

fn compound(constructor: u8, count: usize, items: &[u8]) -> Vec<u8> {
    [&[constructor][..], &be(items.len() + 4), &be(count), items].concat()
}

fn frame(kind: u8, code: u8, list: &[u8]) -> Vec<u8> {
    let header = [2, kind, 0, 0, 0x00, 0x53, code];
    [&be(4 + header.len() + list.len())[..], &header, list].concat()
}

fn be(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_be_bytes()
}
