//! Services whose backend the datapath chooses: attempts are made until each backend has been seen.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rstest::rstest;
use verdikt_engine::model::PolicyModel;
use verdikt_runner::backend::{
    AppliedStep, AttemptNumber, Backend, BackendError, BackendEvent, Destinations, EndScope,
};
use verdikt_runner::plan::RunOptions;
use verdikt_runner::run::{BackendChoice, run_on};
use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::flow::{DropReason, Flow, FlowDirection, FlowEnd, FlowKind, FlowProtocol, FlowVerdict};
use verdikt_scenario::loader::load;
use verdikt_scenario::observation::{Outcome, StageKind};
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::topology::{Endpoint, Protocol};
use verdikt_verdict::event::Event;

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVICE: &str = "10.96.0.9:80";

/// Leads the attempt of a number to the first or second backend, or to where nobody tells of it.
type Leads = fn(u64) -> Option<usize>;

/// A cluster with one service, whose second backend is denied to everybody.
struct Chooses {
    leads: Leads,
    queue: VecDeque<BackendEvent>,
}

fn socket_of(backend: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, if backend == 0 { 2 } else { 3 }], 80))
}

impl Chooses {
    fn play(&mut self, number: AttemptNumber, backend: Option<usize>) {
        let local = SocketAddr::from((CLIENT, 40_000 + u16::try_from(number.0).unwrap()));
        let protocol = Some(Protocol::Tcp);
        let remote = SERVICE.parse().unwrap();
        self.queue.push_back(BackendEvent::Bound {
            number,
            stage: StageKind::Connect,
            protocol,
            local,
            remote,
        });
        let outcome = match backend {
            Some(0) => {
                let server = vec![socket_of(0)];
                self.queue.push_back(BackendEvent::Arrived { protocol, peer: local, server, number: None });
                Outcome::Answered
            }
            Some(backend) => {
                self.queue.push_back(BackendEvent::Flow(Box::new(denial(local, socket_of(backend)))));
                Outcome::Ended
            }
            None => Outcome::Answered,
        };
        let (addresses, took) = (Vec::new(), Duration::from_millis(1));
        self.queue.push_back(BackendEvent::StageEnded { number, outcome: outcome.clone(), addresses, took });
        self.queue.push_back(BackendEvent::Finished { number, outcome });
    }
}

impl Backend for Chooses {
    async fn apply(&mut self, _: &Step, _: &PolicyModel<'_>) -> Result<AppliedStep, BackendError> {
        Ok(AppliedStep::default())
    }

    fn begin(&mut self, number: AttemptNumber, _: &Endpoint, attempt: &Attempt) {
        assert!(matches!(attempt.target(), Some(Target::Service(_))), "nobody can choose: {attempt}");
        self.play(number, (self.leads)(number.0));
    }

    fn end(&mut self, _: AttemptNumber, _: EndScope) {}

    async fn next(&mut self) -> BackendEvent {
        match self.queue.pop_front() {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    fn destinations(&self, _: &Endpoint, _: &Attempt) -> Destinations {
        let backend = |index| {
            let name = if index == 0 { "shop/web-1" } else { "shop/web-2" };
            (socket_of(index), Endpoint::Pod(name.parse().unwrap()))
        };
        let backends = [0, 1].map(backend);
        let sockets = backends.iter().map(|(socket, _)| *socket).collect();
        Destinations { sockets, backends: backends.into(), tells: true, ..Destinations::default() }
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

fn denial(from: SocketAddr, to: SocketAddr) -> Flow {
    let end = |socket: SocketAddr| FlowEnd {
        address: socket.ip(),
        port: Some(socket.port()),
        identity: 1,
        endpoint: None,
    };
    Flow {
        at: Duration::ZERO,
        kind: FlowKind::PolicyVerdict,
        verdict: FlowVerdict::Dropped,
        direction: FlowDirection::Ingress,
        source: end(from),
        client: None,
        destination: end(to),
        protocol: FlowProtocol::Port(Protocol::Tcp),
        drop_reason: Some(DropReason::PolicyDenied),
        match_type: 0,
        policies: Vec::new(),
        request: None,
    }
}

fn scenario(test: &str, table: &str) -> Vec<Scenario> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("backends-{test}.yaml"));
    let topology = "namespaces: {shop: {}}\n  pods:\n    shop/web-1: {labels: {app: web}, serves: [tcp 80]}\n    \
                    shop/web-2: {labels: {app: web, closed: 'yes'}, serves: [tcp 80]}\n    shop/cart: {}\n  services: \
                    {shop/web: {selects: {app: web}, ports: {80: 80}}}";
    let policy = "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: closed, namespace: \
                  shop}\nspec:\n  endpointSelector: {matchLabels: {closed: 'yes'}}\n  ingress: [{}]\n";
    let text = format!(
        "scenario: backends\nabout: Why.\ntopology:\n  {topology}\nsteps:\n- step: one\n  policies: [closed]\n  \
         expect:\n{table}\n{policy}"
    );
    fs::write(&file, text).unwrap();
    let loaded = load(&[file]);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    loaded.scenarios
}

/// Runs a table of one scenario; tells its cells of the cart.
async fn cells(test: &str, table: &str, leads: Leads) -> String {
    let scenarios = scenario(test, table);
    let mut text = String::new();
    let mut sink = |event: Event| {
        if let Event::CellJudged(cell) = event
            && cell.source.to_string() == "shop/cart"
        {
            let via = cell.via.as_ref().map_or_else(String::new, |via| format!(", via {via}"));
            let verdict = format!("{:?}", cell.verdict);
            writeln!(text, "{}: {verdict} ({:?}){via}", cell.attempt, cell.result).unwrap();
        }
        Ok(())
    };
    let open = async |_| Ok(Chooses { leads, queue: VecDeque::new() });
    let choice = BackendChoice::of_all("scripted");
    run_on(choice, &scenarios, &RunOptions::default(), open, std::future::pending(), &mut sink)
        .await
        .unwrap();
    text
}

/// Whatever the choice of the datapath, the verdict is the same.
#[rstest]
#[case::alternate("alternate", |number: u64| Some(usize::from(number.is_multiple_of(2))))]
#[case::seldom("seldom", |number: u64| Some(usize::from(number.is_multiple_of(37))))]
#[case::mostly("mostly", |number: u64| Some(usize::from(!number.is_multiple_of(37))))]
#[tokio::test(start_paused = true)]
async fn chance_decides_nothing(#[case] name: &str, #[case] leads: Leads) {
    let table = "    tcp shop/web:80: {allow: others}";
    let said = cells(&format!("all-{name}"), table, leads).await;
    assert_eq!(said, "tcp shop/web:80: Denied(Ingress) (Differs), via shop/web-2\n");
    let table = "    tcp shop/web:80 via shop/web-1: {allow: others}\n    tcp shop/web:80 via shop/web-2: {allow: \
                 shop/web-2, deny ingress: others}";
    let said = cells(&format!("via-{name}"), table, leads).await;
    insta::allow_duplicates! {
        insta::assert_snapshot!(said, @r"
        tcp shop/web:80 via shop/web-1: Allowed (AsExpected)
        tcp shop/web:80 via shop/web-2: Denied(Ingress) (AsExpected)
        ");
    }
}

/// What was never seen is not an agreement, although all that was seen is as expected.
#[tokio::test(start_paused = true)]
async fn a_backend_that_was_not_seen_is_inconclusive() {
    let first: Leads = |_| Some(0);
    let nowhere: Leads = |_| None;
    let table = "    tcp shop/web:80 via shop/web-1: {allow: others}\n    tcp shop/web:80 via shop/web-2: {allow: \
                 shop/web-2, deny ingress: others}";
    insta::assert_snapshot!(cells("first", table, first).await, @r#"
    tcp shop/web:80 via shop/web-1: Allowed (AsExpected)
    tcp shop/web:80 via shop/web-2: Inconclusive("not attempted: none of 40 attempts through shop/web was seen to go to shop/web-2") (Inconclusive)
    "#);
    insta::assert_snapshot!(cells("nowhere", table, nowhere).await, @r#"
    tcp shop/web:80 via shop/web-1: Inconclusive("not attempted: none of 40 attempts through shop/web was seen to go to shop/web-1") (Inconclusive)
    tcp shop/web:80 via shop/web-2: Inconclusive("not attempted: none of 40 attempts through shop/web was seen to go to shop/web-2") (Inconclusive)
    "#);
}
