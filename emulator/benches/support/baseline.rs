//! What loopback alone can do: the same bytes, nobody who makes sense of them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// How much a side reads or writes at once, as the emulator.
const CHUNK: usize = 128 * 1024;
/// After so many bytes the sink says so with one byte.
const REPORT: usize = 1024 * 1024;
/// How many reports a writer may be ahead.
const AHEAD: usize = 8;

fn serve(each: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        listener
            .incoming()
            .map_while(Result::ok)
            .for_each(|stream| {
                thread::spawn(move || each(stream));
            });
    });
    address
}

/// Writes to one that reads and forgets.
pub struct ToSink {
    stream: TcpStream,
    written: usize,
    reports: usize,
}

impl ToSink {
    /// # Panics
    ///
    /// Panics if loopback cannot be had.
    pub fn connect() -> Self {
        let address = serve(|mut stream| {
            let (mut chunk, mut total) = (vec![0; CHUNK], 0);
            while let Ok(read @ 1..) = stream.read(&mut chunk) {
                let before = total / REPORT;
                total += read;
                let reports = total / REPORT - before;
                if stream.write_all(&vec![0; reports]).is_err() {
                    return;
                }
            }
        });
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("an option of TCP");
        Self {
            stream,
            written: 0,
            reports: 0,
        }
    }

    /// Writes `bytes` so many times, and waits until nearly all was read.
    ///
    /// # Panics
    ///
    /// Panics if loopback fails.
    pub fn send(&mut self, bytes: &[u8], times: u64) {
        for _ in 0..times {
            self.wait(AHEAD);
            self.stream.write_all(bytes).expect("the sink reads");
            self.written += bytes.len();
        }
        self.wait(0);
    }

    fn wait(&mut self, ahead: usize) {
        while self.written / REPORT - self.reports > ahead {
            let mut report = [0; AHEAD];
            self.reports += self.stream.read(&mut report).expect("the sink reports");
        }
    }
}

/// Reads from one that writes without end.
pub struct FromSource {
    stream: TcpStream,
    chunk: Vec<u8>,
}

impl FromSource {
    /// # Panics
    ///
    /// Panics if loopback cannot be had.
    pub fn connect() -> Self {
        let address = serve(|mut stream| {
            let chunk = vec![0; CHUNK];
            while stream.write_all(&chunk).is_ok() {}
        });
        Self {
            stream: TcpStream::connect(address).expect("a connection"),
            chunk: vec![0; REPORT],
        }
    }

    /// # Panics
    ///
    /// Panics if loopback fails.
    pub fn receive(&mut self, mut bytes: u64) {
        while bytes > 0 {
            let read = self
                .stream
                .read(&mut self.chunk)
                .expect("the source writes");
            bytes = bytes.saturating_sub(read as u64);
        }
    }
}
