//! Who does the work that the callers of log and blocks don't wait for.

/// Who writes what has gathered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// A thread of the store's own, as soon as there is something.
    #[default]
    OnThreads,
    /// Whoever opened the store, by calling its `work`, at moments of its own choosing: so the simulator decides
    /// how long a disk takes, and what a power cut finds unwritten.
    OnCall,
}
