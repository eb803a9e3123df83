"""`levada lease`: what the tables of Amazon's client library say, for an operator."""

import json
import os
import uuid

import boto3
import pytest

from support.kinesis import kinesis_client, wait_active
from support.operate import levada

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_REGION": "us-east-1"}


@pytest.fixture
def kinesis(endpoint):
    return kinesis_client(endpoint)


@pytest.fixture
def application(endpoint, kinesis):
    """A stream of two shards, and a table with a lease for each as the library makes them."""
    name = f"app-{uuid.uuid4().hex[:8]}"
    kinesis.create_stream(StreamName=name, ShardCount=2)
    wait_active(kinesis, name)
    put = kinesis.put_record(StreamName=name, Data=b"1", PartitionKey="k")
    kinesis.put_record(StreamName=name, Data=b"2", PartitionKey="k")
    tables = boto3.client("dynamodb", endpoint_url=endpoint, **KEYS)
    tables.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "leaseKey", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        mine = shard["ShardId"] == put["ShardId"]
        lease = {
            "leaseKey": {"S": shard["ShardId"]},
            "leaseCounter": {"N": "7"},
            "checkpoint": {"S": put["SequenceNumber"] if mine else "TRIM_HORIZON"},
        }
        tables.put_item(TableName=name, Item=lease | ({"leaseOwner": {"S": "worker-1"}} if mine else {}))
    # Of the newer library: what is no lease.
    tables.put_item(TableName=name, Item={"leaseKey": {"S": "Leader"}, "ownerName": {"S": "worker-1"}})
    yield name, put["ShardId"]
    tables.delete_table(TableName=name)
    kinesis.delete_stream(StreamName=name)


def lease(endpoint, *words):
    assert os.environ.get("LEVADA_TEST_ENDPOINT") is None, "the command is this build's"
    return levada("lease", *words, endpoint=endpoint, environment=ENVIRONMENT).stdout


def test_applications_are_listed_with_their_workers(endpoint, application):
    name, _ = application
    listed = json.loads(lease(endpoint, "list", "--json"))["applications"]
    mine = next(one for one in listed if one["application"] == name)
    assert mine == {"application": name, "leases": 2, "workers": {"worker-1": 1}, "unowned": 1}
    assert name in lease(endpoint, "list")


def test_leases_say_how_far_behind_they_are(endpoint, application):
    name, shard = application
    shown = json.loads(lease(endpoint, "show", name, "--stream", name, "--json"))["leases"]
    by_shard = {one["shard"]: one for one in shown}
    assert len(shown) == 2
    owned = by_shard.pop(shard)
    assert owned["worker"] == "worker-1" and owned["renewals"] == 7
    assert owned["behind_ms"] > 0 and owned["checkpoint"].isdigit()
    (other,) = by_shard.values()
    assert other["worker"] is None and other["behind_ms"] == 0, "nothing is in that shard"
    table = lease(endpoint, "show", name)
    assert "--stream NAME" in table and shard in table


def test_what_is_no_application_is_said_so(endpoint):
    done = levada("lease", "show", "nothing-here", endpoint=endpoint, check=False, environment=ENVIRONMENT)
    assert done.returncode == 1 and "ResourceNotFoundException" in done.stderr
