//! A backend that renames namespaces.

use std::collections::BTreeSet;
use std::time::Duration;

use verdikt_engine::model::{LearnedNames, PolicyModel};
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::scenario::Step;
use verdikt_scenario::topology::Endpoint;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::ObjectRefusal;

use super::Renaming;
use crate::backend::{
    AppliedStep, AttemptNumber, Backend, BackendError, BackendEvent, DatapathKind, Destinations, EndScope,
    FlowState,
};
use crate::refusals::options;

/// Translates between the runner, which uses the author's names, and a backend, which uses those of the cluster.
#[derive(Debug)]
pub(crate) struct RenamedBackend<B> {
    inner: B,
    renaming: Renaming,
    version: CiliumVersion,
}

impl<B> RenamedBackend<B> {
    /// Wraps a backend that runs this version of Cilium.
    pub(crate) fn new(inner: B, renaming: Renaming, version: CiliumVersion) -> Self {
        Self { inner, renaming, version }
    }
}

impl<B: Backend> Backend for RenamedBackend<B> {
    async fn apply(&mut self, step: &Step, _model: &PolicyModel<'_>) -> Result<AppliedStep, BackendError> {
        let step = self.renaming.step(step);
        let options = options(&step, self.version);
        let model = PolicyModel::new(&step.topology, &step.policies, &options, &LearnedNames::default());
        let mut applied = self.inner.apply(&step, &model).await?;
        for ObjectRefusal { message, .. } in applied.refused.iter_mut().flat_map(|all| all.values_mut()) {
            *message = self.renaming.original_text(message);
        }
        Ok(applied)
    }

    fn keep_connections(&mut self, attempts: BTreeSet<Attempt>) {
        self.inner.keep_connections(attempts.iter().map(|attempt| self.renaming.attempt(attempt)).collect());
    }

    fn begin(&mut self, number: AttemptNumber, source: &Endpoint, attempt: &Attempt) {
        self.inner.begin(number, &self.renaming.endpoint(source), &self.renaming.attempt(attempt));
    }

    fn end(&mut self, number: AttemptNumber, scope: EndScope) {
        self.inner.end(number, scope);
    }

    async fn next(&mut self) -> BackendEvent {
        match self.inner.next().await {
            BackendEvent::Flow(flow) => BackendEvent::Flow(Box::new(self.renaming.original_flow(*flow))),
            BackendEvent::Gone(endpoint, reason) => {
                BackendEvent::Gone(self.renaming.original_endpoint(&endpoint), reason)
            }
            other => other,
        }
    }

    fn ask_servers(&mut self) -> bool {
        self.inner.ask_servers()
    }

    fn flush(&mut self) -> Duration {
        self.inner.flush()
    }

    fn flowing(&self) -> FlowState {
        self.inner.flowing()
    }

    fn datapath(&self) -> DatapathKind {
        self.inner.datapath()
    }

    fn destinations(&self, source: &Endpoint, attempt: &Attempt) -> Destinations {
        let (source, attempt) = (self.renaming.endpoint(source), self.renaming.attempt(attempt));
        let mut destinations = self.inner.destinations(&source, &attempt);
        for backend in destinations.backends.values_mut() {
            *backend = self.renaming.original_endpoint(backend);
        }
        destinations
    }

    fn now(&self) -> Duration {
        self.inner.now()
    }

    async fn keep_evidence(&mut self, scenario: &str, step: &str) -> Result<(), BackendError> {
        self.inner.keep_evidence(scenario, step).await
    }

    async fn close(self) -> Result<(), BackendError> {
        self.inner.close().await
    }
}
