//! A running example: what it prints is kept, and it is killed when dropped.

use std::io::{BufRead, BufReader, Read, Write};
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
        let port = self.port_after("Server running at http://localhost:");
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap();
        format!("{status} {body}")
    }

    /// Presses Ctrl-C, and waits until it has ended.
    pub(crate) fn interrupt(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(sent.success());
        self.wait_for_exit()
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
