//! A running example: what it prints is kept, and it is killed when dropped.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Longer than anything here takes, so that what hangs fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// An example in a process of its own, on a web port of its own.
pub(crate) struct Example {
    child: Child,
    printed: Arc<Printed>,
    readers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Printed {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Example {
    /// Starts an example with these environment variables.
    pub(crate) fn start(name: &str, settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(binary(name))
            .env_remove("EVENTHUB_CONNECTION_STRING")
            .env_remove("EVENTHUB_NAME")
            .env_remove("EVENTHUB_CONSUMER_GROUP")
            .env("PORT", "0")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let printed = Arc::new(Printed::default());
        let readers = vec![
            printed.collect(child.stdout.take().unwrap()),
            printed.collect(child.stderr.take().unwrap()),
        ];
        Self {
            child,
            printed,
            readers,
        }
    }

    /// Waits until `count` lines hold `text`, and returns the last of them.
    pub(crate) fn wait_for(&self, text: &str, count: usize) -> String {
        let too_few = |lines: &mut Vec<String>| matching(lines, text).count() < count;
        let lines = self.printed.lines.lock().unwrap();
        let (lines, waited) = self
            .printed
            .more
            .wait_timeout_while(lines, PATIENCE, too_few)
            .unwrap();
        assert!(
            !waited.timed_out(),
            "{text:?} was not printed {count} times: {lines:#?}"
        );
        matching(&lines, text).nth(count - 1).unwrap().clone()
    }

    /// Waits for a line with `text`, and returns the port that follows it.
    pub(crate) fn port_after(&self, text: &str) -> String {
        let line = self.wait_for(text, 1);
        let (_, rest) = line.split_once(text).unwrap();
        rest.chars().take_while(char::is_ascii_digit).collect()
    }

    /// How many lines hold `text` so far.
    pub(crate) fn count(&self, text: &str) -> usize {
        matching(&self.printed.lines.lock().unwrap(), text).count()
    }

    /// What it printed so far.
    pub(crate) fn output(&self) -> Vec<String> {
        self.printed.lines.lock().unwrap().clone()
    }

    /// Requests a page: the status, a space, and the body.
    pub(crate) fn get(&self, path: &str) -> String {
        let answer = self.connect().request("GET", path, "", b"").unwrap();
        format!("{} {}", answer.status, answer.body)
    }

    /// Opens a connection to its pages.
    pub(crate) fn connect(&self) -> Browser {
        let port = self.port_after("Server running at http://localhost:");
        Browser::connect(port.parse().unwrap()).unwrap()
    }

    /// Presses Ctrl-C, and waits until it has ended.
    pub(crate) fn interrupt(&mut self) -> ExitStatus {
        self.signal("INT");
        self.wait_for_exit()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.wait_for_exit();
    }

    /// Waits until it has ended, and all that it printed is here.
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        // Its output ends when it does.
        self.wait_for_end_of_output();
        self.child.wait().unwrap()
    }

    fn wait_for_end_of_output(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection to the pages of an example, which stays open between requests.
pub(crate) struct Browser {
    stream: BufReader<TcpStream>,
}

/// What a page answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In small letters.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Browser {
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let stream = BufReader::new(stream);
        Ok(Self { stream })
    }

    /// Asks and waits for the answer; `head` is more lines of the head.
    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        head: &str,
        body: &[u8],
    ) -> io::Result<Answer> {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{head}\r\n"
        );
        self.write(&[head.as_bytes(), body].concat())?;
        self.answer()
    }

    /// Sends anything.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads an answer.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let head = head.to_lowercase();
        let (_, rest) = head.split_once("content-length: ").unwrap();
        let length = rest.lines().next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: String::from_utf8(body).unwrap(),
        })
    }
}

impl Printed {
    fn collect(self: &Arc<Self>, output: impl Read + Send + 'static) -> JoinHandle<()> {
        let printed = Arc::clone(self);
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                printed.lines.lock().unwrap().push(line.unwrap());
                printed.more.notify_all();
            }
        })
    }
}

fn matching<'a>(lines: &'a [String], text: &'a str) -> impl Iterator<Item = &'a String> {
    lines.iter().filter(move |line| line.contains(text))
}

/// Cargo builds the examples for a plain `cargo test`, beside the tests.
fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let binary = profile
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        binary.exists(),
        "the example '{name}' is not built: run `cargo build --examples` first, or `cargo test` without a filter"
    );
    binary
}
