//! The binary, as a person or a script runs it.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

/// A running emulator binary; killed when dropped.
struct Running {
    child: Child,
    /// What it printed when it was ready.
    ready: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        // Unbuffered: what follows the line is left for others.
        let stdout = child.stdout.as_mut().unwrap();
        let mut ready = String::new();
        BufReader::with_capacity(1, stdout)
            .read_line(&mut ready)
            .unwrap();
        Self { child, ready }
    }

    /// The address it says it listens on.
    fn address(&self) -> &str {
        let rest = self.ready.strip_prefix("Event Hubs emulator ready on ");
        rest.unwrap().split_once(": ").unwrap().0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eventhubs-emulator"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

#[test]
fn the_ready_line_holds_address_and_connection_string_of_a_listening_emulator() {
    let running = Running::start(&["--port", "0"]);
    let address = running.address();
    let (host, port) = address.rsplit_once(':').unwrap();
    assert_eq!(host, "127.0.0.1");
    let connection_string = format!(
        ": Endpoint=sb://localhost:{port};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;\n"
    );
    assert!(
        running.ready.ends_with(&connection_string),
        "{}",
        running.ready
    );
    TcpStream::connect(address).unwrap();
}

#[test]
fn the_first_key_given_is_the_one_shown() {
    let running = Running::start(&["--port", "0", "--key", "A=a=b==", "--key", "B=c"]);
    let shown = ";SharedAccessKeyName=A;SharedAccessKey=a=b==;";
    assert!(running.ready.contains(shown), "{}", running.ready);
}

#[test]
fn tls_is_announced_before_the_ready_line_with_a_certificate_that_replaces_what_was_there() {
    let path = std::env::temp_dir().join(format!("transports-{}.pem", std::process::id()));
    std::fs::write(&path, "old").unwrap();
    let out = path.to_str().unwrap();
    let arguments = ["--port", "0", "--tls", "--tls-port", "0", "--cert-out", out];
    let mut running = Running::start(&arguments);
    let mut rest = BufReader::new(running.child.stdout.take().unwrap()).lines();
    let tls = std::mem::take(&mut running.ready);
    let (address, connection_string) = tls
        .strip_prefix("TLS on ")
        .and_then(|rest| rest.split_once(": "))
        .unwrap();
    assert!(!connection_string.contains("UseDevelopmentEmulator"));
    TcpStream::connect(address).unwrap();
    let announced = rest.next().unwrap().unwrap();
    assert_eq!(announced, format!("Certificate to trust: {out}"));
    assert!(rest.next().unwrap().unwrap().contains("ready on"));
    let pem = std::fs::read_to_string(&path).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n") && !pem.contains("PRIVATE"));
    std::fs::remove_file(&path).unwrap();
}

#[cfg(unix)]
#[test]
fn interrupt_and_termination_signals_stop_it_cleanly() {
    for signal in ["-INT", "-TERM"] {
        let mut running = Running::start(&["--port", "0"]);
        let pid = running.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
        assert!(running.child.wait().unwrap().success(), "{signal}");
        let mut rest = String::new();
        let stdout = running.child.stdout.as_mut().unwrap();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

#[test]
fn a_taken_port_gets_one_sentence_and_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["--port", &port]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains(&port), "{told}");
}

#[test]
fn an_impossible_hub_gets_one_sentence_and_exit_code_1() {
    let output = run(&["--port", "0", "--hub", "orders:2000"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        told,
        "the event hub 'orders' cannot have 2000 partitions: choose 1 to 1024\n"
    );
}

#[test]
fn arguments_that_cannot_be_read_are_explained() {
    for (arguments, told) in [
        (
            ["--hub", "orders:many"],
            "NAME[:PARTITIONS[:GROUP,GROUP..]]",
        ),
        (["--key", "nothing"], "NAME=KEY"),
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(told), "{error}");
    }
}
