//! Maps errors of the system to outcomes.

use std::io;

use nix::errno::Errno;

use verdikt_platform::limit::Limit;
use verdikt_wire::WireOutcome;

/// The outcome for an error of a bound socket.
///
/// The kernel maps ICMP messages to error numbers: <https://man7.org/linux/man-pages/man7/icmp.7.html>.
pub(crate) fn outcome(error: &io::Error) -> WireOutcome {
    let Some(number) = error.raw_os_error() else { return WireOutcome::NotAttempted(words(error)) };
    match Errno::from_raw(number) {
        // ENOPROTOOPT: the host does not support the protocol.
        Errno::ECONNREFUSED | Errno::ENOPROTOOPT => WireOutcome::Refused,
        Errno::ECONNRESET | Errno::EPIPE => WireOutcome::Reset,
        Errno::EHOSTUNREACH
        | Errno::ENETUNREACH
        | Errno::EHOSTDOWN
        | Errno::ENETDOWN
        | Errno::ENONET
        | Errno::EACCES => WireOutcome::Unreachable,
        Errno::ETIMEDOUT => WireOutcome::TimedOut,
        _ => WireOutcome::NotAttempted(words(error)),
    }
}

/// Checks that a datagram was sent. One that the sender's own machine drops, as Cilium does at egress, counts as sent:
/// it is lost like any other.
pub(crate) fn sent(result: io::Result<usize>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => Ok(()),
        other => other.map(drop),
    }
}

/// The outcome for an error when opening a socket.
pub(crate) fn not_made(error: &io::Error) -> WireOutcome {
    // Before the first packet these errors come from the routing table, or from the lack of an own address of the family.
    let unreachable = [Errno::EHOSTUNREACH, Errno::ENETUNREACH, Errno::ENETDOWN, Errno::EADDRNOTAVAIL];
    if error.raw_os_error().is_some_and(|number| unreachable.contains(&Errno::from_raw(number))) {
        WireOutcome::Unreachable
    } else {
        WireOutcome::NotAttempted(words(error))
    }
}

/// An error as text, or the system limit that caused it.
pub(crate) fn words(error: &io::Error) -> String {
    if let Some(limit) = Limit::of(error) {
        return limit.to_string();
    }
    let text = match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    };
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => text,
    }
}
