"""CBOR over HTTP/2 with prior knowledge, as the SDK for Java speaks: requests by hand."""

import shutil
import subprocess
import time

import cbor2
import pytest
from support.kinesis import wait_active

CBOR = "application/x-amz-cbor-1.1"

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


def call(endpoint, action, request, seconds=20):
    """The body, and what curl says of version, status and content type."""
    done = subprocess.run(
        ["curl", "-sN", "-m", str(seconds), "--http2-prior-knowledge", "-w", "\n%{http_version} %{http_code} %{content_type}"]
        + ["-H", f"X-Amz-Target: Kinesis_20131202.{action}", "-H", f"Content-Type: {CBOR}"]
        + ["--data-binary", "@-", endpoint],
        input=cbor2.dumps(request),
        capture_output=True,
        check=False,
    )
    body, _, said = done.stdout.rpartition(b"\n")
    return body, said.decode()


def test_records_in_cbor(endpoint, stream):
    body, said = call(endpoint, "PutRecord", {"StreamName": stream, "Data": b"\x00\xff", "PartitionKey": "k"})
    put = cbor2.loads(body)
    assert said == f"2 200 {CBOR}"
    where = {"StreamName": stream, "ShardId": put["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    at = cbor2.loads(call(endpoint, "GetShardIterator", where)[0])["ShardIterator"]
    body, _ = call(endpoint, "GetRecords", {"ShardIterator": at})
    # Tag 1 with whole milliseconds, which cbor2 would take for seconds.
    [record] = cbor2.loads(body.replace(b"\xc1\x1b", b"\xd9\xff\xf0\x1b"))["Records"]
    assert (record["Data"], record["SequenceNumber"]) == (b"\x00\xff", put["SequenceNumber"])
    assert abs(record["ApproximateArrivalTimestamp"].value / 1000 - time.time()) < 60


def test_refusals_in_cbor(endpoint):
    body, said = call(endpoint, "DescribeStreamSummary", {"StreamName": "none"})
    assert said == f"2 400 {CBOR}"
    assert cbor2.loads(body) == {
        "__type": "ResourceNotFoundException",
        "message": "Stream none under account 000000000000 not found.",
    }


def test_a_subscription_begins_with_an_initial_response(endpoint, kinesis, stream):
    arn = wait_active(kinesis, stream)["StreamARN"]
    consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    deadline = time.monotonic() + 15
    while kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"] != "ACTIVE":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    kinesis.put_record(StreamName=stream, Data=b"pushed", PartitionKey="k")
    start = {"Type": "TRIM_HORIZON"}
    request = {"ConsumerARN": consumer, "ShardId": "shardId-000000000000", "StartingPosition": start}
    frames, said = call(endpoint, "SubscribeToShard", request, seconds=3)
    assert said == "2 200 application/vnd.amazon.eventstream"
    assert 0 < frames.index(b"initial-response") < frames.index(b"SubscribeToShardEvent") < frames.index(b"pushed")
