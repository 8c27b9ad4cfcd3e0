//! Starting, stopping, and looking inside.

mod support;

use eventhubs_emulator::{Emulator, HubConfig, StartError};
use fe2o3_amqp::connection;
use fe2o3_amqp::sasl_profile::SaslProfile;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use support::*;
use tokio::net::TcpStream;

#[tokio::test]
async fn connection_strings_name_port_key_and_hub() {
    let emulator = Emulator::builder()
        .access_key("mine", "secret=")
        .access_key("other", "x")
        .start()
        .await
        .unwrap();
    let port = emulator.address().port();
    let expected = format!(
        "Endpoint=sb://localhost:{port};SharedAccessKeyName=mine;SharedAccessKey=secret=;UseDevelopmentEmulator=true;"
    );
    assert_eq!(emulator.connection_string(), expected);
    assert_eq!(
        emulator.connection_string_for("eh1"),
        expected + "EntityPath=eh1"
    );
    assert!(!format!("{emulator:?}").contains("secret"));
}

#[tokio::test]
async fn both_loopback_addresses_are_listened_on() {
    let emulator = Emulator::start().await.unwrap();
    TcpStream::connect(emulator.address()).await.unwrap();
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, emulator.address().port()));
        TcpStream::connect(v6).await.unwrap();
    }
}

#[tokio::test]
async fn a_taken_port_is_said_so_and_a_stop_frees_it_with_clients_connected() {
    let emulator = Emulator::start().await.unwrap();
    let port = emulator.address().port();
    let error = Emulator::builder().port(port).start().await.unwrap_err();
    assert!(
        matches!(error, StartError::PortTaken { port: taken } if taken == port),
        "{error}"
    );
    assert!(error.to_string().contains(&port.to_string()));
    let _client = Client::authorized(&emulator).await;
    emulator.stop().await;
    Emulator::builder().port(port).start().await.unwrap();
}

#[tokio::test]
async fn a_stop_closes_connections_with_connection_forced() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    assert_eq!(emulator.connection_count(), 1);
    emulator.stop().await;
    match client.connection.close().await {
        Err(connection::Error::RemoteClosedWithError(error)) => {
            assert_eq!(told(&error).0, "amqp:connection:forced");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn dropping_the_emulator_stops_it() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    drop(emulator);
    let ended = tokio::time::timeout(PATIENCE, client.connection.on_close())
        .await
        .unwrap();
    assert!(ended.is_err(), "{ended:?}");
}

#[tokio::test]
async fn counts_can_be_waited_for() {
    let emulator = Emulator::builder()
        .hub(HubConfig::new("eh1").with_partitions(1))
        .start()
        .await
        .unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    let sending = async {
        for _ in 0..3 {
            send(&mut sender, batch(None, [event("x")])).await;
        }
        client
            .receiver(0, ReceiverOptions::epoch(7).named("me"))
            .await
    };
    let waiting = async {
        emulator.wait_for_events("EH1", 3).await;
        emulator.wait_for_receivers("eh1", 1).await;
        let receivers = emulator.receivers("eh1");
        assert_eq!((receivers[0].partition, receivers[0].epoch), (0, Some(7)));
        assert_eq!(receivers[0].name.as_deref(), Some("me"));
        assert_eq!(receivers[0].consumer_group, "$Default");
    };
    let (_receiver, ()) = tokio::join!(sending, waiting);
    assert_eq!(emulator.event_count("eh1"), 3);
}

#[tokio::test]
async fn a_recorded_event_shows_no_payload() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    send(&mut sender, batch(None, [event("payload")])).await;
    let shown = format!("{:?}", emulator.received("eh1"));
    assert!(
        shown.contains("body_bytes: 7") && !shown.contains("payload"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_hundred_connections_come_and_go() {
    let emulator = Emulator::start().await.unwrap();
    for _ in 0..100 {
        let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
        client.session.end().await.unwrap();
        client.connection.close().await.unwrap();
    }
    let sockets: Vec<TcpStream> = {
        let mut sockets = Vec::new();
        for _ in 0..100 {
            sockets.push(TcpStream::connect(emulator.address()).await.unwrap());
        }
        sockets
    };
    while emulator.connection_count() < 100 {
        tokio::task::yield_now().await;
    }
    drop(sockets);
    while emulator.connection_count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_emulator_that_went_down_comes_back_on_its_ports_with_its_events() {
    let emulator = Emulator::builder().tls_port(0).start().await.unwrap();
    let address = emulator.address();
    let tls_address = emulator.tls_address().unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    send(&mut sender, batch(None, [event("before")])).await;

    emulator.suspend().await;
    emulator.suspend().await;
    assert!(client.connection.on_close().await.is_err());
    assert_eq!(emulator.connection_count(), 0);
    assert!(TcpStream::connect(address).await.is_err());
    assert!(TcpStream::connect(tls_address).await.is_err());

    emulator.resume().await.unwrap();
    emulator.resume().await.unwrap();
    TcpStream::connect(tls_address).await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    send(&mut sender, batch(None, [event("after")])).await;
    let mut bodies: Vec<_> = emulator
        .received("eh1")
        .into_iter()
        .map(|event| event.body)
        .collect();
    bodies.sort();
    assert_eq!(bodies, ["after", "before"]);
}
