//! The events of a run, in the order they happen: one JSON object a line.
//!
//! The log holds everything that a report shows, so that any report can be made from it later.

use std::sync::Arc;
use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::cell_name::CellName;
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::expect::Expected;
use verdikt_scenario::place::Place;
use verdikt_scenario::policy::{ObjectRef, Refuser};
use verdikt_scenario::prediction::Prediction;
use verdikt_scenario::topology::Endpoint;
use verdikt_scenario::version::CiliumVersion;

use crate::compare::{CellResult, Verdict};
use crate::evidence::{Basis, Evidence};
use crate::invariant::InvariantJudged;
use crate::run_result::{RunResult, Totals};
use crate::timestamp::Timestamp;

/// The version of the log's format. Readers refuse logs of other versions.
pub const FORMAT: u32 = 5;

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run starts.
    RunStarted(RunStarted),
    /// A policy is legal, but almost surely not what its author meant.
    Warned(Diagnostic),
    /// A scenario starts.
    ScenarioStarted(ScenarioStarted),
    /// A scenario is skipped.
    ScenarioSkipped(ScenarioSkipped),
    /// A scenario cannot continue.
    ScenarioFailed(ScenarioFailed),
    /// A step starts.
    StepStarted(StepStarted),
    /// A policy object of the step was judged.
    ObjectJudged(ObjectJudged),
    /// A cell of the step's table is skipped.
    CellSkipped(CellSkipped),
    /// An invariant was checked at a step: by the policy model when the step starts, or by attempts before it ends.
    InvariantJudged(Box<InvariantJudged>),
    /// A cell of the step's table has its verdict.
    CellJudged(Arc<CellJudged>),
    /// The step has ended.
    StepFinished(StepFinished),
    /// The run has ended.
    RunFinished(RunFinished),
}

/// The start of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunStarted {
    /// The version of the format: [`FORMAT`].
    pub format: u32,
    /// The version of verdikt.
    pub verdikt: String,
    /// Where the steps run: `model`, `lab`.
    pub backend: String,
    /// Why the backend is not the lab, if nobody chose another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of_lab: Option<String>,
    /// The Cilium version of the predictions.
    pub cilium: CiliumVersion,
    /// Which run it is.
    #[serde(flatten)]
    pub origin: RunOrigin,
}

/// Which run a log belongs to. Empty where the same input must give the same log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunOrigin {
    /// The unique name of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// The command line, without the program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The context of the cluster it ran on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

/// The start of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioStarted {
    /// Its name.
    pub scenario: String,
    /// What it is about.
    pub about: String,
    /// Its file.
    pub place: Place,
}

/// A scenario that is skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioSkipped {
    /// Its name.
    pub scenario: String,
    /// Its file.
    pub place: Place,
    /// Why, as a sentence fragment.
    pub because: String,
}

/// A scenario that cannot continue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioFailed {
    /// Its name.
    pub scenario: String,
    /// Its file.
    pub place: Place,
    /// Why, naming the object and what to do.
    pub reason: String,
}

/// The start of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepStarted {
    /// The scenario.
    pub scenario: String,
    /// The step's name.
    pub step: String,
    /// Where it is written.
    pub place: Place,
    /// The sources of its table, in the order of the files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Endpoint>,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// How long the datapath took to apply the step, where there was something to wait for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Duration>,
}

/// Whether a policy object was accepted or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectJudged {
    /// The scenario.
    pub scenario: String,
    /// The step.
    pub step: String,
    /// The object.
    pub object: ObjectRef,
    /// Where it is written; for a refused object, where the reason of the refusal is.
    pub place: Place,
    /// The refusal the author expects.
    pub expected: Option<ObjectRefusal>,
    /// The refusal, if it was refused.
    pub refused: Option<ObjectRefusal>,
    /// Whether the two agree, and the engine agrees with them.
    pub as_expected: bool,
    /// What the engine predicts instead, as text, if a cluster accepted or refused the object and the engine
    /// disagrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disagreement: Option<String>,
}

/// Who refuses an object, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectRefusal {
    /// The API server or the agent.
    pub by: Refuser,
    /// The message, or the part of it that an author expects.
    pub message: String,
}

/// A cell that is skipped: nothing is attempted, and it is neither as expected nor different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CellSkipped {
    /// The scenario.
    pub scenario: String,
    /// The step.
    pub step: String,
    /// The attempt.
    pub attempt: Attempt,
    /// The source of the attempt.
    pub source: Endpoint,
    /// What the author expects.
    pub expected: Expected,
    /// Where the author wrote that.
    pub place: Place,
    /// Why, as a sentence.
    pub because: String,
}

impl CellSkipped {
    /// Its name.
    pub fn name(&self) -> CellName<'_> {
        let Self { scenario, step, attempt, source, .. } = self;
        CellName { scenario, step, attempt, source }
    }
}

/// The verdict of a cell. In the log it also has its `name`, as a filter takes it, and how long the attempt `took`.
///
/// A run may have a million of these, so they share what they have in common.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(transform = with_derived)]
pub struct CellJudged {
    /// The scenario.
    pub scenario: Arc<str>,
    /// The step.
    pub step: Arc<str>,
    /// The attempt.
    pub attempt: Arc<Attempt>,
    /// The source of the attempt.
    pub source: Endpoint,
    /// The backend that the verdict is about, if the cell stands for one attempt to each backend of a service and not
    /// all of these are as expected.
    #[serde(default)]
    pub via: Option<Box<Endpoint>>,
    /// What the author expects.
    pub expected: Expected,
    /// Where the author wrote that.
    pub place: Place,
    /// Why this Cilium version differs, if it does.
    pub because: Option<Box<str>>,
    /// What the engine predicts.
    pub prediction: Prediction,
    /// What was seen; none where nothing is attempted.
    #[serde(default)]
    pub evidence: Option<Box<Evidence>>,
    /// What the verdict rests on; none where nothing is attempted.
    #[serde(default)]
    pub basis: Option<Basis>,
    /// What the harness concludes.
    pub verdict: Verdict,
    /// How expectation and verdict compare.
    pub result: CellResult,
}

/// The end of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepFinished {
    /// The scenario.
    pub scenario: String,
    /// The step.
    pub step: String,
    /// How long it took, from applying it to its last verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Duration>,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunFinished {
    /// The counts.
    pub totals: Totals,
    /// The result.
    pub outcome: RunResult,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Duration>,
}

impl CellJudged {
    /// Its name.
    pub fn name(&self) -> CellName<'_> {
        let Self { scenario, step, attempt, source, .. } = self;
        CellName { scenario, step, attempt, source }
    }

    /// How long the attempt took; none where nothing was attempted.
    pub fn took(&self) -> Option<Duration> {
        self.evidence.as_ref().and_then(|evidence| evidence.observation.took())
    }
}

/// Adds to the schema what the log has beside the fields of the type.
fn with_derived(schema: &mut Schema) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    let name = json!({"description": "Its name, as a filter takes it.", "type": "string"});
    properties.insert("name".to_owned(), name);
    let took = json!({"description": "How long the attempt took.", "$ref": "#/$defs/Duration"});
    properties.insert("took".to_owned(), took);
}

impl Serialize for CellJudged {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { scenario, step, attempt, source, via, expected, place, because, .. } = self;
        let Self { prediction, evidence, basis, verdict, result, .. } = self;
        let mut fields = serializer.serialize_struct("CellJudged", 14)?;
        fields.serialize_field("name", &format_args!("{}", self.name()))?;
        fields.serialize_field("scenario", scenario)?;
        fields.serialize_field("step", step)?;
        fields.serialize_field("attempt", attempt)?;
        fields.serialize_field("source", source)?;
        if let Some(via) = via {
            fields.serialize_field("via", via)?;
        }
        fields.serialize_field("expected", expected)?;
        fields.serialize_field("place", place)?;
        fields.serialize_field("because", because)?;
        fields.serialize_field("prediction", prediction)?;
        if let Some(evidence) = evidence {
            fields.serialize_field("evidence", evidence)?;
        }
        if let Some(basis) = basis {
            fields.serialize_field("basis", basis)?;
        }
        if let Some(took) = self.took() {
            fields.serialize_field("took", &took)?;
        }
        fields.serialize_field("verdict", verdict)?;
        fields.serialize_field("result", result)?;
        fields.end()
    }
}

impl Event {
    /// The event as a line of the log, without the line's end.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// An event from a line of the log.
    pub fn from_line(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }
}
