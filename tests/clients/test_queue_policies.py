"""What a queue's policy opens to other accounts, and what stays the owner's whatever it says."""

import json
import uuid
from contextlib import contextmanager

import pytest
from support.aws import arn_of, attributes, eventually, receive_none, receive_one, refused, sqs_client
from support.nodes import Cluster

OWNER, FRIEND, STRANGER = "111111111111", "222222222222", "333333333333"


@pytest.fixture
def owner(endpoints):
    """Who owns the queue; the other accounts may come by another node."""
    return sqs_client(next(endpoints), access_key=OWNER)


@pytest.fixture
def friend(endpoints):
    """Whom a policy may let in."""
    return sqs_client(next(endpoints), access_key=FRIEND)


@pytest.fixture
def stranger(endpoints):
    """Whom nobody lets in."""
    return sqs_client(next(endpoints), access_key=STRANGER)


@pytest.fixture
def url(owner):
    """A queue of the owner's without a policy."""
    url = owner.create_queue(QueueName=f"q-{uuid.uuid4().hex[:20]}")["QueueUrl"]
    yield url
    owner.delete_queue(QueueUrl=url)


def name_of(url):
    return url.rpartition("/")[2]


def put_policy(owner, url, *statements):
    """Gives the queue a policy; what a statement lacks is that it allows everyone everything with this queue."""
    whole = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": arn_of(owner, url)}
    policy = {"Version": "2012-10-17", "Statement": [{**whole, **statement} for statement in statements]}
    owner.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})


@contextmanager
def denied(who, action, arn, why=None):
    """The one call is refused as AWS refuses it."""
    why = why or f"because no resource-based policy allows the sqs:{action} action"
    message = f"User: arn:aws:iam::{who}:root is not authorized to perform: sqs:{action} on resource: {arn} {why}"
    with refused("AccessDenied", message, status=403):
        yield


def is_denied(call, **request):
    """Whether a call is refused by now; a permission that was taken back may be known a moment later elsewhere."""
    try:
        call(**request)
    except Exception as error:  # noqa: BLE001 - any other refusal is a failure of the test
        return error.response["Error"]["Code"] == "AccessDenied"
    return False


def test_without_a_policy_a_queue_is_closed(owner, friend, url):
    arn = arn_of(owner, url)
    with denied(FRIEND, "sendmessage", arn):
        friend.send_message(QueueUrl=url, MessageBody="x")
    with denied(FRIEND, "sendmessage", arn):
        friend.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "x"}])
    with denied(FRIEND, "receivemessage", arn):
        friend.receive_message(QueueUrl=url)
    with denied(FRIEND, "purgequeue", arn):
        friend.purge_queue(QueueUrl=url)
    # Nor is it told that it is there.
    with refused("AWS.SimpleQueueService.NonExistentQueue"):
        friend.get_queue_url(QueueName=name_of(url), QueueOwnerAWSAccountId=OWNER)
    receive_none(owner, url)


def test_a_permission_opens_what_it_names(owner, friend, stranger, url):
    arn = arn_of(owner, url)
    owner.add_permission(QueueUrl=url, Label="senders", AWSAccountIds=[FRIEND], Actions=["SendMessage"])
    friend.send_message(QueueUrl=url, MessageBody="one")
    # A batch goes with what it is many of.
    answer = friend.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "two"}])
    assert len(answer["Successful"]) == 1
    for _ in range(2):
        message = receive_one(owner, url, MessageSystemAttributeNames=["SenderId"])
        assert message["Body"] in ("one", "two")
        assert message["Attributes"]["SenderId"] == FRIEND
        owner.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    with denied(FRIEND, "receivemessage", arn):
        friend.receive_message(QueueUrl=url)
    with refused("AWS.SimpleQueueService.NonExistentQueue"):
        friend.get_queue_url(QueueName=name_of(url), QueueOwnerAWSAccountId=OWNER)
    with denied(STRANGER, "sendmessage", arn):
        stranger.send_message(QueueUrl=url, MessageBody="x")
    owner.remove_permission(QueueUrl=url, Label="senders")
    eventually(lambda: is_denied(friend.send_message, QueueUrl=url, MessageBody="late"))


def test_everything_that_can_be_opened(owner, friend, url):
    put_policy(owner, url, {"Principal": {"AWS": FRIEND}})
    found = friend.get_queue_url(QueueName=name_of(url), QueueOwnerAWSAccountId=OWNER)["QueueUrl"]
    assert found.endswith(f"/{OWNER}/{name_of(url)}")
    assert attributes(friend, found, "QueueArn")["QueueArn"] == arn_of(owner, url)
    assert friend.list_dead_letter_source_queues(QueueUrl=found)["queueUrls"] == []
    owner.send_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": "x"} for n in range(4)])
    held = [receive_one(friend, found, VisibilityTimeout=600)["ReceiptHandle"] for _ in range(4)]
    friend.change_message_visibility(QueueUrl=found, ReceiptHandle=held[0], VisibilityTimeout=300)
    entry = {"Id": "1", "ReceiptHandle": held[1], "VisibilityTimeout": 300}
    assert friend.change_message_visibility_batch(QueueUrl=found, Entries=[entry])["Successful"]
    friend.delete_message(QueueUrl=found, ReceiptHandle=held[2])
    entry = {"Id": "1", "ReceiptHandle": held[3]}
    assert friend.delete_message_batch(QueueUrl=found, Entries=[entry])["Successful"]
    friend.purge_queue(QueueUrl=found)


def test_what_is_the_owners_whatever_a_policy_says(owner, friend, url):
    put_policy(owner, url, {})
    arn = arn_of(owner, url)
    for action, call, rest in [
        ("tagqueue", friend.tag_queue, {"Tags": {"a": "b"}}),
        ("untagqueue", friend.untag_queue, {"TagKeys": ["a"]}),
        ("listqueuetags", friend.list_queue_tags, {}),
        ("setqueueattributes", friend.set_queue_attributes, {"Attributes": {"Policy": ""}}),
        (
            "addpermission",
            friend.add_permission,
            {"Label": "l", "AWSAccountIds": [FRIEND], "Actions": ["*"]},
        ),
        ("removepermission", friend.remove_permission, {"Label": "l"}),
        ("deletequeue", friend.delete_queue, {}),
    ]:
        with denied(FRIEND, action, arn):
            call(QueueUrl=url, **rest)
    friend.send_message(QueueUrl=url, MessageBody="still here")


def test_a_statement_that_denies_wins(owner, friend, stranger, url):
    put_policy(owner, url, {}, {"Effect": "Deny", "Principal": {"AWS": FRIEND}, "Action": "sqs:Send*"})
    arn = arn_of(owner, url)
    with denied(FRIEND, "sendmessage", arn, "with an explicit deny in a resource-based policy"):
        friend.send_message(QueueUrl=url, MessageBody="x")
    receive_none(friend, url)
    stranger.send_message(QueueUrl=url, MessageBody="x")
    # Its owner's account needs no policy.
    put_policy(owner, url, {"Effect": "Deny"})
    owner.send_message(QueueUrl=url, MessageBody="x")


@pytest.mark.parametrize(
    ("condition", "opens"),
    [
        ({"IpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1/128"]}}, True),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, True),
        ({"DateGreaterThan": {"aws:CurrentTime": "2025-01-01T00:00:00Z"}}, True),
        ({"DateLessThan": {"aws:CurrentTime": "2025-01-01T00:00:00Z"}}, False),
        ({"StringEquals": {"aws:PrincipalAccount": FRIEND}}, True),
        ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{STRANGER}:*"}}, False),
        # What a topic's messages come with; this is no topic.
        ({"ArnEquals": {"aws:SourceArn": f"arn:aws:sns:us-east-1:{FRIEND}:events"}}, False),
        ({"StringEquals": {"aws:SourceAccount": FRIEND}}, False),
    ],
)
def test_conditions(owner, friend, url, condition, opens):
    put_policy(owner, url, {"Condition": condition})
    if opens:
        friend.send_message(QueueUrl=url, MessageBody="x")
    else:
        with denied(FRIEND, "sendmessage", arn_of(owner, url)):
            friend.send_message(QueueUrl=url, MessageBody="x")


@pytest.mark.parametrize(
    "statement",
    [
        {"Resource": f"arn:aws:sqs:us-east-1:{OWNER}:another"},
        {"Resource": f"arn:aws:sqs:eu-west-1:{OWNER}:*"},
        {"Principal": {"AWS": f"arn:aws:iam::{FRIEND}:user/ann"}},
        {"Principal": {"Service": "sns.amazonaws.com"}},
        {"Action": "sqs:SendMessageBatch"},
        {"Action": "sns:*"},
    ],
)
def test_statements_that_are_for_others(owner, friend, url, statement):
    put_policy(owner, url, statement)
    with denied(FRIEND, "sendmessage", arn_of(owner, url)):
        friend.send_message(QueueUrl=url, MessageBody="x")


@pytest.mark.parametrize("resource", ["*", "arn:aws:sqs:*:*:*", f"arn:aws:sqs:us-east-1:{OWNER}:q-*"])
def test_a_resource_by_a_pattern(owner, friend, url, resource):
    put_policy(owner, url, {"Resource": resource})
    friend.send_message(QueueUrl=url, MessageBody="x")


def test_a_name_is_the_callers_own_queue(owner, friend, url):
    put_policy(owner, url, {})
    with pytest.raises(friend.exceptions.ClientError):
        friend.send_message(QueueUrl=name_of(url), MessageBody="x")
    with refused("AWS.SimpleQueueService.NonExistentQueue"):
        friend.get_queue_url(QueueName=name_of(url))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Effect": "allow"}, "statement 1 of the policy: Effect must be Allow or Deny"),
        ({"Principal": {"AWS": "arn:aws:iam::*:root"}}, 'only "*" by itself stands for many'),
        ({"Condition": {"StringEqualz": {"aws:userid": "x"}}}, 'there is no operator "StringEqualz"'),
        ({"Comment": "x"}, '"Comment" is no element of a statement'),
    ],
)
def test_what_is_no_policy_is_refused(owner, url, change, reason):
    put_policy(owner, url, {"Sid": "before"})
    with refused("InvalidAttributeValue", "Invalid value for the parameter Policy. Reason: ") as caught:
        put_policy(owner, url, change)
    assert reason in caught.value.response["Error"]["Message"]
    with refused("InvalidAttributeValue", reason):
        statement = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", **change}
        owner.create_queue(QueueName="never", Attributes={"Policy": json.dumps({"Statement": statement})})
    assert json.loads(attributes(owner, url, "Policy")["Policy"])["Statement"][0]["Sid"] == "before"


def test_only_by_tls(monkeypatch):
    with Cluster(1, tls=True) as cluster:
        node = cluster.nodes[0]
        monkeypatch.setenv("AWS_CA_BUNDLE", str(node.certificate))
        owner = sqs_client(node.endpoint, access_key=OWNER)
        plain, sealed = (sqs_client(at, access_key=FRIEND) for at in (node.endpoint, node.https_endpoint))
        url = owner.create_queue(QueueName="sealed")["QueueUrl"]
        put_policy(owner, url, {"Condition": {"Bool": {"aws:SecureTransport": "true"}}})
        with denied(FRIEND, "sendmessage", arn_of(owner, url)):
            plain.send_message(QueueUrl=url, MessageBody="x")
        sealed.send_message(QueueUrl=url.replace(node.endpoint, node.https_endpoint), MessageBody="sealed")
        assert receive_one(owner, url)["Body"] == "sealed"
