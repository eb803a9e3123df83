//! STS, as far as clients ask it who they are.

use levada_wire::sts::{GetCallerIdentityResponse, Request, Response};

use crate::caller::Caller;

/// Answers a request.
pub(crate) fn call(caller: &Caller, request: Request) -> Response {
    match request {
        Request::GetCallerIdentity => Response::GetCallerIdentity(GetCallerIdentityResponse {
            arn: caller.arn(),
            user_id: caller.user_id(),
            account: caller.account.to_string(),
        }),
    }
}
