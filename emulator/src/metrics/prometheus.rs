//! The counters as Prometheus reads them: its text format, version 0.0.4.

use std::fmt::Write;

use super::Metrics;
use crate::namespace::Namespace;

pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How Azure Monitor calls the entity of what belongs to no hub.
const NO_HUB: &str = "-NamespaceOnlyMetric-";

/// A metric: its name behind `eventhubs_`, whether it only grows, what it is, and where to find it.
type Family = (&'static str, bool, &'static str, fn(&Metrics) -> u64);

/// Counted for hubs and for what belongs to none.
const REQUESTS: [Family; 6] = [
    (
        "incoming_requests_total",
        true,
        "Requests, whatever became of them.",
        |m| m.incoming_requests,
    ),
    (
        "successful_requests_total",
        true,
        "Requests that did what they asked for.",
        |m| m.successful_requests,
    ),
    (
        "server_errors_total",
        true,
        "Requests refused because of an error of the service.",
        |m| m.server_errors,
    ),
    (
        "user_errors_total",
        true,
        "Requests refused because of the client, and receivers displaced.",
        |m| m.user_errors,
    ),
    (
        "throttled_requests_total",
        true,
        "Requests refused with server-busy.",
        |m| m.throttled_requests,
    ),
    (
        "quota_exceeded_errors_total",
        true,
        "Requests and connections beyond a quota.",
        |m| m.quota_exceeded_errors,
    ),
];

/// Counted for hubs only.
const MESSAGES: [Family; 5] = [
    ("incoming_messages_total", true, "Events stored.", |m| {
        m.incoming_messages
    }),
    ("outgoing_messages_total", true, "Events delivered.", |m| {
        m.outgoing_messages
    }),
    (
        "incoming_bytes_total",
        true,
        "Bytes of the messages stored.",
        |m| m.incoming_bytes,
    ),
    (
        "outgoing_bytes_total",
        true,
        "Bytes of the messages delivered.",
        |m| m.outgoing_bytes,
    ),
    (
        "size_bytes",
        false,
        "Bytes of events held, with 64 for each event.",
        |m| m.size,
    ),
];

/// Counted for namespaces only.
const CONNECTIONS: [Family; 3] = [
    ("active_connections", false, "Connections open now.", |m| {
        m.active_connections
    }),
    (
        "connections_opened_total",
        true,
        "Connections opened.",
        |m| m.connections_opened,
    ),
    (
        "connections_closed_total",
        true,
        "Connections closed.",
        |m| m.connections_closed,
    ),
];

/// What one namespace has counted.
struct Snapshot<'a> {
    namespace: &'a str,
    of_no_hub: Metrics,
    hubs: Vec<(&'a str, Metrics)>,
}

impl<'a> Snapshot<'a> {
    fn new(namespace: &'a Namespace) -> Self {
        let hubs = namespace.hubs().into_iter();
        Self {
            namespace: namespace.name(),
            of_no_hub: namespace.counters().snapshot(0),
            hubs: hubs.map(|hub| (hub.name(), hub.metrics())).collect(),
        }
    }
}

/// All metrics of all `namespaces`. Names need no escapes: neither a hub's nor a namespace's may hold a character that
/// does.
pub(crate) fn exposition<'a>(namespaces: impl Iterator<Item = &'a Namespace>) -> String {
    let snapshots: Vec<_> = namespaces.map(Snapshot::new).collect();
    let mut out = String::new();
    for family in &REQUESTS {
        head(&mut out, family);
        for snapshot in &snapshots {
            hub_sample(
                &mut out,
                family,
                snapshot.namespace,
                NO_HUB,
                &snapshot.of_no_hub,
            );
            hub_samples(&mut out, family, snapshot);
        }
    }
    for family in &MESSAGES {
        head(&mut out, family);
        snapshots
            .iter()
            .for_each(|snapshot| hub_samples(&mut out, family, snapshot));
    }
    for family in &CONNECTIONS {
        head(&mut out, family);
        for snapshot in &snapshots {
            let (name, value) = (snapshot.namespace, (family.3)(&snapshot.of_no_hub));
            line(
                &mut out,
                format_args!("eventhubs_{}{{namespace=\"{name}\"}} {value}", family.0),
            );
        }
    }
    out
}

fn head(out: &mut String, &(name, grows, help, _): &Family) {
    let kind = if grows { "counter" } else { "gauge" };
    line(out, format_args!("# HELP eventhubs_{name} {help}"));
    line(out, format_args!("# TYPE eventhubs_{name} {kind}"));
}

fn hub_samples(out: &mut String, family: &Family, snapshot: &Snapshot<'_>) {
    for (hub, metrics) in &snapshot.hubs {
        hub_sample(out, family, snapshot.namespace, hub, metrics);
    }
}

fn hub_sample(
    out: &mut String,
    &(name, .., value): &Family,
    namespace: &str,
    hub: &str,
    metrics: &Metrics,
) {
    let value = value(metrics);
    line(
        out,
        format_args!("eventhubs_{name}{{namespace=\"{namespace}\",hub=\"{hub}\"}} {value}"),
    );
}

fn line(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{line}");
}
