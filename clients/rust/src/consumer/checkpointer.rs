//! What a processor says how far it is with.

use tokio::sync::{mpsc, oneshot};

use super::keeper::{Ask, LeaseLost};
use super::lease::Change;
use crate::position::{Checkpoint, Position};

/// Writes a shard's checkpoint for its processor.
#[derive(Debug)]
pub struct Checkpointer {
    asks: mpsc::Sender<Ask>,
    written: Checkpoint,
    /// The last user record that the processor was given.
    given: Option<Position>,
}

/// Why a checkpoint was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Another worker goes on from the last checkpoint that was written.
    #[error(transparent)]
    LeaseLost(#[from] LeaseLost),
    /// The processor was not given that record, or it is behind a checkpoint that is written.
    #[error(
        "{asked} is not between the last checkpoint, {written}, and the last record that was given"
    )]
    OutOfRange {
        /// What was asked for.
        asked: Position,
        /// The checkpoint that is written.
        written: String,
    },
}

impl Checkpointer {
    pub(crate) fn new(asks: mpsc::Sender<Ask>, written: Checkpoint) -> Self {
        Self {
            asks,
            written,
            given: None,
        }
    }

    /// All that the processor was given is done. Nothing is written if nothing is new.
    pub async fn checkpoint(&mut self) -> Result<(), CheckpointError> {
        match self.given.clone() {
            Some(last) => self.checkpoint_at(&last).await,
            None => Ok(()),
        }
    }

    /// All up to this user record is done. It may lie in the middle of an aggregated record.
    ///
    /// Errs if the lease is lost: then nothing was written, and another worker goes on from the checkpoint before.
    pub async fn checkpoint_at(&mut self, position: &Position) -> Result<(), CheckpointError> {
        let wanted = Checkpoint::At(position.clone());
        if self.written == wanted {
            return Ok(());
        }
        let given = self.given.as_ref().is_some_and(|given| position <= given);
        if !given || self.written.covers(position) {
            return Err(CheckpointError::OutOfRange {
                asked: position.clone(),
                written: self.written.word().to_owned(),
            });
        }
        self.write(Change::Checkpoint(wanted)).await?;
        Ok(())
    }

    /// The checkpoint that is written.
    pub fn written(&self) -> &Checkpoint {
        &self.written
    }

    /// A new processor: what the one before was given is not done by that.
    pub(crate) fn begin(&mut self) {
        self.given = None;
    }

    pub(crate) fn give(&mut self, position: Position) {
        self.given = Some(position);
    }

    pub(crate) async fn write(&mut self, change: Change) -> Result<(), LeaseLost> {
        let (told, answer) = oneshot::channel();
        let asked = self.asks.send(Ask::Write(change, told)).await;
        asked.map_err(|_| LeaseLost)?;
        self.written = answer.await.map_err(|_| LeaseLost)??;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ASKS_MAX;
    use crate::position::SequenceNumber;

    fn at(sub_sequence_number: u64) -> Position {
        Position {
            sequence_number: SequenceNumber::parse("5").unwrap(),
            sub_sequence_number,
        }
    }

    /// Says of every checkpoint that it is written.
    async fn obedient(mut asks: mpsc::Receiver<Ask>) -> Vec<Change> {
        let mut written = Vec::new();
        while let Some(Ask::Write(change, told)) = asks.recv().await {
            if let Change::Checkpoint(checkpoint) = &change {
                told.send(Ok(checkpoint.clone())).unwrap();
            }
            written.push(change);
        }
        written
    }

    #[tokio::test]
    async fn a_checkpoint_is_of_what_was_given_and_never_goes_back() {
        let (asks, inbox) = mpsc::channel(ASKS_MAX);
        let keeper = tokio::spawn(obedient(inbox));
        let mut checkpointer = Checkpointer::new(asks, Checkpoint::TrimHorizon);
        checkpointer.checkpoint().await.unwrap();
        assert!(
            checkpointer.checkpoint_at(&at(0)).await.is_err(),
            "nothing was given"
        );
        checkpointer.give(at(3));
        checkpointer.checkpoint_at(&at(2)).await.unwrap();
        assert!(
            checkpointer.checkpoint_at(&at(1)).await.is_err(),
            "that is done"
        );
        assert!(
            checkpointer.checkpoint_at(&at(4)).await.is_err(),
            "that was not given"
        );
        checkpointer.checkpoint().await.unwrap();
        checkpointer.checkpoint().await.unwrap();
        assert_eq!(checkpointer.written(), &Checkpoint::At(at(3)));
        drop(checkpointer);
        let written = keeper.await.unwrap();
        let wanted = [at(2), at(3)].map(|at| Change::Checkpoint(Checkpoint::At(at)));
        assert_eq!(written, wanted);
    }

    #[tokio::test]
    async fn what_a_processor_that_failed_was_given_is_not_done() {
        let (asks, inbox) = mpsc::channel(ASKS_MAX);
        let keeper = tokio::spawn(obedient(inbox));
        let mut checkpointer = Checkpointer::new(asks, Checkpoint::TrimHorizon);
        checkpointer.give(at(3));
        checkpointer.begin();
        checkpointer.checkpoint().await.unwrap();
        assert!(checkpointer.checkpoint_at(&at(3)).await.is_err());
        drop(checkpointer);
        assert_eq!(keeper.await.unwrap(), []);
    }

    #[tokio::test]
    async fn without_a_keeper_the_lease_is_lost() {
        let (asks, inbox) = mpsc::channel(ASKS_MAX);
        drop(inbox);
        let mut checkpointer = Checkpointer::new(asks, Checkpoint::TrimHorizon);
        checkpointer.give(at(0));
        let error = checkpointer.checkpoint().await.unwrap_err();
        assert_eq!(error, CheckpointError::LeaseLost(LeaseLost));
    }
}
