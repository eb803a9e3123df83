//! Puts our [`Disk`] below raft-engine, so that one set of faults reaches log and blocks.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use raft_engine::env::{FileSystem, Handle, Permission, WriteExt};

use crate::disk::{Disk, DiskFile};

/// raft-engine's file system on top of ours.
pub(super) struct EngineDisk(pub(super) Arc<dyn Disk>);

/// An open file, shared by its readers and its writer.
pub(super) struct EngineFile {
    file: Arc<dyn DiskFile>,
    writable: bool,
}

/// A position in a file.
pub(super) struct Cursor {
    file: Arc<EngineFile>,
    offset: u64,
}

impl FileSystem for EngineDisk {
    type Handle = EngineFile;
    type Reader = Cursor;
    type Writer = Cursor;

    fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<EngineFile> {
        let file = self.0.create(path.as_ref())?;
        Ok(EngineFile {
            file,
            writable: true,
        })
    }

    fn open<P: AsRef<Path>>(&self, path: P, perm: Permission) -> io::Result<EngineFile> {
        let writable = perm == Permission::ReadWrite;
        let file = self.0.open(path.as_ref(), writable)?;
        Ok(EngineFile { file, writable })
    }

    fn delete<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.0.delete(path.as_ref())
    }

    fn rename<P: AsRef<Path>>(&self, from: P, to: P) -> io::Result<()> {
        self.0.rename(from.as_ref(), to.as_ref())
    }

    fn new_reader(&self, file: Arc<EngineFile>) -> io::Result<Cursor> {
        Ok(Cursor { file, offset: 0 })
    }

    fn new_writer(&self, file: Arc<EngineFile>) -> io::Result<Cursor> {
        Ok(Cursor { file, offset: 0 })
    }
}

impl Handle for EngineFile {
    fn truncate(&self, offset: usize) -> io::Result<()> {
        // raft-engine cuts off a last batch whose entries are damaged, in any file. In the last file that
        // is a torn tail; in the others, which it opens to read, it would be a loss without a word.
        if !self.writable {
            let words = format!("entries at byte {offset} of a file before the last can't be read");
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        self.file.truncate(offset as u64)
    }

    fn file_size(&self) -> io::Result<usize> {
        self.file.size().map(|size| size as usize)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

impl Read for Cursor {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.file.read_at(buf, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl Write for Cursor {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.file.write_at(buf, self.offset)?;
        self.offset += buf.len() as u64;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Cursor {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let from = |base: u64, by: i64| {
            base.checked_add_signed(by)
                .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
        };
        self.offset = match position {
            SeekFrom::Start(offset) => offset,
            SeekFrom::Current(by) => from(self.offset, by)?,
            SeekFrom::End(by) => from(self.file.file.size()?, by)?,
        };
        Ok(self.offset)
    }
}

impl WriteExt for Cursor {
    fn truncate(&mut self, offset: usize) -> io::Result<()> {
        self.file.file.truncate(offset as u64)?;
        self.offset = offset as u64;
        Ok(())
    }

    fn allocate(&mut self, offset: usize, size: usize) -> io::Result<()> {
        self.file.file.allocate(offset as u64, size as u64)
    }
}
