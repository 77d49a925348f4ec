//! The events of a run, in the order they happen: one JSON object a line.
//!
//! Everything a report shows is in here, so that any report can be made from a log afterwards.

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

/// The version of the log's format. Readers refuse a log of another one.
pub const FORMAT: u32 = 4;

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run begins.
    RunStarted(RunStarted),
    /// Something legal that is almost surely not what was meant.
    Warned(Diagnostic),
    /// A scenario begins.
    ScenarioStarted(ScenarioStarted),
    /// A scenario is left out.
    ScenarioSkipped(ScenarioSkipped),
    /// A scenario cannot go on.
    ScenarioFailed(ScenarioFailed),
    /// A step begins.
    StepStarted(StepStarted),
    /// A policy object of the step was judged.
    ObjectJudged(ObjectJudged),
    /// A cell of the step's table is left out.
    CellSkipped(CellSkipped),
    /// An invariant was held against the step: by the policy model when it begins, and by attempts before it ends.
    InvariantJudged(Box<InvariantJudged>),
    /// A cell of the step's table has its verdict.
    CellJudged(Arc<CellJudged>),
    /// The step is over.
    StepFinished(StepFinished),
    /// The run is over.
    RunFinished(RunFinished),
}

/// The run begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunStarted {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of verdikt.
    pub verdikt: String,
    /// Where the steps run: `model`, `lab`.
    pub backend: String,
    /// Why it is not the lab, where nobody chose another backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of_lab: Option<String>,
    /// The Cilium version of the predictions.
    pub cilium: CiliumVersion,
    /// Which run it is.
    #[serde(flatten)]
    pub origin: RunOrigin,
}

/// Which run a log is of. Empty where the same run is to give the same log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunOrigin {
    /// What no other run is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// The command line, without the program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The context of the cluster it ran on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

/// A scenario begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioStarted {
    /// Its name.
    pub scenario: String,
    /// Why it exists.
    pub about: String,
    /// Its file.
    pub place: Place,
}

/// A scenario is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioSkipped {
    /// Its name.
    pub scenario: String,
    /// Its file.
    pub place: Place,
    /// Why: a sentence fragment.
    pub because: String,
}

/// A scenario cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioFailed {
    /// Its name.
    pub scenario: String,
    /// Its file.
    pub place: Place,
    /// Why, naming the object and what to do.
    pub reason: String,
}

/// A step begins.
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
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// How long the datapath took to have the step, where there was something to wait for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Duration>,
}

/// A policy object was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectJudged {
    /// The scenario.
    pub scenario: String,
    /// The step.
    pub step: String,
    /// The object.
    pub object: ObjectRef,
    /// Where it is written, or where in it the reason of its refusal stands.
    pub place: Place,
    /// The refusal the author expects.
    pub expected: Option<RejectedObject>,
    /// The refusal, if it was refused.
    pub refused: Option<RejectedObject>,
    /// Whether both agree, and the engine agrees.
    pub as_expected: bool,
    /// What the engine predicts instead, as text, where a cluster judged the object and the engine disagrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disagreement: Option<String>,
}

/// Who refuses an object, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RejectedObject {
    /// Who.
    pub by: Refuser,
    /// The message, or the part of it that an author expects.
    pub message: String,
}

/// A cell is left out: nothing is attempted, and it is neither as expected nor otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CellSkipped {
    /// The scenario.
    pub scenario: String,
    /// The step.
    pub step: String,
    /// The attempt.
    pub attempt: Attempt,
    /// Who would make it.
    pub source: Endpoint,
    /// What the author expects.
    pub expected: Expected,
    /// Where the author wrote that.
    pub place: Place,
    /// Why: a sentence.
    pub because: String,
}

impl CellSkipped {
    /// Its name.
    pub fn name(&self) -> CellName<'_> {
        let Self { scenario, step, attempt, source, .. } = self;
        CellName { scenario, step, attempt, source }
    }
}

/// A cell has its verdict. In the log it also has its `name`, as a filter takes it, and how long the attempt `took`.
///
/// Runs have a million of them: what several have in common they share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(transform = with_derived)]
pub struct CellJudged {
    /// The scenario.
    pub scenario: Arc<str>,
    /// The step.
    pub step: Arc<str>,
    /// The attempt.
    pub attempt: Arc<Attempt>,
    /// Who made it.
    pub source: Endpoint,
    /// The backend that the verdict is about, where the cell stands for one attempt to each backend of a service and not
    /// all of them are as expected.
    #[serde(default)]
    pub via: Option<Box<Endpoint>>,
    /// What the author expects.
    pub expected: Expected,
    /// Where the author wrote that.
    pub place: Place,
    /// Why this Cilium version differs, where it does.
    pub because: Option<Box<str>>,
    /// What the engine says.
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

/// A step is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepFinished {
    /// The scenario.
    pub scenario: String,
    /// The step.
    pub step: String,
    /// How long it took, from putting it in force to its last verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Duration>,
}

/// The run is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunFinished {
    /// What was counted.
    pub totals: Totals,
    /// What it comes to.
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

/// Adds what the log says beside the fields.
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
