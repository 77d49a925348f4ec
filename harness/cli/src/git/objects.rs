//! The contents of files, read by one long-running `git cat-file`.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::command;
use crate::failure::Failure;

/// The most bytes of a file, far beyond those that the loader takes.
const LARGEST: u64 = 256 << 20;

/// A `git cat-file` that answers one object after another.
pub(super) struct GitObjects {
    child: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl GitObjects {
    pub(super) fn open(root: &Path) -> Result<Self, Failure> {
        let child = command(root)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.map_err(|error| Failure::machine("cannot run `git`").cause(&error))?;
        let (Some(ask), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both are piped")
        };
        Ok(Self { child, ask: Some(ask), answers: BufReader::new(answers) })
    }

    /// The content of an object.
    pub(super) fn read(&mut self, object: &str) -> Result<Vec<u8>, Failure> {
        self.try_read(object).map_err(|error| {
            Failure::machine(format!("cannot read the object {object} of the git repository"))
                .cause(&error)
                .hint("a partial clone lacks files: `git fetch` them, or clone without `--filter`")
        })
    }

    fn try_read(&mut self, object: &str) -> io::Result<Vec<u8>> {
        let ask = self.ask.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(ask, "{object}")?;
        ask.flush()?;
        let mut head = String::new();
        self.answers.read_line(&mut head)?;
        let size = head.trim_end().rsplit_once(' ').and_then(|(_, size)| size.parse::<u64>().ok());
        let size = size.ok_or_else(|| io::Error::other(head.trim_end().to_owned()))?;
        if size > LARGEST {
            return Err(io::Error::other(format!("it has {size} bytes")));
        }
        let mut content = Vec::new();
        // A line's end follows the content.
        self.answers.by_ref().take(size + 1).read_to_end(&mut content)?;
        match content.pop() {
            Some(b'\n') if content.len() as u64 == size => Ok(content),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Drop for GitObjects {
    fn drop(&mut self) {
        // It ends when its standard input closes.
        self.ask = None;
        let _ = self.child.wait();
    }
}
