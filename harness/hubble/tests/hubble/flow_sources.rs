//! Agents or Relay.

use std::time::Duration;

use verdikt_hubble::client::FlowServer;
use verdikt_hubble::flow_source::{FlowSourceChoice, choose};

use crate::server::{Agent, Served};

/// What is chosen, in words without ports.
async fn chosen(agents: &[Result<(), &str>], relay: Result<&Served, &str>) -> String {
    let agents = agents.iter().map(|answer| answer.map_err(str::to_owned)).collect();
    let source = async {
        let served = relay.map_err(str::to_owned)?;
        Ok(FlowServer::tcp("Relay", &served.address.to_string()))
    };
    let text = match choose(agents, source, Duration::from_millis(300)).await {
        Ok(choice) => {
            let source = match &choice {
                FlowSourceChoice::Agents { .. } => String::new(),
                FlowSourceChoice::Relay { source, .. } => format!(" ({source})"),
            };
            format!("{choice}{source}")
        }
        Err(error) => error.to_string(),
    };
    relay.map_or(text.clone(), |served| text.replace(&format!(":{}", served.address.port()), ""))
}

#[tokio::test]
async fn agents_where_all_answer_else_relay() {
    let relay = |connected: u32, away: &[&str]| {
        let relay = Agent::new();
        relay.set_status(|status| {
            status.num_connected_nodes = Some(connected);
            status.num_unavailable_nodes = u32::try_from(away.len()).ok();
            status.unavailable_nodes = away.iter().map(ToString::to_string).collect();
        });
        relay
    };
    let (good, lonely, silent) = (relay(2, &["w3"]), relay(0, &["w1"]), relay(1, &[]));
    silent.fall_silent();
    let (good, lonely, silent) = (good.serve(None).await, lonely.serve(None).await, silent.serve(None).await);
    let no_relay = Err("no pod of Hubble Relay is ready");
    let w2 = Err("cannot read the flows of node w2");
    let text = [
        chosen(&[Ok(())], Ok(&silent)).await,
        chosen(&[Ok(()), Ok(())], no_relay).await,
        chosen(&[Ok(()), w2], Ok(&good)).await,
        chosen(&[w2, w2, w2], Ok(&good)).await,
        chosen(&[], Ok(&good)).await,
        chosen(&[Ok(()), w2], no_relay).await,
        chosen(&[w2], Ok(&silent)).await,
        chosen(&[w2], Ok(&lonely)).await,
        chosen(&[], no_relay).await,
    ];
    insta::assert_snapshot!(text.join("\n"), @r"
    1 agent
    2 agents
    Relay, because cannot read the flows of node w2; Relay hears 2 nodes, and not 1: w3 (Relay at 127.0.0.1)
    Relay, because cannot read the flows of node w2, and 2 more; Relay hears 2 nodes, and not 1: w3 (Relay at 127.0.0.1)
    Relay, because no agent is known; Relay hears 2 nodes, and not 1: w3 (Relay at 127.0.0.1)
    cannot read the flows of the cluster: cannot read the flows of node w2; no pod of Hubble Relay is ready
    cannot read the flows of the cluster: cannot read the flows of node w2; Hubble of Relay at 127.0.0.1 has not answered within 0.3 s
    cannot read the flows of the cluster: cannot read the flows of node w2; Relay hears no node: look at its log
    cannot read the flows of the cluster: no pod of Hubble Relay is ready
    ");
}
