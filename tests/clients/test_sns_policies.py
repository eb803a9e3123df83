"""What a topic's policy opens to other accounts, and what a topic may send to queues of other accounts."""

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError
from support.aws import arn_of, eventually, receive_none, receive_one, refused, sqs_client
from support.endpoints import HttpEndpoint, confirmed
from support.nodes import Cluster
from support.sns import document, follow, sns_client, subscribe, subscription_attributes, topic_attributes

OWNER, FRIEND, STRANGER = "111111111111", "222222222222", "333333333333"
RAW = {"RawMessageDelivery": "true"}


@pytest.fixture
def owner(endpoints):
    """Who owns the topic; the other accounts may come by another node."""
    return sns_client(next(endpoints), access_key=OWNER)


@pytest.fixture
def friend(endpoints):
    """Whom a policy may let in."""
    return sns_client(next(endpoints), access_key=FRIEND)


@pytest.fixture
def stranger(endpoints):
    """Whom nobody lets in."""
    return sns_client(next(endpoints), access_key=STRANGER)


@pytest.fixture
def topic(owner):
    """A topic of the owner's with the policy that every new one has."""
    arn = owner.create_topic(Name=f"t-{uuid.uuid4().hex[:20]}")["TopicArn"]
    yield arn
    owner.delete_topic(TopicArn=arn)


@pytest.fixture
def own(endpoints, owner, topic):
    """A queue of the owner's that gets all that is published, and a client for it."""
    sqs = sqs_client(next(endpoints), access_key=OWNER)
    url = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:20]}")["QueueUrl"]
    subscribe(owner, topic, arn_of(sqs, url), **RAW)
    yield sqs, url
    sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def friends(endpoints):
    """A queue of the friend's without a policy, and a client for it."""
    sqs = sqs_client(next(endpoints), access_key=FRIEND)
    url = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:20]}")["QueueUrl"]
    yield sqs, url
    sqs.delete_queue(QueueUrl=url)


def put_policy(owner, topic, *statements):
    """Gives the topic a policy; what a statement lacks is that it allows everyone to publish."""
    whole = {"Effect": "Allow", "Principal": "*", "Action": "SNS:Publish", "Resource": topic}
    policy = {"Version": "2012-10-17", "Statement": [{**whole, **statement} for statement in statements]}
    owner.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy))


def let_in(sqs, url, topic, **statement):
    """Has a queue let a topic send to it, as SNS's guide says."""
    whole = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn_of(sqs, url),
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        **statement,
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": whole})})


@contextmanager
def denied(who, action, arn, why=None):
    """The one call is refused as AWS refuses it."""
    why = why or f"because no resource-based policy allows the SNS:{action} action"
    message = f"User: arn:aws:iam::{who}:root is not authorized to perform: SNS:{action} on resource: {arn} {why}"
    with refused("AuthorizationError", message, status=403):
        yield


def is_denied(call, **request):
    """Whether a call is refused by now; a permission that was taken back may be known a moment later elsewhere."""
    try:
        call(**request)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AuthorizationError"
        return True
    return False


def test_a_new_topic_is_its_owners(owner, friend, topic, own):
    assert OWNER in topic_attributes(owner, topic)["Policy"]
    batch = [{"Id": "1", "Message": "x"}]
    grant = {"Label": "l", "AWSAccountId": [FRIEND], "ActionName": ["Publish"]}
    for action, call in [
        ("Publish", lambda: friend.publish(TopicArn=topic, Message="x")),
        ("Publish", lambda: friend.publish_batch(TopicArn=topic, PublishBatchRequestEntries=batch)),
        ("Subscribe", lambda: friend.subscribe(TopicArn=topic, Protocol="http", Endpoint="http://127.0.0.1:1")),
        ("GetTopicAttributes", lambda: friend.get_topic_attributes(TopicArn=topic)),
        (
            "SetTopicAttributes",
            lambda: friend.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="x"),
        ),
        ("AddPermission", lambda: friend.add_permission(TopicArn=topic, **grant)),
        ("RemovePermission", lambda: friend.remove_permission(TopicArn=topic, Label="l")),
        ("ListSubscriptionsByTopic", lambda: friend.list_subscriptions_by_topic(TopicArn=topic)),
        ("DeleteTopic", lambda: friend.delete_topic(TopicArn=topic)),
    ]:
        with denied(FRIEND, action, topic):
            call()
    # Nor is it told whether there is such a topic.
    with denied(FRIEND, "Publish", f"{topic}-not"):
        friend.publish(TopicArn=f"{topic}-not", Message="x")
    receive_none(*own)


def test_a_permission_opens_what_it_names(owner, friend, stranger, topic, own):
    owner.add_permission(TopicArn=topic, Label="authors", AWSAccountId=[FRIEND], ActionName=["Publish"])
    friend.publish(TopicArn=topic, Message="one")
    # A batch goes with what it is many of.
    answer = friend.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[{"Id": "1", "Message": "two"}])
    assert len(answer["Successful"]) == 1
    sqs, url = own
    for _ in range(2):
        message = receive_one(sqs, url)
        assert message["Body"] in ("one", "two")
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    with denied(FRIEND, "GetTopicAttributes", topic):
        friend.get_topic_attributes(TopicArn=topic)
    with denied(STRANGER, "Publish", topic):
        stranger.publish(TopicArn=topic, Message="x")
    owner.remove_permission(TopicArn=topic, Label="authors")
    eventually(lambda: is_denied(friend.publish, TopicArn=topic, Message="late"))


def test_everything_that_can_be_opened(owner, friend, topic):
    actions = json.loads(topic_attributes(owner, topic)["Policy"])["Statement"][0]["Action"]
    put_policy(owner, topic, {"Principal": {"AWS": FRIEND}, "Action": actions})
    assert topic_attributes(friend, topic)["Owner"] == OWNER
    friend.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="theirs")
    assert topic_attributes(owner, topic)["DisplayName"] == "theirs"
    friend.publish(TopicArn=topic, Message="x")
    arn = subscribe(friend, topic, f"arn:aws:sqs:us-east-1:{FRIEND}:anywhere")
    listed = friend.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [(s["SubscriptionArn"], s["Owner"]) for s in listed] == [(arn, FRIEND)]
    friend.add_permission(TopicArn=topic, Label="more", AWSAccountId=[STRANGER], ActionName=["Publish"])
    friend.remove_permission(TopicArn=topic, Label="more")
    # What is the owner's account's whatever a policy says.
    put_policy(owner, topic, {"Action": [*actions, "SNS:TagResource", "SNS:ListTagsForResource"]})
    with denied(FRIEND, "TagResource", topic):
        friend.tag_resource(ResourceArn=topic, Tags=[{"Key": "a", "Value": "b"}])
    with denied(FRIEND, "ListTagsForResource", topic):
        friend.list_tags_for_resource(ResourceArn=topic)
    friend.delete_topic(TopicArn=topic)
    with refused("NotFound", status=404):
        owner.get_topic_attributes(TopicArn=topic)


def test_a_statement_that_denies_wins(owner, friend, stranger, topic):
    put_policy(owner, topic, {}, {"Effect": "Deny", "Principal": {"AWS": FRIEND}})
    with denied(FRIEND, "Publish", topic, "with an explicit deny in a resource-based policy"):
        friend.publish(TopicArn=topic, Message="x")
    stranger.publish(TopicArn=topic, Message="x")
    # Its owner's account needs no policy.
    put_policy(owner, topic, {"Effect": "Deny"})
    owner.publish(TopicArn=topic, Message="x")


@pytest.mark.parametrize(
    ("condition", "opens"),
    [
        ({"StringEquals": {"AWS:SourceOwner": FRIEND}}, True),
        ({"StringEquals": {"AWS:SourceOwner": OWNER}}, False),
        ({"StringEquals": {"aws:PrincipalAccount": FRIEND}}, True),
        ({"StringEquals": {"aws:ResourceAccount": OWNER}}, True),
        ({"IpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1/128"]}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
        ({"DateLessThan": {"aws:CurrentTime": "2025-01-01T00:00:00Z"}}, False),
        # Only who subscribes has these.
        ({"StringEquals": {"sns:Protocol": "sqs"}}, False),
    ],
)
def test_conditions(owner, friend, topic, condition, opens):
    put_policy(owner, topic, {"Condition": condition})
    if opens:
        friend.publish(TopicArn=topic, Message="x")
    else:
        with denied(FRIEND, "Publish", topic):
            friend.publish(TopicArn=topic, Message="x")


def test_who_may_subscribe_what(owner, friend, topic):
    """The examples of SNS's guide: by the protocol and by the endpoint."""
    allowed = f"arn:aws:sqs:us-east-1:{FRIEND}:orders-1"
    condition = {"StringEquals": {"sns:Protocol": ["sqs", "https"]}, "StringLike": {"sns:Endpoint": "*orders*"}}
    put_policy(owner, topic, {"Action": "SNS:Subscribe", "Condition": condition})
    subscribe(friend, topic, allowed)
    with denied(FRIEND, "Subscribe", topic):
        subscribe(friend, topic, f"arn:aws:sqs:us-east-1:{FRIEND}:other")
    with denied(FRIEND, "Subscribe", topic):
        friend.subscribe(TopicArn=topic, Protocol="http", Endpoint="http://orders.example.com/")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Effect": "allow"}, "Policy Error: statement 1 of the policy: Effect must be Allow or Deny"),
        ({"Principal": {"AWS": "arn:aws:iam::*:root"}}, 'only "*" by itself stands for many'),
        ({"Condition": {"StringEqualz": {"aws:userid": "x"}}}, 'there is no operator "StringEqualz"'),
        ({"Comment": "x"}, '"Comment" is no element of a statement'),
        ({"Action": "SNS:*"}, "Policy statement action out of service scope!"),
    ],
)
def test_what_is_no_policy_is_refused(owner, topic, change, reason):
    put_policy(owner, topic, {"Sid": "before"})
    with refused("InvalidParameter", reason):
        put_policy(owner, topic, change)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "SNS:Publish", "Resource": "*", **change}
    with refused("InvalidParameter", f"Attributes Reason: {reason}" if "Error" in reason else reason):
        owner.create_topic(Name="never", Attributes={"Policy": json.dumps({"Statement": statement})})
    assert json.loads(topic_attributes(owner, topic)["Policy"])["Statement"][0]["Sid"] == "before"


def test_a_queues_owner_subscribes_it_at_once(owner, friend, topic, friends):
    """And still its queue must let the topic in."""
    sqs, url = friends
    put_policy(owner, topic, {"Principal": {"AWS": FRIEND}, "Action": "SNS:Subscribe"})
    arn = subscribe(friend, topic, arn_of(sqs, url), **RAW)
    assert arn.startswith(f"{topic}:")
    said = subscription_attributes(friend, arn)
    assert (said["Owner"], said["PendingConfirmation"]) == (FRIEND, "false")
    assert arn in [s["SubscriptionArn"] for s in friend.list_subscriptions()["Subscriptions"]]
    owner.publish(TopicArn=topic, Message="closed")
    let_in(sqs, url, topic)
    owner.publish(TopicArn=topic, Message="open")
    assert receive_one(sqs, url)["Body"] == "open"
    friend.unsubscribe(SubscriptionArn=arn)
    with refused("NotFound", status=404):
        friend.get_subscription_attributes(SubscriptionArn=arn)


def test_a_topics_owner_asks_the_queues(owner, friend, topic, friends):
    sqs, url = friends
    queue = arn_of(sqs, url)
    # A queue that lets nobody in gets no question either.
    assert subscribe(owner, topic, queue) == "pending confirmation"
    let_in(sqs, url, topic)
    assert subscribe(owner, topic, queue) == "pending confirmation"
    asked = document(receive_one(sqs, url, VisibilityTimeout=600))
    assert (asked["Type"], asked["TopicArn"]) == ("SubscriptionConfirmation", topic)
    receive_none(sqs, url)
    owner.publish(TopicArn=topic, Message="too early")
    arn = friend.confirm_subscription(TopicArn=topic, Token=asked["Token"])["SubscriptionArn"]
    assert subscription_attributes(owner, arn)["PendingConfirmation"] == "false"
    owner.publish(TopicArn=topic, Message="now")
    assert document(receive_one(sqs, url))["Message"] == "now"


def test_the_queues_owner_needs_nobodys_question(owner, friend, topic, friends):
    """What somebody else asked for gives way to it, whatever attributes that had."""
    sqs, url = friends
    queue = arn_of(sqs, url)
    let_in(sqs, url, topic)
    assert subscribe(owner, topic, queue) == "pending confirmation"
    token = document(receive_one(sqs, url, VisibilityTimeout=600))["Token"]
    put_policy(owner, topic, {"Action": "SNS:Subscribe"})
    arn = subscribe(friend, topic, queue, **RAW)
    said = subscription_attributes(friend, arn)
    assert (said["Owner"], said["PendingConfirmation"], said["RawMessageDelivery"]) == (FRIEND, "false", "true")
    assert topic_attributes(owner, topic)["SubscriptionsPending"] == "0"
    with refused("InvalidParameter", "Token"):
        friend.confirm_subscription(TopicArn=topic, Token=token)
    owner.publish(TopicArn=topic, Message="raw")
    assert receive_one(sqs, url)["Body"] == "raw"


def test_who_asks_again_may_ask_for_something_else(owner, topic, friends):
    sqs, url = friends
    let_in(sqs, url, topic)
    assert subscribe(owner, topic, arn_of(sqs, url)) == "pending confirmation"
    assert subscribe(owner, topic, arn_of(sqs, url), **RAW) == "pending confirmation"
    tokens = [document(receive_one(sqs, url, VisibilityTimeout=600))["Token"] for _ in range(2)]
    good = [token for token in tokens if not is_no_token(owner, topic, token)]
    assert len(good) == 1
    owner.publish(TopicArn=topic, Message="raw")
    assert receive_one(sqs, url)["Body"] == "raw"


def is_no_token(sns, topic, token):
    """Whether it confirms nothing; otherwise it has."""
    try:
        sns.confirm_subscription(TopicArn=topic, Token=token)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidParameter"
        return True
    return False


@pytest.mark.parametrize(
    ("statement", "opens"),
    [
        ({}, True),
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": OWNER}}, False),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": OWNER}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": FRIEND}}}, False),
        ({"Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:sns:*:{OWNER}:t-*"}}}, True),
        ({"Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:sns:*:{OWNER}:another"}}}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true", "aws:PrincipalIsAWSService": "true"}}}, True),
        ({"Condition": {"DateGreaterThan": {"aws:CurrentTime": "2025-01-01T00:00:00Z"}}}, True),
        ({"Condition": {"DateLessThan": {"aws:CurrentTime": "2025-01-01T00:00:00Z"}}}, False),
        ({"Action": "sqs:ReceiveMessage"}, False),
        ({"Effect": "Deny"}, False),
    ],
)
def test_whom_a_queue_lets_in(owner, friend, topic, friends, own, statement, opens):
    """What is refused becomes a dead letter, if there is a queue for it."""
    sqs, url = friends
    put_policy(owner, topic, {"Action": "SNS:Subscribe"})
    lost = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:20]}")["QueueUrl"]
    let_in(sqs, lost, topic)
    redrive = json.dumps({"deadLetterTargetArn": arn_of(sqs, lost)})
    subscribe(friend, topic, arn_of(sqs, url), RedrivePolicy=redrive, **RAW)
    let_in(sqs, url, topic, **statement)
    owner.publish(TopicArn=topic, Message="m")
    got, not_got = (url, lost) if opens else (lost, url)
    assert receive_one(sqs, got)["Body"] == "m"
    receive_none(sqs, not_got)
    # The owner's own queues are asked nothing.
    assert receive_one(*own)["Body"] == "m"
    sqs.delete_queue(QueueUrl=lost)


def test_a_dead_letter_queue_is_asked_too(owner, friend, topic, friends, own):
    sqs, url = friends
    redrive = json.dumps({"deadLetterTargetArn": arn_of(sqs, url)})
    subscribe(owner, topic, f"arn:aws:sqs:us-east-1:{OWNER}:never-there", RedrivePolicy=redrive, **RAW)
    owner.publish(TopicArn=topic, Message="closed")
    let_in(sqs, url, topic)
    owner.publish(TopicArn=topic, Message="open")
    assert receive_one(sqs, url)["Body"] == "open"


def metric(broker, name):
    """The sum of a metric over the nodes."""
    pages = [follow(f"{endpoint}/metrics") for endpoint in broker.endpoints]
    lines = [line for page in pages for line in page.splitlines() if line.startswith(f"{name} ")]
    return sum(int(line.rpartition(" ")[2]) for line in lines)


def test_what_an_endpoint_refuses_is_buried_where_it_may_be(broker, owner, topic, friends):
    """What is delivered by HTTP goes by another way to its dead letters, and is asked about all the same."""
    sqs, url = friends
    given_up = 'levada_deliveries_total{protocol="http",result="given_up"}'
    other = owner.create_topic(Name=f"t-{uuid.uuid4().hex[:20]}")["TopicArn"]
    let_in(sqs, url, other)
    before = metric(broker, given_up)
    with HttpEndpoint(lambda a: 200 if a.kind != "Notification" else 403) as endpoint:
        redrive = json.dumps({"deadLetterTargetArn": arn_of(sqs, url)})
        for one in (topic, other):
            confirmed(owner, one, "http", endpoint.url, endpoint, RedrivePolicy=redrive)
            owner.publish(TopicArn=one, Message=f"of {one}")
            assert endpoint.next().document["TopicArn"] == one
        eventually(lambda: metric(broker, given_up) >= before + 2, timeout_s=30)
        assert document(receive_one(sqs, url, wait_s=20))["TopicArn"] == other
        receive_none(sqs, url)
    owner.delete_topic(TopicArn=other)


def test_what_is_refused_is_counted(broker, owner, friend, topic, friends):
    sqs, url = friends
    put_policy(owner, topic, {"Action": "SNS:Subscribe"})
    subscribe(friend, topic, arn_of(sqs, url), **RAW)
    name = "levada_topic_copies_refused_total"
    before = metric(broker, name)
    for _ in range(3):
        owner.publish(TopicArn=topic, Message="x")
    assert metric(broker, name) == before + 3


def test_into_a_queue_of_another_region(endpoints, owner, topic):
    """Of the owner's own, and of another account's that lets it in."""
    there = sqs_client(next(endpoints), access_key=OWNER, region="eu-west-3")
    url = there.create_queue(QueueName=f"q-{uuid.uuid4().hex[:20]}")["QueueUrl"]
    assert ":eu-west-3:" in arn_of(there, url)
    subscribe(owner, topic, arn_of(there, url), **RAW)
    friends = sqs_client(next(endpoints), access_key=FRIEND, region="ap-south-1")
    far = friends.create_queue(QueueName=f"q-{uuid.uuid4().hex[:20]}")["QueueUrl"]
    let_in(friends, far, topic)
    assert subscribe(owner, topic, arn_of(friends, far), **RAW) == "pending confirmation"
    token = document(receive_one(friends, far, VisibilityTimeout=600))["Token"]
    owner.confirm_subscription(TopicArn=topic, Token=token)
    owner.publish(TopicArn=topic, Message="far")
    assert receive_one(there, url)["Body"] == "far"
    assert receive_one(friends, far)["Body"] == "far"
    # A topic is there in its own region alone.
    elsewhere = sns_client(next(endpoints), access_key=OWNER, region="eu-west-3")
    with refused("InvalidParameter", "TopicArn"):
        elsewhere.publish(TopicArn=topic, Message="x")


@pytest.fixture(scope="module")
def three():
    """Three nodes of their own."""
    with Cluster(3) as cluster:
        yield cluster


def test_what_was_allowed_through_one_node_is_allowed_by_all(three):
    """At once: nothing is tried again here."""
    owners = [sns_client(e, access_key=OWNER) for e in three.endpoints]
    friends = [sns_client(e, access_key=FRIEND) for e in three.endpoints]
    queues = [sqs_client(e, access_key=FRIEND) for e in three.endpoints]
    for n in range(6):
        here, there, elsewhere = n % 3, (n + 1) % 3, (n + 2) % 3
        topic = owners[here].create_topic(Name=f"t{n}")["TopicArn"]
        url = queues[elsewhere].create_queue(QueueName=f"q{n}")["QueueUrl"]
        queue = arn_of(queues[elsewhere], url)
        with denied(FRIEND, "Publish", topic):
            friends[there].publish(TopicArn=topic, Message="x")
        put_policy(owners[here], topic, {"Principal": {"AWS": FRIEND}, "Action": ["SNS:Subscribe", "SNS:Publish"]})
        subscribe(friends[there], topic, queue, **RAW)
        friends[elsewhere].publish(TopicArn=topic, Message="closed")
        let_in(queues[here], url, topic)
        for node in (there, elsewhere):
            friends[node].publish(TopicArn=topic, Message=f"{n} through {node}")
        wanted = {f"{n} through {node}" for node in (there, elsewhere)}
        came = set()
        while came != wanted:
            message = receive_one(queues[there], url)
            came.add(message["Body"])
            assert came <= wanted
            queues[here].delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


@pytest.mark.parametrize("what", ["topic", "queue"])
def test_a_node_that_stood_still_does_not_refuse_by_what_it_knew(three, what):
    """It has not heard of the new policy when it goes on, and a request waits for it."""
    owners = [sns_client(e, access_key=OWNER) for e in three.endpoints]
    friends = [sns_client(e, access_key=FRIEND) for e in three.endpoints]
    queues = [sqs_client(e, access_key=FRIEND) for e in three.endpoints]
    with ThreadPoolExecutor(1) as pool:
        for n in range(6):
            behind, maker, other = n % 3, (n + 1) % 3, (n + 2) % 3
            topic = owners[maker].create_topic(Name=f"{what}-{n}")["TopicArn"]
            url = queues[maker].create_queue(QueueName=f"{what}-{n}")["QueueUrl"]
            put_policy(owners[maker], topic, {"Action": "SNS:Subscribe"})
            subscribe(friends[maker], topic, arn_of(queues[maker], url), **RAW)
            # So that the node has them, and knows what they say.
            if what == "topic":
                let_in(queues[maker], url, topic)
                with denied(FRIEND, "Publish", topic):
                    friends[behind].publish(TopicArn=topic, Message="x")
            else:
                owners[behind].publish(TopicArn=topic, Message="closed")
            three.nodes[behind].pause()
            try:
                if what == "topic":
                    put_policy(owners[maker], topic, {"Principal": {"AWS": FRIEND}})
                    publisher = friends[behind]
                else:
                    let_in(queues[maker], url, topic)
                    publisher = owners[behind]
                published = pool.submit(publisher.publish, TopicArn=topic, Message="open")
                time.sleep(0.2)  # so that the request is there when the node goes on
            finally:
                three.nodes[behind].resume()
            published.result(timeout=30)
            assert receive_one(queues[other], url, wait_s=20)["Body"] == "open"
