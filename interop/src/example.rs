use std::path::PathBuf;

use tokio::process::Command;

/// The command of an example of the library, which is built first. It knows no hub: give it
/// one, or the port of its emulator, by environment variables; its web port is any free one.
///
/// # Panics
///
/// If it cannot be built.
pub async fn example(name: &str) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--locked"])
        .args(["--package", "eventhubs-flow", "--example", name])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .await
        .expect("cargo runs");
    assert!(built.success(), "the example '{name}' is not built");
    let mut command = Command::new(binary(name));
    command
        .env_remove("EVENTHUB_CONNECTION_STRING")
        .env_remove("EVENTHUB_NAME")
        .env_remove("EVENTHUB_CONSUMER_GROUP")
        .env("PORT", "0");
    command
}

/// Cargo puts examples beside the tests that run.
fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    let profile = test.ancestors().nth(2).expect("in its profile's directory");
    profile
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}
