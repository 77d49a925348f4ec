//! The policy currently in force, for every thread of the lab.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use verdikt_engine::model::PolicyModel;
use verdikt_scenario::name::DnsName;
use verdikt_scenario::scenario::Enforcement;

use crate::policy::{AddressOwner, PolicyVersion};

/// The policy in force, and the learned names. After a change, every later packet, query and request is decided by
/// the new policy.
#[derive(Debug)]
pub struct CurrentPolicy {
    revision: AtomicU64,
    state: Mutex<LabState>,
}

#[derive(Debug)]
struct LabState {
    policy: Arc<PolicyVersion>,
    model: Arc<PolicyModel<'static>>,
    endpoints: Arc<BTreeMap<IpAddr, AddressOwner>>,
    enforcement: Enforcement,
    /// The time until which each name of an address is known.
    names: BTreeMap<(IpAddr, String), Duration>,
}

impl CurrentPolicy {
    /// The first policy.
    pub fn new(
        model: PolicyModel<'static>,
        endpoints: BTreeMap<IpAddr, AddressOwner>,
        enforcement: Enforcement,
    ) -> Self {
        let (model, endpoints) = (Arc::new(model), Arc::new(endpoints));
        let policy =
            PolicyVersion::new(Arc::clone(&model), Arc::clone(&endpoints), BTreeMap::new(), 0, enforcement);
        let state =
            LabState { policy: Arc::new(policy), model, endpoints, enforcement, names: BTreeMap::new() };
        Self { revision: AtomicU64::new(0), state: Mutex::new(state) }
    }

    /// The policy in force.
    pub fn get(&self) -> Arc<PolicyVersion> {
        Arc::clone(&self.state().policy)
    }

    /// Its revision: cheaper than the policy itself.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Applies another policy. Learned names stay known.
    pub fn replace(
        &self,
        model: PolicyModel<'static>,
        endpoints: BTreeMap<IpAddr, AddressOwner>,
        enforcement: Enforcement,
    ) {
        let mut state = self.state();
        state.model = Arc::new(model);
        state.endpoints = Arc::new(endpoints);
        state.enforcement = enforcement;
        self.renew(&mut state);
    }

    /// Records that a name resolves to addresses until a time.
    pub fn learn(&self, name: &str, addresses: &[IpAddr], until: Duration) {
        let mut state = self.state();
        let mut news = false;
        for address in addresses {
            let known = state.names.entry((*address, name.to_owned())).or_insert_with(|| {
                news = true;
                until
            });
            *known = until.max(*known);
        }
        if news {
            self.renew(&mut state);
        }
    }

    /// Forgets expired names, unless there is an open connection to the address.
    pub fn forget(&self, now: Duration, stands: impl Fn(IpAddr) -> bool) {
        let mut state = self.state();
        let before = state.names.len();
        state.names.retain(|(address, _), until| *until > now || stands(*address));
        if state.names.len() != before {
            self.renew(&mut state);
        }
    }

    /// Forgets some names, even with open connections.
    pub fn forget_names(&self, expired: &BTreeSet<DnsName>) {
        let mut state = self.state();
        let before = state.names.len();
        state.names.retain(|(_, name), _| !expired.iter().any(|expired| expired.as_str() == name));
        if state.names.len() != before {
            self.renew(&mut state);
        }
    }

    fn renew(&self, state: &mut LabState) {
        let mut names: BTreeMap<IpAddr, BTreeSet<String>> = BTreeMap::new();
        for (address, name) in state.names.keys() {
            names.entry(*address).or_default().insert(name.clone());
        }
        let revision = state.policy.revision() + 1;
        let (model, endpoints) = (Arc::clone(&state.model), Arc::clone(&state.endpoints));
        state.policy = Arc::new(PolicyVersion::new(model, endpoints, names, revision, state.enforcement));
        self.revision.store(revision, Ordering::Release);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, LabState> {
        // A change becomes visible as a whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
