//! What the policies of both ends say of a packet.

use std::net::IpAddr;
use std::time::Duration;

use verdikt_engine::decide::{SideVerdict, Traffic};
use verdikt_engine::rule::Direction;
use verdikt_engine::ruling::ProxyKind;
use verdikt_scenario::flow::{DropReason, FlowVerdict};
use verdikt_scenario::topology::{Endpoint, Protocol};

use super::{Datapath, Effects};
use crate::packet::{Ends, Packet, Transport, number};

/// How far a packet's way has been judged already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It comes from its client.
    Begin,
    /// It comes from the proxy of the client's egress policy.
    AfterEgress,
    /// It comes from the proxy of the server's ingress policy.
    AfterIngress,
}

impl Stage {
    /// Where it goes on after the proxy of a direction.
    pub(super) fn after(direction: Direction) -> Self {
        match direction {
            Direction::Egress => Self::AfterEgress,
            Direction::Ingress => Self::AfterIngress,
        }
    }
}

/// A packet to be judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    pub(super) stage: Stage,
    /// The client's and the server's true addresses and ports.
    pub(super) ends: Ends,
    pub(super) packet: Packet,
    /// Whether a pod reaches itself through its service, which no policy sees.
    pub(super) own_service: bool,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It goes to its destination.
    Pass,
    /// It goes to a proxy first.
    Redirect {
        /// Which.
        kind: ProxyKind,
        /// Whose policy wants that.
        subject: Endpoint,
        /// In which direction.
        direction: Direction,
    },
    /// It vanishes; a flow has told so.
    Drop,
}

impl Datapath {
    /// Asks the policies a packet has not passed yet, and tells what they say.
    pub(super) fn judge(&mut self, passage: &Passage, at: Duration, effects: &mut Effects) -> Judged {
        if passage.own_service {
            return Judged::Pass;
        }
        let Some(traffic) = traffic(&passage.packet, &passage.ends) else {
            // Cilium has no rule for other protocols than these; only endpoints without policy let them pass.
            return self.judge_other(passage, at, effects);
        };
        let Ends { source, destination } = passage.ends;
        let sides = [
            (Stage::Begin, Direction::Egress, source.ip(), destination.ip()),
            (Stage::AfterEgress, Direction::Ingress, destination.ip(), source.ip()),
        ];
        for (needed, direction, own, peer) in sides {
            if passage.stage == Stage::AfterIngress
                || passage.stage == Stage::AfterEgress && needed == Stage::Begin
            {
                continue;
            }
            let judged = self.ask(direction, own, peer, traffic, passage, at, effects);
            if judged != Judged::Pass {
                return judged;
            }
        }
        Judged::Pass
    }

    #[expect(clippy::too_many_arguments, reason = "one question has this many parts, and only one caller")]
    fn ask(
        &mut self,
        direction: Direction,
        own: IpAddr,
        peer: IpAddr,
        traffic: Traffic,
        passage: &Passage,
        at: Duration,
        effects: &mut Effects,
    ) -> Judged {
        let policy = std::sync::Arc::clone(&self.policy);
        let Some(subject) = policy.endpoint(own) else { return Judged::Pass };
        let ruling = policy.packet(subject, direction, peer, traffic);
        let (verdict, reason, judged) = match ruling.verdict {
            SideVerdict::NotEnforced => return Judged::Pass,
            SideVerdict::Allow { .. } | SideVerdict::LocalHost => match ruling.proxy {
                Some(kind) => {
                    let judged = Judged::Redirect { kind, subject: subject.clone(), direction };
                    (FlowVerdict::Redirected, None, judged)
                }
                None => (FlowVerdict::Forwarded, None, Judged::Pass),
            },
            denied @ (SideVerdict::Denied | SideVerdict::NoRuleAllows) => {
                let explicit = denied == SideVerdict::Denied;
                let reason = if explicit { DropReason::PolicyDeny } else { DropReason::PolicyDenied };
                if policy.audit() {
                    (FlowVerdict::Audit, Some(reason), Judged::Pass)
                } else {
                    (FlowVerdict::Dropped, Some(reason), Judged::Drop)
                }
            }
            SideVerdict::Unknown | SideVerdict::Conflict => {
                let gap = ruling.gap.clone().unwrap_or_else(|| "a rule that matters here".to_owned());
                (FlowVerdict::Error, Some(DropReason::NotModelled(gap)), Judged::Drop)
            }
        };
        self.tell_verdict(direction, passage, &ruling, verdict, reason, at, effects);
        judged
    }

    fn judge_other(&mut self, passage: &Passage, at: Duration, effects: &mut Effects) -> Judged {
        // Whether anything at all is enforced shows in any traffic.
        let any = Traffic::Port(Protocol::Tcp, 1);
        let Ends { source, destination } = passage.ends;
        let sides = [
            (Direction::Egress, source.ip(), destination.ip()),
            (Direction::Ingress, destination.ip(), source.ip()),
        ];
        let policy = std::sync::Arc::clone(&self.policy);
        for (direction, own, peer) in sides {
            let Some(subject) = policy.endpoint(own) else { continue };
            let mut ruling = policy.packet(subject, direction, peer, any);
            if ruling.verdict != SideVerdict::NotEnforced {
                ruling.rules.clear();
                let gap = format!("what Cilium does with protocol {}", passage.packet.protocol);
                let reason = Some(DropReason::NotModelled(gap));
                self.tell_verdict(direction, passage, &ruling, FlowVerdict::Error, reason, at, effects);
                return Judged::Drop;
            }
        }
        Judged::Pass
    }
}

/// The traffic of a packet as policies see it; none for protocols they do not know.
fn traffic(packet: &Packet, ends: &Ends) -> Option<Traffic> {
    let port = ends.destination.port();
    Some(match (packet.protocol, packet.transport) {
        (number::TCP, _) => Traffic::Port(Protocol::Tcp, port),
        (number::UDP, _) => Traffic::Port(Protocol::Udp, port),
        (number::SCTP, _) => Traffic::Port(Protocol::Sctp, port),
        (number::ICMP, Transport::Icmp { kind, .. }) => Traffic::Icmp { v6: false, kind },
        (number::ICMPV6, Transport::Icmp { kind, .. }) => Traffic::Icmp { v6: true, kind },
        _ => return None,
    })
}
