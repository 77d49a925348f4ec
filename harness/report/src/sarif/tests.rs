use super::*;
use crate::fixture::{cells, objects, run};

fn mistakes() -> Vec<Diagnostic> {
    let place = |file: &str, line| Place { file: file.into(), line, column: 5 };
    vec![
        Diagnostic::error(place("./a folder/s.yaml", 3), "no pod is called `shop/kart`")
            .help("did you mean `shop/cart`?"),
        Diagnostic::warning(place("policies/x.yaml", 0), "selects-nothing", "no pod is selected"),
    ]
}

#[test]
fn what_check_found() {
    insta::assert_snapshot!(diagnostics(&mistakes()), @r#"
    {
      "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
      "version": "2.1.0",
      "runs": [
        {
          "tool": {
            "driver": {
              "name": "verdikt",
              "semanticVersion": "0.1.0",
              "informationUri": "https://github.com/verdikt/verdikt",
              "rules": [
                {
                  "id": "mistake",
                  "shortDescription": {
                    "text": "A scenario or a policy is wrong."
                  }
                },
                {
                  "id": "selects-nothing",
                  "shortDescription": {
                    "text": "Legal, and almost surely not what was meant."
                  }
                }
              ]
            }
          },
          "results": [
            {
              "ruleId": "mistake",
              "level": "error",
              "message": {
                "text": "no pod is called `shop/kart`\ndid you mean `shop/cart`?"
              },
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "a%20folder/s.yaml"
                    },
                    "region": {
                      "startLine": 3,
                      "startColumn": 5
                    }
                  }
                }
              ]
            },
            {
              "ruleId": "selects-nothing",
              "level": "warning",
              "message": {
                "text": "no pod is selected"
              },
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "policies/x.yaml"
                    }
                  }
                }
              ]
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn a_run() {
    let document: Value = serde_json::from_str(&sarif(&run(objects(), cells()))).unwrap();
    let results = document["runs"][0]["results"].as_array().unwrap();
    let shown = results.iter().map(|result| {
        let place = &result["locations"][0]["physicalLocation"];
        let (uri, line) = (&place["artifactLocation"]["uri"], &place["region"]["startLine"]);
        let text = result["message"]["text"].as_str().unwrap().split('\n').next().unwrap();
        let uri = uri.as_str().unwrap();
        format!(
            "{} {} {uri}:{line} {text}",
            result["level"].as_str().unwrap(),
            result["ruleId"].as_str().unwrap()
        )
    });
    insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @r#"
    error object policies/refused.yaml:6 refused: CiliumNetworkPolicy database/typo at policies/refused.yaml:6 by the API server: unknown field "spec.ingres"; it is not in force, and no refusal is expected
    error object policies/refused.yaml:6 refused for another reason: CiliumNetworkPolicy database/ports at policies/refused.yaml:6 by the agent: invalid port range; expected by the agent, saying "too many ports"
    error differs policies/redis.yaml:12 tcp database/redis:6379 from shop/cart: expected deny ingress by database/lockdown, deny ingress by database/redis policies/redis.yaml:12
    error differs policies/redis.yaml:12 tcp database/redis:6379 from client: expected allow, deny ingress by database/redis policies/redis.yaml:12
    error differs policies/api.yaml:11 http GET backend/api:8080/api?page=1 from frontend/worker: expected allow, deny http by backend/api policies/api.yaml:11
    error differs scenarios/three-tier.yaml:42 http GET backend/api:8080/api?page=1 from shop/cart: expected deny ingress by backend/api, allow, by no policy
    warning inconclusive policies/envoy.yaml:15 http GET backend/api:8080/api?page=1 from client: expected allow, inconclusive: the engine does not know what an Envoy filter of its own makes of it
    "#);
    // Every result has a rule that is described.
    let rules = document["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(results.iter().all(|result| rules.iter().any(|rule| rule["id"] == result["ruleId"])));
}
