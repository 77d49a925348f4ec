//! Settings of scenarios on kind clusters, with stand-ins for docker, kind and helm.

use std::fs;

use rstest::rstest;

use crate::project::GOOD;
use crate::stand_ins::{INSTALLED, StandIns};

/// How helm was called to install Cilium for a scenario of these settings, where it was installed with these values; the
/// settings of that call.
fn installs(installed: &str, settings: &str) -> Vec<String> {
    let stand_ins = StandIns::well();
    stand_ins.first("kind", r#""get clusters") echo verdikt-two-workers ;;"#);
    stand_ins.first("helm", &format!("{INSTALLED} \"get values\"*) echo '{installed}' ;;"));
    let scenario = GOOD.replace("topology:\n", &format!("topology:\n  settings: {settings}\n"));
    fs::write(stand_ins.0.path("redis.yaml"), scenario).unwrap();
    let ran = stand_ins.verdikt_with_probe(&["run", "redis.yaml", "--on", "kind:two-workers"]);
    // No cluster answers.
    assert!(ran.code == 4 && ran.stderr.contains("no-kubeconfig"), "{ran}");
    let calls = stand_ins.calls();
    let install = calls.lines().find(|call| call.starts_with("helm upgrade --install cilium "));
    let words = install.unwrap_or_default().split(' ').map(str::to_owned);
    words.filter(|word| word.contains('=')).collect()
}

#[rstest]
#[case::none("{}", "{}", &[])]
#[case::one("{}", "{hostFirewall.enabled: true}", &["rollOutCiliumPods=true", "hostFirewall.enabled=true"])]
#[case::as_it_is(
    r#"{"rollOutCiliumPods": true, "hostFirewall": {"enabled": true}}"#,
    "{hostFirewall.enabled: true}",
    &[]
)]
#[case::of_an_earlier_run(
    r#"{"rollOutCiliumPods": true, "hostFirewall": {"enabled": true}}"#,
    "{}",
    &["rollOutCiliumPods=true"]
)]
#[case::set_by_hand(r#"{"hostFirewall": {"enabled": true}}"#, "{}", &[])]
fn cilium_has_the_settings_of_the_scenarios(
    #[case] installed: &str,
    #[case] settings: &str,
    #[case] expected: &[&str],
) {
    assert_eq!(installs(installed, settings), expected);
}
