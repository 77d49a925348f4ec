//! The attempts of every step.

use super::circumstances::Circumstances;
use super::settings::DrawnSettings;

const ATTEMPTS: &str = "tcp a/web:8080
http GET a/web:8080/x
http POST a/web:8080/y
http GET a/web:8080/x Connection=Upgrade Upgrade=websocket
udp a/web:80
sctp a/db:9
icmp a/web
http GET host:8088/x
udp host:88
tcp host:9101
tcp far:9101
icmp far
tcp a/db:9001
tcp a/front:8000
tcp a/open:8000 over far
tcp a/open:8000 over host
tcp a/back:5432
http GET b/site:80/x
http GET b/site:80/x Connection=Upgrade Upgrade=websocket
tcp b/nodes:9101 via host
tcp b/nodes:9101 via far
tcp peers.b.svc.cluster.local:8080
https GET alias.b.svc.cluster.local/
https GET api.random.test/
https GET www.random.test/
https GET server:443/x
https GET server:443/x Connection=Upgrade Upgrade=websocket
https POST b/web:443/
https GET b/web:443/ Host=api.random.test
tcp server:443
udp server:443
icmp server
tcp gone:443
http GET ingress:80/
http GET ingress:80/v1 Host=shop.random.test
http GET ingress:80/v1 Host=shop.random.test Connection=Upgrade Upgrade=websocket
http GET health:4240/
tcp default/kubernetes:443
http GET metadata:80/x
tcp metadata:80
tcp b/site:81
tcp b/here:9100
tcp b/there:9100
tcp b/hung:8080
dns api.random.test
dns+tcp www.random.test
dns missing.random.test
icmp Timestamp a/web
icmp DestinationUnreachable a/db
icmp 11 server
tcp store:6379
tcp store.random.test:6379";

/// Attempts over one family of addresses, if there are two.
const OF_FAMILIES: &str = "tcp4 server:443
tcp6 server:443
icmp6 a/web
icmp6 PacketTooBig a/db";

/// Attempts whose connections are made before any policy is in force, and kept for the first step that has some.
pub(super) const KEPT: &str = "tcp a/db:9001
tcp host:9101
tcp far:9101
tcp b/there:9100
tcp store:6379";

/// The attempts of a step.
pub(super) fn of_step(settings: &DrawnSettings, circumstances: &Circumstances) -> Vec<String> {
    let families = if settings.both_families() { OF_FAMILIES } else { "" };
    let attempts = ATTEMPTS.lines().chain(families.lines());
    if !circumstances.late_pod_is_there() {
        return attempts.map(str::to_owned).collect();
    }
    // Backends that policies treat differently have a row each.
    let mut rows = vec!["http GET b/late:8080/x".to_owned()];
    for attempt in attempts {
        if attempt.contains(" b/site:") {
            rows.extend(["b/web", "b/late"].map(|backend| format!("{attempt} via {backend}")));
        } else {
            rows.push(attempt.to_owned());
        }
    }
    rows
}
