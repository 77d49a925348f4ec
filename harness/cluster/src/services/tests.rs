use std::collections::{BTreeMap, BTreeSet};

use verdikt_scenario::topology::{Endpoint, Pod, Port};

use super::*;

/// A service of two ports.
fn service(service_type: ServiceType, selects: Option<BTreeMap<String, String>>) -> Service {
    let port = |number| Port::new(number).unwrap();
    Service {
        service_type,
        labels: BTreeMap::from([("tier".to_owned(), "front".to_owned())]),
        selects,
        backends: BTreeSet::new(),
        external_traffic_policy: TrafficPolicy::Local,
        ports: vec![
            ServicePort { port: port(8080), protocol: Protocol::Tcp, target: TargetPort::Number(port(3000)) },
            ServicePort {
                port: port(53),
                protocol: Protocol::Udp,
                target: TargetPort::Name("dns".parse().unwrap()),
            },
        ],
        ..Service::default()
    }
}

#[test]
fn services() {
    let (name, run) = ("shop/api".parse().unwrap(), "run-1".parse().unwrap());
    let selects = Some(BTreeMap::from([("app".to_owned(), "api".to_owned())]));
    let with_pods =
        serde_saphyr::to_string(&manifest(&name, &service(ServiceType::ClusterIp, selects.clone()), &run))
            .unwrap();
    insta::assert_snapshot!(with_pods, @r"
    apiVersion: v1
    kind: Service
    metadata:
      namespace: shop
      name: api
      labels:
        tier: front
        verdikt.dev/owner: verdikt
        verdikt.dev/run: run-1
    spec:
      type: ClusterIP
      ports:
      - name: tcp-8080
        port: 8080
        protocol: TCP
        targetPort: 3000
      - name: udp-53
        port: 53
        protocol: UDP
        targetPort: dns
      selector:
        app: api
    ");

    let open = manifest(&name, &service(ServiceType::NodePort, selects), &run);
    assert_eq!(
        (&open["spec"]["type"], &open["spec"]["externalTrafficPolicy"]),
        (&json!("NodePort"), &json!("Local"))
    );
}

#[test]
fn slices_have_the_addresses_outside() {
    let (name, run) = ("shop/api".parse().unwrap(), "run-1".parse().unwrap());
    let outside = service(ServiceType::ClusterIp, None);
    assert!(manifest(&name, &outside, &run)["spec"].get("selector").is_none());
    let hosts = ["203.0.113.10".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let slices = slices(&name, &outside, &hosts, &run);
    insta::assert_snapshot!(serde_saphyr::to_string(&slices).unwrap(), @r#"
    - apiVersion: discovery.k8s.io/v1
      kind: EndpointSlice
      metadata:
        namespace: shop
        name: api-ipv4
        labels:
          endpointslice.kubernetes.io/managed-by: verdikt
          kubernetes.io/service-name: api
          verdikt.dev/owner: verdikt
          verdikt.dev/run: run-1
      addressType: IPv4
      endpoints:
      - addresses:
        - "203.0.113.10"
        conditions:
          ready: true
      ports:
      - name: tcp-8080
        port: 3000
        protocol: TCP
    - apiVersion: discovery.k8s.io/v1
      kind: EndpointSlice
      metadata:
        namespace: shop
        name: api-ipv6
        labels:
          endpointslice.kubernetes.io/managed-by: verdikt
          kubernetes.io/service-name: api
          verdikt.dev/owner: verdikt
          verdikt.dev/run: run-1
      addressType: IPv6
      endpoints:
      - addresses:
        - 2001:db8::1
        conditions:
          ready: true
      ports:
      - name: tcp-8080
        port: 3000
        protocol: TCP
    "#);
}

#[test]
fn doors_of_services() {
    let ports = json!([
        {"port": 80, "targetPort": 8080, "nodePort": 30080},
        {"port": 53, "targetPort": "dns", "nodePort": 30053, "protocol": "UDP"},
    ]);
    let given = |ingress: serde_json::Value| json!({"loadBalancer": {"ingress": ingress}});
    let check = |service_type: &str, status: serde_json::Value, expected: &str| {
        let service = json!({"spec": {"type": service_type, "ports": ports}, "status": status});
        let nodes = ["172.30.0.2".parse().unwrap(), "fd00::2".parse().unwrap()];
        let exposed_ports = exposed_ports(&serde_json::from_value(service).unwrap(), &nodes);
        let shown = exposed_ports.map_or("none yet".to_owned(), |exposed_ports| {
            let lines = exposed_ports
                .iter()
                .map(|((protocol, port), exposed_ports)| format!("{port}/{protocol} {exposed_ports:?}"));
            lines.collect::<Vec<_>>().join(", ")
        });
        assert_eq!(shown, expected, "{service_type}");
    };
    let of_nodes = "80/tcp [172.30.0.2:30080, [fd00::2]:30080], 53/udp [172.30.0.2:30053, [fd00::2]:30053]";
    check("NodePort", json!({}), of_nodes);
    check("LoadBalancer", json!({}), "none yet");
    check("LoadBalancer", given(json!([{"hostname": "lb.example.test"}])), "none yet");
    check(
        "LoadBalancer",
        given(json!([{"ip": "192.0.2.7"}])),
        "80/tcp [192.0.2.7:80], 53/udp [192.0.2.7:53]",
    );
}

#[test]
fn headless_services_lead_to_their_pods() {
    let mut topology = Topology::default();
    let mut addresses = Addresses::default();
    for (name, address) in [("shop/one", "10.244.0.7"), ("shop/two", "10.244.0.8")] {
        let labels = [("app".to_owned(), "web".to_owned())].into();
        topology.pods.insert(name.parse().unwrap(), Pod { labels, ..Pod::default() });
        addresses.endpoints.insert(Endpoint::Pod(name.parse().unwrap()), vec![address.parse().unwrap()]);
    }
    let service = Service { selects: Some([].into()), ..Service::default() };
    topology.services.insert("shop/usual".parse().unwrap(), service.clone());
    topology.services.insert("shop/bare".parse().unwrap(), Service { headless: true, ..service });
    let found: Vec<String> =
        headless(&topology, &addresses).iter().map(|(name, list)| format!("{name} {list:?}")).collect();
    assert_eq!(found, ["shop/bare [10.244.0.7, 10.244.0.8]"]);
}
