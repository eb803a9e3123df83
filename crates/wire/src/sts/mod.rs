//! AWS STS, as far as clients ask it who they are.

mod get_caller_identity;

pub use get_caller_identity::GetCallerIdentityResponse;

use crate::protocol::form::Form;
use crate::protocol::{Encoded, Protocol, Service, encode_output};

/// An action's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// `GetCallerIdentity`
    GetCallerIdentity,
}

impl Action {
    /// The name on the wire, exact to the case.
    pub fn from_name(name: &str) -> Option<Self> {
        (name == "GetCallerIdentity").then_some(Self::GetCallerIdentity)
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GetCallerIdentity => "GetCallerIdentity",
        }
    }
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `GetCallerIdentity`, which takes nothing.
    GetCallerIdentity,
}

impl Request {
    /// From a form.
    pub fn from_form(action: Action, _: &Form) -> Self {
        match action {
            Action::GetCallerIdentity => Self::GetCallerIdentity,
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// To `GetCallerIdentity`
    GetCallerIdentity(GetCallerIdentityResponse),
}

impl Response {
    /// Encodes the answer in the protocol that the caller used.
    pub fn encode(&self, protocol: Protocol, request_id: &str) -> Encoded {
        match self {
            Self::GetCallerIdentity(r) => {
                encode_output(r, protocol, Service::Sts, "GetCallerIdentity", request_id)
            }
        }
    }
}
