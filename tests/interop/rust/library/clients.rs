//! The SDK's clients as both programs here make them.
#![allow(dead_code, reason = "one of the programs makes one of them")]

use aws_sdk_kinesis::config::{Credentials, Region, SharedHttpClient};

fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "test")
}

/// Plain HTTP; each client has connections of its own.
fn http() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}

/// Of streams.
pub(crate) fn kinesis(endpoint: &str) -> aws_sdk_kinesis::Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version_latest()
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials())
        .http_client(http());
    aws_sdk_kinesis::Client::from_conf(config.build())
}

/// Of tables.
pub(crate) fn dynamodb(endpoint: &str) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version_latest()
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials())
        .http_client(http());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}
