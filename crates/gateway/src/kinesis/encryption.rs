//! `StartStreamEncryption` and `StopStreamEncryption`. The key's name is kept and told; there is no key behind it.

use levada_cluster::Stream;
use levada_engine::proto::StreamRow;
use levada_wire::kinesis::{
    Empty, EncryptionType, KinesisError, StartStreamEncryptionRequest, StopStreamEncryptionRequest,
    StreamReference, Values as _,
};

use super::context::{Context, Edit, must_be_active, reference_of};
use crate::front::Failure;

pub(super) async fn start(
    cx: &Context<'_>,
    request: StartStreamEncryptionRequest,
) -> Result<Empty, Failure> {
    let reference = reference_of(&request)?;
    let key = request.key_id.clone().unwrap_or_default();
    set(cx, &reference, request.encryption_type.as_deref(), key).await
}

pub(super) async fn stop(
    cx: &Context<'_>,
    request: StopStreamEncryptionRequest,
) -> Result<Empty, Failure> {
    let reference = reference_of(&request)?;
    set(
        cx,
        &reference,
        request.encryption_type.as_deref(),
        String::new(),
    )
    .await
}

async fn set(
    cx: &Context<'_>,
    reference: &StreamReference<'_>,
    kind: Option<&str>,
    key: String,
) -> Result<Empty, Failure> {
    if kind.and_then(EncryptionType::from_name) != Some(EncryptionType::Kms) {
        let message = "The only valid value of EncryptionType is KMS.";
        return Err(KinesisError::invalid_argument(message).into());
    }
    let edit = |stream: &Stream| {
        must_be_active(stream)?;
        Ok(Edit::from(StreamRow {
            encryption_key: key.clone(),
            ..stream.row.clone()
        }))
    };
    cx.change(reference, edit).await?;
    Ok(Empty {})
}
