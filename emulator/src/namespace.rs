//! The namespace: all hubs, and the keys that open them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{AccessKey, Config};
use crate::growth;
use crate::growth::PartitionCountError;
use crate::hub::Hub;
use crate::retention::Retention;
use crate::sas::{self, Authorized};
use crate::texts::{self, Scope, ServiceError};
use crate::throughput::Throughput;

/// All hubs of an emulator, and the keys that open them.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    /// By lower-cased name.
    hubs: HashMap<String, Arc<Hub>>,
    keys: Vec<AccessKey>,
    max_message_size: u64,
    throughput: Arc<Throughput>,
    retention: Arc<Retention>,
    /// Held while a hub grows.
    growing: Mutex<()>,
}

impl Namespace {
    /// The configuration is taken as valid.
    pub(crate) fn new(config: &Config) -> Self {
        let partitions = config.hubs.iter().map(|hub| u64::from(hub.partitions()));
        let retention = Retention::new(config.retention_bytes, partitions.sum());
        let throughput = Throughput::new(config.throughput_units, config.partition_throttling);
        let hubs = config.hubs.iter().map(|config_of_hub| {
            let name = config_of_hub.name().to_ascii_lowercase();
            let hub = Hub::new(&config.namespace, config_of_hub, &retention, &throughput);
            (name, Arc::new(hub))
        });
        Self {
            name: config.namespace.clone(),
            hubs: hubs.collect(),
            keys: config.keys.clone(),
            max_message_size: config.max_message_size,
            throughput,
            retention,
            growing: Mutex::default(),
        }
    }

    /// What the namespace may take in and give out.
    pub(crate) fn throughput(&self) -> &Throughput {
        &self.throughput
    }

    /// Raises the number of partitions of one of its hubs.
    ///
    /// # Errors
    ///
    /// If the hub has more than that, or may not have as many.
    pub(crate) fn grow(&self, hub: &Hub, partitions: u32) -> Result<(), PartitionCountError> {
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let added = growth::added(hub.name(), hub.partition_count(), partitions)?;
        if added == 0 {
            return Ok(());
        }
        self.retention.grow(added.into());
        // The others make room for the shares of the new ones before these are there to be filled.
        for hub in self.hubs.values() {
            hub.partitions().iter().for_each(|log| log.drop_excess());
        }
        hub.grow(partitions, &self.retention);
        Ok(())
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The largest batch accepted, in bytes.
    pub(crate) fn max_message_size(&self) -> u64 {
        self.max_message_size
    }

    /// The hub of that name, whatever its case.
    ///
    /// # Errors
    ///
    /// The refusal, when there is no such hub.
    pub(crate) fn hub(&self, name: &str) -> Result<&Arc<Hub>, ServiceError> {
        self.hubs.get(&name.to_ascii_lowercase()).ok_or_else(|| {
            texts::hub_not_found(&self.name, name).tracked(&Scope::hub(&self.name, name))
        })
    }

    /// Whether `key` is the access key of that name.
    pub(crate) fn has_key(&self, name: &str, key: &[u8]) -> bool {
        sas::has_key(&self.keys, name, key)
    }

    /// Checks a shared access signature for `audience` at `now` (Unix seconds).
    ///
    /// # Errors
    ///
    /// What to answer, when the token is malformed, expired, forged or for something else.
    pub(crate) fn authorize(
        &self,
        token: &str,
        audience: &str,
        now: i64,
    ) -> Result<Authorized, ServiceError> {
        sas::verify(token, audience, &self.keys, now)
    }

    /// Checks a shared access signature at `now` (Unix seconds), whatever it is for.
    ///
    /// # Errors
    ///
    /// What to answer, when the token is malformed, expired or forged.
    pub(crate) fn authenticate(&self, token: &str, now: i64) -> Result<Authorized, ServiceError> {
        sas::authenticate(token, &self.keys, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_is_found_whatever_its_case_and_keeps_its_name() {
        let namespace = Namespace::new(&Config::default());
        assert_eq!(namespace.hub("EH1").unwrap().name(), "eh1");
    }

    #[test]
    fn an_unknown_hub_is_refused_by_name() {
        let namespace = Namespace::new(&Config::default());
        let error = namespace.hub("nope").unwrap_err();
        assert_eq!(error.condition, "amqp:not-found");
        let named = "sb://emulatorNs1.servicebus.windows.net/nope";
        assert!(error.text.contains(named));
    }
}
