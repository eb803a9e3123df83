"""Queues, streams and tables on one node: through kill -9, and through a backup's rows into another directory."""

import pytest
from support.aws import sqs_client
from support.dynamodb import dynamodb_client, everything, lease_table, n, s
from support.kinesis import iterator, kinesis_client, read, wait_active
from support.nodes import Node, free_ports
from support.operate import levada

KEYS = 300
INDEX = {
    "IndexName": "LeaseOwnerToLeaseKeyIndex",
    "KeySchema": [
        {"AttributeName": "leaseOwner", "KeyType": "HASH"},
        {"AttributeName": "leaseKey", "KeyType": "RANGE"},
    ],
    "Projection": {"ProjectionType": "KEYS_ONLY"},
}


@pytest.fixture
def node(tmp_path):
    """One node."""
    node = Node(tmp_path / "n1", free_ports(1)[0]).start()
    yield node
    node.kill()


def fill(endpoint):
    """Something of everything; what must be found again."""
    sqs, kinesis, dynamodb = sqs_client(endpoint), kinesis_client(endpoint), dynamodb_client(endpoint)
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    for number in range(20):
        sqs.send_message(QueueUrl=url, MessageBody=f"order {number} " + "x" * 4000)
    kinesis.create_stream(StreamName="clicks", ShardCount=1)
    wait_active(kinesis, "clicks")
    for number in range(20):
        kinesis.put_record(StreamName="clicks", PartitionKey="k", Data=f"click {number} ".encode() + b"y" * 4000)
    name = lease_table(dynamodb, "leases", Tags=[{"Key": "team", "Value": "streams"}])
    dynamodb.update_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "leaseKey", "AttributeType": "S"},
            {"AttributeName": "leaseOwner", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexUpdates=[{"Create": INDEX}],
    )
    leases = {}
    for number in range(KEYS):
        item = {
            "leaseKey": s(f"shard-{number}"),
            "leaseOwner": s(f"w{number % 3}"),
            "leaseCounter": n(number),
            "pendingCheckpointState": {"B": b"\x00" * 400},
        }
        dynamodb.put_item(TableName=name, Item=item)
        leases[number] = item
    token = {"Put": {"TableName": name, "Item": {"leaseKey": s("once")}}}
    dynamodb.transact_write_items(TransactItems=[token], ClientRequestToken="once")
    dynamodb.delete_item(TableName=name, Key={"leaseKey": s("once")})
    return leases


def check(endpoint, leases):
    """All of it is there."""
    sqs, kinesis, dynamodb = sqs_client(endpoint), kinesis_client(endpoint), dynamodb_client(endpoint)
    url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    waiting = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    assert waiting["Attributes"]["ApproximateNumberOfMessages"] == "20"
    records, _ = read(kinesis, iterator(kinesis, "clicks"), 20)
    assert [int(record["Data"].split()[1]) for record in records] == list(range(20))
    found = {item["leaseKey"]["S"]: item for item in everything(dynamodb, TableName="leases")}
    assert found == {item["leaseKey"]["S"]: item for item in leases.values()}
    owned = dynamodb.query(
        TableName="leases",
        IndexName=INDEX["IndexName"],
        KeyConditionExpression="leaseOwner = :w",
        ExpressionAttributeValues={":w": s("w1")},
        Select="COUNT",
    )
    assert owned["Count"] == sum(item["leaseOwner"] == s("w1") for item in leases.values())
    # A transaction that was done is not done again.
    token = {"Put": {"TableName": "leases", "Item": {"leaseKey": s("once")}}}
    dynamodb.transact_write_items(TransactItems=[token], ClientRequestToken="once")
    assert "Item" not in dynamodb.get_item(TableName="leases", Key={"leaseKey": s("once")})


def test_everything_survives_a_kill_and_a_restore(node, tmp_path):
    leases = fill(node.endpoint)
    node.kill()
    node.start()
    check(node.endpoint, leases)
    # What is written after the restart counts as what was before.
    dynamodb = dynamodb_client(node.endpoint)
    dynamodb.update_item(
        TableName="leases",
        Key={"leaseKey": s("shard-0")},
        AttributeUpdates={"leaseOwner": {"Value": s("w1"), "Action": "PUT"}},
    )
    leases[0]["leaseOwner"] = s("w1")
    backup = tmp_path / "backup"
    levada("backup", "--to", backup, endpoint=node.endpoint)
    other = Node(tmp_path / "n2", free_ports(1)[0])
    levada("restore", "--from", backup, "--data", other.data_dir)
    try:
        other.start()
        check(other.endpoint, leases)
        other.kill()
        other.start()
        check(other.endpoint, leases)
    finally:
        other.kill()
