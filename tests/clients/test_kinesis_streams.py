"""The life of a stream: making, describing, listing, settings, deleting."""

import time
import uuid

import pytest
from support.aws import refused
from support.kinesis import kinesis_client, wait_active

ACCOUNT = "000000000000"


def test_a_stream_is_made_described_and_deleted(kinesis, other_kinesis):
    name = f"s-{uuid.uuid4().hex[:12]}"
    kinesis.create_stream(StreamName=name, ShardCount=3, Tags={"a": "b"})
    summary = wait_active(other_kinesis, name)
    assert summary["StreamARN"] == f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{name}"
    assert (summary["OpenShardCount"], summary["ConsumerCount"], summary["RetentionPeriodHours"]) == (3, 0, 24)
    assert summary["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    assert summary["EncryptionType"] == "NONE"
    assert "StreamId" not in summary
    described = kinesis.describe_stream(StreamARN=summary["StreamARN"])["StreamDescription"]
    assert described["HasMoreShards"] is False
    ranges = [(s["HashKeyRange"]["StartingHashKey"], s["HashKeyRange"]["EndingHashKey"]) for s in described["Shards"]]
    assert ranges == [
        ("0", "113427455640312821154458202477256070484"),
        ("113427455640312821154458202477256070485", "226854911280625642308916404954512140969"),
        ("226854911280625642308916404954512140970", str(2**128 - 1)),
    ]
    assert [s["ShardId"] for s in described["Shards"]] == [f"shardId-{n:012}" for n in range(3)]
    for shard in described["Shards"]:
        assert set(shard["SequenceNumberRange"]) == {"StartingSequenceNumber"}
        assert len(shard["SequenceNumberRange"]["StartingSequenceNumber"]) == 56
    with refused("ResourceInUseException", f"Stream {name} under account {ACCOUNT} already exists."):
        kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.delete_stream(StreamName=name)
    deadline = time.monotonic() + 15
    while name in other_kinesis.list_streams(Limit=10000)["StreamNames"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    gone = f"Stream {name} under account {ACCOUNT} not found."
    with refused("ResourceNotFoundException", gone):
        kinesis.describe_stream_summary(StreamName=name)
    with refused("ResourceNotFoundException", gone):
        other_kinesis.put_record(StreamName=name, Data=b"x", PartitionKey="k")
    # The name is free again, and nothing is left of the old stream.
    kinesis.create_stream(StreamName=name, ShardCount=1)
    wait_active(other_kinesis, name)
    kinesis.delete_stream(StreamName=name)


def test_streams_are_listed_by_pages(kinesis, make_stream):
    prefix = uuid.uuid4().hex[:8]
    names = sorted(make_stream(name=f"{prefix}-{n}") for n in range(5))
    first = kinesis.list_streams(Limit=2, ExclusiveStartStreamName=prefix)
    assert first["StreamNames"] == names[:2]
    assert first["HasMoreStreams"] is True
    assert first["StreamSummaries"][0]["StreamStatus"] in ("CREATING", "ACTIVE")
    second = kinesis.list_streams(Limit=2, NextToken=first["NextToken"])
    assert second["StreamNames"] == names[2:4]
    assert kinesis.list_streams(ExclusiveStartStreamName=names[3], Limit=1)["StreamNames"] == names[4:]
    with refused("InvalidArgumentException", "Invalid NextToken."):
        kinesis.list_streams(NextToken=first["NextToken"][:-2] + "AA")


def test_accounts_and_regions_are_apart(endpoint, kinesis, make_stream):
    name = make_stream()
    for elsewhere in (kinesis_client(endpoint, access_key="111111111111"), kinesis_client(endpoint, region="eu-west-3")):
        with refused("ResourceNotFoundException"):
            elsewhere.describe_stream_summary(StreamName=name)
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    with refused("AccessDeniedException"):
        kinesis_client(endpoint, access_key="111111111111").put_record(StreamARN=arn, Data=b"x", PartitionKey="k")


def test_retention_has_bounds_and_a_direction(kinesis, stream):
    kinesis.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=8760)
    assert wait_active(kinesis, stream)["RetentionPeriodHours"] == 8760
    with refused("InvalidArgumentException", "can not be shorter than existing retention period (8760 hours)"):
        kinesis.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=48)
    kinesis.decrease_stream_retention_period(StreamName=stream, RetentionPeriodHours=24)
    assert wait_active(kinesis, stream)["RetentionPeriodHours"] == 24
    with refused("InvalidArgumentException", "can not be longer than existing retention period (24 hours)"):
        kinesis.decrease_stream_retention_period(StreamName=stream, RetentionPeriodHours=25)
    for hours in (23, 8761):
        with refused("InvalidArgumentException", "allowed retention period"):
            kinesis.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=hours)


def test_tags_by_name_and_by_arn(kinesis, stream):
    kinesis.add_tags_to_stream(StreamName=stream, Tags={f"k{n:02}": "v" for n in range(30)})
    page = kinesis.list_tags_for_stream(StreamName=stream, Limit=20)
    assert [t["Key"] for t in page["Tags"]] == [f"k{n:02}" for n in range(20)]
    assert page["HasMoreTags"] is True
    page = kinesis.list_tags_for_stream(StreamName=stream, ExclusiveStartTagKey="k19")
    assert ([t["Key"] for t in page["Tags"]][0], page["HasMoreTags"]) == ("k20", False)
    arn = wait_active(kinesis, stream)["StreamARN"]
    kinesis.tag_resource(ResourceARN=arn, Tags={"k00": "other"})
    kinesis.untag_resource(ResourceARN=arn, TagKeys=[f"k{n:02}" for n in range(1, 25)] + ["none"])
    kinesis.remove_tags_from_stream(StreamName=stream, TagKeys=[f"k{n:02}" for n in range(25, 30)])
    assert kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "k00", "Value": "other"}]
    with refused("InvalidArgumentException", "cannot have more than 50 tags"):
        kinesis.add_tags_to_stream(StreamName=stream, Tags={f"n{n:02}": "v" for n in range(50)})


def test_settings_come_back_as_they_were_set(kinesis, stream):
    arn = wait_active(kinesis, stream)["StreamARN"]
    changed = kinesis.enable_enhanced_monitoring(StreamName=stream, ShardLevelMetrics=["IncomingBytes"])
    assert (changed["CurrentShardLevelMetrics"], changed["DesiredShardLevelMetrics"]) == ([], ["IncomingBytes"])
    changed = kinesis.enable_enhanced_monitoring(StreamName=stream, ShardLevelMetrics=["ALL"])
    assert len(changed["DesiredShardLevelMetrics"]) == 7
    changed = kinesis.disable_enhanced_monitoring(StreamName=stream, ShardLevelMetrics=["ALL"])
    assert changed["DesiredShardLevelMetrics"] == []
    kinesis.start_stream_encryption(StreamName=stream, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    summary = wait_active(kinesis, stream)
    assert (summary["EncryptionType"], summary["KeyId"]) == ("KMS", "alias/aws/kinesis")
    kinesis.stop_stream_encryption(StreamName=stream, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    assert wait_active(kinesis, stream)["EncryptionType"] == "NONE"
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    assert wait_active(kinesis, stream)["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    with refused("ValidationException", "On-Demand mode"):
        kinesis.update_shard_count(StreamName=stream, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    policy = '{"Version":"2012-10-17","Statement":[]}'
    with refused("ResourceNotFoundException"):
        kinesis.get_resource_policy(ResourceARN=arn)
    kinesis.put_resource_policy(ResourceARN=arn, Policy=policy)
    assert kinesis.get_resource_policy(ResourceARN=arn)["Policy"] == policy
    kinesis.delete_resource_policy(ResourceARN=arn)
    with refused("ResourceNotFoundException"):
        kinesis.get_resource_policy(ResourceARN=arn)


def test_limits_count_what_is_there(kinesis, make_stream):
    before = kinesis.describe_limits()
    make_stream(ShardCount=3)
    make_stream(ShardCount=None, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    after = kinesis.describe_limits()
    assert after["OpenShardCount"] - before["OpenShardCount"] == 7
    assert after["OnDemandStreamCount"] - before["OnDemandStreamCount"] == 1
    with refused("LimitExceededException", "would exceed the shard limit"):
        kinesis.create_stream(StreamName="too-large", ShardCount=after["ShardLimit"] + 1)


def test_consumers_are_registered_and_listed(kinesis, stream):
    arn = wait_active(kinesis, stream)["StreamARN"]
    made = [kinesis.register_stream_consumer(StreamARN=arn, ConsumerName=f"c{n}")["Consumer"] for n in range(3)]
    assert made[0]["ConsumerStatus"] == "CREATING"
    assert made[0]["ConsumerARN"].startswith(f"{arn}/consumer/c0:")
    with refused("ResourceInUseException", "already exists"):
        kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="c0")
    page = kinesis.list_stream_consumers(StreamARN=arn, MaxResults=2)
    assert [c["ConsumerName"] for c in page["Consumers"]] == ["c0", "c1"]
    page = kinesis.list_stream_consumers(StreamARN=arn, NextToken=page["NextToken"])
    assert [c["ConsumerName"] for c in page["Consumers"]] == ["c2"]
    assert "NextToken" not in page
    deadline = time.monotonic() + 15
    while True:
        described = kinesis.describe_stream_consumer(ConsumerARN=made[0]["ConsumerARN"])["ConsumerDescription"]
        if described["ConsumerStatus"] == "ACTIVE":
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert described["StreamARN"] == arn
    kinesis.tag_resource(ResourceARN=made[0]["ConsumerARN"], Tags={"of": "consumer"})
    tags = kinesis.list_tags_for_resource(ResourceARN=made[0]["ConsumerARN"])["Tags"]
    assert tags == [{"Key": "of", "Value": "consumer"}]
    kinesis.deregister_stream_consumer(StreamARN=arn, ConsumerName="c0")
    with refused("ResourceNotFoundException"):
        kinesis.describe_stream_consumer(StreamARN=arn, ConsumerName="c0")
    with refused("ResourceInUseException", "registered consumers"):
        kinesis.delete_stream(StreamName=stream)
    kinesis.delete_stream(StreamName=stream, EnforceConsumerDeletion=True)


@pytest.mark.parametrize("action", ["list_channels"])
def test_what_is_not_served_is_no_operation(kinesis, action):
    if not hasattr(kinesis, action):
        pytest.skip("this boto3 does not know the action")
    with refused("UnknownOperationException"):
        getattr(kinesis, action)()
