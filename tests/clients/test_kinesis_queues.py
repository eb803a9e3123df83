"""Queues on streams: making, describing, listing, changing and deleting them; receiving, acknowledging, hiding; dead
letters, and restoring them; splits and merges."""

import datetime
import re
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.aws import eventually, refused
from support.kinesis import kinesis_client, wait_active
from support.nodes import Cluster

ON_DEMAND = {"StreamMode": "ON_DEMAND"}


def describe(kinesis, arn):
    return kinesis.describe_queue(QueueARN=arn)["QueueDescription"]


def wait_queue(kinesis, arn, timeout_s=30):
    """The description of the queue, once it is active."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = describe(kinesis, arn)
        if found["QueueStatus"] == "ACTIVE":
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def delete_and_wait(kinesis, arn, timeout_s=30):
    kinesis.delete_queue(QueueARN=arn)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            status = describe(kinesis, arn)["QueueStatus"]
        except kinesis.exceptions.ResourceNotFoundException:
            return
        assert status == "DELETING"
        assert time.monotonic() < deadline
        time.sleep(0.05)


def arn_of(kinesis, stream):
    return kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]


def create(kinesis, stream, name=None, start=None, wait=True, **settings):
    """A queue on a stream: its ARN."""
    on = {"StreamARN": arn_of(kinesis, stream)}
    if start:
        on["StartingPosition"] = start
    name = name or f"q-{uuid.uuid4().hex[:20]}"
    made = kinesis.create_queue(QueueName=name, StreamConfigurationList=[on], **settings)["QueueDescription"]
    if wait:
        wait_queue(kinesis, made["QueueARN"])
    return made["QueueARN"]


@pytest.fixture
def on_demand(kinesis, make_stream):
    """A stream in on-demand mode, whose queues are deleted before it."""
    name = make_stream(ShardCount=None, StreamModeDetails=ON_DEMAND)
    yield name
    for queue in kinesis.list_queues(StreamFilter=[{"StreamARN": arn_of(kinesis, name)}])["QueueSummaries"]:
        delete_and_wait(kinesis, queue["QueueARN"])


def put(kinesis, stream, count, prefix="r"):
    """Puts records with keys of their own; their data."""
    data = [f"{prefix}-{i}".encode() for i in range(count)]
    records = [{"Data": d, "PartitionKey": d.decode()} for d in data]
    assert kinesis.put_records(StreamName=stream, Records=records)["FailedRecordCount"] == 0
    return sorted(data)


def receive(kinesis, arn, count, timeout_s=20, dead=False, **options):
    """Receives until so many records came."""
    call = kinesis.receive_dead_letter_queue_records if dead else kinesis.receive_queue_records
    deadline = time.monotonic() + timeout_s
    records = []
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records came"
        records += call(QueueARN=arn, WaitTimeSeconds=1, **options)["QueueRecords"]
    return records


def none_comes(kinesis, arn, dead=False):
    call = kinesis.receive_dead_letter_queue_records if dead else kinesis.receive_queue_records
    assert call(QueueARN=arn, WaitTimeSeconds=1)["QueueRecords"] == []


def handles(records):
    return [{"ReceiptHandle": r["ReceiptHandle"]} for r in records]


def acknowledge(kinesis, arn, records, dead=False):
    call = kinesis.acknowledge_dead_letter_queue_records if dead else kinesis.acknowledge_queue_records
    for i in range(0, len(records), 10):
        answer = call(QueueARN=arn, Entries=handles(records[i : i + 10]))
        assert answer["Failed"] == []
        assert len(answer["Successful"]) == len(records[i : i + 10])


def failed(answer):
    assert answer["Successful"] == []
    [entry] = answer["Failed"]
    return entry["ErrorCode"]


def test_a_queue_is_made_described_and_deleted(kinesis, other_kinesis, on_demand):
    name = f"q-{uuid.uuid4().hex[:20]}"
    stream_arn = arn_of(kinesis, on_demand)
    before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=2)
    made = kinesis.create_queue(QueueName=name, StreamConfigurationList=[{"StreamARN": stream_arn}], Tags={"a": "b"})
    made = made["QueueDescription"]
    assert made["QueueStatus"] == "CREATING"
    assert made["StreamConfigurationList"] == [{"StreamARN": stream_arn, "StartingPosition": {"Type": "LATEST"}}]
    assert made["QueueAttributes"] == {
        "VisibilityTimeoutSeconds": 30,
        "DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 6},
    }
    arn = made["QueueARN"]
    assert arn.startswith(stream_arn.rsplit(":", 1)[0] + ":queue/") and name not in arn
    found = wait_queue(other_kinesis, arn)
    assert (found["QueueName"], found["QueueARN"]) == (name, arn)
    start = found["StreamConfigurationList"][0]["StartingPosition"]
    assert start["Type"] == "LATEST" and start["Timestamp"] >= before
    [listed] = other_kinesis.list_queues(StreamFilter=[{"StreamARN": stream_arn}])["QueueSummaries"]
    assert (listed["QueueName"], listed["QueueARN"], listed["QueueStatus"]) == (name, arn, "ACTIVE")
    assert listed["Streams"][0]["StreamARN"] == stream_arn
    assert kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    with refused("ResourceInUseException"):
        kinesis.create_queue(QueueName=name, StreamConfigurationList=[{"StreamARN": stream_arn}])
    delete_and_wait(other_kinesis, arn)
    for call in (kinesis.delete_queue, kinesis.receive_queue_records):
        with refused("ResourceNotFoundException", f"Queue {arn} not found."):
            call(QueueARN=arn)
    # The name is free again, and the new queue is another one.
    assert create(kinesis, on_demand, name) != arn


def test_a_name_is_taken_in_the_whole_account(kinesis, on_demand, make_stream):
    other = make_stream(ShardCount=None, StreamModeDetails=ON_DEMAND)
    arn = create(kinesis, other, "q-of-" + other)
    with refused("ResourceInUseException"):
        create(kinesis, on_demand, "q-of-" + other)
    delete_and_wait(kinesis, arn)


def test_what_cannot_be_made(kinesis, stream, on_demand):
    with refused("ValidationException", "on-demand"):
        create(kinesis, stream)
    with refused("ResourceNotFoundException"):
        arn = arn_of(kinesis, on_demand).replace(on_demand, "no-such-stream")
        kinesis.create_queue(QueueName="q", StreamConfigurationList=[{"StreamARN": arn}])
    with refused("ValidationException", "exactly one"):
        one = {"StreamARN": arn_of(kinesis, on_demand)}
        kinesis.create_queue(QueueName="q", StreamConfigurationList=[one, one])
    now = datetime.datetime.now(datetime.timezone.utc)
    for start in ({"Type": "AT_TIMESTAMP"}, {"Type": "LATEST", "Timestamp": now}):
        with refused("ValidationException", "Timestamp"):
            create(kinesis, on_demand, start=start)
    with refused("InvalidArgumentException"):
        later = now + datetime.timedelta(hours=1)
        create(kinesis, on_demand, start={"Type": "AT_TIMESTAMP", "Timestamp": later})
    with refused("ValidationException", "MaxReceiveCount"):
        create(kinesis, on_demand, QueueAttributes={"DeadLetterConfiguration": {"TargetType": "BUILT_IN"}})


def test_queues_and_consumers_share_a_limit_and_keep_the_stream(kinesis, on_demand):
    stream_arn = arn_of(kinesis, on_demand)
    consumer = kinesis.register_stream_consumer(StreamARN=stream_arn, ConsumerName="c")["Consumer"]
    for _ in range(19):
        create(kinesis, on_demand, wait=False)
    with refused("LimitExceededException"):
        create(kinesis, on_demand)
    kinesis.deregister_stream_consumer(ConsumerARN=consumer["ConsumerARN"])
    create(kinesis, on_demand)
    with refused("LimitExceededException"):
        kinesis.register_stream_consumer(StreamARN=stream_arn, ConsumerName="c")
    with refused("ResourceInUseException"):
        kinesis.delete_stream(StreamName=on_demand, EnforceConsumerDeletion=True)
    with refused("ResourceInUseException"):
        kinesis.update_stream_mode(StreamARN=stream_arn, StreamModeDetails={"StreamMode": "PROVISIONED"})
    seen, page = [], {}
    while True:
        answer = kinesis.list_queues(StreamFilter=[{"StreamARN": stream_arn}], MaxResults=7, **page)
        seen += answer["QueueSummaries"]
        if "NextToken" not in answer:
            break
        page = {"NextToken": answer["NextToken"]}
    names = [queue["QueueName"] for queue in seen]
    assert len(names) == 20 and names == sorted(set(names))


def test_where_a_queue_begins(kinesis, other_kinesis, on_demand):
    old = put(kinesis, on_demand, 12, "old")
    time.sleep(1.1)
    between = datetime.datetime.now(datetime.timezone.utc)
    time.sleep(1.1)
    middle = put(kinesis, on_demand, 12, "middle")
    starts = {
        "all": {"Type": "TRIM_HORIZON"},
        "middle": {"Type": "AT_TIMESTAMP", "Timestamp": between},
        "new": {"Type": "LATEST"},
    }
    arns = {kind: create(kinesis, on_demand, start=start) for kind, start in starts.items()}
    new = put(other_kinesis, on_demand, 12, "new")
    expected = {"all": old + middle + new, "middle": middle + new, "new": new}
    ids = {}
    for kind, arn in arns.items():
        records = receive(other_kinesis, arn, len(expected[kind]), VisibilityTimeoutSeconds=600)
        assert sorted(r["Data"] for r in records) == sorted(expected[kind])
        for record in records:
            # The same record has the same id on every queue.
            assert ids.setdefault(record["Data"], record["RecordId"]) == record["RecordId"]
            assert record["PartitionKey"] == record["Data"].decode()
        none_comes(kinesis, arn)
    assert len(set(ids.values())) == 36
    at = describe(kinesis, arns["middle"])["StreamConfigurationList"][0]["StartingPosition"]["Timestamp"]
    assert abs((at - between).total_seconds()) < 0.01


def test_claims_end_and_acknowledged_records_stay_away(kinesis, other_kinesis, on_demand):
    arn = create(kinesis, on_demand, QueueAttributes={"VisibilityTimeoutSeconds": 2})
    put(kinesis, on_demand, 4)
    first = receive(kinesis, arn, 4)
    assert {r["ReceiveCount"] for r in first} == {1}
    acknowledge(other_kinesis, arn, first[:2])
    # Once more, after an answer that was lost.
    acknowledge(kinesis, arn, first[:2])
    second = receive(other_kinesis, arn, 2)
    assert {r["RecordId"] for r in second} == {r["RecordId"] for r in first[2:]}
    assert {r["ReceiveCount"] for r in second} == {2}
    earlier = {r["RecordId"]: r for r in first}
    for record in second:
        before = earlier[record["RecordId"]]
        assert record["ReceiptHandle"] != before["ReceiptHandle"]
        assert record["FirstReceiveTimestamp"] == before["FirstReceiveTimestamp"]
    # A late acknowledgement counts.
    acknowledge(kinesis, arn, [earlier[second[0]["RecordId"]], second[1]])
    time.sleep(2.1)
    none_comes(kinesis, arn)
    # The stream has them all the same.
    count = 0
    for shard in kinesis.list_shards(StreamName=on_demand)["Shards"]:
        at = kinesis.get_shard_iterator(
            StreamName=on_demand, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        count += len(kinesis.get_records(ShardIterator=at)["Records"])
    assert count == 4


def test_visibility_is_changed_by_its_holder(kinesis, other_kinesis, on_demand):
    arn = create(kinesis, on_demand)
    put(kinesis, on_demand, 1)

    def change(record, secs):
        entry = {"ReceiptHandle": record["ReceiptHandle"], "VisibilityTimeoutSeconds": secs}
        return other_kinesis.update_queue_records_visibility(QueueARN=arn, Entries=[entry])

    [record] = receive(kinesis, arn, 1)
    assert change(record, 0)["Failed"] == []
    [again] = receive(kinesis, arn, 1, VisibilityTimeoutSeconds=1)
    assert failed(change(record, 0)) == "InvalidArgumentException"
    assert change(again, 600)["Failed"] == []
    time.sleep(1.2)
    none_comes(kinesis, arn)
    acknowledge(kinesis, arn, [again])
    assert failed(change(again, 5)) == "ResourceNotFoundException"
    forged = kinesis.acknowledge_queue_records(QueueARN=arn, Entries=[{"ReceiptHandle": "x" * 80}])
    assert failed(forged) == "InvalidArgumentException"


def test_dead_letters_are_kept_and_restored(kinesis, other_kinesis, on_demand):
    dead_letters = {"TargetType": "BUILT_IN", "MaxReceiveCount": 2}
    arn = create(kinesis, on_demand, QueueAttributes={"DeadLetterConfiguration": dead_letters})
    put(kinesis, on_demand, 2)
    for _ in range(2):
        live = receive(kinesis, arn, 2, VisibilityTimeoutSeconds=1)
        time.sleep(1.1)
    none_comes(kinesis, arn)
    dead = receive(other_kinesis, arn, 2, dead=True, VisibilityTimeoutSeconds=1)
    assert {r["ReceiveCount"] for r in dead} == {3}
    assert sorted(r["Data"] for r in dead) == [b"r-0", b"r-1"]
    # Each side has handles of its own.
    assert failed(kinesis.acknowledge_queue_records(QueueARN=arn, Entries=handles(live[:1]))) == (
        "ResourceNotFoundException"
    )
    wrong = kinesis.acknowledge_dead_letter_queue_records(QueueARN=arn, Entries=handles(live[:1]))
    assert failed(wrong) == "InvalidArgumentException"
    time.sleep(1.1)
    dead = receive(kinesis, arn, 2, dead=True)
    hide = [{**entry, "VisibilityTimeoutSeconds": 0} for entry in handles(dead)]
    assert kinesis.update_dead_letter_queue_records_visibility(QueueARN=arn, Entries=hide)["Failed"] == []
    discarded, kept = receive(kinesis, arn, 2, dead=True)
    acknowledge(kinesis, arn, [discarded], dead=True)
    for client in (kinesis, other_kinesis):
        answer = client.restore_dead_letter_queue_records(QueueARN=arn, Entries=handles([kept]))
        assert (answer["Failed"], len(answer["Successful"])) == ([], 1)
    [record] = receive(other_kinesis, arn, 1)
    assert (record["RecordId"], record["ReceiveCount"]) == (kept["RecordId"], 1)
    acknowledge(kinesis, arn, [record])
    none_comes(kinesis, arn)
    none_comes(kinesis, arn, dead=True)


def test_settings_change(kinesis, other_kinesis, on_demand):
    arn = create(kinesis, on_demand)
    none = {"DeadLetterConfiguration": {"TargetType": "NONE"}}
    updated = kinesis.update_queue(QueueARN=arn, QueueAttributes=none)["QueueDescription"]
    assert updated["QueueStatus"] == "UPDATING"
    assert updated["QueueAttributes"] == {"VisibilityTimeoutSeconds": 30, **none}
    wait_queue(other_kinesis, arn)
    kinesis.update_queue(QueueARN=arn, QueueAttributes={"VisibilityTimeoutSeconds": 0})
    found = wait_queue(other_kinesis, arn)
    assert found["QueueAttributes"] == {"VisibilityTimeoutSeconds": 0, **none}
    put(kinesis, on_demand, 1)
    for n in range(1, 10):
        [record] = receive(kinesis, arn, 1)
        assert record["ReceiveCount"] == n
    one = {"DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 1}}
    other_kinesis.update_queue(QueueARN=arn, QueueAttributes=one)
    wait_queue(kinesis, arn)
    none_comes(other_kinesis, arn)
    assert len(receive(kinesis, arn, 1, dead=True)) == 1


def test_a_waiting_receive_wakes(kinesis, other_kinesis, on_demand):
    arn = create(kinesis, on_demand)
    with ThreadPoolExecutor(1) as pool:
        for n in range(3):
            poll = pool.submit(kinesis.receive_queue_records, QueueARN=arn, WaitTimeSeconds=20)
            time.sleep(0.3)
            begun = time.monotonic()
            put(other_kinesis, on_demand, 1, f"w{n}")
            [record] = poll.result(timeout=30)["QueueRecords"]
            assert time.monotonic() - begun < 5
            acknowledge(kinesis, arn, [record])


def test_closed_shards_are_received_from(kinesis, other_kinesis, make_stream):
    """Streams with queues are on demand, and are split and merged by hand no more; before, they may have been."""
    name = make_stream(ShardCount=1)
    expected = put(kinesis, name, 10, "parent")
    kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    wait_active(kinesis, name)
    expected += put(kinesis, name, 20, "children")
    kinesis.update_stream_mode(StreamARN=arn_of(kinesis, name), StreamModeDetails=ON_DEMAND)
    wait_active(kinesis, name)
    arn = create(kinesis, name, start={"Type": "TRIM_HORIZON"})
    late = create(kinesis, name)
    records = receive(other_kinesis, arn, len(expected), timeout_s=60, VisibilityTimeoutSeconds=600)
    assert sorted(r["Data"] for r in records) == sorted(expected)
    acknowledge(kinesis, arn, records)
    none_comes(kinesis, arn)
    none_comes(kinesis, late)
    for queue in (arn, late):
        delete_and_wait(kinesis, queue)


def test_tags_and_policies(kinesis, other_kinesis, on_demand):
    arn = create(kinesis, on_demand)
    kinesis.tag_resource(ResourceARN=arn, Tags={"a": "1", "b": "2"})
    other_kinesis.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    with refused("ResourceNotFoundException"):
        kinesis.get_resource_policy(ResourceARN=arn)
    kinesis.put_resource_policy(ResourceARN=arn, Policy='{"Version":"2012-10-17","Statement":[]}')
    assert "Statement" in other_kinesis.get_resource_policy(ResourceARN=arn)["Policy"]
    other_kinesis.delete_resource_policy(ResourceARN=arn)


def test_large_records_come_by_few(kinesis, other_kinesis, make_stream):
    name = make_stream(ShardCount=None, StreamModeDetails=ON_DEMAND, MaxRecordSizeInKiB=10_240)
    arn = create(kinesis, name)
    for n in range(3):
        kinesis.put_record(StreamName=name, Data=bytes([n]) * 9_000_000, PartitionKey=str(n))
    records = receive(other_kinesis, arn, 3, timeout_s=60, VisibilityTimeoutSeconds=600)
    assert sorted((r["Data"][0], len(r["Data"])) for r in records) == [(n, 9_000_000) for n in range(3)]
    delete_and_wait(kinesis, arn)


def test_claims_outlive_a_leader():
    """Any node is killed: what was acknowledged stays away, what was claimed stays hidden and can be acknowledged."""
    with Cluster(3) as cluster:
        clients = [kinesis_client(endpoint) for endpoint in cluster.endpoints]
        clients[0].create_stream(StreamName="s", StreamModeDetails=ON_DEMAND)
        wait_active(clients[0], "s")
        arn = create(clients[0], "s")
        expected = put(clients[1], "s", 60)
        claimed = receive(clients[2], arn, 40, VisibilityTimeoutSeconds=600)
        acknowledge(clients[1], arn, claimed[:20])
        cluster.nodes[0].kill()
        left = clients[1:]
        retrying = [kinesis_client(e, retries={"total_max_attempts": 8}) for e in cluster.endpoints[1:]]
        rest = receive(retrying[0], arn, 60 - len(claimed), timeout_s=60, VisibilityTimeoutSeconds=600)
        data = [record["Data"] for record in claimed + rest]
        assert sorted(data) == sorted(expected), "each came once: no claim was lost"
        acknowledge(retrying[1], arn, claimed[20:] + rest)
        cluster.nodes[0].start()
        for client in left:
            none_comes(client, arn)


def test_what_expired_unacknowledged_is_on_the_metrics_page(kinesis, on_demand, endpoint, endpoints):
    name = f"q-{uuid.uuid4().hex[:20]}"
    create(kinesis, on_demand, name)
    pattern = re.compile(
        rf'^levada_stream_queue_expired_records{{account="\d+",region="us-east-1",stream="{on_demand}",queue="{name}"}} 0$',
        re.MULTILINE,
    )
    nodes = {endpoint} | {next(endpoints) for _ in range(8)}

    def is_shown():
        pages = (urllib.request.urlopen(f"{node}/metrics").read().decode() for node in nodes)
        return any(pattern.search(page) for page in pages)

    eventually(is_shown, timeout_s=15)
