//! Forwards the names of hosts outside from the cluster's DNS server to another one.

use std::net::Ipv4Addr;

use serde_json::json;

use super::kubectl;
use super::up::{GRACE, READY};
use crate::error::Error;
use crate::profile::Profile;

/// The lines between which verdikt's part of the server's configuration stands.
const BEGIN: &str = "# Begin of what verdikt added: names of hosts outside the cluster.";
const END: &str = "# End of what verdikt added.";

/// The annotation of the server's pods with the addition they started with: a changed value restarts them.
const ANNOTATION: &str = "verdikt.dev/world-dns";

/// Has the cluster's DNS server forward names in the domain `test` to an address, and returns when it does.
pub(super) fn forward(
    profile: &Profile,
    address: Ipv4Addr,
    progress: &mut dyn FnMut(&str),
) -> Result<(), Error> {
    let cluster = profile.cluster();
    let call = |doing: &str, arguments: &[&str]| {
        kubectl(profile, format!("{doing} of `{cluster}`"))
            .arguments(["--namespace", "kube-system"])
            .arguments(arguments)
    };
    let before = call(
        "read the DNS configuration",
        &["get", "configmap/coredns", "--output=jsonpath={.data.Corefile}"],
    )
    .run()?;
    if let Some(after) = with_addition(&before, address) {
        progress("forward the names of hosts outside in the cluster's DNS");
        let patch = json!({"data": {"Corefile": after}}).to_string();
        call("change the DNS configuration", &["patch", "configmap/coredns", "--patch", &patch]).run()?;
    }
    // The same annotation again changes nothing.
    let annotations = json!({"metadata": {"annotations": {ANNOTATION: address}}});
    let patch = json!({"spec": {"template": annotations}}).to_string();
    call("restart the DNS", &["patch", "deployment/coredns", "--patch", &patch]).run()?;
    let timeout = format!("--timeout={}s", READY.as_secs());
    call("wait for the DNS", &["rollout", "status", "deployment/coredns", &timeout])
        .deadline(READY + GRACE)
        .run()
        .map(drop)
}

/// Adds verdikt's part to the configuration; none if it is there already. <https://coredns.io/plugins/forward/>
fn with_addition(before: &str, address: Ipv4Addr) -> Option<String> {
    let addition = format!("{BEGIN}\ntest:53 {{\n    errors\n    forward . {address}\n}}\n{END}\n");
    let mut after = String::new();
    let mut ours = false;
    for line in before.lines() {
        ours |= line == BEGIN;
        if !ours {
            after.push_str(line);
            after.push('\n');
        }
        ours &= line != END;
    }
    after.push_str(&addition);
    (after != before).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addition_is_made_once_and_can_change() {
        let before = ".:53 {\n    forward . /etc/resolv.conf\n}";
        let [one, other] = [Ipv4Addr::new(203, 0, 113, 253), Ipv4Addr::new(192, 0, 2, 1)];
        let once = with_addition(before, one).unwrap();
        assert_eq!(
            once,
            format!(
                ".:53 {{\n    forward . /etc/resolv.conf\n}}\n{BEGIN}\ntest:53 {{\n    errors\n    forward . \
                 203.0.113.253\n}}\n{END}\n"
            )
        );
        assert_eq!(with_addition(&once, one), None);
        let changed = with_addition(&once, other).unwrap();
        assert_eq!(changed, once.replace("203.0.113.253", "192.0.2.1"));
        let followed = with_addition(&format!("{once}example:53 {{\n}}\n"), one).unwrap();
        assert_eq!(followed.matches("test:53").count(), 1);
        assert_eq!(with_addition(&followed, one), None, "it moved to the end, and stays there");
    }
}
