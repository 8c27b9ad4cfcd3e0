//! From the options to emulators that run: one for each namespace, and the health endpoint of all.

use std::collections::HashSet;
use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use eventhubs_emulator::{Emulator, EmulatorBuilder, HealthEndpoint, HubConfig, StartError};
use futures_util::future::join_all;

use super::arguments::Arguments;
use super::config_file;

/// Where the official emulator answers `/health`.
const HEALTH_PORT: u16 = 5300;
/// How many ports are tried for a namespace beyond the first.
const PORT_ATTEMPTS: u16 = 100;

/// A namespace to be started.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NamespacePlan {
    /// `None` for the default.
    pub(super) name: Option<String>,
    /// Empty for the default.
    pub(super) hubs: Vec<HubConfig>,
}

/// All that was started.
pub(crate) struct Running {
    emulators: Vec<Emulator>,
    /// What there is to tell of each one's TLS.
    tls: Vec<String>,
    health: Option<HealthEndpoint>,
}

impl Running {
    /// Starts what the arguments ask for.
    ///
    /// # Errors
    ///
    /// If the configuration cannot be read or breaks a limit, or a port cannot be had.
    pub(crate) async fn start(arguments: &Arguments) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let keys = arguments.keys()?;
        let mut emulators: Vec<Emulator> = Vec::new();
        let mut tls = Vec::new();
        for plan in plans(arguments)? {
            let mut builder = Emulator::builder()
                .retention_bytes(arguments.retention)
                .acknowledgement_delay(Duration::from_millis(
                    arguments.acknowledgement_delay.into(),
                ));
            if let Some(name) = plan.name {
                builder = builder.namespace(name);
            }
            builder = plan.hubs.into_iter().fold(builder, EmulatorBuilder::hub);
            builder = keys.iter().cloned().fold(builder, EmulatorBuilder::key);
            if arguments.accept_jwts {
                builder = builder.accept_jwts();
            }
            if let Some(tier) = arguments.tier {
                builder = builder.tier(tier);
            }
            if let Some(bytes) = arguments.max_message_size {
                builder = builder.max_message_size(bytes);
            }
            builder = arguments.tls.apply(builder, emulators.is_empty())?;
            let emulator = match emulators.last() {
                None => builder.port(arguments.port).start().await?,
                Some(_) if arguments.port == 0 => builder.port(0).start().await?,
                Some(last) => {
                    let after = last.address().port();
                    on_a_port_after(after, arguments.health_port, builder).await?
                }
            };
            tls.push(arguments.tls.announce(&emulator)?);
            emulators.push(emulator);
        }
        let health = health(arguments.health_port, &emulators)?;
        Ok(Self {
            emulators,
            tls,
            health,
        })
    }

    /// A line for each namespace, and one for the health endpoint.
    pub(crate) fn ready_lines(&self) -> String {
        let mut lines = String::new();
        for (emulator, tls) in self.emulators.iter().zip(&self.tls) {
            lines += tls;
            let address = emulator.address();
            let which = match self.emulators.len() {
                1 => String::new(),
                _ => format!(" (namespace {})", emulator.namespace()),
            };
            let string = emulator.connection_string();
            // Writing to a string cannot fail.
            let _ = writeln!(
                lines,
                "Event Hubs emulator ready on {address}{which}: {string}"
            );
        }
        if let Some(health) = &self.health {
            let address = health.address();
            let _ = writeln!(
                lines,
                "Health on http://{address}/health, metrics on http://{address}/metrics"
            );
        }
        lines
    }

    /// Closes every connection with an error that tells why, and the ports.
    pub(crate) async fn stop(self) {
        join_all(self.emulators.into_iter().map(Emulator::stop)).await;
        if let Some(health) = self.health {
            health.stop().await;
        }
    }
}

fn plans(arguments: &Arguments) -> Result<Vec<NamespacePlan>, Box<dyn Error + Send + Sync>> {
    let plans = match &arguments.config {
        Some(path) => {
            let file = config_file::read(path)?;
            for note in file.notes {
                eprintln!("note: {}: {note}", path.display());
            }
            file.namespaces
        }
        None => {
            let named = arguments.namespaces.iter().cloned().map(Some);
            let names: Vec<_> = named.collect();
            let names = if names.is_empty() { vec![None] } else { names };
            let plan = |name| NamespacePlan {
                name,
                hubs: arguments.hubs.clone(),
            };
            names.into_iter().map(plan).collect()
        }
    };
    let mut seen = HashSet::new();
    for name in plans.iter().flat_map(|plan| &plan.name) {
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(format!("the namespace '{name}' is given twice").into());
        }
    }
    Ok(plans)
}

/// Starts on the first port after `after` that is free and not the health endpoint's.
async fn on_a_port_after(
    after: u16,
    health_port: Option<u16>,
    builder: EmulatorBuilder,
) -> Result<Emulator, StartError> {
    let reserved = health_port.unwrap_or(HEALTH_PORT);
    let mut result = Err(StartError::PortTaken { port: after });
    let following = (after..=u16::MAX).skip(1);
    for port in following
        .filter(|&port| port != reserved)
        .take(PORT_ATTEMPTS.into())
    {
        result = builder.clone().port(port).start().await;
        if !matches!(result, Err(StartError::PortTaken { .. })) {
            break;
        }
    }
    result
}

/// A port that was asked for must be had; the usual one is done without if it is taken.
fn health(port: Option<u16>, emulators: &[Emulator]) -> Result<Option<HealthEndpoint>, StartError> {
    match HealthEndpoint::start(port.unwrap_or(HEALTH_PORT), emulators) {
        Err(StartError::PortTaken { .. }) if port.is_none() => {
            eprintln!(
                "note: port {HEALTH_PORT} is taken, so /health and /metrics are not served: choose another by --health-port"
            );
            Ok(None)
        }
        started => started.map(Some),
    }
}
