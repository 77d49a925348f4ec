//! Whether this machine has the programs that clusters need.

use crate::call::ProgramCall;
use crate::error::Error;
use crate::program::Program;
use crate::versions::{VersionNumber, versions};

/// The result of the check of one program.
#[derive(Debug)]
pub struct ProgramFinding {
    /// The program.
    pub program: Program,
    /// The oldest supported version.
    pub wanted: VersionNumber,
    /// Its version, or why it cannot be used.
    pub found: Result<VersionNumber, Error>,
}

/// Checks every program.
pub fn examine() -> Vec<ProgramFinding> {
    let examine = |&program| {
        let least = versions().programs;
        let wanted = match program {
            Program::Docker => least.docker,
            Program::Kind => least.kind,
            Program::Helm => least.helm,
        };
        ProgramFinding { program, wanted, found: version(program, wanted) }
    };
    Program::ALL.iter().map(examine).collect()
}

/// Fails with the first program that cannot be used.
pub(crate) fn require_all() -> Result<(), Error> {
    examine().into_iter().try_for_each(|finding| finding.found.map(drop))
}

fn version(program: Program, wanted: VersionNumber) -> Result<VersionNumber, Error> {
    // The version of docker that counts is its daemon's, which tells as well whether the daemon can be asked.
    let arguments: &[&str] = match program {
        Program::Docker => &["version", "--format", "{{.Server.Version}}"],
        Program::Kind => &["version"],
        Program::Helm => &["version", "--short"],
    };
    let said =
        ProgramCall::new(program, format!("ask {program} for its version")).arguments(arguments).run()?;
    let Some(found) = VersionNumber::first_in(&said) else {
        return Err(Error::NoVersion { program, said: said.trim().to_owned() });
    };
    if found < wanted {
        return Err(Error::Old { program, found, wanted });
    }
    Ok(found)
}
