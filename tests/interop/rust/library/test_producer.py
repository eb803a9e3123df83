"""The library's producer: what it aggregates is, byte for byte, what the published form says, and is where its receipts say."""

import uuid

import pytest
from support.kcl import all_shards
from support.kinesis import iterator, kinesis_client, read_to_end, wait_active
from support.nodes import Cluster
from support.rust_library import Load, aggregate, hash_key, take_apart

RECORDS = 20_000


@pytest.fixture(scope="module")
def node():
    with Cluster(1) as cluster:
        yield cluster.nodes[0]


@pytest.fixture
def stream(node):
    """Of three shards, its client, and a way to read it when it is closed."""
    kinesis, name = kinesis_client(node.endpoint), f"put-{uuid.uuid4().hex[:8]}"
    kinesis.create_stream(StreamName=name, ShardCount=3)
    wait_active(kinesis, name)
    return kinesis, name


def records_of(kinesis, name):
    """{shard: (bounds, records)}: it is merged and split until no shard of the load is open, and read to the ends."""
    loaded = all_shards(kinesis, name)
    for shard in loaded:
        bounds = [int(shard["HashKeyRange"][end]) for end in ("StartingHashKey", "EndingHashKey")]
        middle = str(sum(bounds) // 2)
        kinesis.split_shard(StreamName=name, ShardToSplit=shard["ShardId"], NewStartingHashKey=middle)
        wait_active(kinesis, name)
        records, _ = read_to_end(kinesis, iterator(kinesis, name, shard["ShardId"]), timeout_s=60)
        yield shard["ShardId"], bounds, records


def run(node, stream, directory, mode, records):
    load = Load(directory, node.endpoint, stream[1], mode, records)
    try:
        return load.end(by_itself=True)
    finally:
        load.kill()


def test_what_it_aggregates_is_the_published_form_byte_for_byte(node, stream, tmp_path):
    receipts = run(node, stream, tmp_path, "aggregated", RECORDS)
    told = {(shard, sequence, sub): data for shard, sequence, sub, data in receipts}
    assert len(told) == RECORDS
    count, last = 0, {}
    for shard, bounds, records in records_of(*stream):
        for record in records:
            users = take_apart(record["Data"])
            if users is None:
                users = [(record["PartitionKey"], record["Data"])]
                subs = ["-"]
            else:
                # The bytes that this file makes of the same user records.
                assert record["Data"] == aggregate([(key, data, None) for key, data in users])
                assert record["PartitionKey"] == "a" and len(users) > 1
                subs = map(str, range(len(users)))
            count += 1
            for sub, (key, data) in zip(subs, users, strict=True):
                assert bounds[0] <= hash_key(key) <= bounds[1]
                assert told.pop((shard, record["SequenceNumber"], sub)) == data.decode()
                number = int(data.decode().rpartition(":")[2])
                assert last.get(key, -1) < number
                last[key] = number
    assert not told, f"{len(told)} receipts of nothing"
    assert count < RECORDS / 10, "little was aggregated"


def test_without_aggregation_each_user_record_is_a_record(node, stream, tmp_path):
    receipts = run(node, stream, tmp_path, "single", 3_000)
    told = {(shard, sequence): data for shard, sequence, sub, data in receipts if sub == "-"}
    assert len(told) == 3_000
    last = {}
    for shard, _, records in records_of(*stream):
        for record in records:
            key, data = record["PartitionKey"], record["Data"].decode()
            assert told.pop((shard, record["SequenceNumber"])) == data
            number = int(data.rpartition(":")[2])
            assert last.get(key, -1) < number
            last[key] = number
    assert not told, f"{len(told)} receipts of nothing"
