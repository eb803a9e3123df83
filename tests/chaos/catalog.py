"""Clients that create, change, read and delete queues by name: each name a register, for `linearizable/` to judge.

A name serves some hundred calls, fewer when answers are missing: an unanswered change may have happened at any later
time, and each of those doubles what the checker must consider.
"""

import itertools
import random
import threading
import time

from support.sqs import Client, NotSent, ServiceError, Unknown

CALL_TIMEOUT_S = 3
WORKERS = 4
NAMES_AT_ONCE = 3
CALLS_MAX, UNKNOWN_MAX = 120, 5
THINK_S = 0.08
RETRY_S = 0.02
ATTRIBUTE = "VisibilityTimeout"
VALUES = 43_200
ABSENT = ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")
CONFLICT = ("QueueNameExists", "QueueAlreadyExists")


class Names:
    """Hands out the names in use and retires them."""

    def __init__(self, prefix):
        self.prefix, self.lock = prefix, threading.Lock()
        self.count = itertools.count()
        self.live = [self._new() for _ in range(NAMES_AT_ONCE)]

    def _new(self):
        return {"name": f"{self.prefix}-{next(self.count)}", "calls": 0, "unknown": 0}

    def one(self, source):
        """A name to call about."""
        with self.lock:
            slot = source.randrange(NAMES_AT_ONCE)
            if self.live[slot]["calls"] >= CALLS_MAX or self.live[slot]["unknown"] >= UNKNOWN_MAX:
                self.live[slot] = self._new()
            self.live[slot]["calls"] += 1
            return self.live[slot]

    def unanswered(self, entry):
        """A call about it had no answer."""
        with self.lock:
            entry["unknown"] += 1


class Registers:
    """The clients. Use as a context."""

    def __init__(self, endpoints, prefix, history, seed=0):
        self.endpoints, self.history, self.seed = list(endpoints), history, seed
        self.names = Names(prefix)
        self.values = itertools.count(1)
        self.stopping = threading.Event()
        self.crashed = []
        self.threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(WORKERS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(CALL_TIMEOUT_S + 5)

    def _run(self, number):
        try:
            self._work(number)
        except Exception as error:  # noqa: BLE001 - a worker that dies silently would make every check pass
            self.crashed.append(f"catalog worker {number}: {error!r}")
            raise

    def _work(self, number):
        source = random.Random(f"{self.seed}-catalog-{number}")
        clients = [Client(e, timeout_s=CALL_TIMEOUT_S) for e in self.endpoints]
        at = number
        while not self.stopping.wait(THINK_S * 2 * source.random()):
            at = (at if source.random() < 0.7 else at + 1) % len(clients)
            entry = self.names.one(source)
            do = source.choices(("create", "set", "delete", "get"), (3, 2, 2, 5))[0]
            value = next(self.values) % VALUES
            record = {"op": "catalog", "w": number, "key": entry["name"], "do": do, "value": value}
            record["b"] = time.monotonic()
            try:
                record |= self._call(clients[at], entry["name"], do, value)
            except NotSent:
                at += 1
                self.stopping.wait(RETRY_S)
                continue
            except (Unknown, ServiceError) as error:
                at += 1
                record |= {"result": "unknown", "why": str(error)[:100]}
                if do != "get":
                    self.names.unanswered(entry)
            record["e"] = time.monotonic()
            self.history.add(record)

    def _call(self, client, name, do, value):
        url = f"http://{client.host}/000000000000/{name}"
        attributes = {ATTRIBUTE: str(value)}
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
