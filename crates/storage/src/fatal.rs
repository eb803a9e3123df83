//! What happens when the disk can't be trusted any more.
//!
//! After a failed write or fsync the kernel may have dropped the pages, so neither retrying nor reading
//! back tells what is on the disk (the lesson of "fsyncgate"). The only safe answer is to end the process
//! and to recover from what the disk gives back. Log and blocks call this hook; tests replace it.

use std::sync::Arc;

/// Called once, with a sentence, when a write or a sync has failed. The default doesn't return; one that
/// does leaves a store that answers every later request with an error.
pub type FatalHook = Arc<dyn Fn(&str) + Send + Sync>;

/// The hook of production: writes the sentence to the log and aborts.
pub fn abort_process() -> FatalHook {
    Arc::new(|reason| {
        tracing::error!(reason, "the disk failed, the process ends");
        std::process::abort();
    })
}

/// What a caught panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
