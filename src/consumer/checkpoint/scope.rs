//! Whose checkpoints.

use std::fmt;
use std::sync::Arc;

/// A consumer group of an event hub of a namespace: whose checkpoints and
/// ownerships a store tells apart.
///
/// The service's names know no case: they are kept in lower case, as most SDKs
/// store them.
///
/// # Examples
/// ```
/// use eventhubs_flow::consumer::checkpoint::ConsumerScope;
///
/// let scope = ConsumerScope::new("NS.servicebus.windows.net", "eh1", "$Default");
/// assert_eq!(scope.to_string(), "ns.servicebus.windows.net/eh1/$default");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerScope {
    namespace: Arc<str>,
    hub: Arc<str>,
    consumer_group: Arc<str>,
}

impl ConsumerScope {
    /// A consumer group; the namespace is its host's full name.
    #[must_use]
    pub fn new(namespace: &str, hub: &str, consumer_group: &str) -> Self {
        Self {
            namespace: namespace.to_lowercase().into(),
            hub: hub.to_lowercase().into(),
            consumer_group: consumer_group.to_lowercase().into(),
        }
    }

    /// The namespace's host.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The event hub.
    #[must_use]
    pub fn hub(&self) -> &str {
        &self.hub
    }

    /// The consumer group.
    #[must_use]
    pub fn consumer_group(&self) -> &str {
        &self.consumer_group
    }
}

impl fmt::Display for ConsumerScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            namespace,
            hub,
            consumer_group,
        } = self;
        write!(f, "{namespace}/{hub}/{consumer_group}")
    }
}
