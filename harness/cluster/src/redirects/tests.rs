use rstest::rstest;
use verdikt_scenario::topology::{Endpoint, Labels, Pod, Port, Served, ServedProtocol, TargetPort};

use super::*;

fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

/// A policy for ports of TCP, each with that of the pods; and a pod of its namespace that serves all of those.
fn redirected_to_agent(frontend: RedirectFrontend, ports: &[(u16, u16)]) -> (LocalRedirect, Topology) {
    let selects = Labels::from([("app".to_owned(), "agent".to_owned())]);
    let led = |(front, own): &(u16, u16)| ServicePort {
        port: port(*front),
        protocol: Protocol::Tcp,
        target: TargetPort::Number(port(*own)),
    };
    let ports: Vec<ServicePort> = ports.iter().map(led).collect();
    let pod = Pod { labels: selects.clone(), serves: Vec::<Served>::new(), ..Pod::default() };
    let mut topology = Topology::default();
    topology.pods.insert("iam/agent".parse().unwrap(), pod);
    (LocalRedirect { frontend, selects, ports, spares_backends: true }, topology)
}

fn written(frontend: RedirectFrontend, ports: &[(u16, u16)]) -> String {
    let (redirect, topology) = redirected_to_agent(frontend, ports);
    let run = "run-1".parse().unwrap();
    let made = manifests(&"iam/metadata".parse().unwrap(), &redirect, &topology, &run);
    let lines = made.iter().map(|(name, body)| format!("{name}: {}", body["spec"]));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn one_object_for_each_port() {
    let service = RedirectFrontend::Service("iam/metadata".parse().unwrap());
    insta::assert_snapshot!(written(service, &[(80, 8181)]), @r#"metadata: {"redirectFrontend":{"serviceMatcher":{"namespace":"iam","serviceName":"metadata","toPorts":[{"port":"80","protocol":"TCP"}]}},"redirectBackend":{"localEndpointSelector":{"matchLabels":{"app":"agent"}},"toPorts":[{"port":"8181","protocol":"TCP"}]},"skipRedirectFromBackend":true}"#);
    let address = RedirectFrontend::Address("169.254.169.254".parse().unwrap());
    insta::assert_snapshot!(written(address, &[(80, 8181), (443, 8443)]), @r#"
    metadata-tcp-80: {"redirectFrontend":{"addressMatcher":{"ip":"169.254.169.254","toPorts":[{"port":"80","protocol":"TCP"}]}},"redirectBackend":{"localEndpointSelector":{"matchLabels":{"app":"agent"}},"toPorts":[{"port":"8181","protocol":"TCP"}]},"skipRedirectFromBackend":true}
    metadata-tcp-443: {"redirectFrontend":{"addressMatcher":{"ip":"169.254.169.254","toPorts":[{"port":"443","protocol":"TCP"}]}},"redirectBackend":{"localEndpointSelector":{"matchLabels":{"app":"agent"}},"toPorts":[{"port":"8443","protocol":"TCP"}]},"skipRedirectFromBackend":true}
    "#);
}

#[test]
fn its_objects_are_found_by_their_marks() {
    let address = RedirectFrontend::Address("169.254.169.254".parse().unwrap());
    let (redirect, topology) = redirected_to_agent(address, &[(80, 8181)]);
    let run = "run-1".parse().unwrap();
    let made = manifests(&"iam/metadata".parse().unwrap(), &redirect, &topology, &run);
    assert_eq!(made[0].1["metadata"]["labels"]["verdikt.dev/run"], "run-1");
}

/// A name of the pods' port is that of the service's port too.
#[rstest]
#[case::named(8181, Some("grpc"), "grpc")]
#[case::without_a_name(8181, None, "tcp-80")]
#[case::another_port(8282, Some("grpc"), "tcp-80")]
fn ports_have_the_names_of_those_who_answer(
    #[case] own: u16,
    #[case] name: Option<&str>,
    #[case] expected: &str,
) {
    let service: NamespacedName = "iam/metadata".parse().unwrap();
    let (redirect, mut topology) =
        redirected_to_agent(RedirectFrontend::Service(service.clone()), &[(80, 8181)]);
    topology.redirects.insert("iam/led".parse().unwrap(), redirect);
    let name = name.map(|name| name.parse().unwrap());
    let served = Served { protocol: ServedProtocol::Http, port: port(own), name };
    topology.pods.values_mut().for_each(|pod| pod.serves.push(served.clone()));
    let mut body = json!({"spec": {"ports": [{"name": "tcp-80", "port": 80, "protocol": "TCP"}]}});
    name_ports(&service, &topology, &mut body);
    assert_eq!(body["spec"]["ports"][0]["name"], expected);
}

/// Of two families those that both have, and nothing where no pod has the labels.
#[rstest]
#[case::one_family("agent", &["10.0.0.7"], "tcp 169.254.169.254:80 to 10.0.0.7:8181")]
#[case::two_families("agent", &["10.0.0.7", "fd00::7"], "tcp 169.254.169.254:80 to 10.0.0.7:8181")]
#[case::another_family("agent", &["fd00::7"], "")]
#[case::nobody("other", &["10.0.0.7"], "")]
fn what_is_led(#[case] app: &str, #[case] own: &[&str], #[case] expected: &str) {
    let address = RedirectFrontend::Address("169.254.169.254".parse().unwrap());
    let (redirect, mut topology) = redirected_to_agent(address, &[(80, 8181)]);
    topology.redirects.insert("iam/metadata".parse().unwrap(), redirect);
    topology.pods.values_mut().for_each(|pod| drop(pod.labels.insert("app".to_owned(), app.to_owned())));
    let mut addresses = Addresses::default();
    let own = own.iter().map(|address| address.parse().unwrap()).collect();
    addresses.endpoints.insert(Endpoint::Pod("iam/agent".parse().unwrap()), own);
    let found = sockets(&topology, &addresses);
    let written = found.iter().flat_map(|((protocol, front), answering)| {
        answering.iter().map(move |own| format!("{protocol} {front} to {own}"))
    });
    assert_eq!(written.collect::<Vec<_>>().join(", "), expected);
}

/// A service of an agent's list.
fn listed(kind: &str, front: &str, backends: &[&str]) -> Value {
    let socket = |text: &str| {
        let socket: SocketAddr = text.parse().unwrap();
        json!({"ip": socket.ip(), "port": socket.port(), "protocol": "TCP"})
    };
    let backends: Vec<Value> = backends.iter().map(|text| socket(text)).collect();
    let realized =
        json!({"flags": {"type": kind}, "frontend-address": socket(front), "backend-addresses": backends});
    json!({"spec": {}, "status": {"realized": realized}})
}

#[rstest]
#[case::both_answer("LocalRedirect", &["10.0.0.7:8181", "10.0.0.8:8181"], None)]
#[case::one_answers("LocalRedirect", &["10.0.0.7:8181"], Some("the agent does not redirect tcp 10.96.0.9:80 to all who answer"))]
#[case::a_service_still("ClusterIP", &["10.0.0.7:8181", "10.0.0.8:8181"], Some("the agent does not redirect tcp 10.96.0.9:80 to all who answer"))]
fn who_answers(#[case] kind: &str, #[case] backends: &[&str], #[case] expected: Option<&str>) {
    let said = json!([listed("NodePort", "10.0.0.1:30080", &[]), listed(kind, "10.96.0.9:80", backends)]);
    let answering = ["10.0.0.7:8181", "10.0.0.8:8181"].map(|socket| socket.parse().unwrap());
    let front = (Protocol::Tcp, "10.96.0.9:80".parse().unwrap());
    let wanted = RedirectedSockets::from([(front, BTreeSet::from(answering))]);
    assert_eq!(missing(&said.to_string(), &wanted, &BTreeSet::new()).as_deref(), expected);
}

#[rstest]
#[case::ours("169.254.169.254", Some("the agent still redirects tcp 169.254.169.254:80"))]
#[case::of_somebody_else("169.254.20.10", None)]
fn what_is_led_still(#[case] front: &str, #[case] expected: Option<&str>) {
    let said = json!([listed("LocalRedirect", &format!("{front}:80"), &["10.0.0.7:8181"])]);
    let ours = BTreeSet::from(["169.254.169.254".parse().unwrap()]);
    assert_eq!(missing(&said.to_string(), &RedirectedSockets::new(), &ours).as_deref(), expected);
}
