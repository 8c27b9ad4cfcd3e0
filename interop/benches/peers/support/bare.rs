//! A connection of the AMQP stack under our transport.

use fe2o3_amqp::Connection;
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::sasl_profile::SaslProfile;
use tokio::net::TcpStream;

use super::Failure;

/// Signs in as our transport does not, by SASL: there is no token to keep.
pub(crate) async fn connect(port: u16) -> Result<ConnectionHandle<()>, Failure> {
    let stream = TcpStream::connect(("localhost", port)).await?;
    stream.set_nodelay(true)?;
    let connection = Connection::builder()
        .container_id("bare")
        .hostname("localhost")
        .sasl_profile(SaslProfile::Plain {
            username: "RootManageSharedAccessKey".into(),
            password: "SAS_KEY_VALUE".into(),
        })
        .max_frame_size(64 << 10)
        .open_with_stream(stream)
        .await?;
    Ok(connection)
}
