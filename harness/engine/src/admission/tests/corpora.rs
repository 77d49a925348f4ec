//! Objects whose fate is known.

use std::collections::BTreeMap;
use std::io::Read as _;

use serde_json::Value as Json;
use verdikt_scenario::document::Unlocated;

use super::*;

fn node(object: &Json) -> YamlNode {
    let Unlocated(root) = serde_json::from_value(object.clone()).unwrap();
    root
}

fn messages(object: &YamlNode, validation: FieldValidation) -> Vec<String> {
    let admission = admit(object, CiliumVersion::V1_20, validation);
    admission.refusals.into_iter().map(|refusal| refusal.message).collect()
}

/// The reasons in what `kubectl` printed: all lines but the head of the list and the note at its end.
fn reasons(output: &str) -> Vec<&str> {
    let output = output.strip_prefix("Error from server (BadRequest): ").unwrap_or(output);
    let (_, body) = output
        .split_once("is invalid: ")
        .or_else(|| output.split_once("cannot be handled as a CiliumNetworkPolicy: "))
        .unwrap();
    let lines = body.lines().map(|line| line.trim_start_matches("* ").trim());
    lines
        .filter(|line| !line.is_empty() && !line.contains("some validation rules were not checked"))
        .collect()
}

#[test]
fn doubtful_objects_are_refused_in_the_words_of_the_api_server() {
    let mut wrong = Vec::new();
    for line in include_str!("../../../tests/fixtures/rejected-policies.jsonl").lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let object = node(&case["object"]);
        for (validation, accepted, output) in [
            (FieldValidation::Strict, case["kubectl_apply"]["exit"] == 0, &case["kubectl_apply"]["output"]),
            (FieldValidation::Ignore, case["server"]["accepted"] == true, &case["server"]["output"]),
        ] {
            let said = messages(&object, validation);
            let expected = if accepted { Vec::new() } else { reasons(output.as_str().unwrap()) };
            if said != expected {
                wrong
                    .push(format!("{} {validation:?}\n  says {said:#?}\n  not  {expected:#?}", case["case"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_was_stored_in_a_cluster_is_accepted() {
    let mut objects = 0;
    for line in include_str!("../../../tests/fixtures/datapath.jsonl").lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        for policy in case["policies"].as_array().unwrap() {
            let said = messages(&node(&policy["object"]), FieldValidation::Strict);
            assert!(said.is_empty(), "{}: {said:?}", case["case"]);
            objects += 1;
        }
    }
    assert!(objects > 50, "{objects}");
}

/// The field and the kind of refusal, without its place and value.
fn digest(message: &str) -> String {
    let mut parts = message.split(": ");
    let path = parts.next().unwrap_or_default();
    let field = path.rsplit('.').next().and_then(|field| field.split('[').next()).unwrap_or_default();
    format!("{field}: {}", parts.next().unwrap_or_default())
}

/// How many objects of a file are accepted, and how many are refused for what. They were made for an engine without
/// an API server, so that some have a world of one family or an address without a length.
fn check_vectors(file: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        for policy in case["policies"].as_array().unwrap() {
            let said = messages(&node(&policy["object"]), FieldValidation::Strict);
            let reason = said.first().map_or_else(|| "accepted".to_owned(), |message| digest(message));
            *counts.entry(reason).or_insert(0) += 1;
        }
    }
    let lines: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    lines.join("\n")
}

#[test]
fn vectors_of_network_policies() {
    let file = include_bytes!("../../../tests/fixtures/kubernetes-networkpolicy.jsonl.gz");
    assert_snapshot!(check_vectors(file), @"1080 accepted");
}

#[test]
fn vectors_of_cilium_network_policies() {
    let file = include_bytes!("../../../tests/fixtures/ciliumnetworkpolicy.jsonl.gz");
    assert_snapshot!(check_vectors(file), @r"
    1615 accepted
    27 fromCIDR: Invalid value
    43 fromEntities: Unsupported value
    27 toCIDR: Invalid value
    23 toEntities: Unsupported value
    ");
}

#[test]
fn vectors_of_clusterwide_policies() {
    let file = include_bytes!("../../../tests/fixtures/ciliumclusterwidenetworkpolicy.jsonl.gz");
    assert_snapshot!(check_vectors(file), @r"
    1027 accepted
    17 fromCIDR: Invalid value
    20 fromEntities: Unsupported value
    18 toCIDR: Invalid value
    17 toEntities: Unsupported value
    ");
}

#[test]
fn vectors_of_all_kinds() {
    let file = include_bytes!("../../../tests/fixtures/mixed.jsonl.gz");
    assert_snapshot!(check_vectors(file), @r"
    2478 accepted
    36 fromCIDR: Invalid value
    36 fromEntities: Unsupported value
    17 toCIDR: Invalid value
    33 toEntities: Unsupported value
    ");
}
