use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::DEADLINE;

/// `GET`s a path from a server on this machine and returns the body of its answer.
///
/// # Panics
///
/// If the server cannot be reached, does not answer within a minute or answers anything but 200.
pub async fn get(port: u16, path: &str) -> String {
    timeout(DEADLINE, exchange(port, path))
        .await
        .expect("an answer within a minute")
}

async fn exchange(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("localhost", port)).await.unwrap();
    // HTTP 1.0: the body comes in one piece and ends with the connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost:{port}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    // Servers differ in the version that they answer with.
    assert_eq!(head.split(' ').nth(1), Some("200"), "{head}");
    body.to_owned()
}
