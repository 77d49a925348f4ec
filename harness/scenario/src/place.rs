//! Where something was written: a file, a line and a column.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place in a file, as an editor shows it. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The file as the user named it, or as it was found below a folder.
    pub file: Arc<str>,
    /// The line, from 1; 0 for a value that was not written in a file.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl Place {
    /// The first character of a file, for diagnostics about the whole file.
    pub fn start_of(file: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), line: 1, column: 1 }
    }

    /// The file's path in the repository: without `.` and, where possible, `..`.
    pub fn normal_file(&self) -> String {
        let mut parts: Vec<&str> = Vec::new();
        for part in self.file.split('/') {
            match (part, parts.last()) {
                (".", _) => {}
                ("..", Some(last)) if *last != ".." && !last.is_empty() => {
                    parts.pop();
                }
                (part, _) => parts.push(part),
            }
        }
        parts.join("/")
    }

    /// The file as a relative reference: characters that a URI cannot contain are percent-encoded.
    /// <https://www.rfc-editor.org/rfc/rfc3986#section-2.1>
    pub fn file_uri(&self) -> String {
        let normal = self.normal_file();
        let mut uri = String::with_capacity(normal.len());
        for byte in normal.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&byte) {
                uri.push(char::from(byte));
            } else {
                // Writing to a string never fails.
                let _ = write!(uri, "%{byte:02X}");
            }
        }
        uri
    }
}

impl Place {
    /// File and line, for readers. A value that was not written in a file has no line.
    pub fn line_of_file(&self) -> String {
        match self.line {
            0 => self.file.to_string(),
            line => format!("{}:{line}", self.file),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// A line and a column of a document whose file is known from the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1; 0 for a value that was not written in a file (JSON made by a program).
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl Position {
    /// The place: the same position with its file.
    pub fn in_file(self, file: &Arc<str>) -> Place {
        Place { file: Arc::clone(file), line: self.line, column: self.column }
    }
}
