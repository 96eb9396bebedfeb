//! The files of records.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{Record, RecordError};

/// What a record must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The end of this process. Phases that a reboot ends anyway need no more.
    Process,
    /// The loss of power: that an object is there, and how it ended.
    Power,
}

/// Directory of the records of one kind: `<root>/<kind>/<id>/record`.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    directory: PathBuf,
}

const FILE: &str = "record";
const TEMPORARY: &str = "record.new";

impl Records {
    /// Opens the directory, which is made if it is missing.
    pub(crate) fn open<R: Record>(root: &Path) -> Result<Self, RecordError> {
        let directory = root.join(R::KIND);
        make_directory(&directory)?;
        Ok(Self { directory })
    }

    /// The directory of one record, where its owner keeps more files.
    pub(crate) fn directory(&self, id: &str) -> PathBuf {
        self.directory.join(id)
    }

    /// Writes a record, which replaces the one of its id.
    pub(crate) fn write<R: Record>(&self, record: &R, durability: Durability) -> Result<(), RecordError> {
        let directory = self.directory(record.id());
        make_directory(&directory)?;
        let (temporary, path) = (directory.join(TEMPORARY), directory.join(FILE));
        let io = |operation, source| RecordError { operation, path: path.clone(), source };
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(|source| io("create record", source))?;
        file.write_all(&record.encode_to_vec()).map_err(|source| io("write record", source))?;
        if durability == Durability::Power {
            file.sync_data().map_err(|source| io("sync record", source))?;
        }
        fs::rename(&temporary, &path).map_err(|source| io("replace record", source))?;
        if durability == Durability::Power {
            sync_directory(&directory).map_err(|source| io("sync directory of record", source))?;
        }
        Ok(())
    }

    /// Removes a record with its directory; none is no error.
    pub(crate) fn remove(&self, id: &str) -> Result<(), RecordError> {
        let directory = self.directory(id);
        match fs::remove_dir_all(&directory) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(RecordError { operation: "remove record", path: directory, source })
            }
            _ => Ok(()),
        }
    }

    /// Reads all records. One that cannot be read is reported by its id, with what is wrong: its directory is
    /// what a crash left of a record that never was complete, or that was being removed.
    pub(crate) fn read_all<R: Record>(&self) -> Result<Vec<Result<R, Unreadable>>, RecordError> {
        let io = |source| RecordError { operation: "list records in", path: self.directory.clone(), source };
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(io)? {
            let id = entry.map_err(io)?.file_name().to_string_lossy().into_owned();
            records.push(self.read::<R>(&id));
        }
        Ok(records)
    }

    fn read<R: Record>(&self, id: &str) -> Result<R, Unreadable> {
        let unreadable = |reason: String| Unreadable { id: id.to_owned(), reason };
        let bytes = fs::read(self.directory(id).join(FILE)).map_err(|error| unreadable(error.to_string()))?;
        let record = R::decode(bytes.as_slice()).map_err(|error| unreadable(error.to_string()))?;
        if record.id() == id { Ok(record) } else { Err(unreadable(format!("is of {:?}", record.id()))) }
    }
}

/// A record that cannot be used.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) id: String,
    pub(crate) reason: String,
}

fn make_directory(path: &Path) -> Result<(), RecordError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| RecordError {
        operation: "make directory",
        path: path.to_owned(),
        source,
    })
}

fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}
