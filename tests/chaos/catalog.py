"""Clients that create, change, read and delete queues by name."""

import itertools

from support.sqs import ServiceError

from chaos.registers import Registers

ATTRIBUTE = "VisibilityTimeout"
VALUES = 43_200
ABSENT = ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")
CONFLICT = ("QueueNameExists", "QueueAlreadyExists")


class Catalog(Registers):
    """Each name is absent, or has one value."""

    op, service, workers, think_s = "catalog", "sqs", 4, 0.08

    def __init__(self, *settings, **more):
        super().__init__(*settings, **more)
        self.values = itertools.count(1)

    def choose(self, number, name, source):
        """Creates, changes, deletes or reads."""
        do = source.choices(("create", "set", "delete", "get"), (3, 2, 2, 5))[0]
        return {"do": do, "value": next(self.values) % VALUES}

    def call(self, client, name, asked):
        """One call on a queue."""
        do, url = asked["do"], f"http://{client.host}/000000000000/{name}"
        attributes = {ATTRIBUTE: str(asked["value"])}
        try:
            if do == "create":
                client.call("CreateQueue", QueueName=name, Attributes=attributes)
            elif do == "set":
                client.call("SetQueueAttributes", QueueUrl=url, Attributes=attributes)
            elif do == "delete":
                client.call("DeleteQueue", QueueUrl=url)
            else:
                found = client.call("GetQueueAttributes", QueueUrl=url, AttributeNames=[ATTRIBUTE])
                return {"result": "ok", "read": int(found["Attributes"][ATTRIBUTE])}
            return {"result": "ok"}
        except ServiceError as error:
            if error.code in ABSENT:
                return {"result": "absent"}
            if error.code in CONFLICT:
                return {"result": "conflict"}
            raise
