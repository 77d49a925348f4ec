//! Reads and parses every file at most once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::boundary::Boundary;
use super::decode::{self, DecodedText};
use super::walk::{self, WalkLimits, WalkedFiles};
use super::{read, text};
use crate::diagnostic::{Diagnostic, SourceTexts};
use crate::document::{self, DocumentError, ParsedText, YamlNode};
use crate::lower::mistake::Mistake;
use crate::lower::settings::GivenSettings;
use crate::objects::ReadObjects;
use crate::rendering;

/// A file that was read.
#[derive(Debug)]
pub(super) struct OpenedFile {
    /// Its name, as diagnostics show it.
    pub(super) file: Arc<str>,
    /// Its true path, or the name of a stream.
    pub(super) canonical: PathBuf,
    /// Its documents, or why it has none.
    pub(super) documents: Result<Vec<YamlNode>, Diagnostic>,
    /// Whether it has no documents because it is a template.
    pub(super) is_template: bool,
    /// Problems of documents that can be read: keys that occur twice, parts that kubectl does not look at.
    pub(super) remarks: Vec<Diagnostic>,
}

/// The files that were read, and the boundary of those that may be.
#[derive(Debug)]
pub(super) struct Disk {
    boundary: Boundary,
    limits: WalkLimits,
    opened: BTreeMap<PathBuf, Rc<OpenedFile>>,
    pub(super) sources: SourceTexts,
    /// The true paths of the files that scenarios consist of.
    pub(super) used: BTreeSet<PathBuf>,
}

/// Reads the files that scenarios refer to.
pub(super) struct FileReader<'a> {
    pub(super) disk: &'a mut Disk,
    pub(super) read_objects: Option<ReadObjects>,
    pub(super) given: Option<&'a GivenSettings>,
}

impl Disk {
    pub(super) fn new(boundary: Boundary, limits: WalkLimits) -> Self {
        let (opened, sources, used) = (BTreeMap::new(), SourceTexts::default(), BTreeSet::new());
        Self { boundary, limits, opened, sources, used }
    }

    /// The files of a path that a file refers to.
    pub(super) fn files_of(&self, path: &Path, fits: fn(&str) -> bool) -> WalkedFiles {
        walk::files_of(path, fits, &self.boundary, self.limits)
    }

    /// The files of a path that the command names.
    pub(super) fn files_of_named(&self, path: &Path, fits: fn(&str) -> bool) -> WalkedFiles {
        if read::is_stream(path) {
            return WalkedFiles { paths: vec![path.to_owned()], ..WalkedFiles::default() };
        }
        self.files_of(path, fits)
    }

    /// Reads a file of a path that the command names, unless it was read before.
    pub(super) fn open_of(&mut self, files: &WalkedFiles, path: &Path) -> Result<Rc<OpenedFile>, Mistake> {
        // The command does not name a pipe inside a folder, and reading it may never end.
        if files.of_folder { self.open(path) } else { self.open_named(path) }
    }

    fn open_named(&mut self, path: &Path) -> Result<Rc<OpenedFile>, Mistake> {
        if !read::is_stream(path) {
            return self.open(path);
        }
        if let Some(opened) = self.opened.get(path) {
            return Ok(Rc::clone(opened));
        }
        let text = decode::decode(path, &read::stream(path)?)?;
        Ok(self.parse(&text, read::name_of_stream(path), path.to_owned()))
    }

    /// Reads a file, unless it was read before.
    pub(super) fn open(&mut self, path: &Path) -> Result<Rc<OpenedFile>, Mistake> {
        let canonical = fs::canonicalize(path).map_err(|error| text::cannot_read(path, &error))?;
        if let Some(opened) = self.opened.get(&canonical) {
            return Ok(Rc::clone(opened));
        }
        self.boundary.check(path, &canonical)?;
        let text = decode::decode(path, &read::file(path, &canonical)?)?;
        let name = display_of(path, &canonical);
        Ok(self.parse(&text, name, canonical))
    }

    /// Records further files that a scenario consists of.
    pub(super) fn use_files(&mut self, paths: &[PathBuf]) {
        self.used.extend(paths.iter().filter_map(|path| fs::canonicalize(path).ok()));
    }

    fn parse(&mut self, decoded: &DecodedText, name: String, canonical: PathBuf) -> Rc<OpenedFile> {
        let (text, file): (Arc<str>, Arc<str>) = (decoded.text.as_str().into(), name.into());
        self.sources.add(&file, &text);
        let in_place = |error: DocumentError| {
            let diagnostic = Diagnostic::error(error.position.in_file(&file), error.message);
            Diagnostic { help: error.help.map(Cow::into_owned), ..diagnostic }
        };
        let (documents, remarks) = match document::parse_all(&text) {
            Ok(ParsedText { documents, duplicates, unread }) => {
                let unread = unread.into_iter().map(|position| text::unread(position.in_file(&file)));
                let replaced = decoded.not_utf8.and_then(|_| decode::replaced(&documents, &file));
                let remarks = duplicates.into_iter().map(in_place).chain(unread).chain(replaced).collect();
                match text::refused(&documents, decoded) {
                    Some(error) => (Err(in_place(error)), Vec::new()),
                    None => (Ok(documents), remarks),
                }
            }
            Err(error) => {
                // The parser reports a tab late: at the next token, or at the end of the line before.
                let error = match text::tab(&text, error.position).filter(|_| error.help.is_none()) {
                    Some(tab) => DocumentError { help: Some(text::NO_TABS.into()), position: tab, ..error },
                    None => error,
                };
                (Err(in_place(error)), Vec::new())
            }
        };
        let is_template = documents.is_err() && rendering::is_template(&text);
        let opened =
            Rc::new(OpenedFile { file, canonical: canonical.clone(), documents, is_template, remarks });
        self.opened.insert(canonical, Rc::clone(&opened));
        opened
    }
}

/// The folder to which the references of a file that the command names are relative.
pub(super) fn folder_of_named(path: &Path) -> PathBuf {
    // References in a pipe are relative to the command's folder.
    let folder = if read::is_stream(path) { None } else { path.parent() };
    folder.map(Path::to_owned).unwrap_or_default()
}

/// The path to show: without `x/../`, unless a link makes that another file.
fn display_of(path: &Path, canonical: &Path) -> String {
    let short = text::without_detours(path);
    match fs::canonicalize(&short) {
        Ok(same) if same == canonical => text::display(&short),
        _ => text::display(path),
    }
}
