"""Deliveries over HTTP: the handshake, signatures that a published validator checks, retries by policy, dead letters, and
what outlives a node."""

import base64
import json
import re
import time
import urllib.error

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from sns_message_validator import SignatureVerificationFailureException, SNSMessageValidator
from support.aws import arn_of, eventually, receive_all, receive_one, refused, sqs_client
from support.endpoints import HttpEndpoint, confirmed
from support.nodes import Cluster
from support.sns import document, follow, sns_client, subscription_attributes, topic_attributes

FAST = json.dumps({"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 2}})


@pytest.fixture
def endpoint_there():
    """An HTTP endpoint that answers 200."""
    with HttpEndpoint() as endpoint:
        yield endpoint


def validator():
    """The published validator, told who signs here."""
    return SNSMessageValidator(cert_url_regex=r"^http://127\.0\.0\.1:\d+/SimpleNotificationService-[0-9a-f]+\.pem$")


def test_the_handshake_the_messages_and_the_end(sns, other_sns, topic, endpoint_there):
    """As AWS documents it for whoever writes an endpoint, checked by a validator that was written for AWS."""
    url = f"{endpoint_there.url}/hook?a=b"
    assert sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)["SubscriptionArn"] == "pending confirmation"
    asked = endpoint_there.next()
    assert (asked.method, asked.path, asked.kind) == ("POST", "/hook?a=b", "SubscriptionConfirmation")
    said = asked.document
    assert (said["Type"], said["TopicArn"]) == ("SubscriptionConfirmation", topic)
    assert asked.headers["x-amz-sns-message-id"] == said["MessageId"]
    assert asked.headers["x-amz-sns-topic-arn"] == topic
    assert asked.headers["x-amz-sns-subscription-arn"] is None
    assert asked.headers["content-type"] == "text/plain; charset=UTF-8"
    assert asked.headers["user-agent"] == "Amazon Simple Notification Service Agent"
    validator().validate_message(said)
    forged = dict(said, Token="0" * 32)
    with pytest.raises(SignatureVerificationFailureException):
        validator().validate_message(forged)

    # Nothing is sent to who has not confirmed.
    other_sns.publish(TopicArn=topic, Message="too early")
    arn = re.search(r"<SubscriptionArn>(.*)</SubscriptionArn>", follow(said["SubscribeURL"])).group(1)
    assert subscription_attributes(sns, arn)["PendingConfirmation"] == "false"
    sent = other_sns.publish(
        TopicArn=topic,
        Subject="s",
        Message="hello \"you\" 🦀",
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "new"}},
    )
    came = endpoint_there.next()
    assert came.kind == "Notification"
    assert came.headers["x-amz-sns-message-id"] == sent["MessageId"]
    assert came.headers["x-amz-sns-subscription-arn"] == arn
    assert came.headers["x-amz-sns-rawdelivery"] is None
    told = came.document
    assert (told["Message"], told["Subject"], told["MessageId"]) == ('hello "you" 🦀', "s", sent["MessageId"])
    assert told["MessageAttributes"] == {"kind": {"Type": "String", "Value": "new"}}
    validator().validate_message(told)
    with pytest.raises(SignatureVerificationFailureException):
        validator().validate_message(dict(told, Message="hello me"))

    assert "<UnsubscribeResponse" in follow(told["UnsubscribeURL"])
    with refused("NotFound", status=404):
        sns.get_subscription_attributes(SubscriptionArn=arn)
    ended = endpoint_there.next()
    assert ended.kind == "UnsubscribeConfirmation"
    assert ended.headers["x-amz-sns-subscription-arn"] == arn
    said = ended.document
    assert (said["Type"], said["TopicArn"]) == ("UnsubscribeConfirmation", topic)
    assert said["Message"].startswith(f"You have chosen to deactivate subscription {arn}.")
    validator().validate_message(said)


def test_an_endpoint_subscribes_again_by_the_link(sns, other_sns, topic, endpoint_there):
    """With the attributes that it had. Nothing is sent to it in between."""
    arn = confirmed(sns, topic, "http", endpoint_there.url, endpoint_there, FilterPolicy='{"kind": ["new"]}')
    kind = {"kind": {"DataType": "String", "StringValue": "new"}}
    sns.publish(TopicArn=topic, Message="before", MessageAttributes=kind)
    follow(endpoint_there.next().document["UnsubscribeURL"])
    said = endpoint_there.next().document
    other_sns.publish(TopicArn=topic, Message="between", MessageAttributes=kind)
    again = re.search(r"<SubscriptionArn>(.*)</SubscriptionArn>", follow(said["SubscribeURL"])).group(1)
    assert again.startswith(f"{topic}:") and again != arn
    assert subscription_attributes(sns, again)["FilterPolicy"] == '{"kind": ["new"]}'
    for message, attributes in [("of another kind", {}), ("after", kind)]:
        other_sns.publish(TopicArn=topic, Message=message, MessageAttributes=attributes)
    assert endpoint_there.next().document["Message"] == "after"
    assert endpoint_there.nothing_came()


def test_who_is_told_of_an_end(sns, topic, endpoint_there):
    """Nobody whose subscription its owner ends, nor one that its owner confirmed. Other attributes may be asked for afterwards."""
    arn = confirmed(sns, topic, "http", endpoint_there.url, endpoint_there)
    sns.unsubscribe(SubscriptionArn=arn)
    assert topic_attributes(sns, topic)["SubscriptionsPending"] == "0"
    confirmed(sns, topic, "http", endpoint_there.url, endpoint_there)
    sns.publish(TopicArn=topic, Message="m")
    follow(endpoint_there.next().document["UnsubscribeURL"])
    assert endpoint_there.next().kind == "UnsubscribeConfirmation"
    assert topic_attributes(sns, topic)["SubscriptionsPending"] == "1"
    confirmed(sns, topic, "http", endpoint_there.url, endpoint_there, RawMessageDelivery="true")
    sns.publish(TopicArn=topic, Message="raw")
    assert endpoint_there.next().body == "raw"


def test_a_token_confirms_by_the_action(sns, other_sns, topic, endpoint_there):
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint_there.url)
    token = endpoint_there.next().document["Token"]
    arn = other_sns.confirm_subscription(TopicArn=topic, Token=token, AuthenticateOnUnsubscribe="true")["SubscriptionArn"]
    assert subscription_attributes(sns, arn)["ConfirmationWasAuthenticated"] == "true"
    assert topic_attributes(sns, topic)["SubscriptionsConfirmed"] == "1"
    # Subscribing again finds it, and asks nobody.
    assert sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint_there.url)["SubscriptionArn"] == arn
    sns.publish(TopicArn=topic, Message="one")
    assert endpoint_there.next().document["Message"] == "one"


def test_who_does_not_answer_is_asked_again_by_subscribing(sns, topic, endpoint_there):
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint_there.url)
    first = endpoint_there.next().document
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint_there.url)
    second = endpoint_there.next().document
    assert first["Token"] == second["Token"] and first["MessageId"] != second["MessageId"]


def test_version_2_of_signatures(sns, make_topic, endpoint_there):
    topic = make_topic(SignatureVersion="2")
    confirmed(sns, topic, "http", endpoint_there.url, endpoint_there)
    sns.publish(TopicArn=topic, Message="m")
    told = endpoint_there.next().document
    assert told["SignatureVersion"] == "2"
    names = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")
    signed = "".join(f"{name}\n{told[name]}\n" for name in names)
    certificate = x509.load_pem_x509_certificate(follow(told["SigningCertURL"]).encode())
    # It raises what it does not accept.
    certificate.public_key().verify(base64.b64decode(told["Signature"]), signed.encode(), PKCS1v15(), SHA256())


def test_every_node_has_the_certificate(broker, sns, topic, endpoint_there):
    confirmed(sns, topic, "http", endpoint_there.url, endpoint_there)
    sns.publish(TopicArn=topic, Message="m")
    url = endpoint_there.next().document["SigningCertURL"]
    own, name = follow(url), url.rsplit("/", 1)[1]

    def found(endpoint):
        try:
            return follow(f"{endpoint}/{name}")
        except urllib.error.HTTPError as error:
            # A node that has just started has yet to tell the others.
            assert error.code in (404, 503)
            return None

    for endpoint in broker.endpoints:
        assert eventually(lambda endpoint=endpoint: found(endpoint), timeout_s=30) == own


def test_what_goes_to_queues_alone_need_not_be_signed(endpoint_there):
    with Cluster(1, extra_config="\n[sns]\nsign_for_queues = false\n") as cluster:
        node = cluster.nodes[0]
        sns, sqs = sns_client(node.endpoint), sqs_client(node.endpoint)
        topic = sns.create_topic(Name="t")["TopicArn"]
        queue = sqs.create_queue(QueueName="q")["QueueUrl"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn_of(sqs, queue))
        sns.publish(TopicArn=topic, Message="to a queue")
        assert "Signature" not in document(receive_one(sqs, queue))
        confirmed(sns, topic, "http", endpoint_there.url, endpoint_there)
        sns.publish(TopicArn=topic, Message="to both")
        validator().validate_message(endpoint_there.next().document)


def test_the_message_alone(sns, topic, endpoint_there):
    policy = json.dumps({"requestPolicy": {"headerContentType": "application/json"}})
    arn = confirmed(
        sns, topic, "http", endpoint_there.url, endpoint_there, RawMessageDelivery="true", DeliveryPolicy=policy
    )
    attribute = {"kind": {"DataType": "String", "StringValue": "new"}}
    sent = sns.publish(TopicArn=topic, Message='{"a": 1}', MessageAttributes=attribute)
    came = endpoint_there.next()
    assert came.body == '{"a": 1}'
    assert came.headers["x-amz-sns-rawdelivery"] == "true"
    assert came.headers["x-amz-sns-message-id"] == sent["MessageId"]
    assert came.headers["content-type"] == "application/json"
    # What is changed holds for what comes after it.
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="RawMessageDelivery", AttributeValue="false")
    sns.set_subscription_attributes(
        SubscriptionArn=arn,
        AttributeName="DeliveryPolicy",
        AttributeValue=json.dumps({"requestPolicy": {"headerContentType": "text/html"}}),
    )
    sns.publish(TopicArn=topic, Message="in a document")
    came = endpoint_there.next()
    assert came.document["Message"] == "in a document"
    assert came.headers["content-type"] == "text/html"


def test_a_text_for_each_protocol(sns, sqs, topic, queue, endpoint_there):
    confirmed(sns, topic, "http", endpoint_there.url, endpoint_there)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn_of(sqs, queue))
    texts = {"default": "for all", "http": "for http"}
    sns.publish(TopicArn=topic, Message=json.dumps(texts), MessageStructure="json")
    told = endpoint_there.next().document
    assert told["Message"] == "for http"
    validator().validate_message(told)
    told = document(receive_one(sqs, queue))
    assert told["Message"] == "for all"
    validator().validate_message(told)


def test_an_endpoint_that_fails_is_tried_again_and_then_given_up(sns, sqs, topic, queue):
    """The policy's tries with one id, and then the dead letter."""
    with HttpEndpoint(lambda a: 200 if a.kind != "Notification" else 500) as endpoint:
        redrive = json.dumps({"deadLetterTargetArn": arn_of(sqs, queue)})
        confirmed(sns, topic, "http", endpoint.url, endpoint, DeliveryPolicy=FAST, RedrivePolicy=redrive)
        sent = sns.publish(TopicArn=topic, Message="unwanted")["MessageId"]
        tries = [endpoint.next() for _ in range(3)]
        assert {t.headers["x-amz-sns-message-id"] for t in tries} == {sent}
        dead = document(receive_one(sqs, queue, wait_s=20))
        assert (dead["Message"], dead["MessageId"]) == ("unwanted", sent)
        assert endpoint.nothing_came()


def test_an_endpoint_that_refuses_gets_it_once(sns, sqs, topic, queue):
    with HttpEndpoint(lambda a: 200 if a.kind != "Notification" else 403) as endpoint:
        redrive = json.dumps({"deadLetterTargetArn": arn_of(sqs, queue)})
        confirmed(
            sns, topic, "http", endpoint.url, endpoint, RedrivePolicy=redrive, RawMessageDelivery="true"
        )
        attribute = {"kind": {"DataType": "String", "StringValue": "new"}}
        sns.publish(TopicArn=topic, Message="unwanted", MessageAttributes=attribute)
        endpoint.next()
        dead = receive_one(sqs, queue, wait_s=20, MessageAttributeNames=["All"])
        # What was to be delivered raw is raw.
        assert dead["Body"] == "unwanted"
        assert dead["MessageAttributes"]["kind"]["StringValue"] == "new"
        assert endpoint.nothing_came()


def test_a_topics_policy_is_for_all_who_have_none(sns, sqs, make_topic, queue):
    policy = {"http": {"defaultHealthyRetryPolicy": json.loads(FAST)["healthyRetryPolicy"] | {"numRetries": 1}}}
    topic = make_topic(DeliveryPolicy=json.dumps(policy))
    with HttpEndpoint(lambda a: 200 if a.kind != "Notification" else 503) as endpoint:
        redrive = json.dumps({"deadLetterTargetArn": arn_of(sqs, queue)})
        confirmed(sns, topic, "http", endpoint.url, endpoint, RedrivePolicy=redrive)
        sns.publish(TopicArn=topic, Message="m")
        for _ in range(2):
            assert endpoint.next().document["Message"] == "m"
        assert document(receive_one(sqs, queue, wait_s=20))["Message"] == "m"
        assert endpoint.nothing_came()


def test_an_endpoint_that_gets_well_gets_it_all(sns, topic):
    """And one that is dead keeps nobody from the others."""
    ill = {"it": True}
    with (
        HttpEndpoint(lambda a: 500 if a.kind == "Notification" and ill["it"] else 200) as endpoint,
        HttpEndpoint() as other,
    ):
        policy = json.dumps({"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 50}})
        confirmed(sns, topic, "http", endpoint.url, endpoint, DeliveryPolicy=policy)
        confirmed(sns, topic, "http", other.url, other)
        wanted = {f"message {n}" for n in range(30)}
        for text in sorted(wanted):
            sns.publish(TopicArn=topic, Message=text)
        assert {other.next().document["Message"] for _ in wanted} == wanted
        ill["it"] = False
        came = set()
        while came < wanted:
            came.add(endpoint.next().document["Message"])
        assert came == wanted


def test_so_many_a_second(sns, topic, endpoint_there):
    """What is throttled comes all the same; that it is not faster than said is a property of the worker's own tests."""
    policy = json.dumps({"throttlePolicy": {"maxReceivesPerSecond": 10}})
    confirmed(sns, topic, "http", endpoint_there.url, endpoint_there, DeliveryPolicy=policy)
    wanted = {str(n) for n in range(20)}
    for text in wanted:
        sns.publish(TopicArn=topic, Message=text)
    assert {endpoint_there.next().document["Message"] for _ in wanted} == wanted


def test_what_waits_outlives_its_node():
    """A node that is killed while an endpoint fails delivers when both are there again."""
    ill = {"it": True}
    with (
        HttpEndpoint(lambda a: 500 if a.kind == "Notification" and ill["it"] else 200) as endpoint,
        Cluster(1) as cluster,
    ):
        node = cluster.nodes[0]
        sns = sns_client(node.endpoint)
        topic = sns.create_topic(Name="t")["TopicArn"]
        policy = json.dumps({"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 100}})
        arn = confirmed(sns, topic, "http", endpoint.url, endpoint, DeliveryPolicy=policy)
        sent = {sns.publish(TopicArn=topic, Message="m")["MessageId"] for _ in range(12)}
        first = endpoint.next().document
        node.kill()
        ill["it"] = False
        node.start()
        came = {}
        while set(came) < sent:
            told = endpoint.next(timeout_s=90).document
            came[told["MessageId"]] = told
        # Its key is the one that it had.
        validator().validate_message(first)
        for told in came.values():
            validator().validate_message(told)
        assert subscription_attributes(sns, arn)["PendingConfirmation"] == "false"


def test_a_node_in_order_ends_with_deliveries_under_way():
    """What hangs is put back, and the node does not wait for it."""
    begun = []

    def hang(arrived):
        if arrived.kind == "Notification" and not begun:
            begun.append(time.monotonic())
            time.sleep(10)
        return 200

    with HttpEndpoint(hang) as endpoint, Cluster(1) as cluster:
        node = cluster.nodes[0]
        sns = sns_client(node.endpoint)
        topic = sns.create_topic(Name="t")["TopicArn"]
        confirmed(sns, topic, "http", endpoint.url, endpoint)
        sns.publish(TopicArn=topic, Message="m")
        eventually(lambda: begun, timeout_s=30)
        assert node.stop()
        assert "stopped at once" not in node.log_text()
        node.start()
        # The one that hung, to its end, and the one that was put back.
        came = [endpoint.next(timeout_s=60).document for _ in range(2)]
        assert {told["Message"] for told in came} == {"m"}
        assert len({told["MessageId"] for told in came}) == 1


def test_no_action_reaches_a_delivery_queue(sns, sqs, topic, endpoint_there):
    arn = confirmed(sns, topic, "http", endpoint_there.url, endpoint_there)
    assert arn
    urls = sqs.list_queues(MaxResults=1000).get("QueueUrls", [])
    assert not [url for url in urls if "subscription-" in url]


def test_deliveries_are_counted(broker, sns, topic, endpoint_there):
    def delivered():
        pages = (node.text("/metrics") for node in broker.nodes)
        found = (re.search(r'levada_deliveries_total\{protocol="http",result="delivered"\} (\d+)', p) for p in pages)
        return sum(int(one.group(1)) for one in found)

    if not broker.nodes:
        pytest.skip("looks at processes of ours")
    confirmed(sns, topic, "http", endpoint_there.url, endpoint_there)
    before = delivered()
    sns.publish(TopicArn=topic, Message="m")
    endpoint_there.next()
    eventually(lambda: delivered() > before, timeout_s=30)


def test_addresses_that_are_not_public_are_refused(broker, sns, topic):
    """A node that listens on the loopback alone delivers to the loopback, and still not into other networks."""
    if not broker.nodes:
        pytest.skip("looks at processes of ours")
    for address in ("169.254.169.254", "10.1.2.3", "192.168.7.8", "[::ffff:169.254.169.254]", "[fd00:ec2::254]"):
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"http://{address}/latest/meta-data")
        shown = address.strip("[]")

        def is_told(shown=shown):
            lines = [line for node in broker.nodes for line in node.log_text().splitlines()]
            return [line for line in lines if f"is at {shown}, " in line and "an operator can allow it" in line]

        eventually(is_told, timeout_s=30)


def test_ports_of_the_node_itself_are_refused(broker, sns, topic):
    """Whatever is allowed."""
    if not broker.nodes:
        pytest.skip("looks at processes of ours")
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"{broker.endpoints[0]}/?Action=ListTopics")
    logs = lambda: "".join(node.log_text() for node in broker.nodes)  # noqa: E731
    eventually(lambda: "a port of this cluster" in logs(), timeout_s=30)


def test_the_loopback_is_the_operators_to_close_and_to_open(endpoint_there):
    closed = "\n[delivery]\nallow_loopback = false\n"
    with Cluster(1, extra_config=closed) as cluster:
        node = cluster.nodes[0]
        sns = sns_client(node.endpoint)
        topic = sns.create_topic(Name="t")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint_there.url)
        eventually(lambda: "is at 127.0.0.1, this machine" in node.log_text(), timeout_s=30)
        assert endpoint_there.nothing_came()
    opened = "\n[delivery]\nallow_loopback = false\nallow = [\"127.0.0.0/8\"]\n"
    with Cluster(1, extra_config=opened) as cluster:
        sns = sns_client(cluster.nodes[0].endpoint)
        topic = sns.create_topic(Name="t")["TopicArn"]
        confirmed(sns, topic, "http", endpoint_there.url, endpoint_there)


def test_a_dead_letter_keeps_its_place_among_many(sns, sqs, topic, queue):
    """Several are given up at one time, each once."""
    with HttpEndpoint(lambda a: 200 if a.kind != "Notification" else 404) as endpoint:
        redrive = json.dumps({"deadLetterTargetArn": arn_of(sqs, queue)})
        confirmed(sns, topic, "http", endpoint.url, endpoint, RedrivePolicy=redrive)
        entries = [{"Id": str(n), "Message": str(n)} for n in range(10)]
        sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
        dead = receive_all(sqs, queue, 10, timeout_s=30)
        assert sorted(document(m)["Message"] for m in dead) == sorted(e["Message"] for e in entries)


def test_a_strangers_dead_letter_queue_that_is_gone(sns, topic):
    """What cannot be buried is dropped, and the next message is delivered."""
    with HttpEndpoint(lambda a: 404 if a.kind == "Notification" and "bad" in a.body else 200) as endpoint:
        redrive = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:nowhere"})
        confirmed(sns, topic, "http", endpoint.url, endpoint, RedrivePolicy=redrive)
        for text in ("bad", "good"):
            sns.publish(TopicArn=topic, Message=text)
        came = [endpoint.next().document["Message"] for _ in range(2)]
        assert sorted(came) == ["bad", "good"]


def test_the_leader_of_a_part_dies():
    """Whoever leads next goes on where it was."""
    ill = {"it": True}
    with (
        HttpEndpoint(lambda a: 503 if a.kind == "Notification" and ill["it"] else 200) as endpoint,
        Cluster(3) as cluster,
    ):
        sns = sns_client(cluster.nodes[1].endpoint, retries={"total_max_attempts": 5})
        sqs_client(cluster.nodes[1].endpoint)
        topic = sns.create_topic(Name="t")["TopicArn"]
        policy = json.dumps({"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 100}})
        confirmed(sns, topic, "http", endpoint.url, endpoint, DeliveryPolicy=policy)
        sent = {sns.publish(TopicArn=topic, Message="m")["MessageId"] for _ in range(20)}
        cluster.nodes[0].kill()
        ill["it"] = False
        came = set()
        while came < sent:
            told = endpoint.next(timeout_s=120).document
            came.add(told["MessageId"])
