use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::tool::skip;
use crate::{Access, DEADLINE};

/// An Event Hubs SDK that runs as a child process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sdk {
    /// `@azure/event-hubs` on Node.js.
    Javascript,
    /// `azure-eventhub` in a virtual environment.
    Python,
    /// Microsoft's Rust crate, `azure_messaging_eventhubs`.
    Official,
    /// The Rust crate `azeventhubs`.
    Azeventhubs,
}

impl Sdk {
    /// Its package's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Javascript => "@azure/event-hubs",
            Self::Python => "azure-eventhub",
            Self::Official => "azure_messaging_eventhubs",
            Self::Azeventhubs => "azeventhubs",
        }
    }

    /// Whether it can be run; where it cannot, says so.
    ///
    /// # Panics
    ///
    /// Where it cannot and `INTEROP=required`.
    #[must_use]
    pub fn is_installed(self) -> bool {
        static NODE: LazyLock<bool> = LazyLock::new(|| {
            let import = "require('@azure/event-hubs'); require('express'); require('ws'); \
                 require('@azure/eventhubs-checkpointstore-blob'); require.resolve('azurite'); \
                 require.resolve('playwright-core')";
            can_run(&Sdk::Javascript, ["-e", import])
        });
        static PYTHON: LazyLock<bool> = LazyLock::new(|| {
            let import = "import azure.eventhub.extensions.checkpointstoreblob, websocket";
            can_run(&Sdk::Python, ["-c", import])
        });
        let installed = match self {
            Self::Javascript => *NODE,
            Self::Python => *PYTHON,
            Self::Official | Self::Azeventhubs => true,
        };
        if !installed {
            skip(&format!(
                "what {self:?} needs is missing: run interop/setup.sh"
            ));
        }
        installed
    }

    /// A command that runs a script of this SDK's language.
    #[must_use]
    pub fn script(self, script: impl AsRef<Path>) -> Command {
        let mut command = Command::new(self.program());
        command
            .arg(script.as_ref())
            .env("NODE_PATH", directory().join("js/node_modules"));
        command
    }

    /// A command that runs one of the SDK's scenarios.
    #[must_use]
    pub fn scenario(self, name: &str, access: &Access) -> Command {
        let mut command = match self {
            Self::Javascript => self.script(directory().join("js/scenarios.js")),
            Self::Python => self.script(directory().join("python/scenarios.py")),
            Self::Official | Self::Azeventhubs => Command::new(self.program()),
        };
        command
            .arg(name)
            .envs(access.environment(self))
            .kill_on_drop(true);
        command
    }

    /// A command that runs this SDK's processor, whose checkpoints and owners are in a
    /// container of a storage account; an owner that is silent for that long is one no more.
    ///
    /// # Panics
    ///
    /// If the SDK has none here.
    #[must_use]
    pub fn processor(
        self,
        access: &Access,
        storage: &str,
        container: &str,
        ownership: Duration,
    ) -> Command {
        let script = match self {
            Self::Javascript => "js/processor.js",
            Self::Python => "python/processor.py",
            Self::Official | Self::Azeventhubs => panic!("{self:?} runs no processor here"),
        };
        let mut command = self.script(directory().join(script));
        command
            .envs(access.environment(self))
            .env("STORAGE_CONNECTION_STRING", storage)
            .env("STORAGE_CONTAINER", container)
            .env("OWNERSHIP_SECONDS", ownership.as_secs().to_string());
        command
    }

    /// Runs a scenario to its end and returns what it reported.
    ///
    /// # Panics
    ///
    /// If it fails, takes over a minute or prints anything but JSON lines.
    pub async fn run(self, name: &str, access: &Access) -> Vec<Value> {
        let mut scenario = self.scenario(name, access);
        let output = timeout(DEADLINE, scenario.output())
            .await
            .unwrap_or_else(|_| panic!("'{name}' takes over a minute"))
            .expect("the program was found");
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

    fn program(self) -> PathBuf {
        match self {
            Self::Javascript => "node".into(),
            Self::Python => directory().join("python/.venv/bin/python"),
            Self::Official => beside_the_tests("official"),
            Self::Azeventhubs => beside_the_tests("azeventhubs"),
        }
    }
}

fn can_run(sdk: &Sdk, arguments: [&str; 2]) -> bool {
    std::process::Command::new(sdk.program())
        .args(arguments)
        .current_dir(directory().join("js"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A binary of this crate: cargo builds them for the tests, one directory above.
fn beside_the_tests(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test knows its path");
    let target = test.parent().and_then(Path::parent);
    target.expect("a test lies in deps/").join(name)
}

pub(crate) fn directory() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
