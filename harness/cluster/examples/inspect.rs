//! Prints what verdikt sees in the cluster of a context: `cargo run -p verdikt-cluster --example inspect -- CONTEXT`.

#![expect(clippy::print_stdout, reason = "what is seen is printed")]

use std::error::Error;

use verdikt_cluster::connect::{ApiConnection, ContextChoice};
use verdikt_cluster::{inspect, permissions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let wanted = ContextChoice { context: std::env::args().nth(1), kubeconfig: None };
    let (connection, kubernetes) = ApiConnection::open(&wanted).await?;
    println!("context {} at {}", connection.context(), connection.server());
    let missing = permissions::missing(&connection).await?;
    for missing in &missing {
        println!("not allowed: {missing}");
    }
    let facts = inspect::inspect(&connection, &kubernetes).await?;
    println!("Kubernetes {}", facts.kubernetes);
    for (name, node) in &facts.nodes {
        let agent = node.agent.as_ref().map_or("no agent".to_owned(), |agent| agent.container.to_string());
        println!("node {name} {:?}, ready: {}, agent: {agent}", node.addresses, node.ready);
    }
    let cilium = &facts.cilium;
    println!("Cilium {} ({}) in {}", cilium.full_version, cilium.version, cilium.namespace);
    println!(
        "enforcement {}, audit: {}, L7 proxy: {}",
        cilium.enforcement(),
        cilium.audit(),
        cilium.l7_proxy()
    );
    println!("Hubble: {}, port {:?}, TLS: {}", cilium.hubble(), cilium.hubble_port(), cilium.hubble_tls());
    println!("Relay: {:?}", cilium.relay);
    println!("DNS service {:?}, pods {:?}", facts.dns_service, facts.dns_pods);
    Ok(())
}
