//! One DNS query and its answer. <https://www.rfc-editor.org/rfc/rfc1035>

use std::io;
use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData};
use socket2::{Protocol, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::progress::{AttemptProgress, StageResult, StageRoute};
use crate::failure;
use crate::socket;
use verdikt_wire::{StageTransport, WireOutcome, WireStage};

/// The longest answer over UDP that is read, in bytes. The query allows 512.
const LONGEST: usize = 4096;

/// A server's answer.
pub(crate) struct QueryAnswer {
    /// Its response code.
    pub(crate) code: ResponseCode,
    /// The addresses of the name, through aliases, in the server's order.
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether it is truncated.
    pub(crate) truncated: bool,
}

impl StageResult for QueryAnswer {
    fn outcome(&self) -> WireOutcome {
        match self.code {
            ResponseCode::NoError if self.truncated || !self.addresses.is_empty() => WireOutcome::Answered,
            ResponseCode::NoError | ResponseCode::NXDomain => WireOutcome::NoSuchName,
            ResponseCode::Refused => WireOutcome::NameRefused,
            code => WireOutcome::NameFailed(format!("{code:?}")),
        }
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.addresses.clone()
    }
}

/// How a query is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueryTransport {
    /// Over UDP, and again over TCP if the answer is truncated.
    Udp,
    /// Over TCP at once.
    Tcp,
}

/// Asks over UDP, and again over TCP if the answer is truncated; or over TCP at once.
pub(crate) async fn ask(
    progress: &mut AttemptProgress,
    server: SocketAddr,
    query: &Query,
    transport: QueryTransport,
) -> Result<QueryAnswer, WireOutcome> {
    if transport == QueryTransport::Udp {
        let answer = over_udp(progress, server, query).await?;
        if !answer.truncated {
            return Ok(answer);
        }
    }
    over_tcp(progress, server, query).await
}

async fn over_udp(
    progress: &mut AttemptProgress,
    server: SocketAddr,
    query: &Query,
) -> Result<QueryAnswer, WireOutcome> {
    let (socket, local) = socket::connected(progress.home(), server, Type::DGRAM, Protocol::UDP)
        .map_err(|error| failure::not_made(&error))?;
    let over = StageRoute { stage: WireStage::LookUp, transport: StageTransport::Udp, local, remote: server };
    let (question, text) = message(query)?;
    let exchange = async {
        failure::sent(socket.send(&text).await).map_err(|error| failure::outcome(&error))?;
        let mut buffer = vec![0; LONGEST];
        loop {
            let length = socket.recv(&mut buffer).await.map_err(|error| failure::outcome(&error))?;
            // An answer to another question may come from anybody.
            if let Some(answer) = read(&question, &buffer[..length])? {
                return Ok(answer);
            }
        }
    };
    progress.stage(over, exchange).await
}

async fn over_tcp(
    progress: &mut AttemptProgress,
    server: SocketAddr,
    query: &Query,
) -> Result<QueryAnswer, WireOutcome> {
    let (socket, local) =
        socket::unconnected(progress.home(), server).map_err(|error| failure::not_made(&error))?;
    let over = StageRoute { stage: WireStage::LookUp, transport: StageTransport::Tcp, local, remote: server };
    let (question, text) = message(query)?;
    let exchange = async {
        let text = through_tcp(socket, server, &text).await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                WireOutcome::Garbled("the connection was closed before the answer was complete".to_owned())
            }
            _ => failure::outcome(&error),
        })?;
        read(&question, &text)?
            .ok_or_else(|| WireOutcome::Garbled("the answer is to another question".to_owned()))
    };
    progress.stage(over, exchange).await
}

/// Sends a query over TCP, where the length precedes each message.
async fn through_tcp(socket: TcpSocket, server: SocketAddr, text: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = socket.connect(server).await?;
    let length = u16::try_from(text.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), text].concat()).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Builds a query with an unpredictable ID, and encodes it.
fn message(query: &Query) -> Result<(Message, Vec<u8>), WireOutcome> {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(query.clone());
    match question.to_vec() {
        Ok(text) => Ok((question, text)),
        Err(error) => Err(WireOutcome::NotAttempted(format!("cannot ask for {}: {error}", query.name()))),
    }
}

/// Decodes an answer; none if it is to another question.
fn read(question: &Message, text: &[u8]) -> Result<Option<QueryAnswer>, WireOutcome> {
    let message = Message::from_vec(text)
        .map_err(|error| WireOutcome::Garbled(format!("not a DNS message: {error}")))?;
    let metadata = &message.metadata;
    // A server that cannot read the question leaves it out.
    let same = message.queries == question.queries
        || (message.queries.is_empty() && metadata.response_code == ResponseCode::FormErr);
    if metadata.message_type != MessageType::Response || metadata.id != question.metadata.id || !same {
        return Ok(None);
    }
    let addresses = question.queries.first().map(|query| addresses(query, &message)).unwrap_or_default();
    Ok(Some(QueryAnswer { code: metadata.response_code, addresses, truncated: metadata.truncation }))
}

/// The addresses in an answer, through the aliases in it.
fn addresses(query: &Query, answer: &Message) -> Vec<IpAddr> {
    let mut names: Vec<&Name> = vec![query.name()];
    let mut next = 0;
    while let Some(name) = names.get(next).copied() {
        for record in answer.answers.iter().filter(|record| record.name == *name) {
            if let RData::CNAME(alias) = &record.data
                && !names.contains(&&alias.0)
            {
                names.push(&alias.0);
            }
        }
        next += 1;
    }
    answer
        .answers
        .iter()
        .filter(|record| record.record_type() == query.query_type() && names.contains(&&record.name))
        .filter_map(|record| record.data.ip_addr())
        .collect()
}
