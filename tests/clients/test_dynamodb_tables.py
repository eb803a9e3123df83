"""Tables: their life, indexes, settings and tags."""

import urllib.request
import uuid
import zlib

import pytest
from support.aws import refused
from support.dynamodb import dynamodb_client, everything, lease_table, n, s

INDEX = {
    "IndexName": "LeaseOwnerToLeaseKeyIndex",
    "KeySchema": [
        {"AttributeName": "leaseOwner", "KeyType": "HASH"},
        {"AttributeName": "leaseKey", "KeyType": "RANGE"},
    ],
    "Projection": {"ProjectionType": "KEYS_ONLY"},
}
OWNER = {"AttributeName": "leaseOwner", "AttributeType": "S"}
KEY = {"AttributeName": "leaseKey", "AttributeType": "S"}


def test_a_table_is_made_described_and_deleted(dynamodb, other_dynamodb):
    name = f"t-{uuid.uuid4().hex}"
    with refused("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found"):
        dynamodb.describe_table(TableName=name)
    made = dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[KEY],
        KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": "team", "Value": "streams"}],
        DeletionProtectionEnabled=False,
    )["TableDescription"]
    assert made["TableStatus"] == "CREATING"
    told = other_dynamodb.describe_table(TableName=name)["Table"]
    assert told["TableStatus"] == "ACTIVE"
    assert told["TableArn"] == f"arn:aws:dynamodb:us-east-1:000000000000:table/{name}"
    assert told["KeySchema"] == [{"AttributeName": "leaseKey", "KeyType": "HASH"}]
    assert told["AttributeDefinitions"] == [KEY]
    assert told["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert (told["ItemCount"], told["TableSizeBytes"]) == (0, 0)
    assert told["DeletionProtectionEnabled"] is False
    with refused("ResourceInUseException", f"Table already exists: {name}"):
        lease_table(dynamodb, name)
    assert name in dynamodb.get_paginator("list_tables").paginate().build_full_result()["TableNames"]
    dynamodb.put_item(TableName=name, Item={"leaseKey": s("a"), "x": s("12345")})
    told = other_dynamodb.describe_table(TableName=name)["Table"]
    assert (told["ItemCount"], told["TableSizeBytes"]) == (1, 8 + 1 + 1 + 5)
    tags = dynamodb.list_tags_of_resource(ResourceArn=told["TableArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "streams"}]
    dynamodb.tag_resource(ResourceArn=told["TableArn"], Tags=[{"Key": "a", "Value": "b"}])
    dynamodb.untag_resource(ResourceArn=told["TableArn"], TagKeys=["team"])
    tags = other_dynamodb.list_tags_of_resource(ResourceArn=told["TableArn"])["Tags"]
    assert tags == [{"Key": "a", "Value": "b"}]
    assert dynamodb.delete_table(TableName=name)["TableDescription"]["TableStatus"] == "DELETING"
    with refused("ResourceNotFoundException", "Requested resource not found"):
        other_dynamodb.put_item(TableName=name, Item={"leaseKey": s("a")})
    # A table of the same name is another one.
    lease_table(other_dynamodb, name)
    assert everything(other_dynamodb, TableName=name) == []
    other_dynamodb.delete_table(TableName=name)


def test_a_protected_table_stays(dynamodb):
    name = lease_table(dynamodb, DeletionProtectionEnabled=True)
    with refused("ValidationException", "currently protected against deletion"):
        dynamodb.delete_table(TableName=name)
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=name)


def test_an_index_is_added_as_kcl_does(make_table, dynamodb, other_dynamodb):
    name = make_table()
    for shard, owner in (("a", "w1"), ("b", "w2"), ("c", "w1")):
        item = {"leaseKey": s(shard), "leaseOwner": s(owner), "leaseCounter": n(1)}
        dynamodb.put_item(TableName=name, Item=item)
    dynamodb.put_item(TableName=name, Item={"leaseKey": s("free")})
    updated = dynamodb.update_table(
        TableName=name,
        AttributeDefinitions=[OWNER, KEY],
        GlobalSecondaryIndexUpdates=[{"Create": INDEX}],
    )["TableDescription"]
    assert [i["IndexStatus"] for i in updated["GlobalSecondaryIndexes"]] == ["CREATING"]
    told = other_dynamodb.describe_table(TableName=name)["Table"]
    assert [i["IndexStatus"] for i in told["GlobalSecondaryIndexes"]] == ["ACTIVE"]
    query = {
        "TableName": name,
        "IndexName": INDEX["IndexName"],
        "KeyConditionExpression": "leaseOwner = :leaseOwner",
    }
    of_one = {":leaseOwner": s("w1")}
    found = other_dynamodb.query(**query, ExpressionAttributeValues=of_one)
    assert found["Items"] == [
        {"leaseKey": s("a"), "leaseOwner": s("w1")},
        {"leaseKey": s("c"), "leaseOwner": s("w1")},
    ]
    dynamodb.update_item(
        TableName=name,
        Key={"leaseKey": s("a")},
        AttributeUpdates={"leaseOwner": {"Value": s("w2"), "Action": "PUT"}},
    )
    pages = dynamodb.get_paginator("query").paginate(
        **query, ExpressionAttributeValues={":leaseOwner": s("w2")}, PaginationConfig={"PageSize": 1}
    )
    assert [item["leaseKey"] for page in pages for item in page["Items"]] == [s("a"), s("b")]
    with refused("ValidationException", "Type mismatch for Index Key leaseOwner"):
        dynamodb.put_item(TableName=name, Item={"leaseKey": s("x"), "leaseOwner": n(1)})
    with refused("ValidationException", "The table does not have the specified index: other"):
        dynamodb.query(**{**query, "IndexName": "other"}, ExpressionAttributeValues=of_one)
    dynamodb.update_table(
        TableName=name, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": INDEX["IndexName"]}}]
    )
    assert "GlobalSecondaryIndexes" not in other_dynamodb.describe_table(TableName=name)["Table"]


def test_billing_can_be_changed(make_table, dynamodb):
    name = make_table(BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 7})
    told = dynamodb.describe_table(TableName=name)["Table"]
    assert "BillingModeSummary" not in told
    assert told["ProvisionedThroughput"]["WriteCapacityUnits"] == 7
    dynamodb.update_table(TableName=name, BillingMode="PAY_PER_REQUEST")
    told = dynamodb.describe_table(TableName=name)["Table"]
    assert told["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert told["ProvisionedThroughput"]["WriteCapacityUnits"] == 0


def test_backups_and_time_to_live_are_kept(make_table, dynamodb, other_dynamodb):
    name = make_table()
    dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    told = other_dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert told["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    with refused("TableNotFoundException"):
        dynamodb.describe_continuous_backups(TableName="no-such-table")
    ttl = {"Enabled": True, "AttributeName": "ends"}
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=ttl)
    told = other_dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert told == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ends"}
    with refused("ValidationException", "TimeToLive is already enabled"):
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=ttl)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"TableName": "ab"}, "Table/index names must be between 3 and 255 characters long"),
        ({"BillingMode": "PROVISIONED"}, "ReadCapacityUnits and WriteCapacityUnits must both be specified"),
        ({"AttributeDefinitions": [KEY, OWNER]}, "does not exactly match number of attributes"),
        ({"KeySchema": [{"AttributeName": "leaseKey", "KeyType": "RANGE"}]}, "not a HASH key type"),
        ({"KeySchema": [{"AttributeName": "x", "KeyType": "HASH"}]}, "not defined in AttributeDefinitions"),
    ],
)
def test_what_makes_no_table_is_refused(dynamodb, wrong, message):
    table = {
        "TableName": f"t-{uuid.uuid4().hex}",
        "AttributeDefinitions": [KEY],
        "KeySchema": [{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    with refused("ValidationException", message):
        dynamodb.create_table(**{**table, **wrong})


def test_accounts_and_regions_are_apart(endpoint, make_table, dynamodb):
    name = make_table()
    for other in (
        dynamodb_client(endpoint, access_key="111122223333"),
        dynamodb_client(endpoint, region="eu-west-1"),
    ):
        with refused("ResourceNotFoundException"):
            other.describe_table(TableName=name)
        lease_table(other, name)
        other.put_item(TableName=name, Item={"leaseKey": s("theirs")})
        assert everything(dynamodb, TableName=name) == []
        other.delete_table(TableName=name)


def test_answers_carry_their_checksum(endpoint):
    request = urllib.request.Request(
        endpoint,
        data=b"{}",
        headers={
            "X-Amz-Target": "DynamoDB_20120810.ListTables",
            "Content-Type": "application/x-amz-json-1.0",
        },
    )
    with urllib.request.urlopen(request) as answer:
        assert int(answer.headers["x-amz-crc32"]) == zlib.crc32(answer.read())
