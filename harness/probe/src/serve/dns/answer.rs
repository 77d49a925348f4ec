//! The answers of the DNS server, which depend only on its zone and the query.

use std::collections::{BTreeMap, BTreeSet};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};

use verdikt_wire::{Records, Zone};

/// The largest answer over UDP to a query without EDNS.
/// <https://www.rfc-editor.org/rfc/rfc1035#section-4.2.1>
const USUAL: u16 = 512;

/// A zone with parsed names.
pub(super) struct Names {
    known: BTreeMap<Name, KnownName>,
    /// The parent domains of other names: they exist, without records.
    between: BTreeSet<Name>,
}

struct KnownName {
    records: Records,
    alias: Option<Name>,
}

impl Names {
    /// Errors: a name is not valid.
    pub(super) fn of(zone: &Zone) -> Result<Self, String> {
        let mut names = Self { known: BTreeMap::new(), between: BTreeSet::new() };
        for (name, records) in &zone.names {
            let name = absolute(name)?;
            let alias = records.alias.as_deref().map(absolute).transpose()?;
            let mut above = name.base_name();
            while !above.is_root() && names.between.insert(above.clone()) {
                above = above.base_name();
            }
            names.known.insert(name, KnownName { records: records.clone(), alias });
        }
        Ok(names)
    }

    /// The answer to a datagram, truncated to the size that the client accepts; none if it is not a query.
    pub(super) fn answer_datagram(&self, text: &[u8]) -> Option<Vec<u8>> {
        let query = Message::from_vec(text).ok()?;
        let largest = query.edns.as_ref().map_or(USUAL, |edns| edns.max_payload().max(USUAL));
        written(&self.answer(&query)?, largest)
    }

    /// The answer to a query on a connection; none if it is not a query.
    pub(super) fn answer_stream(&self, text: &[u8]) -> Option<Vec<u8>> {
        written(&self.answer(&Message::from_vec(text).ok()?)?, u16::MAX)
    }

    fn answer(&self, query: &Message) -> Option<Message> {
        let asked = &query.metadata;
        if asked.message_type != MessageType::Query {
            return None;
        }
        let mut answer = Message::response(asked.id, asked.op_code);
        answer.metadata.recursion_desired = asked.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.add_queries(query.queries.clone());
        answer.edns = query.edns.as_ref().map(|_| Edns::new());
        answer.metadata.response_code = match query.queries.as_slice() {
            _ if asked.op_code != OpCode::Query => ResponseCode::NotImp,
            [question] => self.resolve(question, &mut answer.answers),
            _ => ResponseCode::FormErr,
        };
        Some(answer)
    }

    /// Follows aliases and adds their records. The code is that of the last name:
    /// <https://www.rfc-editor.org/rfc/rfc6604#section-3>.
    fn resolve(&self, question: &Query, answers: &mut Vec<Record>) -> ResponseCode {
        if question.query_class() != DNSClass::IN {
            return ResponseCode::Refused;
        }
        let kind = question.query_type();
        let mut seen = BTreeSet::new();
        let mut name = question.name();
        // A loop of aliases leads to no address.
        while seen.insert(name) {
            let Some(known) = self.known.get(name) else {
                let exists = self.between.contains(name);
                return if exists { ResponseCode::NoError } else { ResponseCode::NXDomain };
            };
            let Records { addresses, ttl, .. } = &known.records;
            let record = |data| Record::from_rdata(name.clone(), *ttl, data);
            let addresses = addresses.iter().map(|address| record(RData::from(*address)));
            answers.extend(addresses.filter(|record| record.record_type() == kind));
            let Some(alias) = &known.alias else { return ResponseCode::NoError };
            answers.push(record(RData::CNAME(CNAME(alias.clone()))));
            // A query for CNAME is not followed.
            if kind == RecordType::CNAME {
                break;
            }
            name = alias;
        }
        ResponseCode::NoError
    }
}

fn absolute(text: &str) -> Result<Name, String> {
    let mut name = Name::from_ascii(text).map_err(|error| format!("{text:?} is not a name: {error}"))?;
    name.set_fqdn(true);
    Ok(name)
}

/// Encodes a message in at most `largest` bytes: a longer one loses its last records and is marked as truncated.
fn written(message: &Message, largest: u16) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(largest);
    message.emit(&mut encoder).ok()?;
    Some(bytes)
}
