"""Shards: splitting, merging, counts, lineage; what is read before and after."""

import datetime
import threading
import time

from support.aws import refused
from support.kinesis import iterator, kinesis_client, read, read_to_end, wait_active

ROOT = "shardId-000000000000"


def put(kinesis, name, data, key="k", **extra):
    return kinesis.put_record(StreamName=name, Data=data, PartitionKey=key, **extra)


def ids(kinesis, name, **extra):
    return [shard["ShardId"][-2:] for shard in kinesis.list_shards(StreamName=name, **extra)["Shards"]]


def test_a_split_keeps_the_order_and_tells_the_lineage(kinesis, other_kinesis, stream):
    before = put(kinesis, stream, b"before")
    kinesis.split_shard(StreamName=stream, ShardToSplit=ROOT, NewStartingHashKey=str(2**127))
    # Put while it is being split, it goes to a child or the parent, and waits for what it needs.
    after = [put(other_kinesis, stream, b"after", ExplicitHashKey=str(hash)) for hash in (0, 2**128 - 1)]
    wait_active(other_kinesis, stream)
    parent, low, high = other_kinesis.list_shards(StreamName=stream)["Shards"]
    assert "EndingSequenceNumber" in parent["SequenceNumberRange"]
    assert low["ParentShardId"] == high["ParentShardId"] == ROOT
    assert "AdjacentParentShardId" not in low
    assert low["HashKeyRange"] == {"StartingHashKey": "0", "EndingHashKey": str(2**127 - 1)}
    assert high["HashKeyRange"] == {"StartingHashKey": str(2**127), "EndingHashKey": str(2**128 - 1)}
    end = int(parent["SequenceNumberRange"]["EndingSequenceNumber"])
    for child in (low, high):
        assert int(child["SequenceNumberRange"]["StartingSequenceNumber"]) > end
    records, answer = read_to_end(kinesis, iterator(kinesis, stream))
    assert records[0]["SequenceNumber"] == before["SequenceNumber"]
    assert all(int(record["SequenceNumber"]) < end for record in records)
    assert [child["ShardId"] for child in answer["ChildShards"]] == [low["ShardId"], high["ShardId"]]
    assert all(child["ParentShards"] == [ROOT] for child in answer["ChildShards"])
    assert answer["ChildShards"][1]["HashKeyRange"] == high["HashKeyRange"]
    in_children = [entry for entry in after if entry["ShardId"] != ROOT]
    for entry in in_children:
        found, answer = read(kinesis, iterator(kinesis, stream, entry["ShardId"]), 1)
        assert found[0]["SequenceNumber"] == entry["SequenceNumber"]
        assert "ChildShards" not in answer
    assert len(records) - 1 + len(in_children) == 2
    with refused("InvalidArgumentException", f"Shard {ROOT} in stream {stream}"):
        kinesis.split_shard(StreamName=stream, ShardToSplit=ROOT, NewStartingHashKey=str(2**126))


def test_what_cannot_be_split(kinesis, stream):
    for key in ("0", "1", str(2**128 - 1)):
        with refused("InvalidArgumentException", "is not both greater than one plus the shard's StartingHashKey 0"):
            kinesis.split_shard(StreamName=stream, ShardToSplit=ROOT, NewStartingHashKey=key)
    with refused("ResourceNotFoundException", "Could not find shard shardId-000000000007"):
        kinesis.split_shard(StreamName=stream, ShardToSplit="shardId-000000000007", NewStartingHashKey="5")


def test_a_merge_has_two_parents(kinesis, make_stream):
    name = make_stream(ShardCount=3)
    for n in range(3):
        put(kinesis, name, f"{n}".encode(), ExplicitHashKey=str(n * 2**127 - (n > 1)))
    with refused("InvalidArgumentException", "are not an adjacent pair of shards eligible for merging"):
        kinesis.merge_shards(StreamName=name, ShardToMerge=ROOT, AdjacentShardToMerge="shardId-000000000002")
    kinesis.merge_shards(
        StreamName=name, ShardToMerge="shardId-000000000001", AdjacentShardToMerge="shardId-000000000000"
    )
    wait_active(kinesis, name)
    child = kinesis.list_shards(StreamName=name)["Shards"][-1]
    assert child["ShardId"] == "shardId-000000000003"
    assert (child["ParentShardId"], child["AdjacentParentShardId"]) == (
        "shardId-000000000001",
        "shardId-000000000000",
    )
    for parent in ("shardId-000000000000", "shardId-000000000001"):
        records, answer = read_to_end(kinesis, iterator(kinesis, name, parent))
        assert len(records) == 1
        [of_parent] = answer["ChildShards"]
        assert of_parent["ParentShards"] == ["shardId-000000000001", "shardId-000000000000"]
    assert put(kinesis, name, b"x", ExplicitHashKey="0")["ShardId"] == child["ShardId"]


def test_the_count_grows_and_shrinks(kinesis, make_stream):
    name = make_stream(ShardCount=2)
    with refused("LimitExceededException", "UpdateShardCount cannot scale up over double"):
        kinesis.update_shard_count(StreamName=name, TargetShardCount=5, ScalingType="UNIFORM_SCALING")
    answer = kinesis.update_shard_count(StreamName=name, TargetShardCount=3, ScalingType="UNIFORM_SCALING")
    assert (answer["CurrentShardCount"], answer["TargetShardCount"]) == (2, 3)
    assert wait_active(kinesis, name)["OpenShardCount"] == 3
    shards = kinesis.list_shards(StreamName=name, ShardFilter={"Type": "AT_LATEST"})["Shards"]
    starts = sorted(int(shard["HashKeyRange"]["StartingHashKey"]) for shard in shards)
    assert starts == [0, 113427455640312821154458202477256070485, 226854911280625642308916404954512140970]
    kinesis.update_shard_count(StreamName=name, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    assert wait_active(kinesis, name)["OpenShardCount"] == 2
    kinesis.update_shard_count(StreamName=name, TargetShardCount=1, ScalingType="UNIFORM_SCALING")
    assert wait_active(kinesis, name)["OpenShardCount"] == 1


def test_no_record_is_lost_while_shards_change(kinesis, endpoints, make_stream):
    name = make_stream(ShardCount=1)
    kept, stop = [], threading.Event()

    def write(writer):
        client, n = kinesis_client(next(endpoints)), 0
        while not stop.is_set():
            client.put_record(StreamName=name, Data=f"{n}".encode(), PartitionKey=f"w{writer}")
            n += 1
        kept.append((f"w{writer}", n))

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    [writer.start() for writer in writers]
    try:
        for target in (2, 4, 3, 2):
            kinesis.update_shard_count(StreamName=name, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
            wait_active(kinesis, name)
    finally:
        stop.set()
        [writer.join() for writer in writers]
    assert len(kept) == 4
    # Parents first, as a consumer does: then each key's records come in their order.
    seen, done = {key: [] for key, _ in kept}, set()
    todo = [shard for shard in kinesis.list_shards(StreamName=name)["Shards"]]
    while todo:
        shard = next(
            s for s in todo if {s.get("ParentShardId"), s.get("AdjacentParentShardId")} - {None} <= done
        )
        todo.remove(shard)
        done.add(shard["ShardId"])
        at, is_open = iterator(kinesis, name, shard["ShardId"]), True
        while at:
            answer = kinesis.get_records(ShardIterator=at)
            for record in answer["Records"]:
                seen[record["PartitionKey"]].append(int(record["Data"]))
            at = answer.get("NextShardIterator")
            is_open = "EndingSequenceNumber" not in shard["SequenceNumberRange"]
            if is_open and not answer["Records"]:
                break
    assert seen == {key: list(range(count)) for key, count in kept}


def test_listings_have_filters_and_pages(kinesis, make_stream):
    name = make_stream(ShardCount=2)
    time.sleep(1.1)
    between = datetime.datetime.now(datetime.timezone.utc)
    time.sleep(0.1)
    kinesis.split_shard(StreamName=name, ShardToSplit=ROOT, NewStartingHashKey="1000")
    wait_active(kinesis, name)
    assert ids(kinesis, name) == ["00", "01", "02", "03"]
    for kind, expected in [
        ("AT_LATEST", ["01", "02", "03"]),
        ("AT_TRIM_HORIZON", ["00", "01"]),
        ("FROM_TRIM_HORIZON", ["00", "01", "02", "03"]),
    ]:
        assert ids(kinesis, name, ShardFilter={"Type": kind}) == expected, kind
    after = {"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000001"}
    assert ids(kinesis, name, ShardFilter=after) == ["02", "03"]
    assert ids(kinesis, name, ShardFilter={"Type": "AT_TIMESTAMP", "Timestamp": between}) == ["00", "01"]
    assert ids(kinesis, name, ShardFilter={"Type": "FROM_TIMESTAMP", "Timestamp": between}) == ["00", "01", "02", "03"]
    # boto3 sends times in whole seconds.
    time.sleep(1.1)
    now = datetime.datetime.now(datetime.timezone.utc)
    assert ids(kinesis, name, ShardFilter={"Type": "AT_TIMESTAMP", "Timestamp": now}) == ["01", "02", "03"]
    assert ids(kinesis, name, ShardFilter={"Type": "FROM_TIMESTAMP", "Timestamp": now}) == ["01", "02", "03"]
    page = kinesis.list_shards(StreamName=name, MaxResults=2, ShardFilter={"Type": "AT_LATEST"})
    assert [shard["ShardId"][-2:] for shard in page["Shards"]] == ["01", "02"]
    page = kinesis.list_shards(NextToken=page["NextToken"])
    assert [shard["ShardId"][-2:] for shard in page["Shards"]] == ["03"]
    assert "NextToken" not in page
    described = kinesis.describe_stream(StreamName=name, Limit=1, ExclusiveStartShardId="shardId-000000000001")
    assert [s["ShardId"][-2:] for s in described["StreamDescription"]["Shards"]] == ["02"]
    assert described["StreamDescription"]["HasMoreShards"] is True


def test_a_change_waits_for_the_one_before(kinesis, make_stream):
    name = make_stream(ShardCount=8)
    kinesis.update_shard_count(StreamName=name, TargetShardCount=16, ScalingType="UNIFORM_SCALING")
    status = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"]
    if status == "UPDATING":
        try:
            kinesis.split_shard(StreamName=name, ShardToSplit=ROOT, NewStartingHashKey="1000")
        except kinesis.exceptions.ResourceInUseException as error:
            message = error.response["Error"]["Message"]
            assert message == (
                f"Stream {name} under account 000000000000 not ACTIVE, instead in state UPDATING"
            )
        except kinesis.exceptions.InvalidArgumentException:
            pass  # It was done by then.
    assert wait_active(kinesis, name)["OpenShardCount"] == 16
