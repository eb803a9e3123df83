//! Who may operate the cluster over HTTP: `POST /_levada/...`.
//!
//! There are no operators' credentials yet, so that being on the machine is what counts. A browser on it must
//! not be led by a stranger's page, and a proxy on it must not lend its address to whom it serves: a body
//! must say that it is JSON, which a page can't without asking first, and a request that says it was passed
//! on is refused.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, StatusCode, header};

use crate::answer::{self, Answer};

const PREFIX: &str = "/_levada/";
const JSON: &str = "application/json";
/// What a request has that was passed on, or that a page in a browser makes.
const NOT_FROM_HERE: [HeaderName; 3] = [
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    header::ORIGIN,
];

/// Who may operate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdminCallers {
    /// Callers on this machine.
    #[default]
    Loopback,
    /// Whoever reaches the port.
    All,
}

/// The operation that a path names.
pub(crate) fn name_of(path: &str) -> Option<&str> {
    path.strip_prefix(PREFIX)
}

/// Why this caller may not operate.
pub(crate) fn refusal(
    callers: AdminCallers,
    peer: SocketAddr,
    headers: &HeaderMap,
) -> Option<Answer> {
    let forbidden = |why: &str| Some(refused(StatusCode::FORBIDDEN, why));
    let is_here = peer.ip().to_canonical().is_loopback();
    if callers == AdminCallers::Loopback {
        if !is_here {
            return forbidden(
                "operations are taken from this machine only; run the command on the node, or set admin.callers to \"all\" if only operators reach this port",
            );
        }
        if NOT_FROM_HERE.iter().any(|name| headers.contains_key(name)) {
            return forbidden(
                "the request was passed on by a proxy or made by a page in a browser; call the node itself",
            );
        }
    }
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(JSON.as_bytes()));
    (!is_json).then(|| {
        refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be JSON, and content-type application/json",
        )
    })
}

/// A refusal in the form that operations answer in.
pub(crate) fn refused(status: StatusCode, why: &str) -> Answer {
    let body = serde_json::json!({ "error": why }).to_string();
    answer::page(status, JSON, body)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn status(callers: AdminCallers, peer: &str, headers: &[(HeaderName, &'static str)]) -> u16 {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        refusal(callers, peer.parse().unwrap(), &headers).map_or(200, |a| a.status().as_u16())
    }

    #[test]
    fn only_who_is_here_and_speaks_json_may() {
        let json = (header::CONTENT_TYPE, "application/json; charset=utf-8");
        let passed_on = (header::FORWARDED, "for=10.0.0.9");
        let (here, there) = ("127.0.0.1:5", "10.0.0.1:5");
        use AdminCallers::{All, Loopback};
        let only_json = std::slice::from_ref(&json);
        for peer in [here, "[::1]:5", "[::ffff:127.0.0.1]:5"] {
            assert_eq!(status(Loopback, peer, only_json), 200, "{peer}");
        }
        assert_eq!(status(Loopback, here, &[]), 415);
        assert_eq!(status(Loopback, there, only_json), 403);
        assert_eq!(
            status(Loopback, here, &[json.clone(), passed_on.clone()]),
            403
        );
        assert_eq!(
            status(
                Loopback,
                here,
                &[json.clone(), (header::ORIGIN, "http://evil")]
            ),
            403
        );
        assert_eq!(status(All, there, &[json, passed_on]), 200);
        assert_eq!(name_of("/_levada/cluster/add"), Some("cluster/add"));
        assert_eq!(name_of("/"), None);
    }
}
