//! What connection strings are taken, and what is said of the others.

use eventhubs_flow::{ConnectionString, Error, ErrorKind};

const KEY: &str = "SharedAccessKeyName=send;SharedAccessKey=c2VjcmV0LWtleQ==";

fn parse(text: &str) -> ConnectionString {
    text.parse().unwrap()
}

fn refusal(text: &str) -> Error {
    let error = text.parse::<ConnectionString>().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidConnectionString);
    error
}

#[test]
fn the_string_of_the_portal_is_taken() {
    let parsed = parse(&format!(
        "Endpoint=sb://ns.servicebus.windows.net/;{KEY};EntityPath=orders"
    ));
    assert_eq!(parsed.host(), "ns.servicebus.windows.net");
    assert_eq!(parsed.port(), None);
    assert_eq!(parsed.entity_path(), Some("orders"));
    assert!(!parsed.is_development_emulator());
}

#[test]
fn keys_may_stand_in_any_case_and_order_with_white_space_and_a_trailing_semicolon() {
    let parsed = parse(
        " entitypath = orders ;\n SHAREDACCESSKEY = a=b== ; endpoint = SB://host ; sharedAccessKeyName = n ; ",
    );
    assert_eq!(
        parsed,
        parse("Endpoint=sb://host/;SharedAccessKeyName=n;SharedAccessKey=a=b==;EntityPath=orders")
    );
}

#[test]
fn keys_of_other_clients_are_ignored() {
    let parsed = parse(&format!(
        "Endpoint=sb://h/;{KEY};TransportType=AmqpWebSockets;OperationTimeout=1"
    ));
    assert_eq!(parsed, parse(&format!("Endpoint=sb://h/;{KEY}")));
}

#[test]
fn the_emulators_string_is_recognised() {
    for host in ["localhost", "localhost:6672", "127.0.0.1", "[::1]:6672"] {
        let text = format!("Endpoint=sb://{host};{KEY};UseDevelopmentEmulator=TRUE;");
        assert!(parse(&text).is_development_emulator(), "{host}");
    }
    let text = format!("Endpoint=sb://ns/;{KEY};UseDevelopmentEmulator=false");
    assert!(!parse(&text).is_development_emulator());
}

#[test]
fn hosts_and_ports_are_told_apart() {
    for (endpoint, host, port) in [
        ("sb://ns.example.com", "ns.example.com", None),
        ("sb://ns.example.com:5671/", "ns.example.com", Some(5671)),
        ("sb://[::1]:6672/", "::1", Some(6672)),
        ("sb://[::1]", "::1", None),
    ] {
        let parsed = parse(&format!("Endpoint={endpoint};{KEY}"));
        assert_eq!((parsed.host(), parsed.port()), (host, port), "{endpoint}");
    }
}

#[test]
fn a_malformed_endpoint_is_refused() {
    for endpoint in [
        "ns.example.com",
        "https://ns/",
        "sb://",
        "sb:///",
        "sb://ns:0/",
        "sb://ns:70000/",
        "sb://ns:port/",
        "sb://ns/path",
        "sb://user@ns/",
        "sb://[::1",
        "sb://[::1]x",
        "sb://[host]/",
        "sb://a:1:2",
        "é://a",
    ] {
        let error = refusal(&format!("Endpoint={endpoint};{KEY}"));
        assert!(
            error.to_string().contains("sb://<host>/"),
            "{endpoint}: {error}"
        );
    }
}

#[test]
fn what_is_missing_doubled_or_contradictory_is_named() {
    let signature = "SharedAccessSignature=SharedAccessSignature sr=a&sig=b&se=1&skn=c";
    for (text, told) in [
        (KEY.to_owned(), "Endpoint is missing"),
        (String::new(), "Endpoint is missing"),
        ("Endpoint=sb://h/".to_owned(), "no credentials"),
        (
            "Endpoint=sb://h/;SharedAccessKeyName=n".to_owned(),
            "SharedAccessKey is missing",
        ),
        (
            "Endpoint=sb://h/;SharedAccessKey=k".to_owned(),
            "SharedAccessKeyName is missing",
        ),
        (format!("Endpoint=sb://h/;{KEY};{signature}"), "contradict"),
        (
            format!("Endpoint=sb://h/;SharedAccessKeyName=n;{signature}"),
            "contradict",
        ),
        (
            "Endpoint=sb://h/;SharedAccessSignature=sr=a".to_owned(),
            "the whole token",
        ),
        (
            format!("Endpoint=sb://h/;{KEY};endpoint=sb://i/"),
            "Endpoint stands there twice",
        ),
        (
            format!("Endpoint=sb://h/;{KEY};EntityPath="),
            "EntityPath has no value",
        ),
        (
            format!("Endpoint=sb://h/;{KEY};UseDevelopmentEmulator=yes"),
            "neither true nor false",
        ),
        (
            format!("Endpoint=sb://h/;{KEY};stray"),
            "part 4 is not of the form",
        ),
    ] {
        let error = refusal(&text);
        assert!(error.to_string().contains(told), "{text}: {error}");
    }
}

#[test]
fn no_secret_is_shown() {
    let key = parse(&format!("Endpoint=sb://h/;{KEY}"));
    let token = "SharedAccessSignature sr=a&sig=c2VjcmV0&se=1&skn=c";
    let signature = parse(&format!("Endpoint=sb://h/;SharedAccessSignature={token}"));
    for shown in [
        format!("{key:?} {key:#?}"),
        format!("{signature:?} {signature:#?}"),
    ] {
        assert!(!shown.contains("c2VjcmV0"), "{shown}");
        assert!(shown.contains("\"h\""), "{shown}");
    }
    for text in [
        "Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0;c2VjcmV0",
        "Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0;SharedAccessKey=c2VjcmV0",
        "Endpoint=sb://h/;SharedAccessSignature=c2VjcmV0",
        "Endpoint=sb://h:c2VjcmV0/;SharedAccessKeyName=n;SharedAccessKey=k",
        "Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=c2VjcmV0",
    ] {
        let error = refusal(text);
        assert!(
            !format!("{error} {error:?}").contains("c2VjcmV0"),
            "{error:?}"
        );
    }
}
