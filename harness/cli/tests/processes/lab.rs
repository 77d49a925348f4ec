//! `verdikt run` in the lab, with real sockets.

use serde_json::Value;

use crate::project::{GOOD, Project, differing};

#[test]
fn verdicts_rest_on_evidence() {
    for (scenario, code) in [(GOOD.to_owned(), 0), (differing(), 1)] {
        let project = Project::with(&[("redis.yaml", scenario)]);
        let arguments = ["redis.yaml", "--on", "lab", "--parallel", "2", "--timeout", "2000"];
        let outputs = ["--events", "log", "--report", "json=a.json", "--report", "junit=a.xml"];
        let ran = project.verdikt(&[&["run"], &arguments[..], &outputs].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (code, ""), "{ran}");
        assert!(ran.stdout.contains("\nevidence: ") && ran.stdout.contains("backend lab"), "{ran}");

        let report: Value = serde_json::from_str(&project.read("a.json")).unwrap();
        let cells = report["scenarios"][0]["steps"][1]["cells"].as_array().unwrap();
        for cell in cells {
            let denied = cell["verdict"].as_str().unwrap().starts_with("deny");
            let basis = cell["basis"].as_str().unwrap();
            assert!(basis.contains(if denied { "flow" } else { "outcome" }), "{cell}");
            assert!(!cell["evidence"]["observation"]["stages"].as_array().unwrap().is_empty(), "{cell}");
        }
        assert!(cells.iter().any(|cell| cell["evidence"]["flows"][0]["verdict"] == "dropped"), "{report}");

        let replayed =
            project.verdikt(&["replay", "log", "--report", "json=b.json", "--report", "junit=b.xml"]);
        assert!(ran == replayed, "{ran}\n{replayed}");
        assert_eq!(project.read("a.json"), project.read("b.json"));
        assert_eq!(project.read("a.xml"), project.read("b.xml"));
    }
}
