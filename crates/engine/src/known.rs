//! What a newer version has written and this one does not know.
//!
//! Protobuf drops fields and commands that it does not know without a word, and then two replicas of different versions
//! would make different states of one log. What was dropped is missing when the message is encoded again, so
//! the length tells: every message of ours is encoded by the same rules. Used for proposals and for a snapshot's rows.

use bytes::Bytes;
use prost::Message;
use thiserror::Error;

use crate::proto::Proposal;

/// A message was written by a newer version, or is no message at all.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "a command of a newer version, which this version does not know: start this node with the version that the \
     other nodes run, or a newer one ({0})"
)]
pub struct NotKnown(String);

/// Reads what a Raft entry carries.
///
/// # Errors
/// [`NotKnown`]: applying what is left of it would make another state than the other replicas have.
pub fn read_proposal(encoded: Bytes) -> Result<Proposal, NotKnown> {
    let length = encoded.len();
    let proposal = Proposal::decode(encoded).map_err(|e| NotKnown(e.to_string()))?;
    if is_whole(&proposal, length) {
        return Ok(proposal);
    }
    Err(NotKnown(format!(
        "{} of its {length} bytes are known",
        proposal.encoded_len()
    )))
}

/// Whether a message that was read from so many bytes has all that was in them.
pub(crate) fn is_whole(message: &impl Message, length: usize) -> bool {
    message.encoded_len() == length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Command, Purge, command};

    fn proposal() -> Vec<u8> {
        let command = Command {
            kind: Some(command::Kind::Purge(Purge::default())),
        };
        Proposal {
            origin: 7,
            sequence: 1,
            commands: vec![command],
            ..Proposal::default()
        }
        .encode_to_vec()
    }

    #[test]
    fn what_this_version_wrote_is_known() {
        assert!(read_proposal(proposal().into()).is_ok());
        assert!(read_proposal(Bytes::new()).is_ok());
    }

    #[test]
    fn an_unknown_command_and_an_unknown_field_are_seen() {
        // Field 2,000 with an empty message: a command of a later version, as `Command.kind` has them.
        let unknown = [0x82, 0x7d, 0x00];
        let mut with_command = proposal();
        // Field 4 of a proposal are its commands.
        with_command.extend([0x22, unknown.len() as u8]);
        with_command.extend(unknown);
        assert_eq!(
            Proposal::decode(&*with_command).unwrap().commands.len(),
            2,
            "it is one more command, of no kind"
        );
        let mut with_field = proposal();
        with_field.extend(unknown);
        for encoded in [with_command, with_field, vec![0xff]] {
            let said = read_proposal(encoded.into()).unwrap_err().to_string();
            assert!(said.contains("a newer version"), "{said}");
        }
    }
}
