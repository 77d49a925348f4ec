//! Prints what policies deny to a program that runs inside an endpoint, each denial once, as it happens.

use std::collections::BTreeSet;

use verdikt_lab::control::FollowedFlow;
use verdikt_report::explain::ExplainStyle;
use verdikt_report::stopped::{stopped, traffic};
use verdikt_scenario::flow::{FlowProtocol, FlowVerdict};
use verdikt_scenario::topology::Protocol;

use crate::printer::Printer;

/// After how long a TCP connection in the lab is given up if its packets are dropped.
const GIVEN_UP: &str = "about 7 s";

/// The denials that are already printed.
pub(super) struct PrintedDenials {
    endpoint: String,
    colour: bool,
    told: BTreeSet<String>,
    is_waiting_told: bool,
}

impl PrintedDenials {
    /// Starts with none for an endpoint.
    pub(super) fn of(endpoint: &str, printer: &Printer) -> Self {
        let (endpoint, colour) = (endpoint.to_owned(), printer.colour_for_people());
        Self { endpoint, colour, told: BTreeSet::new(), is_waiting_told: false }
    }

    /// Prints a flow if the endpoint sent it, something stopped it, and it is not printed yet.
    pub(super) fn tell(&mut self, followed: &FollowedFlow) {
        let FollowedFlow { flow, of_table, stopped_by } = followed;
        let is_own = flow.source.endpoint.as_ref().is_some_and(|source| source.to_string() == self.endpoint);
        let passes = matches!(flow.verdict, FlowVerdict::Forwarded | FlowVerdict::Redirected);
        if *of_table || !is_own || passes || !self.told.insert(traffic(flow)) {
            return;
        }
        let style = ExplainStyle { colour: self.colour, width: Printer::width() };
        let mut text = stopped(flow, stopped_by.as_ref(), style);
        let vanishes = flow.verdict == FlowVerdict::Dropped && flow.request.is_none();
        if vanishes && flow.protocol == FlowProtocol::Port(Protocol::Tcp) && !self.is_waiting_told {
            self.is_waiting_told = true;
            text.push_str("   denied packets are dropped silently: the client waits, and gives up after ");
            text.push_str(GIVEN_UP);
            text.push('\n');
        }
        Printer::tell(&text);
    }
}
