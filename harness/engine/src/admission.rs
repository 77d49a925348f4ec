//! stub
use verdikt_scenario::document::Node;
use verdikt_scenario::place::Position;
use verdikt_scenario::scenario::FieldValidation;
use verdikt_scenario::version::CiliumVersion;
/// stub
#[derive(Clone, Debug)]
pub struct Admission {
    /// r
    pub refusals: Vec<Refusal>,
    /// s
    pub stored: Node,
}
/// stub
#[derive(Clone, Debug)]
pub struct Refusal {
    /// m
    pub message: String,
    /// p
    pub position: Position,
}
/// stub
pub fn admit(object: &Node, _v: CiliumVersion, _f: FieldValidation) -> Admission {
    Admission { refusals: vec![], stored: object.clone() }
}
/// stub
pub fn prune(object: &Node) -> Node {
    object.clone()
}
