//! Agents or Relay.

use std::time::Duration;

use verdikt_hubble::client::Source;
use verdikt_hubble::way::choose;

use crate::server::{Agent, Served};

fn source(name: &str, served: &Served) -> Source {
    Source::tcp(name, &served.address.to_string())
}

/// What is chosen, in words without ports.
async fn chosen(agents: &[(&str, &Served)], relay: Option<&Served>) -> String {
    let sources = agents.iter().map(|(name, served)| source(name, served)).collect();
    let relay_source = relay.map(|served| source("Relay", served));
    let mut text = match choose(sources, relay_source, Duration::from_millis(300)).await {
        Ok(choice) => {
            let names: Vec<&str> = choice.sources.iter().map(|source| &*source.name).collect();
            format!("{}: {}; {names:?} {:?}", choice.way, choice.reason, choice.versions)
        }
        Err(error) => error.to_string(),
    };
    for served in agents.iter().map(|(_, served)| *served).chain(relay) {
        text = text.replace(&format!(":{}", served.address.port()), "");
    }
    text
}

#[tokio::test]
async fn agents_where_all_answer_else_relay() {
    let (first, silent, relay) = (Agent::new(), Agent::new(), Agent::new());
    silent.fall_silent();
    relay.set_status(|status| {
        status.num_connected_nodes = Some(2);
        status.num_unavailable_nodes = Some(1);
        status.unavailable_nodes = vec!["w3".to_owned()];
    });
    let (first, silent, relay) = (first.serve(None).await, silent.serve(None).await, relay.serve(None).await);
    let text = [
        chosen(&[("w1", &first)], Some(&relay)).await,
        chosen(&[("w1", &first), ("w2", &first)], None).await,
        chosen(&[("w1", &first), ("w2", &silent)], Some(&relay)).await,
        chosen(&[], Some(&relay)).await,
        chosen(&[("w1", &first), ("w2", &silent)], None).await,
        chosen(&[("w2", &silent)], Some(&silent)).await,
        chosen(&[], None).await,
    ];
    insta::assert_snapshot!(text.join("\n"), @r#"
    agents: the only agent answers; ["w1"] {"w1": "v1.20.0-test"}
    agents: all 2 agents answer; ["w1", "w2"] {"w1": "v1.20.0-test", "w2": "v1.20.0-test"}
    Relay: Hubble of w2 at 127.0.0.1 has not answered within 0.3 s; Relay hears 2 nodes, and not 1: w3; ["Relay"] {"Relay": "v1.20.0-test"}
    Relay: no agent can be reached from here; Relay hears 2 nodes, and not 1: w3; ["Relay"] {"Relay": "v1.20.0-test"}
    Hubble cannot be asked: Hubble of w2 at 127.0.0.1 has not answered within 0.3 s
    Hubble cannot be asked: Hubble of w2 at 127.0.0.1 has not answered within 0.3 s; Hubble of Relay at 127.0.0.1 has not answered within 0.3 s
    neither an agent nor Relay is known: enable Hubble (`hubble.enabled=true`)
    "#);
}
