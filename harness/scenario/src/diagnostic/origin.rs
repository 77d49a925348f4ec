//! The origin of rendered manifests, as kustomize and Helm record it beside each object.

/// What Helm writes above each document.
/// <https://helm.sh/docs/helm/helm_template/>
const OF_HELM: &str = "# Source: ";

/// The annotation in which kustomize records it, with `buildMetadata: [originAnnotations]`.
/// <https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/buildmetadata/>
const OF_KUSTOMIZE: &str = "config.kubernetes.io/origin:";

/// The file that the document at a line comes from, if it is recorded.
pub(super) fn origin(text: &str, line: u32) -> Option<&str> {
    if !text.contains(OF_HELM) && !text.contains(OF_KUSTOMIZE) {
        return None;
    }
    let at = usize::try_from(line).ok()?.checked_sub(1)?;
    let lines: Vec<&str> = text.lines().collect();
    let is_end = |line: &&str| line.starts_with("---");
    let start = lines.iter().take(at + 1).rposition(is_end).map_or(0, |index| index + 1);
    let end = lines.iter().skip(at + 1).position(is_end).map_or(lines.len(), |count| at + 1 + count);
    let document = lines.get(start..end)?;
    let of_helm = document.iter().find_map(|line| line.strip_prefix(OF_HELM));
    let of_kustomize = || {
        let annotation = document.iter().position(|line| line.trim_start().starts_with(OF_KUSTOMIZE))?;
        // A mapping in a block scalar, with the path on a line.
        let mut keys = document.iter().skip(annotation + 1).take(4);
        keys.find_map(|line| line.trim_start().strip_prefix("path: "))
    };
    of_helm.or_else(of_kustomize).map(str::trim).filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RENDERED: &str = "---
# Source: shop/templates/web.yaml
kind: Service
metadata: {name: web}
---
kind: Pod
metadata:
  annotations:
    config.kubernetes.io/origin: |
      path: ../../base/pod.yaml
  name: pod
---
kind: Secret
path: nothing
";

    #[test]
    fn documents_name_their_files() {
        let check =
            |line: u32, expected: Option<&str>| assert_eq!(origin(RENDERED, line), expected, "line {line}");
        check(3, Some("shop/templates/web.yaml"));
        check(4, Some("shop/templates/web.yaml"));
        check(6, Some("../../base/pod.yaml"));
        check(11, Some("../../base/pod.yaml"));
        check(13, None);
        check(14, None);
        check(99, None);
        assert_eq!(origin("kind: Pod\n", 1), None);
    }
}
