//! The small vocabularies of a scenario file, and the two places where it takes more than one shape.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Located, LocatedMap};
use crate::expect::VERDICT_WORDS;
use crate::policy::Refuser;
use crate::scenario::{Enforcement, EnforcementMode, FieldValidation};
use crate::topology::{ApiChannel, CiliumEndpoint, ServiceType, TrafficPolicy};

/// An endpoint that Cilium runs itself.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "CiliumEndpoint")]
pub(crate) enum CiliumEndpointWord {
    /// The proxy of Cilium's Ingress and Gateway API.
    Ingress,
    /// The health endpoint of the node.
    Health,
}

impl From<CiliumEndpointWord> for CiliumEndpoint {
    fn from(word: CiliumEndpointWord) -> Self {
        match word {
            CiliumEndpointWord::Ingress => Self::Ingress,
            CiliumEndpointWord::Health => Self::Health,
        }
    }
}

/// Which definition of `ClusterNetworkPolicy` an API server has.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ApiChannel")]
pub(crate) enum ApiChannelWord {
    /// The experimental channel, with all fields.
    Experimental,
    /// The standard channel, without `nodes` and `domainNames`.
    Standard,
}

impl From<ApiChannelWord> for ApiChannel {
    fn from(word: ApiChannelWord) -> Self {
        match word {
            ApiChannelWord::Experimental => Self::Experimental,
            ApiChannelWord::Standard => Self::Standard,
        }
    }
}

/// The type of a service.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "ServiceType")]
pub(crate) enum ServiceTypeWord {
    /// Reachable only in the cluster.
    #[default]
    #[serde(rename = "ClusterIP")]
    ClusterIp,
    /// Reachable from outside by a port of the node too.
    NodePort,
    /// Reachable from outside by the address of a load balancer too.
    LoadBalancer,
}

impl From<ServiceTypeWord> for ServiceType {
    fn from(word: ServiceTypeWord) -> Self {
        match word {
            ServiceTypeWord::ClusterIp => Self::ClusterIp,
            ServiceTypeWord::NodePort => Self::NodePort,
            ServiceTypeWord::LoadBalancer => Self::LoadBalancer,
        }
    }
}

/// Which backends receive the traffic of a service.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TrafficPolicy")]
pub(crate) enum TrafficPolicyWord {
    /// All backends; a backend on another node sees the address of the first node as the client.
    Cluster,
    /// Only the backends on the same node.
    Local,
}

impl From<TrafficPolicyWord> for TrafficPolicy {
    fn from(word: TrafficPolicyWord) -> Self {
        match word {
            TrafficPolicyWord::Cluster => Self::Cluster,
            TrafficPolicyWord::Local => Self::Local,
        }
    }
}

/// The part that an endpoint has in attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Part")]
pub(crate) enum PartWord {
    /// It makes attempts, and is never a target.
    Source,
    /// It is a target, and makes no attempts.
    Target,
}

/// How policies are enforced.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Mode")]
pub(crate) enum ModeWord {
    /// An endpoint is isolated in a direction once a policy of that direction selects it.
    #[default]
    Default,
    /// Every endpoint is isolated.
    Always,
    /// Nothing is enforced.
    Never,
    /// As `default`, but denials are only reported.
    Audit,
}

impl From<ModeWord> for Enforcement {
    fn from(word: ModeWord) -> Self {
        let (mode, audit) = match word {
            ModeWord::Default => (EnforcementMode::Default, false),
            ModeWord::Always => (EnforcementMode::Always, false),
            ModeWord::Never => (EnforcementMode::Never, false),
            ModeWord::Audit => (EnforcementMode::Default, true),
        };
        Self { mode, audit }
    }
}

/// What the API server does with fields it does not know.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "FieldValidation")]
pub(crate) enum FieldValidationWord {
    /// It refuses the object, as for `kubectl apply`.
    #[default]
    Strict,
    /// It drops the fields.
    Ignore,
}

impl From<FieldValidationWord> for FieldValidation {
    fn from(word: FieldValidationWord) -> Self {
        match word {
            FieldValidationWord::Strict => Self::Strict,
            FieldValidationWord::Ignore => Self::Ignore,
        }
    }
}

/// Who refuses an object.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Refuser")]
pub(crate) enum RefuserWord {
    /// The API server: `kubectl apply` fails.
    ApiServer,
    /// Cilium's agent: the object is stored and not enforced.
    Agent,
}

impl From<RefuserWord> for Refuser {
    fn from(word: RefuserWord) -> Self {
        match word {
            RefuserWord::ApiServer => Self::ApiServer,
            RefuserWord::Agent => Self::Agent,
        }
    }
}

/// The sources of a verdict: one, or a list. `others` stands for every source that the attempt does not name.
#[derive(Clone, Debug)]
pub(crate) struct SourceNames(pub(crate) Vec<Located<String>>);

impl<'de> Deserialize<'de> for SourceNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sources = Located::<OneOrMany>::deserialize(deserializer)?;
        Ok(Self(match sources.value {
            OneOrMany::One(value) => vec![Located { value, position: sources.position }],
            OneOrMany::Many(many) => many,
        }))
    }
}

enum OneOrMany {
    One(String),
    Many(Vec<Located<String>>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a source or a list of sources")
    }

    fn visit_str<E>(self, value: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany::One(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<OneOrMany, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(access)).map(OneOrMany::Many)
    }
}

impl JsonSchema for SourceNames {
    fn schema_name() -> Cow<'static, str> {
        "Sources".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "One source, or a list: pods (`namespace/name`), hosts outside the cluster, nodes, \
                Cilium's own endpoints, patterns (`namespace/*`), and `others` for every source the attempt does not name.",
            "type": ["string", "array"],
            "items": { "type": "string" },
        })
    }
}

/// The possible keys of a table; their meaning depends on the topology.
const ATTEMPTS: [&str; 4] = [
    r"^(tcp|udp|sctp)[46]?\s+\S+:\S+(\s+over\s+\S+)?(\s+via\s+\S+)?(\s+kept)?$",
    r"^icmp(4|6|v6)?\s+(\w+\s+)?\S+(\s+via\s+\S+)?$",
    r"^https?[46]?\s+[A-Z]+\s+\S+(\s+\S+=\S*)*(\s+over\s+\S+)?(\s+via\s+\S+)?$",
    r"^dns(\+tcp)?\s+\S+$",
];

/// The schema of a table: attempts, each with verdicts and their sources.
pub(crate) fn table(generator: &mut SchemaGenerator) -> Schema {
    let sources = generator.subschema_for::<SourceNames>();
    let words: serde_json::Map<String, serde_json::Value> =
        VERDICT_WORDS.iter().map(|word| ((*word).to_owned(), sources.clone().to_value())).collect();
    let by = format!("^({}) by .+$", VERDICT_WORDS.join("|"));
    let verdicts = serde_json::json!({
        "type": "object",
        "properties": words,
        "patternProperties": {by: sources},
        "additionalProperties": false,
    });
    let attempts: serde_json::Map<String, serde_json::Value> =
        ATTEMPTS.iter().map(|pattern| ((*pattern).to_owned(), verdicts.clone())).collect();
    schemars::json_schema!({
        "type": "object",
        "patternProperties": attempts,
        "additionalProperties": false,
    })
}

/// The same, with at least one entry.
pub(crate) fn table_of_step(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = table(generator);
    schema.insert("minProperties".to_owned(), 1.into());
    schema
}

/// The port of the pods behind a service, by number or by name.
#[derive(Clone, Debug)]
pub(crate) enum TargetPortWord {
    /// By number, which may be out of range.
    Number(i64),
    /// By name.
    Name(String),
}

impl<'de> Deserialize<'de> for TargetPortWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TargetPortVisitor)
    }
}

struct TargetPortVisitor;

impl Visitor<'_> for TargetPortVisitor {
    type Value = TargetPortWord;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port number or a port name")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<TargetPortWord, E> {
        Ok(TargetPortWord::Number(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<TargetPortWord, E> {
        Ok(TargetPortWord::Name(value.to_owned()))
    }
}

impl JsonSchema for TargetPortWord {
    fn schema_name() -> Cow<'static, str> {
        "TargetPort".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "The port of the pods behind the service: a number, or the name the pods give it.",
            "type": ["integer", "string"],
            "minimum": 1,
            "maximum": 65535,
        })
    }
}

/// The value of a setting.
#[derive(Clone, Debug)]
pub(crate) enum SettingWord {
    /// On or off.
    Boolean(bool),
    /// A number, null, or another value that no known setting has.
    Other,
    /// A text.
    Text(String),
    /// Several texts.
    List(Vec<String>),
    /// Settings under a common name.
    Table(LocatedMap<Located<SettingWord>>),
}

impl<'de> Deserialize<'de> for SettingWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SettingVisitor)
    }
}

struct SettingVisitor;

impl<'de> Visitor<'de> for SettingVisitor {
    type Value = SettingWord;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting of Cilium")
    }

    fn visit_bool<E>(self, value: bool) -> Result<SettingWord, E> {
        Ok(SettingWord::Boolean(value))
    }

    fn visit_unit<E>(self) -> Result<SettingWord, E> {
        Ok(SettingWord::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<SettingWord, E> {
        Ok(SettingWord::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<SettingWord, E> {
        Ok(SettingWord::Other)
    }

    fn visit_str<E>(self, value: &str) -> Result<SettingWord, E> {
        Ok(SettingWord::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<SettingWord, A::Error> {
        let words: Vec<SettingWord> = Vec::deserialize(SeqAccessDeserializer::new(access))?;
        let texts = words.into_iter().map(|word| match word {
            SettingWord::Text(text) => Some(text),
            _ => None,
        });
        Ok(texts.collect::<Option<Vec<_>>>().map_or(SettingWord::Other, SettingWord::List))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<SettingWord, A::Error> {
        LocatedMap::deserialize(MapAccessDeserializer::new(access)).map(SettingWord::Table)
    }
}

impl JsonSchema for SettingWord {
    fn schema_name() -> Cow<'static, str> {
        "Setting".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "The value of a setting, or settings under a common name.",
            "type": ["boolean", "integer", "string", "array", "object"],
        })
    }
}
