"""Deliveries by mail, as text messages, to functions and to apps on phones: each to a stand-in for what an operator has."""

import json
import re

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from support.aws import arn_of, eventually, receive_all, receive_none, receive_one, refused, sqs_client
from support.endpoints import HttpEndpoint, MailServer, links, text_of
from support.nodes import Cluster
from support.sns import document, follow, sns_client, subscription_attributes, topic_attributes

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:resize:live"


class Outside:
    """All that a node delivers to, and the node."""

    def __init__(self, node, mail, sms, functions, platform):
        self.node, self.mail, self.sms, self.functions, self.platform = node, mail, sms, functions, platform


def platform_answer(arrived):
    """Google's tokens and messages, and Amazon's: whoever sends to `gone` hears that the app is."""
    if arrived.path == "/token":
        return 200, json.dumps({"access_token": "granted", "expires_in": 3600, "token_type": "Bearer"}), {}
    if '"gone"' in arrived.body or "/gone/" in arrived.path:
        error = {"code": 404, "status": "NOT_FOUND", "details": [{"errorCode": "UNREGISTERED"}]}
        return 404, json.dumps({"error": error, "reason": "Unregistered"}), {}
    return 200, json.dumps({"name": "projects/p/messages/1"}), {}


@pytest.fixture(scope="module")
def outside():
    """One node for this file, that knows the stand-ins."""
    with MailServer() as mail, HttpEndpoint() as sms, HttpEndpoint(lambda a: 202) as functions:
        with HttpEndpoint(platform_answer) as platform:
            config = f"""
[delivery.mail]
server = "{mail.address}"
security = "none"
from = "topics@example.com"

[delivery.sms]
url = "{sms.url}/send"
headers = {{ "X-Key" = "k" }}

[delivery.push]
fcm = "{platform.url}"
google_tokens = "{platform.url}/token"
adm = "{platform.url}"
amazon_tokens = "{platform.url}/token"

[delivery.lambda]
endpoint = "{functions.url}/invoke/"
"""
            with Cluster(1, extra_config=config) as cluster:
                yield Outside(cluster.nodes[0], mail, sms, functions, platform)


@pytest.fixture
def sns(outside):
    return sns_client(outside.node.endpoint)


@pytest.fixture
def sqs(outside):
    return sqs_client(outside.node.endpoint)


@pytest.fixture(scope="module")
def account():
    """A service account of Google's, with a key that was made here."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps({"client_email": "a@b", "private_key": pem.decode(), "private_key_id": "1", "project_id": "p"})


def subscribe_mailbox(sns, outside, topic, protocol="email", to="ann@example.com"):
    """Subscribes a mailbox and follows the link that it gets."""
    arn = sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=to, ReturnSubscriptionArn=True)["SubscriptionArn"]
    sender, recipients, mail = outside.mail.next()
    assert (sender, recipients) == ("topics@example.com", [to])
    assert mail["Subject"] == "AWS Notification - Subscription Confirmation"
    if protocol == "email":
        (link,) = links(text_of(mail))
    else:
        link = json.loads(text_of(mail))["SubscribeURL"]
    assert arn in follow(link)
    return arn


def test_mail(outside, sns):
    topic = sns.create_topic(Name="mails", Attributes={"DisplayName": "Shop"})["TopicArn"]
    arn = subscribe_mailbox(sns, outside, topic)
    sns.publish(TopicArn=topic, Subject="News 🦀"[:4], Message="Hello,\nit is done. ü")
    _, recipients, mail = outside.mail.next()
    assert recipients == ["ann@example.com"]
    assert (mail["Subject"], str(mail["From"])) == ("News", "Shop <topics@example.com>")
    assert text_of(mail).startswith("Hello,\nit is done. ü\n")
    sns.publish(TopicArn=topic, Message="without a subject")
    _, _, mail = outside.mail.next()
    assert mail["Subject"] == "AWS Notification Message"
    assert "<UnsubscribeResponse" in follow(links(text_of(mail))[-1])
    with refused("NotFound", status=404):
        sns.get_subscription_attributes(SubscriptionArn=arn)


def test_mail_for_programs(outside, sns):
    topic = sns.create_topic(Name="json-mails")["TopicArn"]
    subscribe_mailbox(sns, outside, topic, "email-json")
    texts = {"default": "d", "email-json": "for programs"}
    sns.publish(TopicArn=topic, Subject="s", Message=json.dumps(texts), MessageStructure="json")
    _, _, mail = outside.mail.next()
    told = json.loads(text_of(mail))
    assert (mail["Subject"], told["Message"], told["Type"]) == ("s", "for programs", "Notification")


def test_a_mailbox_that_is_not_there(outside, sns, sqs):
    """A mail that is refused for good is a dead letter."""
    topic = sns.create_topic(Name="refused-mails")["TopicArn"]
    arn = subscribe_mailbox(sns, outside, topic, to="bob@example.com")
    dead = sqs.create_queue(QueueName="dead-mails")["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": arn_of(sqs, dead)})
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="RedrivePolicy", AttributeValue=redrive)
    outside.mail.refusal = "550 no such mailbox"
    try:
        sns.publish(TopicArn=topic, Message="returned")
        assert document(receive_one(sqs, dead, wait_s=20))["Message"] == "returned"
    finally:
        outside.mail.refusal = None


def test_text_messages_of_a_topic(outside, sns):
    topic = sns.create_topic(Name="texts", Attributes={"DisplayName": "A long shop name"})["TopicArn"]
    arn = sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+15005550006")["SubscriptionArn"]
    assert subscription_attributes(sns, arn)["PendingConfirmation"] == "false"
    sender = {"AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": "Me"}}
    sns.publish(TopicArn=topic, Message="hello ü", MessageAttributes=sender)
    came = outside.sms.next()
    assert (came.method, came.path, came.headers["X-Key"]) == ("POST", "/send", "k")
    assert came.document == {"to": "+15005550006", "message": "A long sho> hello ü", "sender": "Me"}


def test_a_text_message_to_one_phone(outside, sns):
    sns.set_sms_attributes(attributes={"DefaultSenderID": "Shop", "DefaultSMSType": "Transactional"})
    assert sns.get_sms_attributes(attributes=["DefaultSenderID"])["attributes"] == {"DefaultSenderID": "Shop"}
    assert sns.publish(PhoneNumber="+15005550007", Message="code 1234")["MessageId"]
    assert outside.sms.next().document == {"to": "+15005550007", "message": "code 1234", "sender": "Shop"}
    outside.sms.answer = lambda a: (400, "no such number", {})
    try:
        with refused("InvalidParameter", "no such number"):
            sns.publish(PhoneNumber="+15005550001", Message="x")
        outside.sms.answer = lambda a: 503
        with refused("InternalError", status=500):
            sns.publish(PhoneNumber="+15005550001", Message="x")
    finally:
        outside.sms.answer = lambda a: 200
    for _ in range(2):
        outside.sms.next()


def test_functions(outside, sns):
    topic = sns.create_topic(Name="functions")["TopicArn"]
    arn = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=FUNCTION)["SubscriptionArn"]
    attribute = {"kind": {"DataType": "String", "StringValue": "new"}}
    sent = sns.publish(TopicArn=topic, Subject="s", Message="m", MessageAttributes=attribute)["MessageId"]
    came = outside.functions.next()
    assert came.path == "/invoke/2015-03-31/functions/resize/invocations?Qualifier=live"
    assert came.headers["X-Amz-Invocation-Type"] == "Event"
    (record,) = came.document["Records"]
    assert (record["EventSource"], record["EventSubscriptionArn"]) == ("aws:sns", arn)
    told = record["Sns"]
    assert (told["Message"], told["Subject"], told["MessageId"], told["TopicArn"]) == ("m", "s", sent, topic)
    assert told["MessageAttributes"] == {"kind": {"Type": "String", "Value": "new"}}
    assert told["SignatureVersion"] == "1" and told["Signature"] and "SimpleNotificationService" in told["SigningCertUrl"]


def test_applications_and_endpoints_are_kept(sns, account):
    made = sns.create_platform_application(
        Name="kept", Platform="GCM", Attributes={"PlatformCredential": account, "SuccessFeedbackSampleRate": "50"}
    )["PlatformApplicationArn"]
    assert made == "arn:aws:sns:us-east-1:000000000000:app/GCM/kept"
    told = sns.get_platform_application_attributes(PlatformApplicationArn=made)["Attributes"]
    assert told == {"Enabled": "true", "SuccessFeedbackSampleRate": "50"}
    sns.set_platform_application_attributes(
        PlatformApplicationArn=made, Attributes={"SuccessFeedbackSampleRate": "", "Enabled": "false"}
    )
    told = sns.get_platform_application_attributes(PlatformApplicationArn=made)["Attributes"]
    assert told == {"Enabled": "false"}
    listed = sns.list_platform_applications()["PlatformApplications"]
    assert made in [a["PlatformApplicationArn"] for a in listed]

    tokens = [f"token {n}" for n in range(101)]
    ends = {
        sns.create_platform_endpoint(PlatformApplicationArn=made, Token=token, CustomUserData="u")["EndpointArn"]
        for token in tokens
    }
    pages = sns.get_paginator("list_endpoints_by_platform_application").paginate(PlatformApplicationArn=made)
    pages = [page["Endpoints"] for page in pages]
    assert [len(page) for page in pages] == [100, 1]
    assert {e["EndpointArn"] for page in pages for e in page} == ends
    again = sns.create_platform_endpoint(PlatformApplicationArn=made, Token=tokens[0], CustomUserData="u")["EndpointArn"]
    assert again in ends
    with refused("InvalidParameter", f"Endpoint {again} already exists with the same Token, but different attributes."):
        sns.create_platform_endpoint(PlatformApplicationArn=made, Token=tokens[0])
    sns.set_endpoint_attributes(EndpointArn=again, Attributes={"Token": "other", "Enabled": "false"})
    told = sns.get_endpoint_attributes(EndpointArn=again)["Attributes"]
    assert told == {"Token": "other", "Enabled": "false", "CustomUserData": "u"}
    fresh = sns.create_platform_endpoint(PlatformApplicationArn=made, Token=tokens[0])["EndpointArn"]
    assert fresh not in ends
    sns.delete_endpoint(EndpointArn=fresh)
    sns.delete_endpoint(EndpointArn=fresh)
    with refused("NotFound", "Endpoint does not exist", status=404):
        sns.get_endpoint_attributes(EndpointArn=fresh)

    sns.delete_platform_application(PlatformApplicationArn=made)
    with refused("NotFound", "PlatformApplication does not exist", status=404):
        sns.get_platform_application_attributes(PlatformApplicationArn=made)
    with refused("NotFound", status=404):
        sns.get_endpoint_attributes(EndpointArn=again)
    with refused("InvalidParameter", "does not push to WNS"):
        sns.create_platform_application(Name="w", Platform="WNS", Attributes={"PlatformCredential": "c"})


def test_apps_on_phones(outside, sns, account):
    app = sns.create_platform_application(Name="shop", Platform="GCM", Attributes={"PlatformCredential": account})
    app = app["PlatformApplicationArn"]
    phone = sns.create_platform_endpoint(PlatformApplicationArn=app, Token="phone 1")["EndpointArn"]
    topic = sns.create_topic(Name="apps")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="application", Endpoint=phone)
    texts = {"default": "d", "GCM": json.dumps({"notification": {"title": "Hi"}, "data": {"n": "1"}})}
    sns.publish(TopicArn=topic, Message=json.dumps(texts), MessageStructure="json")
    granted = outside.platform.next()
    assert granted.path == "/token" and granted.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    came = outside.platform.next()
    assert (came.path, came.headers["authorization"]) == ("/v1/projects/p/messages:send", "Bearer granted")
    message = came.document["message"]
    assert (message["token"], message["notification"], message["data"]) == ("phone 1", {"title": "Hi"}, {"n": "1"})

    # Without a topic, and with one text for all.
    assert sns.publish(TargetArn=phone, Message="plain")["MessageId"]
    assert outside.platform.next().document["message"]["data"] == {"default": "plain"}
    with refused("InvalidParameter", "No endpoint found for the target arn specified"):
        sns.publish(TargetArn=phone[:-1] + ("0" if phone[-1] != "0" else "1"), Message="x")


def test_an_app_that_is_gone_is_switched_off(outside, sns, account):
    app = sns.create_platform_application(Name="old", Platform="GCM", Attributes={"PlatformCredential": account})
    app = app["PlatformApplicationArn"]
    phone = sns.create_platform_endpoint(PlatformApplicationArn=app, Token="gone")["EndpointArn"]
    topic = sns.create_topic(Name="gone-apps")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="application", Endpoint=phone)
    sns.publish(TopicArn=topic, Message="x")
    enabled = lambda: sns.get_endpoint_attributes(EndpointArn=phone)["Attributes"]["Enabled"]  # noqa: E731
    eventually(lambda: enabled() == "false", timeout_s=30)
    with refused("EndpointDisabled"):
        sns.publish(TargetArn=phone, Message="x")
    # The app was installed again.
    sns.set_endpoint_attributes(EndpointArn=phone, Attributes={"Token": "here", "Enabled": "true"})
    while not outside.platform.nothing_came():
        outside.platform.next()
    sns.publish(TargetArn=phone, Message="back")
    assert outside.platform.next().document["message"]["token"] == "here"
    sns.delete_endpoint(EndpointArn=phone)
    with refused("InvalidParameter", "no such endpoint"):
        sns.subscribe(TopicArn=topic, Protocol="application", Endpoint=phone)


def test_events_of_a_platforms_endpoints(outside, sns, sqs, account):
    """Each is told to the topic that the application names: created, updated, failed and updated for that, deleted."""
    topic = sns.create_topic(Name="events")["TopicArn"]
    queue = sqs.create_queue(QueueName="events")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn_of(sqs, queue))
    kinds = ("EventEndpointCreated", "EventEndpointDeleted", "EventEndpointUpdated", "EventDeliveryFailure")
    attributes = {"PlatformCredential": account, **dict.fromkeys(kinds, topic)}
    app = sns.create_platform_application(Name="told", Platform="GCM", Attributes=attributes)["PlatformApplicationArn"]
    phone = None

    def told(*wanted):
        """So many events, of these kinds in any order: a queue need not keep it."""
        events = {}
        for message in receive_all(sqs, queue, len(wanted), timeout_s=20):
            said = document(message)
            event = json.loads(said["Message"])
            assert said["Subject"] == f"{event['EventType']} event for app told (GCM)"
            assert (event["EndpointArn"], event["Resource"], event["Service"]) == (phone, app, "SNS")
            events[event["EventType"]] = event
        assert sorted(events) == sorted(wanted)
        return events

    phone = sns.create_platform_endpoint(PlatformApplicationArn=app, Token="gone")["EndpointArn"]
    told("EndpointCreated")
    # It is there, and as it was.
    assert sns.create_platform_endpoint(PlatformApplicationArn=app, Token="gone")["EndpointArn"] == phone
    sns.set_endpoint_attributes(EndpointArn=phone, Attributes={"Token": "gone"})
    sns.set_endpoint_attributes(EndpointArn=phone, Attributes={"CustomUserData": "ann"})
    told("EndpointUpdated")
    with refused("EndpointDisabled"):
        sns.publish(TargetArn=phone, Message="x")
    failure = told("DeliveryFailure", "EndpointUpdated")["DeliveryFailure"]
    assert (failure["FailureType"], failure["DeliveryAttempts"]) == ("InvalidPlatformToken", 1)
    with refused("EndpointDisabled"):
        sns.publish(TargetArn=phone, Message="x")
    assert told("DeliveryFailure")["DeliveryFailure"]["FailureType"] == "EndpointDisabled"
    sns.delete_endpoint(EndpointArn=phone)
    sns.delete_endpoint(EndpointArn=phone)
    told("EndpointDeleted")
    # A topic that is gone keeps nobody from anything, and no event is left over.
    sns.delete_topic(TopicArn=topic)
    phone = sns.create_platform_endpoint(PlatformApplicationArn=app, Token="again")["EndpointArn"]
    receive_none(sqs, queue)
    sns.delete_platform_application(PlatformApplicationArn=app)


def test_what_is_not_configured_says_so(endpoint):
    """A broker without a mail server takes no mailbox, where it would keep what it does not do."""
    sns = sns_client(endpoint)
    topic = sns.create_topic(Name="bare")["TopicArn"]
    for protocol, where, what in [
        ("email", "a@example.com", "no mail server: see [delivery.mail]"),
        ("email-json", "a@example.com", "no mail server"),
        ("sms", "+15005550006", "no gateway for text messages: see [delivery.sms]"),
        ("lambda", FUNCTION, "no endpoint for functions: see [delivery.lambda]"),
        ("firehose", "arn:aws:firehose:us-east-1:000000000000:deliverystream/d", ""),
    ]:
        with refused("InvalidParameter", what):
            sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=where)
    with refused("InvalidParameter", "no gateway for text messages"):
        sns.publish(PhoneNumber="+15005550006", Message="x")
    assert topic_attributes(sns, topic)["SubscriptionsPending"] == "0"
    assert not re.search(r"subscription-\d", str(sqs_client(endpoint).list_queues()))
    sns.delete_topic(TopicArn=topic)
