"""Clients that share the leases of a table as KCL's workers do: conditional writes in the old form (`Expected`,
`AttributeUpdates`) and in that of expressions, at any node.

What a lease holds is told as one word, counter/owner/checkpoint, and each write raises the counter: so a lease is a
register with compare and set. Of a lease that is made anew the counters are others than any before, so that no two
states are alike, as a condition on counter and owner would think them to be.
"""

import itertools
import time

from support.sqs import Client, ServiceError, Unknown

from chaos.registers import CALL_TIMEOUT_S, CALLS_MAX, RETRY_S, Registers

TABLE = "reader-leases"
INDEX = "LeaseOwnerToLeaseKeyIndex"
CREATE_TIMEOUT_S = 60
REFUSED = "ConditionalCheckFailedException"
KEY, OWNER, COUNTER, CHECKPOINT = "leaseKey", "leaseOwner", "leaseCounter", "checkpoint"


class Leases(Registers):
    """Each lease is absent, or has one value."""

    op, service, workers, think_s = "lease", "dynamodb", 3, 0.4

    def __init__(self, *settings, **more):
        super().__init__(*settings, **more)
        self.firsts = itertools.count(1)
        # By client: what it last saw of each lease.
        self.seen = [{} for _ in range(self.workers)]

    def __enter__(self):
        self._create_table()
        return super().__enter__()

    def choose(self, number, name, source):
        """Reads, makes, changes (takes, renews, keeps a checkpoint, all in one) or removes."""
        known = self.seen[number].get(name)
        do = source.choices(("get", "insert", "swap", "remove", "delete"), (4, 2, 8, 1, 0.5))[0]
        asked = {"do": do, "form": source.choice(("old", "expression"))}
        if do == "insert":
            return asked | {"value": f"{next(self.firsts) * 10 * CALLS_MAX}/worker-{number}/0"}
        if do in ("swap", "remove") and not known:
            return asked | {"do": "get"}
        if do == "remove":
            return asked | {"if": known}
        if do == "swap":
            counter, owner, checkpoint = known.split("/")
            owner = source.choice((owner, f"worker-{number}"))
            checkpoint = int(checkpoint) + source.randrange(100)
            return asked | {"if": known, "value": f"{int(counter) + 1}/{owner}/{checkpoint}"}
        return asked

    def learn(self, number, record):
        """Remembers the lease as it was read, as it was when a write was refused, or as its own write left it."""
        if record["result"] == "unknown":
            return
        done = record["result"] == "ok" and record["do"] in ("insert", "swap", "remove", "delete")
        self.seen[number][record["key"]] = record.get("value") if done else record.get("read")

    def call(self, client, name, asked):
        """One call on an item."""
        about = {"TableName": TABLE, "Key": {KEY: {"S": name}}}
        action, parameters = self._request(asked, about)
        try:
            answer = client.call(action, **parameters)
        except ServiceError as error:
            if error.code == REFUSED:
                return {"result": "conflict", "read": word(error.document.get("Item"))}
            if error.status >= 500:
                raise
            # No call here may be refused for another reason, a missing table least of all.
            return {"result": error.code, "why": error.message[:100]}
        if action == "GetItem":
            return {"result": "ok", "read": word(answer["Item"])} if "Item" in answer else {"result": "absent"}
        if asked["do"] == "insert":
            return {"result": "ok"}
        if asked["do"] == "delete" and "Attributes" not in answer:
            return {"result": "absent"}
        return {"result": "ok", "read": word(answer.get("Attributes"))}

    def _request(self, asked, about):
        do, old = asked["do"], asked["form"] == "old"
        if do == "get":
            return "GetItem", about | {"ConsistentRead": True}
        if do == "delete":
            return "DeleteItem", about | {"ReturnValues": "ALL_OLD"}
        refused = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        if do == "insert":
            item = about.pop("Key") | attributes(asked["value"])
            none = {"Expected": {KEY: {"Exists": False}}}
            none = none if old else {"ConditionExpression": f"attribute_not_exists({KEY})"}
            return "PutItem", about | refused | none | {"Item": item}
        held = attributes(asked["if"])
        if old:
            # Both ways of naming a value that KCL's generations have used.
            condition = {
                "Expected": {
                    OWNER: {"Value": held[OWNER]},
                    COUNTER: {"ComparisonOperator": "EQ", "AttributeValueList": [held[COUNTER]]},
                }
            }
            values = {}
        else:
            condition = {"ConditionExpression": f"{COUNTER} = :counter AND {OWNER} = :owner"}
            values = {":counter": held[COUNTER], ":owner": held[OWNER]}
        if do == "remove":
            more = condition | ({"ExpressionAttributeValues": values} if values else {})
            return "DeleteItem", about | refused | more | {"ReturnValues": "ALL_OLD"}
        new = attributes(asked["value"])
        if old:
            updates = {each: {"Action": "PUT", "Value": value} for each, value in new.items()}
            change = {"AttributeUpdates": updates}
        else:
            setting = f"SET {COUNTER} = {COUNTER} + :one, {OWNER} = :new_owner, #position = :position"
            values |= {":one": {"N": "1"}, ":new_owner": new[OWNER], ":position": new[CHECKPOINT]}
            names = {"#position": CHECKPOINT}
            change = {"UpdateExpression": setting, "ExpressionAttributeNames": names}
            change["ExpressionAttributeValues"] = values
        return "UpdateItem", about | refused | condition | change | {"ReturnValues": "ALL_NEW"}

    def _create_table(self):
        """Makes the table, with the index that KCL 3 has."""
        schema = [{"AttributeName": KEY, "KeyType": "HASH"}]
        index = {
            "IndexName": INDEX,
            "KeySchema": [{"AttributeName": OWNER, "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        definitions = [{"AttributeName": name, "AttributeType": "S"} for name in (KEY, OWNER)]
        deadline = time.monotonic() + CREATE_TIMEOUT_S
        while True:
            client = Client(self.endpoints[0], timeout_s=CALL_TIMEOUT_S, service=self.service)
            try:
                client.call(
                    "CreateTable",
                    TableName=TABLE,
                    AttributeDefinitions=definitions,
                    KeySchema=schema,
                    GlobalSecondaryIndexes=[index],
                    BillingMode="PAY_PER_REQUEST",
                )
                return
            except ServiceError as error:
                if error.code == "ResourceInUseException":
                    return
                if error.status < 500 or time.monotonic() > deadline:
                    raise
            except Unknown:
                if time.monotonic() > deadline:
                    raise
            self.stopping.wait(RETRY_S)


def attributes(value):
    """The attributes beside the key of the item that a word tells."""
    counter, owner, checkpoint = value.split("/")
    return {COUNTER: {"N": counter}, OWNER: {"S": owner}, CHECKPOINT: {"S": checkpoint}}


def word(item):
    """An item as one word; nothing for none."""
    return "/".join((item[COUNTER]["N"], item[OWNER]["S"], item[CHECKPOINT]["S"])) if item else ""
