//! Spans of Cilium versions, as the tables of differences use them.

use verdikt_scenario::version::CiliumVersion;

/// A span of versions. Only [`before`] and [`only`] give it an end; otherwise it holds for every future minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VersionSpan {
    first: Option<CiliumVersion>,
    /// The first version after the span.
    end: Option<CiliumVersion>,
}

/// Every version.
pub(crate) const ALWAYS: VersionSpan = VersionSpan { first: None, end: None };

/// No version.
pub(crate) const NEVER: VersionSpan = before(CiliumVersion::RANGE[0]);

/// A version and all later ones.
pub(crate) const fn since(first: CiliumVersion) -> VersionSpan {
    VersionSpan { first: Some(first), end: None }
}

/// All versions older than this one.
pub(crate) const fn before(end: CiliumVersion) -> VersionSpan {
    VersionSpan { first: None, end: Some(end) }
}

/// One version.
pub(crate) const fn only(version: CiliumVersion) -> VersionSpan {
    since(version).before(version.next())
}

impl VersionSpan {
    /// The part of the span that is older than a version.
    pub(crate) const fn before(self, end: CiliumVersion) -> Self {
        Self { first: self.first, end: Some(end) }
    }

    /// Whether a version lies in the span.
    pub(crate) fn contain(self, version: CiliumVersion) -> bool {
        self.first.is_none_or(|first| first <= version) && self.end.is_none_or(|end| version < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_open_at_their_end() {
        let (oldest, newest) = (CiliumVersion::V1_16, CiliumVersion::RANGE[1]);
        let held = |span: VersionSpan| {
            let all = CiliumVersion::ALL.into_iter().chain([newest.next()]);
            all.filter(|version| span.contain(*version)).count()
        };
        let all = CiliumVersion::ALL.len() + 1;
        assert_eq!((held(ALWAYS), held(NEVER)), (all, 0));
        assert_eq!((held(since(oldest.next())), held(before(oldest.next()))), (all - 1, 1));
        assert_eq!((held(only(newest)), held(only(newest.next()))), (1, 1));
        assert_eq!(held(since(oldest).before(oldest.next().next())), 2);
    }
}
