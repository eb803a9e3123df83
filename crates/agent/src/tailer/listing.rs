//! What there is by name: the files that a flow asks for, and those beside a file that may be its copies or successors.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::glob::Glob;
use crate::identity::{FileId, modified_ns};
use crate::series;

/// A file that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) id: FileId,
    pub(super) size: u64,
    pub(super) modified_ns: i64,
}

impl Found {
    fn look(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Self {
            path: path.to_owned(),
            id: FileId::of(&metadata),
            size: metadata.len(),
            modified_ns: modified_ns(&metadata),
        })
    }

    /// Opens it. `None` if the name is another file's by now.
    pub(super) fn open(&self) -> io::Result<Option<File>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let id = FileId::of(&file.metadata()?);
        Ok((id == self.id).then_some(file))
    }
}

/// The files that match, each once, without compressed ones.
pub(super) fn list(globs: &[Glob], problem: &mut dyn FnMut(&Path, io::Error)) -> Vec<Found> {
    let mut paths = Vec::new();
    for glob in globs {
        glob.find(&mut paths, problem);
    }
    let mut found: Vec<Found> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for path in paths {
        if !series::is_compressed_name(name(&path))
            && let Some(one) = Found::look(&path)
            && seen.insert(one.id)
        {
            found.push(one);
        }
    }
    found
}

/// Files of the same log in the same directory, without the one of that name. Where the name is a symbolic link, also those
/// beside the file itself.
pub(super) fn siblings(path: &Path) -> Vec<Found> {
    let wanted = series::series(name(path));
    let mut directories = vec![path.parent().unwrap_or(Path::new("/")).to_owned()];
    if let Ok(target) = fs::canonicalize(path)
        && let Some(parent) = target.parent()
        && parent != directories[0]
    {
        directories.push(parent.to_owned());
    }
    let mut found = Vec::new();
    for directory in directories {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let sibling = entry.path();
            let is_of_series = series::series(name(&sibling)) == wanted
                && !series::is_compressed_name(name(&sibling));
            if is_of_series && sibling != path {
                found.extend(Found::look(&sibling));
            }
        }
    }
    found
}

/// Whether two files are of one log, by their names.
pub(super) fn are_of_one_series(one: &Path, other: &Path) -> bool {
    one.parent() == other.parent() && series::series(name(one)) == series::series(name(other))
}

/// A file's name; one that is not UTF-8 is not matched by any pattern.
fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("")
}
