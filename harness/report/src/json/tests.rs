//! The JSON document.

use super::*;
use crate::fixture::{cells, objects, run};

#[test]
fn one_cell_and_one_object() {
    let some = |index: usize| vec![cells().remove(index)];
    insta::assert_snapshot!(json(&run(vec![objects().remove(1)], some(5))).unwrap());
}

#[test]
fn every_kind_is_valid_and_the_same_each_time() {
    let events = run(objects(), cells());
    let text = json(&events).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["scenarios"][0]["steps"][1]["cells"].as_array().map(Vec::len), Some(11));
    assert_eq!(value["outcome"], "differs");
    assert_eq!(text, json(&events).unwrap());
    json(&[]).unwrap();
}
