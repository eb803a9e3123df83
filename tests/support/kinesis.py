"""What the suites on streams say often: a client, a stream that is ready, all records of a shard."""

import time

import boto3
from botocore.config import Config

READ_TIMEOUT_S = 60


def kinesis_client(endpoint, access_key="test", region="us-east-1", **config):
    """An unmodified boto3 client that tries once, so that a test sees what the broker answered."""
    settings = {"retries": {"total_max_attempts": 1}, "read_timeout": READ_TIMEOUT_S, "max_pool_connections": 64}
    settings.update(config)
    return boto3.session.Session().client(
        "kinesis",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key="test",
        region_name=region,
        config=Config(**settings),
    )


def wait_active(kinesis, name, timeout_s=30):
    """The summary of the stream, once it is active."""
    deadline = time.monotonic() + timeout_s
    while True:
        summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        if summary["StreamStatus"] == "ACTIVE":
            return summary
        assert time.monotonic() < deadline, summary
        time.sleep(0.05)


def iterator(kinesis, name, shard="shardId-000000000000", kind="TRIM_HORIZON", **position):
    """A shard iterator."""
    return kinesis.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType=kind, **position)[
        "ShardIterator"
    ]


def read(kinesis, at, count, timeout_s=15):
    """Reads from an iterator until so many records came, the shard ended or the time is up; the records and the last
    answer."""
    deadline = time.monotonic() + timeout_s
    records = []
    while True:
        answer = kinesis.get_records(ShardIterator=at)
        records += answer["Records"]
        at = answer.get("NextShardIterator")
        if len(records) >= count or at is None or time.monotonic() > deadline:
            assert len(records) >= count, (len(records), answer)
            return records, answer


def read_to_end(kinesis, at, timeout_s=15):
    """All records of a closed shard from an iterator on, and the answer at its end."""
    deadline = time.monotonic() + timeout_s
    records = []
    while True:
        answer = kinesis.get_records(ShardIterator=at)
        records += answer["Records"]
        if "NextShardIterator" not in answer:
            return records, answer
        assert "ChildShards" not in answer
        at = answer["NextShardIterator"]
        assert time.monotonic() < deadline, answer
