//! Policies that are legal and almost surely not what was meant: one file for each kind of warning.
//!
//! A warning names the place and the mend. Sound policies cause none; where a lint cannot be sure, it is silent.

mod cidr_for_pods;
mod clusterwide_peer;
mod deny_isolates;
mod dns_one_label;
mod egress_cuts_dns;
mod fqdn_without_dns;
mod ignored;
mod refused;
mod selects_nothing;
mod service_port;

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::place::{Place, Position};
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::topology::{Endpoint, Topology};

use crate::cluster::{Cluster, Learned, Options};
use crate::rule::{Entry, Rule, Subject};
use crate::selector::Selector;

/// The code of warnings about objects that will be refused.
pub const REFUSED: &str = "refused";

/// What a lint looks at.
struct Ground<'a> {
    /// The topology, if there is one; a plain folder of policies has none.
    topology: Option<&'a Topology>,
    manifests: &'a [Manifest],
    options: &'a Options,
    /// The policies compiled over the topology, or over an empty one.
    cluster: &'a Cluster<'a>,
}

/// Warns of policies that are legal and almost surely wrong, in the order of their places. Lints that need to know
/// what a policy is for are silent without a topology.
pub fn lint(topology: Option<&Topology>, manifests: &[Manifest], options: &Options) -> Vec<Diagnostic> {
    let empty = Topology::default();
    let cluster = Cluster::new(topology.unwrap_or(&empty), manifests, options, &Learned::default());
    let ground = Ground { topology, manifests, options, cluster: &cluster };
    let lints: [fn(&Ground<'_>) -> Vec<Diagnostic>; 10] = [
        refused::lint,
        ignored::lint,
        selects_nothing::lint,
        service_port::lint,
        fqdn_without_dns::lint,
        dns_one_label::lint,
        cidr_for_pods::lint,
        clusterwide_peer::lint,
        egress_cuts_dns::lint,
        deny_isolates::lint,
    ];
    let mut warnings: Vec<Diagnostic> = lints.iter().flat_map(|lint| lint(&ground)).collect();
    warnings.sort();
    warnings.dedup();
    warnings
}

impl Ground<'_> {
    /// Every entry with its rule.
    fn entries(&self) -> impl Iterator<Item = (&Rule, &Entry)> {
        self.cluster.rules.iter().flat_map(|rule| rule.entries.iter().map(move |entry| (rule, entry)))
    }

    /// Where something of an entry's object stands.
    fn place(&self, entry: &Entry, position: Position) -> Place {
        self.manifests[entry.origin.object].place(position)
    }

    /// The name of an entry's object.
    fn name(&self, entry: &Entry) -> String {
        self.cluster.objects[entry.origin.object].reference.to_string()
    }

    /// The endpoints a rule selects.
    fn selected(&self, rule: &Rule) -> Vec<&Endpoint> {
        let Subject::Endpoints(selector) = &rule.subject else { return Vec::new() };
        let subjects = self.cluster.subjects.iter();
        subjects
            .filter(|(_, subject)| selector.selects(&subject.identity))
            .map(|(endpoint, _)| endpoint)
            .collect()
    }
}

/// Whether a rule might select some of the endpoints another selects, judged by its selector alone: it is the same,
/// or has nothing but what is implied.
fn may_share_endpoints(one: &Rule, other: &Rule) -> bool {
    let own = |selector: &Selector| selector.requirements.iter().filter(|r| !r.implied).count();
    match (&one.subject, &other.subject) {
        (Subject::Endpoints(one), Subject::Endpoints(other)) => {
            one == other || own(one) == 0 || own(other) == 0
        }
        _ => false,
    }
}

/// The first of some endpoints, in words: `shop/web, shop/api and 3 more`.
fn listed(endpoints: &[&Endpoint]) -> String {
    let shown: Vec<String> = endpoints.iter().take(3).map(ToString::to_string).collect();
    match endpoints.len().saturating_sub(3) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
