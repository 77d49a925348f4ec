//! The JSON document.

use super::*;
use crate::fixture::{cells, objects, run};

#[test]
#[expect(clippy::too_many_lines, reason = "the snapshot is long")]
fn one_cell_and_one_object() {
    let some = |index: usize| vec![cells().remove(index)];
    insta::assert_snapshot!(json(&run(vec![objects().remove(1)], some(5))).unwrap(), @r#"
    {
      "format": 1,
      "verdikt": "0.1.0",
      "backend": "model",
      "cilium": "1.18",
      "outcome": "differs",
      "totals": {
        "scenarios": 1,
        "skipped": 1,
        "failed": 0,
        "steps": 2,
        "cells": 2,
        "differing": 1,
        "inconclusive": 0,
        "objects": 1,
        "objects_differing": 0
      },
      "scenarios": [
        {
          "name": "three-tier",
          "about": "Redis takes connections only from the backend; every tier takes them only from the tier in front of it.",
          "place": {
            "file": "scenarios/three-tier.yaml",
            "line": 1,
            "column": 3
          },
          "steps": [
            {
              "step": "without policies",
              "place": {
                "file": "scenarios/three-tier.yaml",
                "line": 20,
                "column": 3
              },
              "objects": [],
              "cells": [
                {
                  "name": "three-tier/without policies/tcp database/redis:6379/frontend/web",
                  "attempt": "tcp database/redis:6379",
                  "source": "frontend/web",
                  "expected": "allow",
                  "place": {
                    "file": "scenarios/three-tier.yaml",
                    "line": 42,
                    "column": 3
                  },
                  "because": null,
                  "verdict": "allow",
                  "inconclusive_because": null,
                  "result": "as-expected",
                  "checks": [
                    {
                      "point": "egress",
                      "endpoint": "frontend/web",
                      "question": "to database/redis, tcp port 6379",
                      "finding": "not-isolated"
                    },
                    {
                      "point": "ingress",
                      "endpoint": "database/redis",
                      "question": "from frontend/web, tcp port 6379",
                      "finding": "not-isolated"
                    }
                  ]
                }
              ]
            },
            {
              "step": "locked down",
              "place": {
                "file": "scenarios/three-tier.yaml",
                "line": 30,
                "column": 3
              },
              "objects": [
                {
                  "kind": "CiliumNetworkPolicy",
                  "namespace": "database",
                  "name": "empty",
                  "place": {
                    "file": "policies/refused.yaml",
                    "line": 6,
                    "column": 3
                  },
                  "expected": {
                    "by": "agent",
                    "message": "at least one of"
                  },
                  "refused": {
                    "by": "agent",
                    "message": "rule must have at least one of Ingress, Egress"
                  },
                  "as_expected": true
                }
              ],
              "cells": [
                {
                  "name": "three-tier/locked down/tcp database/redis:6379/client",
                  "attempt": "tcp database/redis:6379",
                  "source": "client",
                  "expected": "allow",
                  "place": {
                    "file": "scenarios/three-tier.yaml",
                    "line": 42,
                    "column": 3
                  },
                  "because": null,
                  "verdict": "deny ingress",
                  "inconclusive_because": null,
                  "result": "differs",
                  "checks": [
                    {
                      "point": "egress",
                      "endpoint": "client/as-pod",
                      "question": "to database/redis, tcp port 6379",
                      "finding": "not-isolated"
                    },
                    {
                      "point": "ingress",
                      "endpoint": "database/redis",
                      "question": "from client/as-pod, tcp port 6379",
                      "finding": {
                        "no-rule-allows": {
                          "isolated_by": [
                            {
                              "object": {
                                "kind": "CiliumNetworkPolicy",
                                "namespace": "database",
                                "name": "redis"
                              },
                              "path": "spec.ingress[0]",
                              "place": {
                                "file": "policies/redis.yaml",
                                "line": 12,
                                "column": 3
                              }
                            },
                            {
                              "object": {
                                "kind": "CiliumNetworkPolicy",
                                "namespace": "database",
                                "name": "default-deny"
                              },
                              "path": "spec.ingress[0]",
                              "place": {
                                "file": "policies/default-deny.yaml",
                                "line": 7,
                                "column": 3
                              }
                            }
                          ],
                          "nearest": {
                            "rule": {
                              "object": {
                                "kind": "CiliumNetworkPolicy",
                                "namespace": "database",
                                "name": "redis"
                              },
                              "path": "spec.ingress[0].toPorts[0].ports[0]",
                              "place": {
                                "file": "policies/redis.yaml",
                                "line": 12,
                                "column": 3
                              }
                            },
                            "on": "peer: app=backend is wanted, its label app is frontend"
                          }
                        }
                      }
                    }
                  ]
                }
              ]
            }
          ]
        }
      ],
      "skipped": [
        {
          "name": "newer",
          "place": {
            "file": "scenarios/newer.yaml",
            "line": 1,
            "column": 3
          },
          "because": "it holds for Cilium >=1.19, and this run is for 1.18"
        }
      ],
      "failed": []
    }
    "#);
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
