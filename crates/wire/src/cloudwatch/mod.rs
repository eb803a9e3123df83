//! Amazon CloudWatch, API version 2010-08-01, as far as client libraries report to it: `PutMetricData`, in each of the
//! three protocols that SDKs choose of.

mod put_metric_data;

pub use put_metric_data::{
    DimensionInput, Double, MetricDatum, PutMetricDataRequest, StatisticSet, Summary,
};

use std::borrow::Cow;

use crate::error::{AwsError, Fault};
use crate::protocol::form::Form;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Encoded, Output, Protocol, Service, cbor, encode_output, json};

/// What `X-Amz-Target` begins with, and how the service is named in paths.
pub const TARGET_PREFIX: &str = "GraniteServiceVersion20100801";

/// An action's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// `PutMetricData`
    PutMetricData,
}

impl Action {
    /// The name on the wire, exact to the case.
    pub fn from_name(name: &str) -> Option<Self> {
        (name == "PutMetricData").then_some(Self::PutMetricData)
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PutMetricData => "PutMetricData",
        }
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// `PutMetricData`
    PutMetricData(PutMetricDataRequest),
}

impl Request {
    /// From a body in JSON or CBOR.
    pub fn decode(action: Action, protocol: Protocol, body: &[u8]) -> Result<Self, AwsError> {
        match action {
            Action::PutMetricData if protocol == Protocol::RpcCbor => {
                cbor::from_slice(body).map(Self::PutMetricData)
            }
            Action::PutMetricData => json::from_slice(body).map(Self::PutMetricData),
        }
    }

    /// From a form.
    pub fn from_form(action: Action, form: &Form) -> Result<Self, AwsError> {
        match action {
            Action::PutMetricData => PutMetricDataRequest::from_form(form).map(Self::PutMetricData),
        }
    }
}

/// The answer to `PutMetricData`, which has no result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PutMetricDataResponse {}

impl Output for PutMetricDataResponse {
    fn write_xml(&self, _: &mut XmlWriter<'_>) {}
}

impl PutMetricDataResponse {
    /// Encodes the answer in the protocol that the caller used.
    pub fn encode(&self, protocol: Protocol, request_id: &str) -> Encoded {
        encode_output(
            self,
            protocol,
            Service::CloudWatch,
            "PutMetricData",
            request_id,
        )
    }
}

/// A refusal of a caller's mistake.
pub(crate) fn refusal(
    json_type: &'static str,
    query_code: &'static str,
    message: impl Into<Cow<'static, str>>,
) -> AwsError {
    AwsError {
        json_type,
        query_code,
        status: 400,
        fault: Fault::Sender,
        message: message.into(),
        query_message: None,
    }
}
