use super::*;

#[test]
fn policies_of_every_kind_are_applied_and_removed() {
    for kind in PolicyKind::ALL {
        for version in kind.versions() {
            let is_it = |known: &ResourceKind| known.kind == kind.name() && known.version == *version;
            assert!(POLICIES.iter().any(is_it), "write {kind} in version {version} into POLICIES");
        }
    }
}
