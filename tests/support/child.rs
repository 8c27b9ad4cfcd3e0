//! A test that does a part of its work in a process of its own: it runs itself
//! again, and finds what it is [`told`] there.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

const TOLD: &str = "TOLD_BY_THE_TEST_ABOVE";

/// Before what a child says, which the test harness prints among its own.
const MARK: &str = "» ";

/// Longer than anything here takes, so that what hangs fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the parent has told its child; `None` in the parent.
pub(crate) fn told() -> Option<String> {
    std::env::var(TOLD).ok()
}

/// Says a line to the parent.
pub(crate) fn say(line: impl std::fmt::Display) {
    println!("{MARK}{line}");
}

/// A running child; it is killed when dropped.
pub(crate) struct Child {
    process: tokio::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Runs one test of this binary again.
    pub(crate) fn start(test: &str, telling: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(TOLD, telling)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self {
            process,
            lines: output.lines(),
        }
    }

    /// The next line that it says; `None` once it has ended.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.expect("a line in time").unwrap()?;
            if let Some((_, said)) = line.split_once(MARK) {
                return Some(said.to_owned());
            }
        }
    }

    /// Sends it a signal, by its name.
    #[allow(dead_code)]
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.process.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.await.unwrap().success());
    }

    /// Ends it with SIGKILL.
    #[allow(dead_code)]
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Waits until it has ended; panics if its test failed.
    #[allow(dead_code)]
    pub(crate) async fn succeeds(&mut self) {
        let ended = timeout(PATIENCE, self.process.wait()).await;
        assert!(ended.expect("it ends").unwrap().success());
    }
}
