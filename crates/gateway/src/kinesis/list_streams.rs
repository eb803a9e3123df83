//! `ListStreams`.

use levada_wire::kinesis::{ListStreamsRequest, ListStreamsResponse, StreamSummary};

use super::context::{Context, arn_of};
use super::describe::{mode_of, status_of};
use super::pages;
use super::sealed::Kind;
use crate::front::Failure;

/// Streams of a page where the caller gives no number.
const STREAMS_DEFAULT: usize = 100;

pub(super) async fn call(
    cx: &Context<'_>,
    request: ListStreamsRequest,
) -> Result<ListStreamsResponse, Failure> {
    let seal = cx.seal();
    let after = match &request.next_token {
        Some(token) => {
            let ([], name) = pages::open(&seal, Kind::Streams, token)?;
            Some(name)
        }
        None => request.exclusive_start_stream_name,
    };
    let max = pages::size(request.limit, STREAMS_DEFAULT);
    cx.broker.catch_up_catalog().await?;
    let (account, region) = (cx.caller.account, &cx.caller.region);
    let found = cx
        .broker
        .streams(account, region, after.as_deref(), max + 1);
    let (page, has_more_streams) = pages::cut(found.into_iter(), max);
    let last = page.last().filter(|_| has_more_streams);
    let next_token = last.map(|last| pages::token(&seal, Kind::Streams, &[], &last.row.name));
    let summary = |stream: &levada_cluster::Stream| StreamSummary {
        stream_name: stream.row.name.clone(),
        stream_arn: arn_of(stream).to_string(),
        stream_status: status_of(&stream.row),
        stream_mode_details: Some(mode_of(&stream.row)),
        stream_creation_timestamp: Some(stream.created_at().into()),
    };
    Ok(ListStreamsResponse {
        stream_names: page.iter().map(|stream| stream.row.name.clone()).collect(),
        has_more_streams,
        next_token,
        stream_summaries: page.iter().map(summary).collect(),
    })
}
