//! A disk that fails, for tests: power cuts that lose or tear what was not synced, full disks, failed syncs,
//! short reads, flipped bits.
//!
//! Files are real ones, so that code which lists directories sees them. Every change is carried out at
//! once, and kept in a journal with what stood there before, until the file is synced. When the power goes,
//! every later call fails. [`FaultDisk::restore`] then takes back the changes that were not synced, and does
//! again those that the seed says reached the platter: none, some whole and one torn, or every sector as it was
//! at any time since. Names (files made, renamed, deleted) are durable at once.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, DiskFile, RealDisk};

/// What reaches the platter, or doesn't, as one.
const SECTOR_BYTES: u64 = 512;

/// What can be made to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power goes during a change or a sync, which may have taken effect or not.
    PowerCut,
    /// A sync fails. What it should have made durable may be gone after the next power cut.
    SyncError,
    /// A write finds no room. Nothing of it is written.
    DiskFull,
    /// A read stops half way, as if the file ended there.
    ShortRead,
    /// A read gives back one bit that is not what was written.
    FlippedRead,
    /// A read fails.
    ReadError,
}

impl Fault {
    fn concerns(self, call: Call) -> bool {
        match self {
            Self::PowerCut => call != Call::Read,
            Self::SyncError => call == Call::Sync,
            Self::DiskFull => call == Call::Write,
            Self::ShortRead | Self::FlippedRead | Self::ReadError => call == Call::Read,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Read,
    Write,
    Resize,
    Sync,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Power {
    On,
    /// Every call fails.
    Off,
    /// Every change is ignored: the program is gone, only its destructors still run.
    Gone,
}

/// A change that is not synced, and what it replaced.
struct Change {
    offset: u64,
    new: Vec<u8>,
    /// What stood at `offset`, up to the old end of the file.
    old: Vec<u8>,
    old_len: u64,
    new_len: u64,
}

impl Change {
    /// The pieces of the change, and the sector of the file that each is in.
    fn sectors(&self) -> impl Iterator<Item = (Range<usize>, u64)> {
        let (begin, end) = (self.offset, self.offset + self.new.len() as u64);
        (begin / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES)).map(move |sector| {
            let from = (sector * SECTOR_BYTES).max(begin) - begin;
            let to = ((sector + 1) * SECTOR_BYTES).min(end) - begin;
            (from as usize..to as usize, sector)
        })
    }
}

struct State {
    power: Power,
    random: u64,
    armed: Option<(Fault, u64)>,
    struck: u64,
    lies: bool,
    paths: HashMap<PathBuf, u64>,
    next_file: u64,
    files: BTreeMap<u64, Tracked>,
}

struct Tracked {
    file: Arc<dyn DiskFile>,
    unsynced: Vec<Change>,
}

/// The disk. Shared by `Arc`; one store at a time may use it.
pub struct FaultDisk {
    state: Arc<Mutex<State>>,
}

struct FaultFile {
    id: u64,
    file: Arc<dyn DiskFile>,
    state: Arc<Mutex<State>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

impl FaultDisk {
    /// A disk without faults, whose later choices depend on `seed` alone.
    pub fn new(seed: u64) -> Arc<Self> {
        let state = State {
            power: Power::On,
            random: seed,
            armed: None,
            struck: 0,
            lies: false,
            paths: HashMap::new(),
            next_file: 0,
            files: BTreeMap::new(),
        };
        Arc::new(Self {
            state: Arc::new(Mutex::new(state)),
        })
    }

    /// Lets a fault happen at the call after `calls` more that it concerns.
    pub fn arm(&self, fault: Fault, calls: u64) {
        lock(&self.state).armed = Some((fault, calls));
    }

    /// Takes an armed fault back. True if it had not happened.
    pub fn disarm(&self) -> bool {
        lock(&self.state).armed.take().is_some()
    }

    /// How many faults have happened.
    pub fn struck(&self) -> u64 {
        lock(&self.state).struck
    }

    /// Cuts the power now.
    pub fn cut_power(&self) {
        let mut state = lock(&self.state);
        state.power = Power::Off;
        state.struck += 1;
    }

    /// Whether the power is on.
    pub fn has_power(&self) -> bool {
        lock(&self.state).power == Power::On
    }

    /// From now on ignores every change and says that it went well, so that the destructors of a store
    /// that has lost its disk run through. Call it when the store is to be dropped, before [`Self::restore`].
    pub fn forget(&self) {
        lock(&self.state).power = Power::Gone;
    }

    /// Goes on with every change there, synced or not: the program was killed, and the system was not.
    pub fn resume(&self) {
        let mut state = lock(&self.state);
        state.armed = None;
        state.power = Power::On;
    }

    /// Lets go of every file that it has seen: their directory was renamed or emptied.
    pub fn let_go(&self) {
        let mut state = lock(&self.state);
        state.files.clear();
        state.paths.clear();
    }

    /// From now on every sync says that it went well and makes nothing durable: a disk that lies, or a program
    /// that forgot to sync.
    pub fn ignore_syncs(&self) {
        lock(&self.state).lies = true;
    }

    /// Syncs are what they say again. What was not made durable meanwhile is by the next one.
    pub fn heed_syncs(&self) {
        lock(&self.state).lies = false;
    }

    /// Puts the power back on. Unsynced changes are kept, lost or torn as the seed says; if syncs are ignored, all of
    /// them are lost.
    pub fn restore(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        let tracked = std::mem::take(&mut state.files);
        state.paths.clear();
        state.armed = None;
        for tracked in tracked.into_values() {
            for change in tracked.unsynced.iter().rev() {
                tracked.file.write_at(&change.old, change.offset)?;
                tracked.file.truncate(change.old_len)?;
            }
            if !state.lies {
                state.replay(&*tracked.file, &tracked.unsynced)?;
            }
        }
        state.power = Power::On;
        Ok(())
    }
}

/// The seeds of a test: `LEVADA_FAULT_SEEDS=1424` repeats one, `LEVADA_FAULT_SEEDS=1000..2000` runs many,
/// otherwise those below `usual`.
pub fn seeds(usual: u64) -> Range<u64> {
    let wanted = std::env::var("LEVADA_FAULT_SEEDS").unwrap_or_default();
    let (from, to) = wanted.split_once("..").unwrap_or((&wanted, ""));
    match (from.parse::<u64>(), to.parse()) {
        (Ok(from), Ok(to)) => from..to,
        (Ok(one), Err(_)) => one..one + 1,
        (Err(_), _) => 0..usual,
    }
}

/// Flips one bit of a file that no store has open.
pub fn flip_bit(path: &Path, bit: u64) -> io::Result<()> {
    let mut bytes = std::fs::read(path)?;
    let at = usize::try_from(bit / 8).map_err(io::Error::other)?;
    let byte = bytes.get_mut(at).ok_or(io::ErrorKind::UnexpectedEof)?;
    *byte ^= 1 << (bit % 8);
    std::fs::write(path, bytes)
}

impl State {
    /// splitmix64.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next_random() % bound.max(1)
    }

    /// Does again what reached the platter.
    fn replay(&mut self, file: &dyn DiskFile, changes: &[Change]) -> io::Result<()> {
        match self.below(3) {
            0 => Ok(()),
            1 => self.replay_in_order(file, changes),
            _ => self.replay_sectors(file, changes),
        }
    }

    /// Some changes whole, the next one torn, the others lost.
    fn replay_in_order(&mut self, file: &dyn DiskFile, changes: &[Change]) -> io::Result<()> {
        let whole = self.below(changes.len() as u64 + 1) as usize;
        for change in &changes[..whole] {
            file.write_at(&change.new, change.offset)?;
            file.truncate(change.new_len)?;
        }
        let Some(torn) = changes.get(whole) else {
            return Ok(());
        };
        let sectors = (torn.new.len() as u64).div_ceil(SECTOR_BYTES);
        let kept = (self.below(sectors + 1) * SECTOR_BYTES).min(torn.new.len() as u64);
        file.write_at(&torn.new[..kept as usize], torn.offset)
    }

    /// Every sector, and the length, as it was after any of the changes.
    fn replay_sectors(&mut self, file: &dyn DiskFile, changes: &[Change]) -> io::Result<()> {
        let versions = changes.len() as u64 + 1;
        let len = match self.below(versions) {
            0 => file.size()?,
            n => changes[n as usize - 1].new_len,
        };
        let mut kept = BTreeMap::new();
        for (n, change) in changes.iter().enumerate() {
            for (at, sector) in change.sectors() {
                let version = *kept.entry(sector).or_insert_with(|| self.below(versions));
                if (n as u64) < version {
                    let offset = change.offset + at.start as u64;
                    file.write_at(&change.new[at], offset)?;
                }
            }
        }
        file.truncate(len)
    }

    /// What happens to a call: nothing, or the armed fault.
    fn strike(&mut self, call: Call) -> Option<Fault> {
        let (fault, calls) = self.armed?;
        if !fault.concerns(call) {
            return None;
        }
        if calls > 0 {
            self.armed = Some((fault, calls - 1));
            return None;
        }
        self.armed = None;
        self.struck += 1;
        Some(fault)
    }

    fn track(&mut self, path: &Path, file: &Arc<dyn DiskFile>) -> u64 {
        let next = self.next_file;
        let id = *self.paths.entry(path.to_owned()).or_insert(next);
        if id == next {
            self.next_file += 1;
            self.files.insert(
                id,
                Tracked {
                    file: file.clone(),
                    unsynced: Vec::new(),
                },
            );
        }
        id
    }
}

impl FaultDisk {
    fn powered(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = lock(&self.state);
        match state.power {
            Power::On => Ok(state),
            Power::Off | Power::Gone => Err(power_is_off()),
        }
    }

    fn opened(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        // Always writable: the journal must be able to take changes back.
        let file = RealDisk.open(path, true)?;
        let id = self.powered()?.track(path, &file);
        Ok(Arc::new(FaultFile {
            id,
            file,
            state: self.state.clone(),
        }))
    }
}

impl Disk for FaultDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        drop(self.powered()?);
        drop(RealDisk.create(path)?);
        self.opened(path)
    }

    fn open(&self, path: &Path, _writable: bool) -> io::Result<Arc<dyn DiskFile>> {
        drop(self.powered()?);
        self.opened(path)
    }

    fn delete(&self, path: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        if let Some(id) = state.paths.remove(path) {
            state.files.remove(&id);
        }
        RealDisk.delete(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        RealDisk.rename(from, to)?;
        if let Some(id) = state.paths.remove(from) {
            state.paths.insert(to.to_owned(), id);
        }
        Ok(())
    }
}

impl FaultFile {
    /// Carries a change out and notes it, unless a fault says otherwise.
    fn change(&self, call: Call, offset: u64, new: Vec<u8>, new_len: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        match state.power {
            Power::On => {}
            Power::Off => return Err(power_is_off()),
            Power::Gone => return Ok(()),
        }
        let fault = state.strike(call);
        if fault == Some(Fault::DiskFull) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let old_len = self.file.size()?;
        let touched = if new.is_empty() {
            old_len.saturating_sub(new_len)
        } else {
            new.len() as u64
        };
        let mut old = vec![0; usize::try_from(touched).map_err(io::Error::other)?];
        let read = self.file.read_at(&mut old, offset)?;
        old.truncate(read);
        self.file.write_at(&new, offset)?;
        if self.file.size()? != new_len {
            self.file.truncate(new_len)?;
        }
        if let Some(tracked) = state.files.get_mut(&self.id) {
            tracked.unsynced.push(Change {
                offset,
                new,
                old,
                old_len,
                new_len,
            });
        }
        if fault.is_some() {
            state.power = Power::Off;
            return Err(power_is_off());
        }
        Ok(())
    }
}

impl DiskFile for FaultFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = lock(&self.state);
        if state.power != Power::On {
            return Err(power_is_off());
        }
        let fault = state.strike(Call::Read);
        let read = self.file.read_at(buf, offset)?;
        match fault {
            Some(Fault::ShortRead) => Ok(read / 2),
            Some(Fault::FlippedRead) if read > 0 => {
                let bit = state.below(8 * read as u64);
                buf[(bit / 8) as usize] ^= 1 << (bit % 8);
                Ok(read)
            }
            Some(Fault::ReadError) => Err(io::Error::other("the sector can't be read")),
            _ => Ok(read),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let len = self.file.size()?.max(offset + bytes.len() as u64);
        self.change(Call::Write, offset, bytes.to_owned(), len)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.change(Call::Resize, len, Vec::new(), len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let len = self.file.size()?.max(offset + len);
        self.change(Call::Resize, len, Vec::new(), len)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        match state.power {
            Power::On => {}
            // While unwinding, only destructors run, and an error would make them panic again.
            Power::Off if std::thread::panicking() => return Ok(()),
            Power::Off => return Err(power_is_off()),
            Power::Gone => return Ok(()),
        }
        match state.strike(Call::Sync) {
            Some(Fault::PowerCut) => {
                state.power = Power::Off;
                return Err(power_is_off());
            }
            Some(_) => return Err(io::Error::other("the sync failed")),
            None => {}
        }
        if !state.lies
            && let Some(tracked) = state.files.get_mut(&self.id)
        {
            tracked.unsynced.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_both(disk: &FaultDisk, path: &Path) {
        let file = disk.create(path).unwrap();
        file.write_at(&[1; 2_000], 0).unwrap();
        file.sync().unwrap();
        file.write_at(&[2; 3_000], 1_000).unwrap();
        file.truncate(3_500).unwrap();
    }

    #[test]
    fn what_is_synced_survives_and_the_rest_may() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut outcomes = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let disk = FaultDisk::new(seed);
            write_both(&disk, &path);
            disk.cut_power();
            assert!(disk.open(&path, true).is_err());
            disk.restore().unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert!(bytes.len() >= 2_000 && bytes.len() <= 4_000);
            assert_eq!(bytes[..1_000], [1; 1_000]);
            for (n, byte) in bytes.iter().enumerate().skip(1_000) {
                let possible: &[u8] = if n < 2_000 { &[1, 2] } else { &[0, 2] };
                assert!(possible.contains(byte), "{byte} at {n}");
            }
            outcomes.insert(bytes);
            std::fs::remove_file(&path).unwrap();
        }
        assert!(outcomes.len() > 20, "{} outcomes", outcomes.len());
    }

    #[test]
    fn faults_come_when_they_are_armed() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new(1);
        let file = disk.create(&dir.path().join("file")).unwrap();
        file.write_at(&[7; 100], 0).unwrap();
        let mut buf = [0; 100];
        disk.arm(Fault::ShortRead, 1);
        assert_eq!(file.read_at(&mut buf, 0).unwrap(), 100);
        assert_eq!(file.read_at(&mut buf, 0).unwrap(), 50);
        disk.arm(Fault::FlippedRead, 0);
        assert_eq!(file.read_at(&mut buf, 0).unwrap(), 100);
        assert_eq!(buf.iter().filter(|byte| **byte != 7).count(), 1);
        disk.arm(Fault::DiskFull, 0);
        let error = file.write_at(&[8; 100], 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        disk.arm(Fault::SyncError, 0);
        assert!(file.sync().is_err());
        file.sync().unwrap();
        assert_eq!((disk.struck(), disk.disarm()), (4, false));
        file.read_at(&mut buf, 0).unwrap();
        assert_eq!(buf, [7; 100]);
    }
}
