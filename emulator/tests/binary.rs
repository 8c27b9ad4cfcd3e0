//! The binary, as a person or a script runs it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// A running emulator binary; killed when dropped.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What it printed when it was ready.
    ready: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        Self::spawn(command(arguments).args(["--health-port", "0"]))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut running = Self {
            child,
            stdout,
            ready: String::new(),
        };
        running.ready = running.line();
        running
    }

    /// The next line it prints.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// The address it says it listens on.
    fn address(&self) -> &str {
        let rest = self.ready.strip_prefix("Event Hubs emulator ready on ");
        rest.unwrap().split_once(": ").unwrap().0
    }

    #[cfg(unix)]
    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
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
    let tls = std::mem::take(&mut running.ready);
    let (address, connection_string) = tls
        .strip_prefix("TLS on ")
        .and_then(|rest| rest.split_once(": "))
        .unwrap();
    assert!(!connection_string.contains("UseDevelopmentEmulator"));
    TcpStream::connect(address).unwrap();
    assert_eq!(running.line(), format!("Certificate to trust: {out}\n"));
    assert!(running.line().contains("ready on"));
    let pem = std::fs::read_to_string(&path).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n") && !pem.contains("PRIVATE"));
    std::fs::remove_file(&path).unwrap();
}

#[cfg(unix)]
#[test]
fn interrupt_and_termination_signals_stop_it_cleanly() {
    for signal in ["-INT", "-TERM"] {
        let mut running = Running::start(&["--port", "0"]);
        running.signal(signal);
        assert_eq!(running.child.wait().unwrap().code(), Some(0), "{signal}");
        assert!(running.line().starts_with("Health on http://127.0.0.1:"));
        let mut rest = String::new();
        running.stdout.read_to_string(&mut rest).unwrap();
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
        (["--key", "nothing"], "NAME[@HUB][:RIGHT,RIGHT..]=KEY"),
        (["--key", "A:Sned=x"], "Send, Listen or Manage"),
        (["--tier", "huge"], "basic, standard, premium or dedicated"),
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(told), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_it_while_a_client_keeps_it_waiting() {
    let mut running = Running::start(&["--port", "0"]);
    let mut client = TcpStream::connect(running.address()).unwrap();
    // A header, and an open that holds nothing but the container id "x".
    client.write_all(b"AMQP\x00\x01\x00\x00").unwrap();
    client
        .write_all(b"\x00\x00\x00\x11\x02\x00\x00\x00\x00\x53\x10\xC0\x04\x01\xA1\x01x")
        .unwrap();
    let mut header = [0; 8];
    client.read_exact(&mut header).unwrap();
    assert!(!read_frame(&mut client).is_empty(), "its open");
    running.signal("-TERM");
    let close = read_frame(&mut client);
    assert_eq!(close[4..7], [0x00, 0x53, 0x18], "its close");
    running.signal("-TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(1));
}

/// The next frame without its size.
#[cfg(unix)]
fn read_frame(client: &mut TcpStream) -> Vec<u8> {
    let mut size = [0; 4];
    client.read_exact(&mut size).unwrap();
    let mut frame = vec![0; u32::from_be_bytes(size) as usize - 4];
    client.read_exact(&mut frame).unwrap();
    frame
}

#[test]
fn help_tells_options_variables_and_examples_but_no_key() {
    let mut command = command(&["--help"]);
    command.env("EVENTHUBS_EMULATOR_KEYS", "Root=topsecret");
    let help = String::from_utf8(command.output().unwrap().stdout).unwrap();
    for part in [
        "Ports:",
        "Namespaces and hubs:",
        "Limits:",
        "Examples:",
        "--config <FILE>",
        "EVENTHUBS_EMULATOR_PORT",
        "EVENTHUBS_EMULATOR_KEYS",
    ] {
        assert!(help.contains(part), "{part}\n{help}");
    }
    assert!(!help.contains("topsecret"));
}

#[test]
fn a_key_that_cannot_be_read_is_not_shown() {
    let mut command = command(&[]);
    command.env("EVENTHUBS_EMULATOR_KEYS", "topsecret");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        !String::from_utf8(output.stderr)
            .unwrap()
            .contains("topsecret")
    );
}

#[test]
fn options_come_from_the_environment_too() {
    let mut command = command(&[]);
    command
        .env("EVENTHUBS_EMULATOR_PORT", "0")
        .env("EVENTHUBS_EMULATOR_HEALTH_PORT", "0")
        .env("EVENTHUBS_EMULATOR_KEYS", "A=a=b==;B=c")
        .env("EVENTHUBS_EMULATOR_NAMESPACES", "east,west")
        .env("EVENTHUBS_EMULATOR_HUBS", "orders:8:billing,audit;logs:32");
    let mut running = Running::spawn(&mut command);
    let shown = "(namespace east): Endpoint=sb://localhost:";
    assert!(running.ready.contains(shown), "{}", running.ready);
    let key = ";SharedAccessKeyName=A;SharedAccessKey=a=b==;";
    assert!(running.ready.contains(key), "{}", running.ready);
    assert!(running.line().contains("(namespace west): "));
    let health = running.line();
    let metrics = get(&health, "/metrics");
    for hub in ["orders", "logs"] {
        for namespace in ["east", "west"] {
            let sample = format!("{{namespace=\"{namespace}\",hub=\"{hub}\"}} 0");
            assert!(metrics.contains(&sample), "{sample}\n{metrics}");
        }
    }
}

/// What the health endpoint, which `line` tells of, answers.
fn get(line: &str, path: &str) -> String {
    let rest = line.strip_prefix("Health on http://").unwrap();
    let address = rest.split_once('/').unwrap().0;
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer
}

/// A file of that content, under a name of its own.
fn config_file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn the_official_configuration_file_is_taken_as_it_is() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/official-config.json"
    );
    let mut running = Running::start(&["--port", "0", "--config", file]);
    assert!(running.ready.contains(": Endpoint=sb://localhost:"));
    let health = running.line();
    assert!(get(&health, "/health").ends_with("}"));
    let sample = r#"eventhubs_size_bytes{namespace="emulatorNs1",hub="eh1"} 0"#;
    assert!(get(&health, "/metrics").contains(sample));
}

#[test]
fn a_second_namespace_takes_a_port_after_the_first_one_s() {
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = probe.local_addr().unwrap().port();
    drop(probe);
    let port = port.to_string();
    let mut running = Running::start(&["--port", &port, "--namespace", "a", "--namespace", "b"]);
    let second = running.line();
    let address = second.strip_prefix("Event Hubs emulator ready on 127.0.0.1:");
    let (second, _) = address.unwrap().split_once(' ').unwrap();
    assert!(second.parse::<u16>().unwrap() > port.parse().unwrap());
    TcpStream::connect(format!("127.0.0.1:{second}")).unwrap();
}

#[test]
fn a_bad_configuration_file_gets_one_sentence_that_names_the_place() {
    let content = r#"{"UserConfig":{"NamespaceConfig":[{"Type":"EventHub","Name":"n",
        "Entities":[{"Name":"eh1","PartitionCount":"many"}]}]}}"#;
    let path = config_file("bad-count.json", content);
    let file = path.to_str().unwrap();
    for (file, told) in [
        (
            file,
            format!(
                "{file}: UserConfig.NamespaceConfig[0].Entities[0].PartitionCount is \"many\": give a number of partitions, 1 to 1024, as in \"4\"\n"
            ),
        ),
        (
            "nowhere.json",
            "nowhere.json cannot be read: No such file or directory (os error 2)\n".to_owned(),
        ),
    ] {
        let output = run(&["--port", "0", "--config", file]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(output.stdout, b"");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), told);
    }
}

#[test]
fn a_configuration_file_and_hubs_exclude_each_other() {
    let output = run(&["--config", "c.json", "--hub", "a"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_namespace_is_named_once_and_well() {
    for (arguments, told) in [
        (["a", "A"], "the namespace 'A' is given twice\n"),
        (
            ["1st", "b"],
            "'1st' cannot name a namespace: use 1 to 50 letters, digits and hyphens, a letter first and no hyphen last\n",
        ),
    ] {
        let [first, second] = arguments;
        let output = run(&["--port", "0", "--namespace", first, "--namespace", second]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), told);
    }
}
