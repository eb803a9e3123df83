//! What a queue's policy can open to other accounts, and by which action's name.

use super::Action;

impl Action {
    /// The action that a policy allows when it opens this one to another account: a batch goes with what it is many of.
    /// `None`: only the owner's account may, whatever a policy says. Sources: `AddPermission`, "Limitations of Amazon SQS
    /// custom policies".
    pub const fn permission(self) -> Option<Self> {
        match self {
            Self::SendMessage | Self::SendMessageBatch => Some(Self::SendMessage),
            Self::DeleteMessage | Self::DeleteMessageBatch => Some(Self::DeleteMessage),
            Self::ChangeMessageVisibility | Self::ChangeMessageVisibilityBatch => {
                Some(Self::ChangeMessageVisibility)
            }
            Self::ReceiveMessage
            | Self::GetQueueAttributes
            | Self::GetQueueUrl
            | Self::ListDeadLetterSourceQueues
            | Self::PurgeQueue => Some(self),
            Self::AddPermission
            | Self::CancelMessageMoveTask
            | Self::CreateQueue
            | Self::DeleteQueue
            | Self::ListMessageMoveTasks
            | Self::ListQueueTags
            | Self::ListQueues
            | Self::RemovePermission
            | Self::SetQueueAttributes
            | Self::StartMessageMoveTask
            | Self::TagQueue
            | Self::UntagQueue => None,
        }
    }
}
