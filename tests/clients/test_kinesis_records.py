"""Records: where they go, in which order they come back, from where they are read, how large they may be."""

import concurrent.futures
import datetime
import hashlib
import time
import uuid

import boto3
import pytest
from support.aws import refused
from support.kinesis import iterator, kinesis_client, read, wait_active
from support.nodes import Cluster

KIB = 1024
MIB = 1024 * KIB


def test_a_record_comes_back_as_it_was(kinesis, other_kinesis, stream):
    put = kinesis.put_record(StreamName=stream, Data=bytes(range(256)), PartitionKey="clé")
    assert put["ShardId"] == "shardId-000000000000"
    assert "EncryptionType" not in put
    [record], answer = read(other_kinesis, iterator(other_kinesis, stream), 1)
    assert record["Data"] == bytes(range(256))
    assert (record["PartitionKey"], record["SequenceNumber"]) == ("clé", put["SequenceNumber"])
    age = datetime.datetime.now(datetime.timezone.utc) - record["ApproximateArrivalTimestamp"]
    assert abs(age.total_seconds()) < 60
    assert answer["MillisBehindLatest"] == 0
    # Reading removes nothing.
    again, _ = read(kinesis, iterator(kinesis, stream), 1)
    assert again[0]["SequenceNumber"] == put["SequenceNumber"]
    assert kinesis.get_records(ShardIterator=answer["NextShardIterator"])["Records"] == []


def test_the_key_decides_the_shard(kinesis, make_stream):
    name = make_stream(ShardCount=4)
    keys = [f"key-{n}" for n in range(40)]
    put = kinesis.put_records(StreamName=name, Records=[{"Data": b"x", "PartitionKey": k} for k in keys])
    assert put["FailedRecordCount"] == 0
    for key, entry in zip(keys, put["Records"]):
        quarter = int(hashlib.md5(key.encode()).hexdigest(), 16) * 4 // 2**128
        assert entry["ShardId"] == f"shardId-{quarter:012}"
    explicit = kinesis.put_record(StreamName=name, Data=b"x", PartitionKey=keys[0], ExplicitHashKey=str(2**128 - 1))
    assert explicit["ShardId"] == "shardId-000000000003"
    with refused("InvalidArgumentException", "ExplicitHashKey must be in the range"):
        kinesis.put_record(StreamName=name, Data=b"x", PartitionKey="k", ExplicitHashKey=str(2**128))


def test_order_per_key_under_many_writers(kinesis, endpoints, make_stream):
    name = make_stream(ShardCount=2)

    def write(key):
        client = kinesis_client(next(endpoints))
        last = None
        for n in range(30):
            extra = {"SequenceNumberForOrdering": last} if last else {}
            last = client.put_record(StreamName=name, Data=f"{n}".encode(), PartitionKey=key, **extra)["SequenceNumber"]

    keys = [f"k{n}" for n in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(write, keys))
    seen = {key: [] for key in keys}
    for shard in ("shardId-000000000000", "shardId-000000000001"):
        at, numbers = iterator(kinesis, name, shard), []
        while True:
            answer = kinesis.get_records(ShardIterator=at, Limit=50)
            for record in answer["Records"]:
                seen[record["PartitionKey"]].append(int(record["Data"]))
                numbers.append(int(record["SequenceNumber"]))
            at = answer["NextShardIterator"]
            if not answer["Records"]:
                break
        assert numbers == sorted(set(numbers))
    assert all(values == list(range(30)) for values in seen.values()), seen


def test_iterators_of_all_kinds(kinesis, other_kinesis, stream):
    def put(data):
        return other_kinesis.put_record(StreamName=stream, Data=data, PartitionKey="k")["SequenceNumber"]

    def first(kind, **position):
        records, _ = read(kinesis, iterator(kinesis, stream, kind=kind, **position), 1)
        return records[0]["Data"]

    one = put(b"1")
    # boto3 sends times in whole seconds.
    time.sleep(1.1)
    records, _ = read(kinesis, iterator(kinesis, stream), 1)
    put(b"2")
    put(b"3")
    latest = iterator(kinesis, stream, kind="LATEST")
    put(b"4")
    assert first("TRIM_HORIZON") == b"1"
    assert first("AT_SEQUENCE_NUMBER", StartingSequenceNumber=one) == b"1"
    assert first("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=one) == b"2"
    arrived = records[0]["ApproximateArrivalTimestamp"]
    assert first("AT_TIMESTAMP", Timestamp=arrived) == b"1"
    assert first("AT_TIMESTAMP", Timestamp=arrived + datetime.timedelta(seconds=1)) == b"2"
    assert first("AT_TIMESTAMP", Timestamp=0) == b"1"
    assert [r["Data"] for r in read(kinesis, latest, 1)[0]] == [b"4"]
    # The shard's own first number, too.
    [shard] = kinesis.list_shards(StreamName=stream)["Shards"]
    beginning = shard["SequenceNumberRange"]["StartingSequenceNumber"]
    assert first("AT_SEQUENCE_NUMBER", StartingSequenceNumber=beginning) == b"1"


def test_what_no_iterator_is_made_of(kinesis, make_stream):
    name, other = make_stream(), make_stream(ShardCount=2)
    with refused("ResourceNotFoundException", f"Shard shardId-000000000009 in stream {name} under account"):
        iterator(kinesis, name, "shardId-000000000009")
    with refused("ResourceNotFoundException", "Could not find shard nonsense"):
        iterator(kinesis, name, "nonsense")
    foreign = kinesis.put_record(StreamName=other, Data=b"x", PartitionKey="k", ExplicitHashKey=str(2**128 - 1))
    with refused("InvalidArgumentException", "It encodes shardId-000000000001, while it was used in a call to a shard"):
        number = foreign["SequenceNumber"]
        iterator(kinesis, name, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=number)
    for number in ("0", "49590338271490256608559692538361571095921575989136588898"):
        with refused("InvalidArgumentException"):
            iterator(kinesis, name, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=number)
    ahead = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    with refused("InvalidArgumentException", "cannot be greater than the currentTimestampInMillis"):
        iterator(kinesis, name, kind="AT_TIMESTAMP", Timestamp=ahead)


def test_forged_iterators_are_refused(endpoint, kinesis, stream):
    good = iterator(kinesis, stream)
    assert len(good) <= 512
    swapped = good[:20] + ("A" if good[20] != "A" else "B") + good[21:]
    for bad in (swapped, good[:-1], "AAAA", "x" * 512):
        with refused("InvalidArgumentException", "Invalid ShardIterator."):
            kinesis.get_records(ShardIterator=bad)
    with refused("InvalidArgumentException", "Invalid ShardIterator."):
        kinesis_client(endpoint, access_key="111111111111").get_records(ShardIterator=good)


def test_an_iterator_of_a_stream_that_is_gone(kinesis, make_stream):
    name = make_stream()
    at = iterator(kinesis, name)
    kinesis.delete_stream(StreamName=name)
    with refused("ResourceNotFoundException"):
        kinesis.get_records(ShardIterator=at)


def test_records_at_and_over_the_bounds(kinesis, stream):
    fits = MIB - 1
    put = kinesis.put_record(StreamName=stream, Data=b"a" * fits, PartitionKey="k")
    assert put["SequenceNumber"]
    with refused("InvalidArgumentException", "exceeds the maximum record size of 1024 KiB"):
        kinesis.put_record(StreamName=stream, Data=b"a" * (fits + 1), PartitionKey="k")
    kinesis.put_record(StreamName=stream, Data=b"", PartitionKey="k" * 256)
    with refused("ValidationException", "partitionKey"):
        kinesis.put_record(StreamName=stream, Data=b"", PartitionKey="k" * 257)
    records = [{"Data": b"x", "PartitionKey": f"{n}"} for n in range(501)]
    assert kinesis.put_records(StreamName=stream, Records=records[:500])["FailedRecordCount"] == 0
    with refused("ValidationException", "records"):
        kinesis.put_records(StreamName=stream, Records=records)
    half = [{"Data": b"x" * (MIB - 1), "PartitionKey": "k"}] * 10
    assert kinesis.put_records(StreamName=stream, Records=half)["FailedRecordCount"] == 0
    with refused("InvalidArgumentException", "Records size exceeds 10 MB limit"):
        kinesis.put_records(StreamName=stream, Records=half + [{"Data": b"", "PartitionKey": "k"}])


def test_records_of_ten_mebibytes(kinesis, other_kinesis, make_stream):
    name = make_stream(MaxRecordSizeInKiB=10240)
    data = bytes(range(256)) * (10 * MIB // 256)
    data = data[: 10 * MIB - 1]
    for n in range(2):
        kinesis.put_record(StreamName=name, Data=data, PartitionKey=f"{n}")
    at = iterator(other_kinesis, name)
    for n in range(2):
        answer = other_kinesis.get_records(ShardIterator=at)
        # An answer holds 10 MiB at most.
        [record] = answer["Records"]
        assert (record["PartitionKey"], record["Data"] == data) == (f"{n}", True)
        assert (answer["MillisBehindLatest"] > 0) == (n == 0)
        at = answer["NextShardIterator"]
    with refused("ValidationException"):
        kinesis.put_record(StreamName=name, Data=data + b"xx", PartitionKey="k")


def test_a_backlog_is_read_by_pages_and_by_limit(kinesis, stream):
    for first in range(0, 2000, 500):
        records = [{"Data": f"{n}".encode(), "PartitionKey": "k"} for n in range(first, first + 500)]
        assert kinesis.put_records(StreamName=stream, Records=records)["FailedRecordCount"] == 0
    at, seen = iterator(kinesis, stream), []
    while len(seen) < 2000:
        answer = kinesis.get_records(ShardIterator=at, Limit=300)
        assert 0 < len(answer["Records"]) <= 300
        seen += [int(record["Data"]) for record in answer["Records"]]
        at = answer["NextShardIterator"]
    assert seen == list(range(2000))


def test_limits_are_kept_where_they_are_set():
    with Cluster(1, extra_config="[kinesis]\nlimits = true\n") as cluster:
        kinesis = kinesis_client(cluster.endpoints[0])
        name = f"s-{uuid.uuid4().hex[:8]}"
        kinesis.create_stream(StreamName=name, ShardCount=1)
        wait_active(kinesis, name)
        records = [{"Data": b"x" * 400 * KIB, "PartitionKey": "k"}] * 4
        answer = kinesis.put_records(StreamName=name, Records=records)
        codes = [entry.get("ErrorCode") for entry in answer["Records"]]
        assert codes[:2] == [None, None] and answer["FailedRecordCount"] >= 1, codes
        failed = next(entry for entry in answer["Records"] if "ErrorCode" in entry)
        assert failed["ErrorCode"] == "ProvisionedThroughputExceededException"
        assert failed["ErrorMessage"].startswith(f"Rate exceeded for shard shardId-000000000000 in stream {name}")
        kinesis.create_stream(StreamName=f"{name}-2", ShardCount=1)
        wait_active(kinesis, f"{name}-2")
        with refused("ProvisionedThroughputExceededException", "Rate exceeded for shard"):
            for _ in range(40):
                kinesis.put_record(StreamName=f"{name}-2", Data=b"x" * 400 * KIB, PartitionKey="k")


def test_a_rehearsal_keeps_nothing(kinesis, stream):
    shape = kinesis.meta.service_model.operation_model("PutRecord").input_shape
    if "DryRun" not in shape.members:
        pytest.skip("this boto3 does not know DryRun")
    with refused("DryRunOperationException"):
        kinesis.put_record(StreamName=stream, Data=b"x", PartitionKey="k", DryRun=True)
    assert kinesis.get_records(ShardIterator=iterator(kinesis, stream))["Records"] == []


def test_three_lines_are_all_that_changes(endpoint, stream):
    """As docs/kinesis.md has it."""
    kinesis = boto3.client(
        "kinesis",
        endpoint_url=endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    assert kinesis.put_record(StreamName=stream, Data=b"x", PartitionKey="k")["ShardId"]
