"""One broker for the whole session: one node, LEVADA_TEST_NODES of them, or the one at LEVADA_TEST_ENDPOINT.

With several nodes every client of a test may talk to another one, so that the suites also show that any node
takes any request.
"""

import itertools
import os
import time
import uuid

import pytest
from support.aws import sqs_client
from support.dynamodb import dynamodb_client, lease_table
from support.kinesis import kinesis_client, wait_active
from support.nodes import Cluster
from support.sns import sns_client

NODES = int(os.environ.get("LEVADA_TEST_NODES", "1"))
# Another server instead of processes of ours, to see what the suites themselves are worth.
ENDPOINT = os.environ.get("LEVADA_TEST_ENDPOINT")


# The nodes of the session, for the report of a failure.
_nodes = []


class Elsewhere:
    """A broker that is not ours to start or look into."""

    nodes = ()
    endpoints = (ENDPOINT,)


@pytest.fixture(scope="session")
def broker():
    """The processes that the session shares."""
    if ENDPOINT:
        yield Elsewhere()
        return
    with Cluster(NODES) as cluster:
        _nodes.extend(cluster.nodes)
        yield cluster


@pytest.fixture
def node(broker):
    """The single node, for tests that look at the process itself."""
    if NODES != 1 or ENDPOINT:
        pytest.skip("looks at one process of ours")
    return broker.nodes[0]


@pytest.fixture(scope="session")
def endpoints(broker):
    """Hands out the nodes in turn."""
    return itertools.cycle(broker.endpoints)


@pytest.fixture
def endpoint(endpoints):
    """The URL of a node."""
    return next(endpoints)


@pytest.fixture
def sqs(endpoint):
    """A boto3 client."""
    return sqs_client(endpoint)


@pytest.fixture
def other_sqs(endpoints):
    """A second boto3 client, by another node if there is one."""
    return sqs_client(next(endpoints))


@pytest.fixture
def sns(endpoint):
    """A boto3 client of topics."""
    return sns_client(endpoint)


@pytest.fixture
def other_sns(endpoints):
    """A second one, by another node if there is one."""
    return sns_client(next(endpoints))


@pytest.fixture
def make_topic(sns):
    """Creates topics with names of their own and deletes them afterwards."""
    made = []

    def make(name=None, fifo=False, tags=(), **attributes):
        name = name or f"t-{uuid.uuid4().hex[:20]}"
        if fifo:
            name += ".fifo"
            attributes["FifoTopic"] = "true"
        tags = [{"Key": key, "Value": value} for key, value in dict(tags).items()]
        made.append(sns.create_topic(Name=name, Attributes=attributes, Tags=tags)["TopicArn"])
        return made[-1]

    yield make
    for arn in made:
        try:
            sns.delete_topic(TopicArn=arn)
        except Exception:  # noqa: BLE001 - a test may have deleted it, or the broker is what failed
            pass


@pytest.fixture
def topic(make_topic):
    """A standard topic with the default attributes."""
    return make_topic()


@pytest.fixture
def kinesis(endpoint):
    """A boto3 client of streams."""
    return kinesis_client(endpoint)


@pytest.fixture
def other_kinesis(endpoints):
    """A second one, by another node if there is one."""
    return kinesis_client(next(endpoints))


@pytest.fixture
def make_stream(kinesis):
    """Creates streams with names of their own, waits until they are active, and deletes them afterwards."""
    made = []

    def make(name=None, ShardCount=1, **settings):
        name = name or f"s-{uuid.uuid4().hex[:20]}"
        if ShardCount is not None:
            settings["ShardCount"] = ShardCount
        kinesis.create_stream(StreamName=name, **settings)
        made.append(name)
        wait_active(kinesis, name)
        return name

    yield make
    for name in made:
        try:
            kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)
        except Exception:  # noqa: BLE001 - a test may have deleted it, or the broker is what failed
            pass


@pytest.fixture
def stream(make_stream):
    """A stream of one shard."""
    return make_stream()


@pytest.fixture
def dynamodb(endpoint):
    """A boto3 client of tables."""
    return dynamodb_client(endpoint)


@pytest.fixture
def other_dynamodb(endpoints):
    """A second one, by another node if there is one."""
    return dynamodb_client(next(endpoints))


@pytest.fixture
def make_table(dynamodb):
    """Creates tables with names of their own and deletes them afterwards."""
    made = []

    def make(**settings):
        made.append(lease_table(dynamodb, **settings))
        return made[-1]

    yield make
    for name in made:
        try:
            dynamodb.delete_table(TableName=name)
        except Exception:  # noqa: BLE001 - a test may have deleted it, or the broker is what failed
            pass


@pytest.fixture
def make_queue(sqs):
    """Creates queues with names of their own and deletes them afterwards."""
    made = []

    def make(name=None, fifo=False, tags=None, **attributes):
        name = name or f"q-{uuid.uuid4().hex[:20]}"
        if fifo:
            name += ".fifo"
            attributes["FifoQueue"] = "true"
        extra = {"tags": tags} if tags else {}
        url = sqs.create_queue(QueueName=name, Attributes=attributes, **extra)["QueueUrl"]
        made.append(url)
        return url

    yield make
    for url in made:
        try:
            sqs.delete_queue(QueueUrl=url)
        except Exception:  # noqa: BLE001 - a test may have deleted it, or the broker is what failed
            pass


@pytest.fixture
def queue(make_queue):
    """A standard queue with the default attributes."""
    return make_queue()


@pytest.fixture
def fifo(make_queue):
    """A FIFO queue with the default attributes."""
    return make_queue(fifo=True)


@pytest.fixture(scope="session", autouse=True)
def hourglass(broker):
    """What must be a minute old before it can be looked at is begun first; test_after_a_minute.py looks."""
    sqs = sqs_client(broker.endpoints[0])
    tag = uuid.uuid4().hex[:12]
    started = {"tag": tag}
    retained = sqs.create_queue(QueueName=f"retained-{tag}", Attributes={"MessageRetentionPeriod": "60"})["QueueUrl"]
    claimed = sqs.create_queue(QueueName=f"claimed-{tag}", Attributes={"MessageRetentionPeriod": "60"})["QueueUrl"]
    purged = sqs.create_queue(QueueName=f"purged-{tag}")["QueueUrl"]
    deleted = sqs.create_queue(QueueName=f"deleted-{tag}")["QueueUrl"]
    for url in (retained, claimed):
        for i in range(3):
            sqs.send_message(QueueUrl=url, MessageBody=f"old {i}")
    sqs.receive_message(QueueUrl=claimed, MaxNumberOfMessages=10, VisibilityTimeout=600)
    sqs.purge_queue(QueueUrl=purged)
    sqs.delete_queue(QueueUrl=deleted)
    started.update(retained=retained, claimed=claimed, purged=purged, at=time.monotonic())
    return started


def pytest_collection_modifyitems(items):
    """What waits for the hourglass goes last, when most of the minute is over."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


_log_ends = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Remembers where the logs end before a test."""
    for one in _nodes:
        _log_ends[one.number] = len(one.log_text())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows what the nodes said during a test that failed."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for one in _nodes:
            said = one.log_text()[_log_ends.get(one.number, 0) :].splitlines()[-60:]
            state = "running" if one.alive() else f"ended with {one.process and one.process.returncode}"
            report.sections.append((f"log of node {one.number} ({state})", "\n".join(said)))
