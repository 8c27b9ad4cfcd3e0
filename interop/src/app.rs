use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use crate::DEADLINE;

/// A running program whose printed lines are read one by one; killed when dropped.
#[derive(Debug)]
pub struct App {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl App {
    /// Starts a command. Its standard input stays open as long as the `App` lives.
    ///
    /// # Panics
    ///
    /// If the program cannot be started.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        Self {
            child,
            stdout: BufReader::new(stdout).lines(),
            stderr: BufReader::new(stderr).lines(),
        }
    }

    /// Ends its standard input, which asks some programs to end.
    pub fn end_input(&mut self) {
        self.child.stdin.take();
    }

    /// The next line printed to standard output.
    ///
    /// # Panics
    ///
    /// If none comes within a minute, or the program ends; with what it printed to standard error.
    pub async fn line(&mut self) -> String {
        match timeout(DEADLINE, self.stdout.next_line()).await {
            Ok(Ok(Some(line))) => line,
            Ok(_) => panic!("the program ended\n{}", self.errors().await),
            Err(_) => panic!("the program printed no line within a minute"),
        }
    }

    /// The next line printed to standard error.
    ///
    /// # Panics
    ///
    /// If none comes within a minute, or the program ends.
    pub async fn error_line(&mut self) -> String {
        timeout(DEADLINE, self.stderr.next_line())
            .await
            .expect("a line on standard error within a minute")
            .expect("standard error can be read")
            .expect("the program runs on")
    }

    async fn errors(&mut self) -> String {
        let mut errors = String::new();
        while let Ok(Some(line)) = self.stderr.next_line().await {
            errors += &line;
            errors.push('\n');
        }
        errors
    }
}
