//! A container whose requests are on their way for as long as a test likes.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::blobs::{Blob, Blobs, Metadata, On};
use crate::error::Error;
use crate::sync::{Mutex, lock};

type Stored = BTreeMap<String, (Metadata, u64)>;
type Request = Box<dyn FnOnce(&mut Container) + Send>;

/// A container, and the requests that are on their way to it. Those stay on their way
/// though nobody waits for the answer any more.
#[derive(Clone, Default)]
pub(super) struct Line(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    container: Container,
    sent: Vec<Request>,
}

#[derive(Default)]
struct Container {
    stored: Stored,
    versions: u64,
}

impl Line {
    /// How many are on their way.
    pub(super) fn sent(&self) -> usize {
        lock(&self.0).sent.len()
    }

    /// Lets one arrive, and its answer with it.
    pub(super) fn arrive(&self, index: usize) {
        let mut state = lock(&self.0);
        let request = state.sent.remove(index);
        request(&mut state.container);
    }

    /// Another SDK writes, in no time.
    pub(super) fn write(&self, name: &str, metadata: Metadata) {
        lock(&self.0).container.write(name, metadata);
    }

    pub(super) fn metadata(&self, name: &str) -> Option<Metadata> {
        let stored = &lock(&self.0).container.stored;
        stored.get(name).map(|(metadata, _)| metadata.clone())
    }

    async fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(&mut Container) -> T + Send + 'static,
    ) -> T {
        let (answer, answered) = oneshot::channel();
        lock(&self.0).sent.push(Box::new(|container| {
            // Whoever asked may be gone.
            let _ = answer.send(request(container));
        }));
        answered.await.expect("it arrives")
    }
}

impl Container {
    fn blob(&self, name: &str) -> Option<Blob> {
        let (metadata, version) = self.stored.get(name)?;
        Some(Blob {
            metadata: metadata.clone(),
            version: version.to_string(),
            age: std::time::Duration::ZERO,
        })
    }

    fn write(&mut self, name: &str, metadata: Metadata) {
        self.versions += 1;
        self.stored
            .insert(name.to_owned(), (metadata, self.versions));
    }
}

#[async_trait]
impl Blobs for Line {
    async fn get(&self, name: &str) -> Result<Option<Blob>, Error> {
        let name = name.to_owned();
        Ok(self.ask(move |container| container.blob(&name)).await)
    }

    async fn put(&self, name: &str, on: On, metadata: Metadata) -> Result<Option<Blob>, Error> {
        let name = name.to_owned();
        let put = move |container: &mut Container| {
            if On::the(container.blob(&name).as_ref()) != on {
                return None;
            }
            container.write(&name, metadata);
            container.blob(&name)
        };
        Ok(self.ask(put).await)
    }

    async fn delete(&self, name: &str, version: &str) -> Result<bool, Error> {
        let (name, on) = (name.to_owned(), On::Version(version.to_owned()));
        let delete = move |container: &mut Container| {
            let is_that = On::the(container.blob(&name).as_ref()) == on;
            if is_that {
                container.stored.remove(&name);
            }
            is_that
        };
        Ok(self.ask(delete).await)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Blob)>, Error> {
        let prefix = prefix.to_owned();
        let list = move |container: &mut Container| {
            let names = container
                .stored
                .keys()
                .filter(|name| name.starts_with(&prefix));
            let blob = |name: &String| Some((name.clone(), container.blob(name)?));
            names.filter_map(blob).collect()
        };
        Ok(self.ask(list).await)
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}
