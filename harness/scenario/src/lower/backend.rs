//! Attempts through a service to one of its backends: `tcp shop/web:80 via shop/web-1`.

use super::attempt::endpoint_answers;
use super::mistake::Mistake;
use super::suggest::did_you_mean;
use crate::attempt::{Attempt, Target};
use crate::topology::Topology;

/// Splits `tcp shop/web:80 via shop/web-1` into the attempt and the name of the backend.
pub(super) fn split_via(text: &str) -> (&str, Option<&str>) {
    let split = || {
        let (before, backend) = text.rsplit_once(char::is_whitespace)?;
        let attempt = before.trim_end().strip_suffix("via")?;
        attempt.ends_with(char::is_whitespace).then(|| (attempt.trim_end(), Some(backend)))
    };
    split().unwrap_or((text, None))
}

/// Narrows an attempt through a service to one of its backends.
pub(super) fn through(attempt: &Attempt, via: &str, topology: &Topology) -> Result<Attempt, Mistake> {
    let (service, protocol, port) = match (attempt.target(), attempt.protocol(), attempt.port()) {
        (Some(Target::Service(service)), Some(protocol), Some(port)) => (service, protocol, port),
        (target, ..) => {
            let what = match target {
                Some(target) => format!("`{target}` is no service"),
                None => "a query asks the cluster's DNS server".to_owned(),
            };
            let mistake =
                Mistake::new(format!("{what}, and only a service leads to one of several backends"));
            return Err(
                mistake.help("name the service by its namespace and name, or leave out `via`".to_owned())
            );
        }
    };
    let behind = topology.behind(service, protocol, port);
    let found = behind.iter().find(|(backend, _)| backend.to_string() == via);
    let Some((backend, own)) = found else {
        let known: Vec<String> = behind.iter().map(|(backend, _)| backend.to_string()).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let help = did_you_mean(via, "behind it are", &known);
        return Err(Mistake::new(format!("`{via}` is not behind service `{service}`")).help(help));
    };
    let own = own.ok_or_else(|| {
        Mistake::new(format!(
            "`{via}` has no port of the name that port {port} of service `{service}` leads to"
        ))
    })?;
    endpoint_answers(backend, protocol, own, matches!(attempt, Attempt::Http { .. }), topology)?;
    let (service, backend) = (service.clone(), backend.clone());
    Ok(attempt.with_target(Target::Backend { service, backend }))
}
