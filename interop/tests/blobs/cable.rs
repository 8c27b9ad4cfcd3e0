//! A cable to Azurite, which can be pulled out.

use std::sync::Arc;

use eventhubs_flow::consumer::checkpoint::contract::Guard;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Passes bytes both ways while it is plugged in.
#[derive(Debug)]
pub(crate) struct Cable {
    pub(crate) port: u16,
    is_in: Arc<watch::Sender<bool>>,
    _passing: JoinSet<()>,
}

impl Cable {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let own = listener.local_addr().expect("bound").port();
        let is_in = Arc::new(watch::Sender::new(true));
        let mut passing = JoinSet::new();
        passing.spawn(pass(listener, port, is_in.subscribe()));
        Self {
            port: own,
            is_in,
            _passing: passing,
        }
    }

    /// Ends what goes over it, and lets nothing through until the guard is dropped.
    pub(crate) fn pull_out(&self) -> Guard {
        struct In(Arc<watch::Sender<bool>>);
        impl Drop for In {
            fn drop(&mut self) {
                self.0.send_replace(true);
            }
        }
        self.is_in.send_replace(false);
        Guard::new(In(Arc::clone(&self.is_in)))
    }
}

async fn pass(listener: TcpListener, port: u16, is_in: watch::Receiver<bool>) {
    let mut passing = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let mut is_in = is_in.clone();
        passing.spawn(async move {
            if !*is_in.borrow_and_update() {
                return;
            }
            let passed = async {
                let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
                client.set_nodelay(true)?;
                server.set_nodelay(true)?;
                copy_bidirectional(&mut client, &mut server).await
            };
            tokio::select! {
                _ = passed => {}
                _ = is_in.wait_for(|is_in| !is_in) => {}
            }
        });
        while passing.try_join_next().is_some() {}
    }
}
