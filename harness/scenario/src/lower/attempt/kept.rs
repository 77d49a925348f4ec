//! Attempts on connections that the step before opened: `tcp database/redis:6379 kept`.

use crate::attempt::Attempt;
use crate::lower::mistake::Mistake;
use crate::topology::{Protocol, ServedProtocol, Topology};

/// The same attempt on a kept connection, if its server echoes what it receives.
pub(super) fn on_connection(attempt: Attempt, topology: &Topology) -> Result<Attempt, Mistake> {
    let (Attempt::Connect { protocol: Protocol::Tcp, port, .. }, Some(endpoint)) =
        (attempt.plain(), attempt.target().and_then(|target| target.endpoint()))
    else {
        let mistake = Mistake::new("only TCP connections to an endpoint are kept");
        let write = "write `tcp` and the pod, host or node: `tcp shop/web-0:80 kept`";
        let shared = "; of a pod and a service of one name the pod is `pod:shop/web`";
        return Err(mistake.help(format!("{write}{shared}")));
    };
    let mut served = topology.serves(endpoint).iter().filter(|served| served.port == *port);
    if served.any(|served| served.protocol == ServedProtocol::Tcp) {
        return Ok(Attempt::Kept { attempt: Box::new(attempt) });
    }
    let mistake =
        Mistake::new(format!("`{endpoint}` does not serve plain TCP on port {port}, and sends nothing back"));
    Err(mistake.help(format!("let it serve `tcp {port}`")))
}
