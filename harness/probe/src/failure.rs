//! What a client has seen when the system answers with an error.

use std::io;

use nix::errno::Errno;

use verdikt_platform::limit::Limit;
use verdikt_wire::WireOutcome;

/// What an error of a socket that has its address means for the attempt.
///
/// The system turns ICMP messages into error numbers: <https://man7.org/linux/man-pages/man7/icmp.7.html>.
pub(crate) fn outcome(error: &io::Error) -> WireOutcome {
    let Some(number) = error.raw_os_error() else { return WireOutcome::NotAttempted(words(error)) };
    match Errno::from_raw(number) {
        // A protocol that nobody speaks there is told by ENOPROTOOPT.
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

/// Whether a datagram was sent. One that the sender's own machine drops on its way out, as a datapath there does, is
/// lost like any other: its answer does not come.
pub(crate) fn sent(result: io::Result<usize>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => Ok(()),
        other => other.map(drop),
    }
}

/// What an error means where no socket could be made.
pub(crate) fn not_made(error: &io::Error) -> WireOutcome {
    // Only the routing table can say so before the first packet. Where there is no address to send from, there is none
    // to answer to either.
    let unreachable = [Errno::EHOSTUNREACH, Errno::ENETUNREACH, Errno::ENETDOWN, Errno::EADDRNOTAVAIL];
    if error.raw_os_error().is_some_and(|number| unreachable.contains(&Errno::from_raw(number))) {
        WireOutcome::Unreachable
    } else {
        WireOutcome::NotAttempted(words(error))
    }
}

/// Completes a sentence with an error, or with the limit that it is about.
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
