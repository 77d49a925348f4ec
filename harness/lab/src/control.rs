//! How another process of the same user finds a running lab and talks to it.
//!
//! A lab listens on an abstract unix socket, which has no file and goes with its process. A client sends one
//! [`Ask`] as a line of JSON and reads answers, one a line.

use std::io::{self, BufRead, BufReader, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use serde::{Deserialize, Serialize};
use verdikt_scenario::flow::Flow;

/// What begins the name of every lab's socket.
const PREFIX: &str = "verdikt-lab/";

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// What it takes to run a program inside an endpoint. Answered by one [`Inside`] or [`Refusal`].
    Inside {
        /// The endpoint as in the scenario.
        endpoint: String,
    },
    /// Every flow from now on. Answered by [`Following`], and then by [`Flow`]s until the lab ends.
    Flows,
}

/// What it takes to run a program inside an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// A process that lives there.
    pub pid: u32,
    /// Its `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// Its `/etc/hosts`.
    pub hosts: String,
    /// Its host name.
    pub hostname: String,
}

/// From here on no flow is missed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Following {
    /// The scenario whose flows follow.
    pub following: String,
}

/// Why a lab does not do what it is asked; a fragment for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason.
    pub refused: String,
}

/// A running lab, as found from outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunningLab {
    /// Its process.
    pub pid: u32,
    /// The scenario it runs.
    pub scenario: String,
}

impl RunningLab {
    fn address(&self) -> io::Result<SocketAddr> {
        SocketAddr::from_abstract_name(format!("{PREFIX}{}/{}", self.pid, self.scenario))
    }

    /// Begins to listen as this lab.
    pub fn listen(&self) -> io::Result<UnixListener> {
        UnixListener::bind_addr(&self.address()?)
    }

    /// Asks the lab; the answers are lines of JSON.
    pub fn ask(&self, ask: &Ask) -> io::Result<impl BufRead + use<>> {
        let mut stream = UnixStream::connect_addr(&self.address()?)?;
        let mut line = serde_json::to_vec(ask)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        Ok(BufReader::new(stream))
    }

    /// Every lab that runs on this machine.
    pub fn all() -> io::Result<Vec<Self>> {
        let mut labs: Vec<Self> =
            std::fs::read_to_string("/proc/net/unix")?.lines().filter_map(parse).collect();
        labs.sort();
        labs.dedup();
        Ok(labs)
    }
}

/// A lab from a line of `/proc/net/unix`, whose last column shows an abstract name after an `@`.
fn parse(line: &str) -> Option<RunningLab> {
    let (_, name) = line.split_once('@')?;
    let (pid, scenario) = name.strip_prefix(PREFIX)?.split_once('/')?;
    Some(RunningLab { pid: pid.parse().ok()?, scenario: scenario.to_owned() })
}

/// One answer of a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// See [`Ask::Inside`].
    Inside(Inside),
    /// It does not do it.
    Refused(Refusal),
    /// See [`Ask::Flows`].
    Following(Following),
    /// See [`Ask::Flows`].
    Flow(Box<Flow>),
}

impl Ask {
    /// What a client's line asks.
    pub fn from_line(line: &str) -> io::Result<Self> {
        Ok(serde_json::from_str(line)?)
    }
}

impl Answer {
    /// What a lab's line answers.
    pub fn from_line(line: &str) -> io::Result<Self> {
        Ok(serde_json::from_str(line)?)
    }

    /// The answer as a line, with its end.
    pub fn to_line(&self) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_is_found_and_asked() {
        let lab = RunningLab { pid: std::process::id(), scenario: "three tiers".to_owned() };
        let listener = lab.listen().unwrap();
        assert!(RunningLab::all().unwrap().contains(&lab));
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(&stream).lines();
            let ask: Ask = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            assert_eq!(ask, Ask::Inside { endpoint: "a/b".to_owned() });
            (&stream).write_all(b"{\"refused\":\"there is no a/b\"}\n").unwrap();
        });
        let answer = lab.ask(&Ask::Inside { endpoint: "a/b".to_owned() }).unwrap().lines().next();
        let answer: Answer = serde_json::from_str(&answer.unwrap().unwrap()).unwrap();
        assert_eq!(answer, Answer::Refused(Refusal { refused: "there is no a/b".to_owned() }));
        server.join().unwrap();
    }

    #[test]
    fn other_sockets_are_no_labs() {
        let check = |line: &str| assert_eq!(parse(line), None, "{line}");
        check("Num       RefCount Protocol Flags    Type St Inode Path");
        check("0000: 00000002 00000000 00010000 0001 01 1 /run/systemd/notify");
        check("0000: 00000002 00000000 00010000 0001 01 1 @verdikt-lab/x/name");
        check("0000: 00000002 00000000 00010000 0001 01 1 @other/1/name");
    }
}
