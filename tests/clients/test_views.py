"""`levada queues`, `levada streams`, `levada topics`: what a person sees of what users have stored. Looking changes nothing.

Every command of a test may go to another node than the calls before it.
"""

import http.client
import json
import random
import re
import uuid
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from support.aws import receive_all, sqs_client
from support.endpoints import HttpEndpoint, confirmed
from support.kinesis import kinesis_client, wait_active
from support.nodes import free_ports
from support.operate import eventually, levada, refused

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_REGION": "us-east-1"}


@pytest.fixture
def look(endpoints):
    """Runs a command and gives its document."""

    def run(*words, environment=None):
        done = levada(*words, "--json", endpoint=next(endpoints), environment=environment or ENVIRONMENT)
        return json.loads(done.stdout)

    return run


@pytest.fixture
def read(endpoints):
    """Runs a command and gives what a person reads."""

    def run(*words):
        return levada(*words, endpoint=next(endpoints), environment=ENVIRONMENT).stdout

    return run


def name_of(url):
    return url.rpartition("/")[2]


def figures(queue):
    return queue["waiting"], queue["in_flight"], queue["delayed"]


# ---- queues


def test_a_peek_shows_all_of_a_message_and_changes_nothing(sqs, queue, look, read):
    name = name_of(queue)
    sent = sqs.send_message(
        QueueUrl=queue,
        MessageBody="first\nline two \u00fc",
        MessageAttributes={
            "kind": {"DataType": "String", "StringValue": "order"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\xff\x00"},
        },
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}},
    )
    for n in range(3):
        sqs.send_message(QueueUrl=queue, MessageBody=f"body {n}")
    shown = [look("queues", "peek", name)["messages"] for _ in range(4)]
    bodies = {m["body"] for m in shown[0]}
    assert bodies == {"first\nline two \u00fc", "body 0", "body 1", "body 2"}
    assert all(again == shown[0] for again in shown), "looking again shows the same"
    mine = next(m for m in shown[0] if m["message_id"] == sent["MessageId"])
    assert mine["attributes"] == {
        "kind": {"type": "String", "value": "order"},
        "raw": {"type": "Binary", "base64": "/wA="},
    }
    assert mine["trace_header"] == "Root=1"
    assert mine["receive_count"] == 0 and mine["first_received_at_ms"] is None
    assert "kind (String): order" in read("queues", "peek", name)
    # None is hidden, and none counts as received.
    got = receive_all(sqs, queue, 4, AttributeNames=["All"])
    assert {m["Body"] for m in got} == bodies
    assert {m["Attributes"]["ApproximateReceiveCount"] for m in got} == {"1"}
    assert look("queues", "peek", name)["messages"] == []
    assert read("queues", "peek", name) == f"nothing waits in {name}\n"


def test_only_what_waits_is_shown_with_its_receive_count(sqs, queue, look):
    name = name_of(queue)
    for n in range(3):
        sqs.send_message(QueueUrl=queue, MessageBody=str(n))
    sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=600)
    taken = receive_all(sqs, queue, 3, delete=False)[0]
    (listed,) = look("queues", "list", name)["queues"]
    assert figures(listed) == (0, 3, 1) and listed["oldest_age_ms"] is None
    assert look("queues", "peek", name)["messages"] == []
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=taken["ReceiptHandle"], VisibilityTimeout=0)
    (shown,) = look("queues", "peek", name)["messages"]
    assert (shown["message_id"], shown["body"]) == (taken["MessageId"], taken["Body"])
    assert shown["receive_count"] == 1 and shown["first_received_at_ms"] > 0


def test_a_peek_goes_on_where_another_ended(sqs, queue, look, read):
    name = name_of(queue)
    for start in range(0, 30, 10):
        entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(start, start + 10)]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    seen, after = [], []
    while True:
        page = look("queues", "peek", name, "--count", 7, *after)
        seen += [m["body"] for m in page["messages"]]
        if not page["more"]:
            break
        after = ["--after", page["after"]]
    assert sorted(seen, key=int) == [str(n) for n in range(30)], "each once"
    assert "There is more: --after" in read("queues", "peek", name, "--count", 1)


def test_a_peek_of_a_fifo_queue_is_in_order_and_blocks_no_group(sqs, fifo, look):
    name = name_of(fifo)
    for n in range(4):
        sqs.send_message(QueueUrl=fifo, MessageBody=str(n), MessageGroupId="g", MessageDeduplicationId=str(n))
    shown = look("queues", "peek", name)["messages"]
    assert [m["body"] for m in shown] == ["0", "1", "2", "3"]
    assert {(m["group"], m["receive_count"]) for m in shown} == {("g", 0)}
    assert [m["deduplication_id"] for m in shown] == ["0", "1", "2", "3"]
    (first,) = sqs.receive_message(QueueUrl=fifo, AttributeNames=["All"])["Messages"]
    assert first["Body"] == "0" and first["Attributes"]["SequenceNumber"] == shown[0]["sequence_number"]
    # The group is blocked now; its messages wait none the less.
    assert [m["body"] for m in look("queues", "peek", name)["messages"]] == ["1", "2", "3"]


def test_messages_of_the_largest_size_are_shown_some_at_a_time(sqs, queue, look):
    name = name_of(queue)
    for n in range(6):
        sqs.send_message(QueueUrl=queue, MessageBody=str(n) * 1_000_000)
    page = look("queues", "peek", name)
    assert 1 <= len(page["messages"]) < 6 and page["more"]
    rest = look("queues", "peek", name, "--after", page["after"])
    assert {m["body"][0] for m in page["messages"] + rest["messages"]} <= set("012345")
    assert all(len(m["body"]) == 1_000_000 for m in page["messages"])


def test_a_list_tells_what_waits_and_where_dead_letters_go(sqs, make_queue, look, read):
    dead = make_queue()
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    url = make_queue(RedrivePolicy=policy, VisibilityTimeout="0")
    name = name_of(url)
    for n in range(2):
        sqs.send_message(QueueUrl=url, MessageBody=str(n))

    def buried():
        """Who receives a second time finds a message dead."""
        sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return look("queues", "list", name)["queues"][0]["dead_letters"]["messages"] == 2

    eventually(buried)
    (mine,) = look("queues", "list", name)["queues"]
    assert figures(mine) == (0, 0, 0) and mine["taken"] == 2
    assert mine["dead_letters"] == {
        "queue": name_of(dead),
        "receive_count_max": 1,
        "exists": True,
        "messages": 2,
    }
    (dead_letter, _) = look("queues", "peek", name_of(dead))["messages"]
    assert dead_letter["dead_letter_source"].endswith(f":{name}")
    assert dead_letter["receive_count"] >= 1, "those where it died count"
    table = read("queues", "list", name)
    assert table.splitlines()[0].split()[:2] == ["queue", "waiting"] and name_of(dead) in table
    assert look("queues", "show", name_of(dead))["dead_letters_of"] == [name]


def test_a_list_tells_ages_and_rates(sqs, queue, look):
    sqs.send_message(QueueUrl=queue, MessageBody="waits")
    (mine,) = look("queues", "list", name_of(queue), "--rates")["queues"]
    assert figures(mine) == (1, 0, 0) and mine["oldest_age_ms"] >= 0
    assert (mine["in_per_s"], mine["out_per_s"]) == (0, 0), "nothing came or went meanwhile"


def test_a_queue_is_shown_with_its_attributes_and_parts(sqs, make_queue, look, read):
    name = name_of(make_queue(VisibilityTimeout="77", tags={"team": "sales"}))
    shown = look("queues", "show", name)
    assert shown["attributes"]["VisibilityTimeout"] == "77"
    assert shown["attributes"]["MaximumMessageSize"] == "1048576", "defaults are shown, too"
    assert shown["tags"] == {"team": "sales"}
    assert len(shown["partitions"]) >= 1
    assert all(part["leader"] and part["waiting"] == 0 for part in shown["partitions"])
    page = read("queues", "show", name)
    assert page.startswith(f"{name}, a standard queue") and "VisibilityTimeout" in page and "sales" in page


def test_queues_of_others_are_not_seen(endpoint, queue, look):
    name = name_of(queue)
    other = {"AWS_ACCESS_KEY_ID": "123456789012", "AWS_REGION": "us-east-1"}
    assert look("queues", "list", name, environment=other)["queues"] == []
    elsewhere = ENVIRONMENT | {"AWS_REGION": "eu-west-1"}
    why = refused("queues", "peek", name, endpoint=endpoint, environment=elsewhere)
    assert f"there is no queue {name} in account 000000000000, region eu-west-1" in why


def test_what_makes_no_sense_is_refused(endpoint, queue):
    name = name_of(queue)
    for words, why in (
        (("queues", "peek", name, "--count", "101"), "1 to 100 messages"),
        (("queues", "peek", name, "--after", "x"), "not where an earlier answer ended"),
        (("queues", "show", "not a name!"), "there is no queue"),
        (("queues", "list", "--region", "No Region"), "is no region"),
    ):
        assert why in refused(*words, endpoint=endpoint, environment=ENVIRONMENT)


def test_only_who_may_operate_may_look(node, queue):
    """The same rule as that of operations: a request that was passed on is refused."""
    asked = {"access_key": "test", "region": "us-east-1", "name": name_of(queue)}
    for path in ("queues/list", "queues/peek", "queues/show"):
        for headers, status in (({}, 200), ({"X-Forwarded-For": "10.0.0.9"}, 403)):
            headers = headers | {"Content-Type": "application/json"}
            connection = http.client.HTTPConnection(node.host, node.http_port, timeout=10)
            connection.request("POST", f"/_levada/{path}", json.dumps(asked), headers)
            assert connection.getresponse().status == status, path
            connection.close()


# ---- streams


def test_a_stream_is_shown_with_what_its_shards_keep(kinesis, make_stream, look, read):
    name = make_stream(ShardCount=2)
    kinesis.register_stream_consumer(StreamARN=arn_of(kinesis, name), ConsumerName="reader")
    put = [kinesis.put_record(StreamName=name, Data=b"x" * 100, PartitionKey=f"k{n}") for n in range(8)]
    (listed,) = [one for one in look("streams", "list")["streams"] if one["name"] == name]
    assert (listed["status"], listed["open_shards"], listed["closed_shards"]) == ("ACTIVE", 2, 0)
    assert (listed["consumer_count"], listed["retention_hours"]) == (1, 24)
    shown = look("streams", "show", name)
    for shard in shown["shards"]:
        mine = sum(one["ShardId"] == shard["shard"] for one in put)
        assert shard["open"] and shard["records"] == mine and shard["bytes_about"] == mine * 102
        assert (shard["newest_age_ms"] is None) == (mine == 0)
    told = {(s["shard"], s["first_hash"], s["last_hash"]) for s in shown["shards"]}
    shards = kinesis.list_shards(StreamName=name)["Shards"]
    ranges = [(s["ShardId"], s["HashKeyRange"]) for s in shards]
    assert told == {(shard, keys["StartingHashKey"], keys["EndingHashKey"]) for shard, keys in ranges}
    assert [consumer["name"] for consumer in shown["consumers"]] == ["reader"]
    page = read("streams", "show", name)
    assert page.startswith(f"{name}, a stream of account") and "consumers: reader" in page
    assert name in read("streams", "list")


def test_a_shard_that_was_split_is_shown_as_closed(kinesis, stream, look):
    half = str(2**127)
    kinesis.split_shard(StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=half)
    wait_active(kinesis, stream)
    parent, *children = look("streams", "show", stream)["shards"]
    assert not parent["open"] and parent["parents"] == []
    assert [(child["open"], child["parents"]) for child in children] == [(True, [parent["shard"]])] * 2


def test_records_are_peeked_and_stay(kinesis, make_stream, look, read):
    name = make_stream(ShardCount=2)
    put = [kinesis.put_record(StreamName=name, Data=f"r{n}".encode(), PartitionKey=f"k{n}") for n in range(9)]
    kinesis.put_record(StreamName=name, Data=b"\xff", PartitionKey="binary")
    # A node reads its own copy, which may be a moment behind.
    eventually(lambda: len(look("streams", "peek", name)["records"]) == 10)
    for _ in range(2):
        records = look("streams", "peek", name)["records"]
        assert {r["sequence_number"] for r in records} >= {one["SequenceNumber"] for one in put}
        assert sorted(r["data"] for r in records if "data" in r) == [f"r{n}" for n in range(9)]
        assert [r["data_base64"] for r in records if "data_base64" in r] == ["/w=="]
    shard = put[0]["ShardId"]
    of_shard = look("streams", "peek", name, "--shard", shard, "--count", 1)["records"]
    assert [(r["shard"], r["sequence_number"]) for r in of_shard] == [(shard, put[0]["SequenceNumber"])]
    assert "key k0" in read("streams", "peek", name)


def test_what_is_no_stream_is_said_so(endpoint):
    why = refused("streams", "show", "nothing-here", endpoint=endpoint, environment=ENVIRONMENT)
    assert "there is no stream nothing-here in account 000000000000, region us-east-1" in why


def arn_of(kinesis, name):
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]


# ---- topics


@pytest.fixture
def sns(endpoint):
    """A boto3 client of topics."""
    return sns_client(endpoint, "test")


def sns_client(endpoint, account):
    """One of that account, if this build has topics on the wire."""
    keys = {"aws_access_key_id": account, "aws_secret_access_key": "test", "region_name": "us-east-1"}
    sns = boto3.client("sns", endpoint_url=endpoint, config=Config(retries={"total_max_attempts": 1}), **keys)
    try:
        sns.list_topics()
    except ClientError as error:
        pytest.skip(f"topics are not on the wire: {error}")
    return sns


def test_a_topic_is_shown_with_who_has_subscribed(sns, sqs, queue, look, read):
    name = f"t-{uuid.uuid4().hex[:20]}"
    topic = sns.create_topic(Name=name)["TopicArn"]
    try:
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"kind": ["order"]})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"FilterPolicy": policy})
        (listed,) = [one for one in look("topics", "list")["topics"] if one["name"] == name]
        assert (listed["confirmed"], listed["pending"], listed["fifo"]) == (1, 0, False)
        (one,) = look("topics", "show", name)["subscriptions"]
        assert (one["protocol"], one["endpoint"], one["confirmed"]) == ("sqs", arn, True)
        assert json.loads(one["filter"]) == {"kind": ["order"]}
        assert arn in read("topics", "show", name) and name in read("topics", "list")
    finally:
        sns.delete_topic(TopicArn=topic)


def test_the_last_error_of_an_endpoint_is_shown_and_marked_when_it_is_well_again(sns, look, read):
    name = f"t-{uuid.uuid4().hex[:20]}"
    topic = sns.create_topic(Name=name)["TopicArn"]
    ill = {"it": True}

    def answer(arrived):
        if arrived.kind == "Notification" and ill["it"]:
            return 503, "busy at http://them:secret@inside/", {}
        return 200

    def shown():
        (one,) = look("topics", "show", name)["subscriptions"]
        return one

    try:
        with HttpEndpoint(answer) as endpoint:
            url = endpoint.url.replace("//", "//me:hidden@")
            policy = json.dumps({"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 100}})
            confirmed(sns, topic, "http", url, endpoint, DeliveryPolicy=policy)
            assert shown()["last_error"] is None
            assert shown()["endpoint"] == f"{endpoint.url}/"
            sns.publish(TopicArn=topic, Message="m")
            eventually(lambda: shown()["last_error"])
            error = shown()["last_error"]
            assert (error["status"], error["detail"]) == (503, "busy at http://inside/")
            assert error["delivered_since"] is False and shown()["backlog"] == 1
            told = read("topics", "show", name)
            assert "ago: 503 busy at" in told and "hidden" not in told and "secret" not in told
            ill["it"] = False
            eventually(lambda: shown()["last_error"]["delivered_since"])
            assert "ago, delivered since: 503 busy at" in read("topics", "show", name)
            ill["it"] = True
            sns.publish(TopicArn=topic, Message="m")
            eventually(lambda: not shown()["last_error"]["delivered_since"])
    finally:
        sns.delete_topic(TopicArn=topic)


def test_the_last_error_of_an_endpoint_that_is_not_there_is_shown(sns, look, read):
    name = f"t-{uuid.uuid4().hex[:20]}"
    topic = sns.create_topic(Name=name)["TopicArn"]
    (port,) = free_ports(1)

    def error():
        (one,) = look("topics", "show", name)["subscriptions"]
        assert (one["confirmed"], one["backlog"]) == (False, 1)
        return one["last_error"]

    try:
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"http://127.0.0.1:{port}/")
        eventually(error)
        assert error()["status"] is None and error()["delivered_since"] is False
        assert f"cannot connect to 127.0.0.1 at 127.0.0.1:{port}" in read("topics", "show", name)
    finally:
        sns.delete_topic(TopicArn=topic)


def test_what_is_no_topic_is_said_so(endpoint):
    why = refused("topics", "show", "nothing-here", endpoint=endpoint, environment=ENVIRONMENT)
    assert "there is no topic nothing-here in account 000000000000, region us-east-1" in why


# ---- what the documentation shows

DOCUMENTED = re.compile(r"^(levada (?:queues|streams|topics) [^#\n]*)", re.MULTILINE)


def documented():
    text = (ROOT / "docs/operations.md").read_text()
    (block,) = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [command.split()[1:] for command in DOCUMENTED.findall(block)]


@pytest.mark.parametrize("words", documented(), ids=" ".join)
def test_the_documented_commands_run(words, orders, endpoint):
    if words[0] == "topics":
        sns_client(endpoint, orders["AWS_ACCESS_KEY_ID"]).create_topic(Name="orders")
    said = levada(*words, endpoint=endpoint, environment=orders).stdout
    assert "orders" in said


@pytest.fixture
def orders(endpoint):
    """Everything that the documentation calls orders, in an account of its own."""
    account = f"{random.SystemRandom().randrange(10**12):012}"
    sqs = sqs_client(endpoint, access_key=account)
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="of orders")
    kinesis = kinesis_client(endpoint, access_key=account)
    kinesis.create_stream(StreamName="orders", ShardCount=1)
    wait_active(kinesis, "orders")
    kinesis.put_record(StreamName="orders", Data=b"of orders", PartitionKey="k")
    yield ENVIRONMENT | {"AWS_ACCESS_KEY_ID": account}
    sqs.delete_queue(QueueUrl=url)
    kinesis.delete_stream(StreamName="orders")
