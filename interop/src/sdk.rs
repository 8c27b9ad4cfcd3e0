use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::DEADLINE;

/// An SDK in another language: its interpreter and our scripts for it.
#[derive(Debug)]
pub struct Sdk {
    interpreter: PathBuf,
    directory: PathBuf,
    scenarios: &'static str,
}

impl Sdk {
    /// `@azure/event-hubs` on Node.js; `None`, after saying so, where it is missing.
    ///
    /// # Panics
    ///
    /// Where it is missing and `INTEROP=required`.
    #[must_use]
    pub fn javascript() -> Option<&'static Self> {
        static FOUND: LazyLock<Option<Sdk>> = LazyLock::new(|| {
            let sdk = Sdk {
                interpreter: "node".into(),
                directory: interop_directory().join("js"),
                scenarios: "scenarios.js",
            };
            let import = ["-e", "require('@azure/event-hubs'); require('express')"];
            sdk.can_run(import).then_some(sdk)
        });
        or_skip(&FOUND, "Node.js with @azure/event-hubs and express")
    }

    /// `azure-eventhub` in a virtual environment; `None`, after saying so, where it is missing.
    ///
    /// # Panics
    ///
    /// Where it is missing and `INTEROP=required`.
    #[must_use]
    pub fn python() -> Option<&'static Self> {
        static FOUND: LazyLock<Option<Sdk>> = LazyLock::new(|| {
            let directory = interop_directory().join("python");
            let sdk = Sdk {
                interpreter: directory.join(".venv/bin/python"),
                directory,
                scenarios: "scenarios.py",
            };
            sdk.can_run(["-c", "import azure.eventhub"]).then_some(sdk)
        });
        or_skip(&FOUND, "Python with azure-eventhub")
    }

    fn can_run(&self, arguments: [&str; 2]) -> bool {
        std::process::Command::new(&self.interpreter)
            .args(arguments)
            .current_dir(&self.directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// A command that runs a script of this SDK.
    #[must_use]
    pub fn command(&self, script: impl AsRef<Path>) -> Command {
        let mut command = Command::new(&self.interpreter);
        command
            .arg(self.directory.join(script))
            .env("NODE_PATH", self.directory.join("node_modules"))
            .kill_on_drop(true);
        command
    }

    /// A command that runs one of the SDK's scenarios against the hub of a connection string.
    #[must_use]
    pub fn scenario(&self, name: &str, connection_string: &str) -> Command {
        let mut command = self.command(self.scenarios);
        command
            .arg(name)
            .env("EVENTHUB_CONNECTION_STRING", connection_string);
        command
    }

    /// Runs a scenario to its end and returns what it reported.
    ///
    /// # Panics
    ///
    /// If it fails, takes over a minute or prints anything but JSON lines.
    pub async fn run(&self, name: &str, connection_string: &str) -> Vec<Value> {
        let mut scenario = self.scenario(name, connection_string);
        let output = timeout(DEADLINE, scenario.output())
            .await
            .unwrap_or_else(|_| panic!("'{name}' takes over a minute"))
            .expect("the interpreter was found");
        let (stdout, stderr) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(
            output.status.success(),
            "'{name}' failed\n{stdout}\n{stderr}"
        );
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{stdout}"));
        stdout.lines().map(parse).collect()
    }
}

fn or_skip(found: &'static Option<Sdk>, what: &str) -> Option<&'static Sdk> {
    if found.is_none() {
        let reason = format!("{what} is missing: run interop/setup.sh");
        let required = env::var("INTEROP").is_ok_and(|value| value == "required");
        assert!(!required, "{reason}");
        eprintln!("skipped: {reason}");
    }
    found.as_ref()
}

fn interop_directory() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
