//! Every answer by groups and intervals is what the engine says of each pair of ends and of each port by itself.

use proptest::prelude::*;
use verdikt_analysis::access::Access;
use verdikt_analysis::end::TrafficEnd;
use verdikt_analysis::universe::Universe;
use verdikt_engine::decide::DecisionKind;
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_engine::model_endpoint::{ModelEndpoint, TrafficKind};
use verdikt_engine::rule::Direction;
use verdikt_scenario::version::CiliumVersion;

use crate::support::{manifests, policies, topology};

/// What the engine says of one pair at one port.
pub(crate) fn one_by_one(
    model: &PolicyModel<'_>,
    from: &ModelEndpoint,
    to: &ModelEndpoint,
    transport: TrafficKind,
    port: u16,
) -> &'static str {
    let traffic = transport.traffic(port);
    let egress = model.decide_side(from, Direction::Egress, to.identity(), traffic);
    let ingress = model.decide_side(to, Direction::Ingress, from.identity(), traffic);
    let sides = [&egress, &ingress].map(|side| side.kind);
    let unknown = |side: &DecisionKind| matches!(side, DecisionKind::Unknown | DecisionKind::Conflict);
    match sides {
        [egress, _] if egress.denies() => "deny egress",
        [_, ingress] if ingress.denies() => "deny ingress",
        _ if sides.iter().any(unknown) => "unknown",
        _ if sides.contains(&DecisionKind::Allow { redirected: true }) => "proxy",
        _ => "allow",
    }
}

fn word(access: &Access) -> &'static str {
    match access {
        Access::Allow => "allow",
        Access::Proxy { .. } => "proxy",
        Access::Deny(Direction::Egress) => "deny egress",
        Access::Deny(Direction::Ingress) => "deny ingress",
        Access::Unknown => "unknown",
    }
}

/// Holds every cell against the engine, at these ports.
fn check(texts: &[String], version: CiliumVersion, ports: &[u16]) -> Result<(), TestCaseError> {
    let (topology, manifests) = (topology(), manifests(texts));
    let options = ModelOptions { version, ..ModelOptions::default() };
    let model = PolicyModel::new(&topology, &manifests, &options, &LearnedNames::default());
    let universe = Universe::new(&[&model], []);
    let mut cells = universe.cells();
    let mut rows = vec![Vec::new(); universe.groups().len()];
    cells.each_row(|_, source, row| rows[source].clone_from(&row[0]));
    let ends: Vec<(&TrafficEnd, usize, &ModelEndpoint)> = universe
        .groups()
        .iter()
        .enumerate()
        .flat_map(|(number, group)| {
            group.ends.iter().map(move |end| (end, number, group.model_endpoints[0].as_ref().unwrap()))
        })
        .collect();
    let own = |end: &TrafficEnd, of_group: &ModelEndpoint| match end {
        TrafficEnd::Endpoint(endpoint) => model.model_endpoint(endpoint).unwrap(),
        _ => of_group.clone(),
    };
    for (source, from, of_source) in &ends {
        let client = own(source, of_source);
        for (destination, to, of_destination) in &ends {
            let server = own(destination, of_destination);
            let profile = cells.profile(rows[*from][*to]);
            for transport in TrafficKind::ALL {
                let (least, most) = transport.bounds();
                for port in ports.iter().filter(|port| (least..=most).contains(*port)) {
                    let expected = one_by_one(&model, &client, &server, transport, *port);
                    let found = profile.at(transport, *port).map(word);
                    prop_assert_eq!(
                        found,
                        Some(expected),
                        "{} -> {}, {:?} {}, {:?}",
                        source,
                        destination,
                        transport,
                        port,
                        texts
                    );
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn cells_agree_with_each_pair_and_port(texts in policies(5), minor in 0_usize..CiliumVersion::ALL.len()) {
        let ports: Vec<u16> = (0..=40).chain([78, 79, 80, 81, 90, 91, 443, 8079, 8080, 8081, 65534, 65535]).collect();
        check(&texts, CiliumVersion::ALL[minor], &ports)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, ..ProptestConfig::default() })]

    #[test]
    fn cells_agree_on_every_port(texts in policies(4)) {
        check(&texts, CiliumVersion::default(), &(0..=u16::MAX).collect::<Vec<u16>>())?;
    }
}
