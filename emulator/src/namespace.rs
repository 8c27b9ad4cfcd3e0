//! The namespace: all hubs, and the keys that open them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::access_key::{AccessKey, Rights};
use crate::clients::Registry;
use crate::config::Config;
use crate::hub::Hub;
use crate::jwt;
use crate::metrics::{Changes, Counters, Metrics};
use crate::retention::Retention;
use crate::sas::{self, Authorized};
use crate::texts::{self, Scope, ServiceError};

/// All hubs of an emulator, and the keys that open them.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    /// By lower-cased name.
    hubs: HashMap<String, Arc<Hub>>,
    keys: Vec<AccessKey>,
    accept_jwts: bool,
    max_message_size: u64,
    changes: Arc<Changes>,
    /// What belongs to no hub.
    counters: Arc<Counters>,
    clients: Arc<Registry>,
}

impl Namespace {
    /// The configuration is taken as valid.
    pub(crate) fn new(config: &Config) -> Self {
        let partitions = config.hubs.iter().map(|hub| u64::from(hub.partitions()));
        let retention = Retention::new(config.retention_bytes, partitions.sum());
        let changes = Arc::new(Changes::default());
        let hubs = config.hubs.iter().map(|hub| {
            let name = hub.name().to_ascii_lowercase();
            let hub = Hub::new(&config.namespace, hub, &retention, &changes);
            (name, Arc::new(hub))
        });
        let counters = Arc::new(Counters::new(&changes));
        Self {
            name: config.namespace.clone(),
            hubs: hubs.collect(),
            keys: config.keys.clone(),
            accept_jwts: config.accept_jwts,
            max_message_size: config.max_message_size,
            clients: Registry::new(&counters),
            counters,
            changes,
        }
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

    /// Every hub, by name.
    pub(crate) fn hubs(&self) -> Vec<&Arc<Hub>> {
        let mut hubs: Vec<_> = self.hubs.values().collect();
        hubs.sort_by_key(|hub| hub.name());
        hubs
    }

    /// Who is connected.
    pub(crate) fn clients(&self) -> &Arc<Registry> {
        &self.clients
    }

    /// The counters of what belongs to no hub.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What was counted until now, over all hubs.
    pub(crate) fn metrics(&self) -> Metrics {
        let mut all = self.counters.snapshot(0);
        for hub in self.hubs() {
            all.add_hub(&hub.metrics());
        }
        all
    }

    /// Told of whatever metrics and clients show.
    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// What a client may do who shows `key` as the access key of that name; `None` if it is not.
    pub(crate) fn sign_in(&self, name: &str, key: &[u8]) -> Option<Authorized> {
        sas::sign_in(&self.keys, name, key)
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

    /// Checks a JSON web token for `audience` at `now` (Unix seconds). It gives all rights there.
    ///
    /// # Errors
    ///
    /// What to answer, when such tokens are not taken, or this one is malformed, expired or for another service.
    pub(crate) fn authorize_jwt(
        &self,
        token: &str,
        audience: &str,
        now: i64,
    ) -> Result<Authorized, ServiceError> {
        if !self.accept_jwts {
            return Err(texts::jwt_not_accepted());
        }
        let expires_at = jwt::check(token, now)?;
        Ok(Authorized::for_audience(audience, Rights::ALL, expires_at))
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
