"""Items: conditional writes in both forms, pages, batches, transactions, and what is refused."""

import threading

import pytest
from botocore.exceptions import ClientError
from support.aws import refused
from support.dynamodb import dynamodb_client, everything, n, s

KEY = {"leaseKey": s("shard-0")}


def lease(**attributes):
    """A lease of the key above."""
    return {**KEY, **attributes}


def test_an_item_comes_back_as_it_was_put(make_table, dynamodb, other_dynamodb):
    name = make_table()
    item = lease(
        number={"N": "1.50e3"},
        text=s("é\n"),
        empty=s(""),
        blob={"B": b"\x00\xff"},
        yes={"BOOL": True},
        no={"BOOL": False},
        nothing={"NULL": True},
        parents={"SS": ["b", "a"]},
        numbers={"NS": ["10", "9"]},
        blobs={"BS": [b"x"]},
        list={"L": [n(1), s("two"), {"M": {"deep": {"L": []}}}]},
    )
    dynamodb.put_item(TableName=name, Item=item)
    got = other_dynamodb.get_item(TableName=name, Key=KEY, ConsistentRead=True)["Item"]
    assert got.pop("number") == {"N": "1500"}
    assert sorted(got.pop("parents")["SS"]) == ["a", "b"]
    assert sorted(got.pop("numbers")["NS"]) == ["10", "9"]
    del item["number"], item["parents"], item["numbers"]
    assert got == item
    got = dynamodb.get_item(
        TableName=name, Key=KEY, ProjectionExpression="#l[2].deep, #n", ExpressionAttributeNames={"#l": "list", "#n": "no"}
    )["Item"]
    assert got == {"list": {"L": [{"M": {"deep": {"L": []}}}]}, "no": {"BOOL": False}}
    assert dynamodb.get_item(TableName=name, Key=KEY, AttributesToGet=["yes"])["Item"] == {"yes": {"BOOL": True}}
    assert "Item" not in dynamodb.get_item(TableName=name, Key={"leaseKey": s("none")})


def test_a_lease_is_taken_renewed_and_stolen_in_the_legacy_form(make_table, dynamodb, other_dynamodb):
    name = make_table()
    new = {
        "TableName": name,
        "Item": lease(leaseOwner=s("w1"), leaseCounter=n(1)),
        "Expected": {"leaseKey": {"Exists": False}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    dynamodb.put_item(**new)
    with refused("ConditionalCheckFailedException", "The conditional request failed") as caught:
        other_dynamodb.put_item(**new)
    assert caught.value.response["Item"] == new["Item"]
    renew = {
        "TableName": name,
        "Key": KEY,
        "Expected": {"leaseCounter": {"Value": n(1)}, "leaseOwner": {"Exists": True, "Value": s("w1")}},
        "AttributeUpdates": {
            "leaseCounter": {"Value": n(2), "Action": "PUT"},
            "ownerSwitchesSinceCheckpoint": {"Value": n(1), "Action": "ADD"},
            "childShardIds": {"Value": {"SS": ["c1"]}, "Action": "ADD"},
        },
        "ReturnValues": "ALL_NEW",
    }
    renewed = dynamodb.update_item(**renew)["Attributes"]
    assert renewed["leaseCounter"] == n(2) and renewed["childShardIds"] == {"SS": ["c1"]}
    with refused("ConditionalCheckFailedException"):
        other_dynamodb.update_item(**renew)
    stolen = other_dynamodb.update_item(
        TableName=name,
        Key=KEY,
        Expected={"leaseCounter": {"Value": n(2)}, "checkpointOwner": {"Exists": False}},
        AttributeUpdates={
            "leaseOwner": {"Value": s("w2"), "Action": "PUT"},
            "checkpointOwner": {"Action": "DELETE"},
            "childShardIds": {"Value": {"SS": ["c1"]}, "Action": "DELETE"},
        },
        ReturnValues="UPDATED_OLD",
    )["Attributes"]
    assert stolen == {"leaseOwner": s("w1"), "childShardIds": {"SS": ["c1"]}}
    got = dynamodb.get_item(TableName=name, Key=KEY)["Item"]
    assert got == lease(leaseOwner=s("w2"), leaseCounter=n(2), ownerSwitchesSinceCheckpoint=n(1))


def test_a_lock_as_the_lock_client_keeps_it(make_table, dynamodb):
    name = make_table(hash_key="key", range_key="sort")
    key = {"key": s("lock"), "sort": s("-")}
    names = {"#pk": "key", "#sk": "sort", "#rvn": "recordVersionNumber", "#ir": "isReleased"}
    put = {"TableName": name, "Item": {**key, "recordVersionNumber": s("v1"), "ownerName": s("me")}}
    absent = {"ConditionExpression": "attribute_not_exists(#pk) AND attribute_not_exists(#sk)"}
    two = {"#pk": "key", "#sk": "sort"}
    dynamodb.put_item(**put, **absent, ExpressionAttributeNames=two)
    with refused("ConditionalCheckFailedException"):
        dynamodb.put_item(**put, **absent, ExpressionAttributeNames=two)
    dynamodb.put_item(
        **put,
        ConditionExpression="(attribute_exists(#pk) AND attribute_exists(#sk) AND #rvn = :rvn) OR (attribute_exists(#pk) AND #ir = :ir) OR attribute_not_exists(#pk)",
        ExpressionAttributeNames=names,
        ExpressionAttributeValues={":rvn": s("v1"), ":ir": s("1")},
    )
    heartbeat = {
        "TableName": name,
        "Key": key,
        "UpdateExpression": "SET #ld = :ld, #rvn = :newRvn",
        "ConditionExpression": "attribute_exists(#pk) AND #rvn = :rvn AND #on = :on",
        "ExpressionAttributeNames": {"#pk": "key", "#rvn": names["#rvn"], "#on": "ownerName", "#ld": "leaseDuration"},
        "ExpressionAttributeValues": {":rvn": s("v1"), ":newRvn": s("v2"), ":on": s("me"), ":ld": s("20000")},
    }
    dynamodb.update_item(**heartbeat)
    with refused("ConditionalCheckFailedException"):
        dynamodb.update_item(**heartbeat)
    gone = dynamodb.delete_item(
        TableName=name,
        Key=key,
        ConditionExpression="attribute_exists(#pk) AND #rvn = :rvn",
        ExpressionAttributeNames={"#pk": "key", "#rvn": names["#rvn"]},
        ExpressionAttributeValues={":rvn": s("v2")},
        ReturnValues="ALL_OLD",
    )["Attributes"]
    assert gone["leaseDuration"] == s("20000")


def test_update_expressions(make_table, dynamodb):
    name = make_table()

    def update(expression, values=None, names=None, **more):
        given = {"ExpressionAttributeValues": values} if values else {}
        if names:
            given["ExpressionAttributeNames"] = names
        return dynamodb.update_item(TableName=name, Key=KEY, UpdateExpression=expression, **given, **more)

    one = {":one": n(1), ":zero": n(0)}
    for expected in ("1", "2", "3"):
        got = update("SET c = if_not_exists(c, :zero) + :one", one, ReturnValues="UPDATED_NEW")
        assert got["Attributes"] == {"c": {"N": expected}}
    update("SET l = :l, m = :m ADD tags :t", {":l": {"L": [n(0), n(1), n(2)]}, ":m": {"M": {}}, ":t": {"SS": ["a", "b"]}})
    update("SET l = list_append(l, :l), m.#k = :v DELETE tags :t", {":l": {"L": [n(3)]}, ":v": s("v"), ":t": {"SS": ["a"]}}, {"#k": "size"})
    got = update("REMOVE l[0], l[2]", ReturnValues="ALL_NEW")["Attributes"]
    assert got == lease(c=n(3), l={"L": [n(1), n(3)]}, m={"M": {"size": s("v")}}, tags={"SS": ["b"]})
    for expression, values, message in [
        ("SET x = missing", None, "refers to an attribute that does not exist in the item"),
        ("SET x = c + :s", {":s": n("9" * 38 + "e80")}, "38 significant digits"),
        ("ADD m :one", {":one": n(1)}, "incorrect data type"),
        ("SET c.d = :v", {":v": n(1)}, "document path provided in the update expression is invalid for update"),
        ("SET leaseKey = :v", {":v": s("x")}, "Cannot update attribute leaseKey. This attribute is part of the key"),
        ("SET a = :v, a = :v", {":v": s("x")}, "Two document paths overlap"),
        ("SET a = ", None, 'Syntax error; token: "<EOF>"'),
        ("SET a = :v", {":v": s("x"), ":w": s("y")}, "unused in expressions: keys: {:w}"),
    ]:
        with refused("ValidationException", message):
            update(expression, values)
    # What only takes away makes no item.
    dynamodb.update_item(TableName=name, Key={"leaseKey": s("none")}, UpdateExpression="REMOVE a")
    assert "Item" not in dynamodb.get_item(TableName=name, Key={"leaseKey": s("none")})


def test_pages_segments_and_filters(make_table, dynamodb, other_dynamodb):
    name = make_table()
    for shard in range(25):
        item = {"leaseKey": s(f"shard-{shard}"), "streamName": s(f"s{shard % 2}"), "entityType": s("LEASE")}
        dynamodb.put_item(TableName=name, Item=item)
    dynamodb.put_item(TableName=name, Item={"leaseKey": s("leader"), "entityType": s("LEADER")})
    keys = {item["leaseKey"]["S"] for item in everything(dynamodb, TableName=name, Limit=4)}
    assert len(keys) == 26
    found = []
    for segment in range(5):
        found += everything(other_dynamodb, TableName=name, Segment=segment, TotalSegments=5, ConsistentRead=True)
    assert sorted(item["leaseKey"]["S"] for item in found) == sorted(keys)
    filtered = everything(
        dynamodb,
        TableName=name,
        FilterExpression="streamName = :streamName AND #et = :etVal",
        ExpressionAttributeNames={"#et": "entityType"},
        ExpressionAttributeValues={":streamName": s("s1"), ":etVal": s("LEASE")},
    )
    assert len(filtered) == 12
    legacy = {"entityType": {"AttributeValueList": [s("LEADER")], "ComparisonOperator": "EQ"}}
    assert [i["leaseKey"] for i in everything(dynamodb, TableName=name, ScanFilter=legacy)] == [s("leader")]
    counted = dynamodb.scan(TableName=name, Select="COUNT")
    assert (counted["Count"], counted["ScannedCount"]) == (26, 26) and "Items" not in counted


def test_a_page_holds_a_mebibyte(make_table, dynamodb):
    name = make_table()
    for i in range(5):
        dynamodb.put_item(TableName=name, Item={"leaseKey": s(str(i)), "x": s("y" * 300_000)})
    first = dynamodb.scan(TableName=name)
    assert first["Count"] == 4 and "LastEvaluatedKey" in first
    assert len(everything(dynamodb, TableName=name)) == 5


def test_a_query_orders_by_the_range_key(make_table, dynamodb):
    name = make_table(hash_key="h", range_key="r", kind="N")
    for number in ("10", "9", "-1", "0.5", "100"):
        dynamodb.put_item(TableName=name, Item={"h": s("a"), "r": {"N": number}})
    dynamodb.put_item(TableName=name, Item={"h": s("b"), "r": n(1)})

    def query(condition, values, **more):
        answer = dynamodb.query(
            TableName=name, KeyConditionExpression=condition, ExpressionAttributeValues={":h": s("a"), **values}, **more
        )
        return [item["r"]["N"] for item in answer["Items"]]

    assert query("h = :h", {}) == ["-1", "0.5", "9", "10", "100"]
    assert query("h = :h", {}, ScanIndexForward=False, Limit=2) == ["100", "10"]
    assert query("h = :h AND r > :r", {":r": n(9)}) == ["10", "100"]
    assert query("h = :h AND r BETWEEN :l AND :r", {":l": n(0), ":r": n(10)}) == ["0.5", "9", "10"]
    legacy = dynamodb.query(
        TableName=name,
        KeyConditions={
            "h": {"AttributeValueList": [s("a")], "ComparisonOperator": "EQ"},
            "r": {"AttributeValueList": [n(9)], "ComparisonOperator": "LE"},
        },
    )
    assert legacy["Count"] == 3
    with refused("ValidationException", "Query condition missed key schema element: h"):
        dynamodb.query(TableName=name, KeyConditionExpression="r = :r", ExpressionAttributeValues={":r": n(1)})
    with refused("ValidationException", "Condition parameter type does not match schema type"):
        dynamodb.query(TableName=name, KeyConditionExpression="h = :h", ExpressionAttributeValues={":h": n(1)})


def test_batches(make_table, dynamodb):
    name, other = make_table(), make_table()
    puts = [{"PutRequest": {"Item": {"leaseKey": s(str(i))}}} for i in range(20)]
    answer = dynamodb.batch_write_item(RequestItems={name: puts, other: puts[:5]})
    assert answer["UnprocessedItems"] == {}
    deletes = [{"DeleteRequest": {"Key": {"leaseKey": s("0")}}}]
    dynamodb.batch_write_item(RequestItems={name: deletes})
    keys = [{"leaseKey": s(str(i))} for i in range(20)]
    got = dynamodb.batch_get_item(RequestItems={name: {"Keys": keys}, other: {"Keys": keys[:3]}})
    assert len(got["Responses"][name]) == 19 and len(got["Responses"][other]) == 3
    assert got["UnprocessedKeys"] == {}
    with refused("ValidationException", "contains duplicates"):
        dynamodb.batch_write_item(RequestItems={name: puts[:1] * 2})
    with refused("ValidationException"):
        dynamodb.batch_write_item(RequestItems={name: puts + puts})


def test_a_transaction_over_two_tables_is_done_whole_or_not(make_table, dynamodb, other_dynamodb):
    leases, state = make_table(), make_table(hash_key="key")
    dynamodb.put_item(TableName=state, Item={"key": s("lock"), "ownerName": s("w1"), "tm": s("old")})
    check = {
        "ConditionCheck": {
            "TableName": state,
            "Key": {"key": s("lock")},
            "ConditionExpression": "ownerName = :owner",
            "ExpressionAttributeValues": {":owner": s("w1")},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }
    puts = [
        {
            "Put": {
                "TableName": leases,
                "Item": {"leaseKey": s(f"copy-{i}")},
                "ConditionExpression": "attribute_not_exists(leaseKey)",
            }
        }
        for i in range(50)
    ]
    dynamodb.transact_write_items(TransactItems=[check, *puts], ClientRequestToken="once")
    # The same again is answered, and not done; something else by that token is refused.
    dynamodb.delete_item(TableName=leases, Key={"leaseKey": s("copy-0")})
    other_dynamodb.transact_write_items(TransactItems=[check, *puts], ClientRequestToken="once")
    assert len(everything(dynamodb, TableName=leases)) == 49
    with refused("IdempotentParameterMismatchException"):
        dynamodb.transact_write_items(TransactItems=[check], ClientRequestToken="once")
    with refused("TransactionCanceledException", "[None, None, ConditionalCheckFailed]") as caught:
        update = {
            "Update": {
                "TableName": state,
                "Key": {"key": s("lock")},
                "UpdateExpression": "SET tm = :new",
                "ExpressionAttributeValues": {":new": s("new")},
            }
        }
        other_key = {**check["ConditionCheck"], "Key": {"key": s("none")}}
        dynamodb.transact_write_items(TransactItems=[puts[0], update, {"ConditionCheck": other_key}])
    codes = [reason["Code"] for reason in caught.value.response["CancellationReasons"]]
    assert codes == ["None", "None", "ConditionalCheckFailed"]
    got = other_dynamodb.transact_get_items(
        TransactItems=[
            {"Get": {"TableName": state, "Key": {"key": s("lock")}}},
            {"Get": {"TableName": leases, "Key": {"leaseKey": s("copy-0")}}},
        ]
    )["Responses"]
    assert got[0]["Item"]["tm"] == s("old") and "Item" not in got[1]
    with refused("ValidationException", "multiple operations on one item"):
        dynamodb.transact_write_items(TransactItems=[puts[0], puts[0]])


@pytest.mark.parametrize(
    "item, message",
    [
        ({"x": s("1")}, "Missing the key leaseKey in the item"),
        ({"leaseKey": n(1)}, "Type mismatch for key leaseKey expected: S actual: N"),
        ({"leaseKey": s("")}, "cannot contain an empty string value. Key: leaseKey"),
        ({"leaseKey": s("k" * 2049)}, "Size of hashkey has exceeded the maximum size limit of2048 bytes"),
        (lease(x=s("y" * 410_000)), "Item size has exceeded the maximum allowed size"),
        (lease(x={"N": "1x"}), "The parameter cannot be converted to a numeric value: 1x"),
        (lease(x={"N": "1" * 39}), "Attempting to store more than 38 significant digits in a Number"),
        (lease(x={"N": "1e126"}), "Number overflow"),
        (lease(x={"SS": ["a", "a"]}), "Input collection [a, a] contains duplicates."),
        (lease(x={"SS": []}), "An string set  may not be empty"),
    ],
)
def test_what_is_no_item_is_refused(make_table, dynamodb, item, message):
    name = make_table()
    with refused("ValidationException", message):
        dynamodb.put_item(TableName=name, Item=item)


def test_of_many_who_count_none_is_lost(make_table, dynamodb, other_dynamodb):
    name, threads, rounds = make_table(), 6, 20
    dynamodb.put_item(TableName=name, Item=lease(c=n(0)))
    failed = []

    def count(client):
        done = 0
        while done < rounds:
            seen = client.get_item(TableName=name, Key=KEY)["Item"]["c"]
            try:
                client.update_item(
                    TableName=name,
                    Key=KEY,
                    UpdateExpression="SET c = c + :one",
                    ConditionExpression="c = :seen",
                    ExpressionAttributeValues={":one": n(1), ":seen": seen},
                )
                done += 1
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    failed.append(error)
                    return

    clients = [dynamodb, other_dynamodb] * (threads // 2)
    running = [threading.Thread(target=count, args=(client,)) for client in clients]
    [thread.start() for thread in running]
    [thread.join() for thread in running]
    assert not failed
    assert other_dynamodb.get_item(TableName=name, Key=KEY)["Item"]["c"] == n(threads * rounds)


def test_a_write_is_seen_at_once_through_any_node(broker, make_table, dynamodb):
    name = make_table()
    clients = [dynamodb_client(endpoint) for endpoint in broker.endpoints]
    for turn in range(20):
        clients[turn % len(clients)].put_item(TableName=name, Item=lease(turn=n(turn)))
        for client in clients:
            assert client.get_item(TableName=name, Key=KEY)["Item"]["turn"] == n(turn)
