//! Waiting for objects of a cluster to be in some state: by watching them, with a deadline.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use kube::Api;
use kube::runtime::watcher::{self, Event};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tracing::debug;

use crate::connect::ApiConnection;
use crate::error::{ApiError, ApiRequest};

/// How long a namespace may take to go: its pods end at once, but controllers remove what is in it one by one.
pub(crate) const GONE_DEADLINE: Duration = Duration::from_mins(2);

/// Where waits tell what they wait for: one line each time something was seen. Nobody has to listen.
#[derive(Clone, Debug, Default)]
pub struct WaitProgress {
    listener: Option<mpsc::UnboundedSender<String>>,
    /// What the waits are for.
    subject: Option<String>,
}

impl WaitProgress {
    /// Tells there.
    pub fn to(listener: mpsc::UnboundedSender<String>) -> Self {
        Self { listener: Some(listener), subject: None }
    }

    /// Tells in the same place, and says each time what the waits are for.
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
            // One who has stopped listening misses nothing.
            let _ = listener.send(text);
        }
    }
}

/// A wait: for what, how long, and where it is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait<'a> {
    /// What is waited for: completes "cannot …".
    pub(crate) what: &'a str,
    pub(crate) deadline: Duration,
    pub(crate) progress: &'a WaitProgress,
}

/// Objects by namespace and name.
pub(crate) type Seen<K> = BTreeMap<(String, String), K>;

/// What is watched: objects of a kind, all or those that a field or label selects.
pub(crate) type Watched<K> = (Api<K>, watcher::Config);

/// What looking at the objects came to.
pub(crate) enum WaitState<T> {
    /// They are as wanted.
    Done(T),
    /// Not yet; what was seen.
    NotYet(String),
    /// They never will be; why.
    Never(String),
}

/// Why the objects are not as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// They may not be watched.
    Api(ApiError),
    /// It took too long; what was last seen, and how long it was waited for.
    Deadline { last: String, after: Duration },
    /// They never will be; why.
    Failed(String),
}

/// One object.
pub(crate) fn named<K>(api: Api<K>, name: &str) -> Watched<K> {
    (api, watcher::Config::default().fields(&format!("metadata.name={name}")))
}

/// Watches until the objects are as wanted. A watch that breaks is begun again until the deadline.
pub(crate) async fn until<K, T>(
    connection: &ApiConnection,
    wait: Wait<'_>,
    watched: Vec<Watched<K>>,
    mut look: impl FnMut(&Seen<K>) -> WaitState<T>,
) -> Result<T, Late>
where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    use kube::runtime::WatchStreamExt;
    let begin = Instant::now();
    let count = watched.len();
    let streams = watched.into_iter().enumerate().map(|(index, (api, config))| {
        kube::runtime::watcher(api, config).default_backoff().map(move |event| (index, event)).boxed()
    });
    let mut events = stream::select_all(streams);
    let mut seen = Seen::new();
    // What a watch that begins again lists replaces what it had before.
    let mut listing: BTreeMap<usize, Seen<K>> = BTreeMap::new();
    let mut owned: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut complete = vec![false; count];
    let mut last = "nothing yet".to_owned();
    loop {
        let next = tokio::time::timeout_at((begin + wait.deadline).into(), events.next()).await;
        let Ok(Some((index, event))) = next else {
            return Err(Late::Deadline { last, after: wait.deadline });
        };
        match event {
            Ok(Event::Init) => drop(listing.insert(index, Seen::new())),
            Ok(Event::InitApply(object)) => {
                listing.entry(index).or_default().insert(key(&object), object);
            }
            Ok(Event::InitDone) => {
                seen.retain(|key, _| owned.get(key) != Some(&index));
                for (key, object) in listing.remove(&index).unwrap_or_default() {
                    owned.insert(key.clone(), index);
                    seen.insert(key, object);
                }
                complete[index] = true;
            }
            Ok(Event::Apply(object)) => {
                owned.insert(key(&object), index);
                seen.insert(key(&object), object);
            }
            Ok(Event::Delete(object)) => drop(seen.remove(&key(&object))),
            Err(error) => {
                let error = failure(connection, wait.what, &error);
                if let Some(error @ (ApiError::Forbidden { .. } | ApiError::Credentials { .. })) = error {
                    return Err(Late::Api(error));
                }
                last = error.map_or(last, |error| error.to_string());
                continue;
            }
        }
        if !complete.iter().all(|complete| *complete) {
            continue;
        }
        match look(&seen) {
            WaitState::Done(answer) => return Ok(answer),
            WaitState::NotYet(seen) if seen == last => {}
            WaitState::NotYet(seen) => {
                wait.progress.tell(format!("{}: {seen}", wait.what));
                last = seen;
            }
            WaitState::Never(why) => return Err(Late::Failed(why)),
        }
    }
}

fn failure(connection: &ApiConnection, what: &str, error: &watcher::Error) -> Option<ApiError> {
    let asked = ApiRequest { what, server: connection.server(), context: connection.context() };
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => Some(asked.failed(error)),
        // The history the watch asks for is gone: it begins anew.
        _ => None,
    }
}

fn key<K: kube::Resource>(object: &K) -> (String, String) {
    let meta = object.meta();
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}
