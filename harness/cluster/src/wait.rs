//! Waits for objects of a cluster to reach a state, by watching them, with a deadline.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, Event};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tracing::debug;

use crate::connect::ApiConnection;
use crate::error::{ApiError, ApiRequest};
use crate::objects::ResourceKind;

/// The timeout for a namespace to be removed: its pods end at once, but controllers remove its contents one by one.
pub(crate) const GONE_DEADLINE: Duration = Duration::from_mins(2);

/// Receives messages about what is being waited for: one line whenever something was seen. The listener is optional.
#[derive(Clone, Debug, Default)]
pub struct WaitProgress {
    listener: Option<mpsc::UnboundedSender<String>>,
    /// The prefix of each message.
    subject: Option<String>,
}

impl WaitProgress {
    /// Sends the messages to this listener.
    pub fn to(listener: mpsc::UnboundedSender<String>) -> Self {
        Self { listener: Some(listener), subject: None }
    }

    /// The same listener with a prefix for each message.
    #[must_use]
    pub fn about(&self, subject: &str) -> Self {
        Self { listener: self.listener.clone(), subject: Some(subject.to_owned()) }
    }

    pub(crate) fn tell(&self, text: String) {
        debug!(text, "waiting");
        if let Some(listener) = &self.listener {
            let text = match &self.subject {
                Some(subject) => format!("{subject}: {text}"),
                None => text,
            };
            // A listener that is gone needs no messages.
            let _ = listener.send(text);
        }
    }
}

/// A wait: what for, how long, and where it is reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait<'a> {
    /// What is waited for: completes "cannot …".
    pub(crate) what: &'a str,
    pub(crate) deadline: Duration,
    pub(crate) progress: &'a WaitProgress,
}

/// Objects by namespace and name.
pub(crate) type Seen<K> = BTreeMap<(String, String), K>;

/// What to watch: all objects of a kind, or those that a field or label selects.
///
/// Whatever their kind, they are watched as untyped objects: so the watch is compiled once.
pub(crate) type Watched = (Api<DynamicObject>, watcher::Config);

/// The state of the watched objects.
pub(crate) enum WaitState<T> {
    /// They are as wanted.
    Done(T),
    /// Not yet; what was seen.
    NotYet(String),
    /// They will never be as wanted; why.
    Never(String),
}

/// Why a wait failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WaitError {
    /// The objects cannot be watched.
    Api(ApiError),
    /// It took too long; what was last seen, and the timeout.
    Deadline { last: String, after: Duration },
    /// The objects will never be as wanted; why.
    Failed(String),
}

/// All objects of a kind, in one namespace or everywhere.
pub(crate) fn all(connection: &ApiConnection, kind: ResourceKind, namespace: Option<&str>) -> Watched {
    let gvk = GroupVersionKind::gvk(kind.group, kind.version, kind.kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, kind.plural);
    let client = connection.client().clone();
    let api = match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    (api, watcher::Config::default())
}

/// One object.
pub(crate) fn named(
    connection: &ApiConnection,
    kind: ResourceKind,
    namespace: Option<&str>,
    name: &str,
) -> Watched {
    let (api, config) = all(connection, kind, namespace);
    (api, config.fields(&format!("metadata.name={name}")))
}

/// An object as one of its kind. It is read from text, as what the API server answers elsewhere: each kind has one reader.
fn typed<K: DeserializeOwned>(object: &DynamicObject) -> Result<K, serde_json::Error> {
    serde_json::from_str(&serde_json::to_string(object)?)
}

/// Watches until the objects are as wanted. A broken watch is restarted until the deadline.
pub(crate) async fn until<K, T>(
    connection: &ApiConnection,
    wait: Wait<'_>,
    watched: Vec<Watched>,
    mut look: impl FnMut(&Seen<K>) -> WaitState<T>,
) -> Result<T, WaitError>
where
    K: DeserializeOwned,
{
    use kube::runtime::WatchStreamExt;
    let begin = Instant::now();
    let mut listed = ListedObjects::new(watched.len());
    let streams = watched.into_iter().enumerate().map(|(index, (api, config))| {
        kube::runtime::watcher(api, config).default_backoff().map(move |event| (index, event)).boxed()
    });
    let mut events = stream::select_all(streams);
    let mut last = "nothing yet".to_owned();
    loop {
        let next = tokio::time::timeout_at((begin + wait.deadline).into(), events.next()).await;
        let Ok(Some((index, event))) = next else {
            return Err(WaitError::Deadline { last, after: wait.deadline });
        };
        match event {
            Ok(event) => {
                if let Err(error) = listed.follow(index, event) {
                    last = format!("cannot read an object: {error}");
                    continue;
                }
            }
            Err(error) => {
                let error = failure(connection, wait.what, &error);
                if let Some(error @ (ApiError::Forbidden { .. } | ApiError::Credentials { .. })) = error {
                    return Err(WaitError::Api(error));
                }
                last = error.map_or(last, |error| error.to_string());
                continue;
            }
        }
        if !listed.are_complete() {
            continue;
        }
        match look(&listed.seen) {
            WaitState::Done(answer) => return Ok(answer),
            WaitState::NotYet(seen) if seen == last => {}
            WaitState::NotYet(seen) => {
                wait.progress.tell(format!("{}: {seen}", wait.what));
                last = seen;
            }
            WaitState::Never(why) => return Err(WaitError::Failed(why)),
        }
    }
}

/// The objects that several watches have listed so far.
struct ListedObjects<K> {
    seen: Seen<K>,
    /// The objects that a restarted watch has listed so far; they replace its earlier objects.
    listing: BTreeMap<usize, Seen<K>>,
    /// The watch that each object belongs to.
    owned: BTreeMap<(String, String), usize>,
    /// Which watches have listed everything once.
    complete: Vec<bool>,
}

impl<K: DeserializeOwned> ListedObjects<K> {
    fn new(watches: usize) -> Self {
        let (listing, owned) = (BTreeMap::new(), BTreeMap::new());
        Self { seen: Seen::new(), listing, owned, complete: vec![false; watches] }
    }

    /// Applies an event of the watch with this number.
    fn follow(&mut self, watch: usize, event: Event<DynamicObject>) -> Result<(), serde_json::Error> {
        match event {
            Event::Init => drop(self.listing.insert(watch, Seen::new())),
            Event::InitApply(object) => {
                self.listing.entry(watch).or_default().insert(key(&object), typed(&object)?);
            }
            Event::InitDone => {
                self.seen.retain(|key, _| self.owned.get(key) != Some(&watch));
                for (key, object) in self.listing.remove(&watch).unwrap_or_default() {
                    self.owned.insert(key.clone(), watch);
                    self.seen.insert(key, object);
                }
                self.complete[watch] = true;
            }
            Event::Apply(object) => {
                self.owned.insert(key(&object), watch);
                self.seen.insert(key(&object), typed(&object)?);
            }
            Event::Delete(object) => drop(self.seen.remove(&key(&object))),
        }
        Ok(())
    }

    fn are_complete(&self) -> bool {
        self.complete.iter().all(|complete| *complete)
    }
}

fn failure(connection: &ApiConnection, what: &str, error: &watcher::Error) -> Option<ApiError> {
    let asked = ApiRequest { what, server: connection.server(), context: connection.context() };
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => Some(asked.failed(error)),
        // The resource version of the watch is too old: it starts again.
        _ => None,
    }
}

fn key(object: &DynamicObject) -> (String, String) {
    let meta = &object.metadata;
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}
