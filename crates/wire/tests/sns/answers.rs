//! Answers as bytes. `tests/data/sns/responses.txt` holds them; each was read back by botocore 1.44.8's own parser,
//! which found all that was meant. With `WIRE_TRANSCRIPT` set, the test writes what it got to that path, for a change
//! that is meant.

use levada_types::Timestamp;
use levada_wire::protocol::encode_error;
use levada_wire::sns::{self, *};
use levada_wire::sqs::BatchResultErrorEntry;
use levada_wire::{AwsError, Fault, Protocol, Service};
use serde_json::Value;

use super::{QUEUE, SUBSCRIPTION, TOPIC};

const REQUEST_ID: &str = "6fde8d1e-52cd-4581-8cd9-c512f4c64223";
const APPLICATION: &str = "arn:aws:sns:us-east-1:000000000001:app/GCM/phones";
const ENDPOINT: &str =
    "arn:aws:sns:us-east-1:000000000001:endpoint/GCM/phones/80289ba6-0fd4-4079-afb4-ce8c8260f0ca";
const MESSAGE_ID: &str = "0b1e7f0c-1111-4222-8333-444455556666";

fn pairs(list: &[(&str, &str)]) -> Vec<Attribute> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    list.iter().map(owned).collect()
}

fn attributes() -> Vec<Attribute> {
    pairs(&[("DisplayName", ""), ("Policy", "{\"a\":\"<b> & 'c'\"}\r\n")])
}

fn next() -> Option<String> {
    Some("bmV4dA==".to_owned())
}

fn subscriptions() -> ListSubscriptionsResponse {
    let one = |arn: &str, protocol: &str, endpoint: &str| Subscription {
        subscription_arn: arn.into(),
        owner: "000000000001".into(),
        protocol: protocol.into(),
        endpoint: endpoint.into(),
        topic_arn: TOPIC.into(),
    };
    ListSubscriptionsResponse {
        subscriptions: vec![
            one(SUBSCRIPTION, "sqs", QUEUE),
            one(Subscription::PENDING, "http", "http://a/?b&c=<d>"),
        ],
        next_token: next(),
    }
}

fn batch() -> PublishBatchResponse {
    let entry = |id: &str, sequence_number: Option<&str>| PublishBatchResultEntry {
        id: id.into(),
        message_id: MESSAGE_ID.into(),
        sequence_number: sequence_number.map(str::to_owned),
    };
    PublishBatchResponse {
        successful: vec![entry("e0", Some("10000000000000003000")), entry("e1", None)],
        failed: vec![BatchResultErrorEntry::internal("e2")],
    }
}

fn of_topics() -> Vec<Response> {
    vec![
        Response::AddPermission(NoResult {}),
        Response::ConfirmSubscription(ConfirmSubscriptionResponse {
            subscription_arn: SUBSCRIPTION.into(),
        }),
        Response::CreateTopic(CreateTopicResponse {
            topic_arn: TOPIC.into(),
        }),
        Response::DeleteTopic(NoResult {}),
        Response::GetDataProtectionPolicy(GetDataProtectionPolicyResponse {
            data_protection_policy: Some("{\"Name\":\"p\"}".into()),
        }),
        Response::GetSubscriptionAttributes(GetSubscriptionAttributesResponse {
            attributes: attributes(),
        }),
        Response::GetTopicAttributes(GetTopicAttributesResponse {
            attributes: attributes(),
        }),
        Response::ListSubscriptions(subscriptions()),
        Response::ListSubscriptionsByTopic(ListSubscriptionsResponse {
            subscriptions: Vec::new(),
            next_token: None,
        }),
        Response::ListTagsForResource(ListTagsForResourceResponse {
            tags: vec![Tag {
                key: "team".into(),
                value: "a & b".into(),
            }],
        }),
        Response::ListTopics(ListTopicsResponse {
            topic_arns: vec![TOPIC.into(), format!("{TOPIC}.fifo")],
            next_token: next(),
        }),
        Response::Publish(PublishResponse {
            message_id: MESSAGE_ID.into(),
            sequence_number: Some("10000000000000003000".into()),
        }),
        Response::PublishBatch(batch()),
        Response::PutDataProtectionPolicy(NoResult {}),
        Response::RemovePermission(NoResult {}),
        Response::SetSubscriptionAttributes(NoResult {}),
        Response::SetTopicAttributes(NoResult {}),
        Response::Subscribe(SubscribeResponse {
            subscription_arn: PENDING_CONFIRMATION.into(),
        }),
        Response::TagResource(Empty {}),
        Response::Unsubscribe(NoResult {}),
        Response::UntagResource(Empty {}),
    ]
}

fn of_platforms() -> Vec<Response> {
    vec![
        Response::CreatePlatformApplication(CreatePlatformApplicationResponse {
            platform_application_arn: APPLICATION.into(),
        }),
        Response::CreatePlatformEndpoint(CreatePlatformEndpointResponse {
            endpoint_arn: ENDPOINT.into(),
        }),
        Response::DeleteEndpoint(NoResult {}),
        Response::DeletePlatformApplication(NoResult {}),
        Response::GetEndpointAttributes(GetEndpointAttributesResponse {
            attributes: pairs(&[("Enabled", "true"), ("Token", "t")]),
        }),
        Response::GetPlatformApplicationAttributes(GetPlatformApplicationAttributesResponse {
            attributes: pairs(&[("Enabled", "true")]),
        }),
        Response::ListEndpointsByPlatformApplication(ListEndpointsByPlatformApplicationResponse {
            endpoints: vec![PlatformEndpoint {
                endpoint_arn: ENDPOINT.into(),
                attributes: pairs(&[("Enabled", "true")]),
            }],
            next_token: next(),
        }),
        Response::ListPlatformApplications(ListPlatformApplicationsResponse {
            platform_applications: vec![PlatformApplication {
                platform_application_arn: APPLICATION.into(),
                attributes: pairs(&[("Enabled", "true")]),
            }],
            next_token: None,
        }),
        Response::SetEndpointAttributes(NoResult {}),
        Response::SetPlatformApplicationAttributes(NoResult {}),
    ]
}

fn of_phones() -> Vec<Response> {
    let number = || "+15551234567".to_owned();
    vec![
        Response::CheckIfPhoneNumberIsOptedOut(CheckIfPhoneNumberIsOptedOutResponse {
            is_opted_out: true,
        }),
        Response::CreateSMSSandboxPhoneNumber(Empty {}),
        Response::DeleteSMSSandboxPhoneNumber(Empty {}),
        Response::GetSMSAttributes(GetSMSAttributesResponse {
            attributes: pairs(&[("DefaultSMSType", "Promotional")]),
        }),
        Response::GetSMSSandboxAccountStatus(GetSMSSandboxAccountStatusResponse {
            is_in_sandbox: false,
        }),
        Response::ListOriginationNumbers(ListOriginationNumbersResponse {
            phone_numbers: vec![PhoneNumberInformation {
                created_at: Timestamp::from_millis(1_335_920_066_655),
                phone_number: number(),
                status: "ACTIVE".into(),
                iso2_country_code: "US".into(),
                route_type: "Transactional".into(),
                number_capabilities: vec!["SMS".into(), "VOICE".into()],
            }],
            next_token: next(),
        }),
        Response::ListPhoneNumbersOptedOut(ListPhoneNumbersOptedOutResponse {
            phone_numbers: vec![number()],
            next_token: next(),
        }),
        Response::ListSMSSandboxPhoneNumbers(ListSMSSandboxPhoneNumbersResponse {
            phone_numbers: vec![SMSSandboxPhoneNumber {
                phone_number: number(),
                verified: true,
            }],
            next_token: None,
        }),
        Response::OptInPhoneNumber(Empty {}),
        Response::SetSMSAttributes(Empty {}),
        Response::VerifySMSSandboxPhoneNumber(Empty {}),
    ]
}

#[test]
fn answers_are_those_that_botocore_read() {
    let all = [of_topics(), of_platforms(), of_phones()].concat();
    assert_eq!(all.len(), Action::ALL.len());
    let mut transcript = String::new();
    for response in all {
        let encoded = response.encode(REQUEST_ID);
        assert_eq!((encoded.status, &encoded.query_error), (200, &None));
        assert_eq!(encoded.content_type, "text/xml");
        transcript += std::str::from_utf8(&encoded.body).unwrap();
        transcript.push('\n');
    }
    if let Some(path) = std::env::var_os("WIRE_TRANSCRIPT_ANSWERS") {
        std::fs::write(path, &transcript).unwrap();
    }
    let expected = include_str!("../data/sns/responses.txt");
    for (line, (got, expected)) in transcript.lines().zip(expected.lines()).enumerate() {
        assert_eq!(got, expected, "line {}", line + 1);
    }
    assert_eq!(transcript.len(), expected.len());
}

#[test]
fn errors_are_those_of_awss_recordings() {
    let error = AwsError::from(SnsError::topic_does_not_exist());
    let encoded = encode_error(&error, Protocol::Query, Service::Sns, REQUEST_ID);
    assert_eq!((encoded.status, encoded.query_error), (404, None));
    assert_eq!(
        std::str::from_utf8(&encoded.body).unwrap(),
        "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error>\
         <Type>Sender</Type><Code>NotFound</Code><Message>Topic does not exist</Message></Error>\
         <RequestId>6fde8d1e-52cd-4581-8cd9-c512f4c64223</RequestId></ErrorResponse>"
    );
}

#[test]
fn every_error_of_the_model_has_its_code_and_status() {
    let model: Vec<Value> = serde_json::from_str(include_str!("../data/sns/errors.json")).unwrap();
    let mut ours: Vec<(&str, u64)> = SnsErrorKind::ALL
        .iter()
        .map(|kind| (kind.code(), u64::from(kind.status())))
        .collect();
    for error in &model {
        let code = error["code"].as_str().unwrap();
        let status = error["status"].as_u64().unwrap();
        let at = ours.iter().position(|have| *have == (code, status));
        ours.remove(at.unwrap_or_else(|| panic!("{code} {status}")));
    }
    // The framework's, which is in no service's model.
    assert_eq!(ours, [("ValidationError", 400)]);
    for kind in SnsErrorKind::ALL {
        let error = AwsError::from(SnsError::new(*kind, "m"));
        let is_ours = *kind == SnsErrorKind::InternalError;
        assert_eq!(error.fault == Fault::Receiver, is_ours, "{kind:?}");
    }
}

#[test]
fn names_of_actions_come_back() {
    for action in sns::Action::ALL {
        assert_eq!(sns::Action::from_name(action.name()), Some(*action));
    }
}
