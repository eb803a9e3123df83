//! Pages of queue URLs: how many, where the next begins.

use std::sync::Arc;

use levada_cluster::Queue;
use levada_types::limits::LIST_RESULTS_MAX;
use levada_wire::sqs::SqsError;
use levada_wire::sqs::paging::{decode_token, encode_token};

use super::context::Context;

/// One page of a listing by name.
#[derive(Debug)]
pub(super) struct Page {
    after: Option<String>,
    queues_max: usize,
    is_paged: bool,
}

impl Page {
    /// What a request asks for. Without `MaxResults` there is one page of the most that there can be.
    pub(super) fn of(max_results: Option<i64>, next_token: Option<&str>) -> Result<Self, SqsError> {
        let most = LIST_RESULTS_MAX as usize;
        Ok(Self {
            after: next_token
                .filter(|token| !token.is_empty())
                .map(decode_token)
                .transpose()?,
            queues_max: max_results
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(most)
                .min(most),
            is_paged: max_results.is_some(),
        })
    }

    /// The name after which the page begins.
    pub(super) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// How many queues to look for: one more than the page holds tells whether there is another page.
    pub(super) fn look_for(&self) -> usize {
        self.queues_max + 1
    }

    /// The page's URLs and the token of the next page.
    pub(super) fn finish(
        self,
        cx: &Context<'_>,
        mut queues: Vec<Arc<Queue>>,
    ) -> (Vec<String>, Option<String>) {
        let has_more = queues.len() > self.queues_max;
        queues.truncate(self.queues_max);
        let last = queues.last().filter(|_| has_more && self.is_paged);
        let token = last.map(|queue| encode_token(queue.name.as_str()));
        (
            queues
                .iter()
                .map(|queue| cx.url(queue.account, &queue.name))
                .collect(),
            token,
        )
    }
}
