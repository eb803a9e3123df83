"""Clients that call about a few names at a time, each name a register, for `linearizable/` to judge.

A name serves some hundred calls, fewer when answers are missing: an unanswered change may have happened at any later
time, and each of those doubles what the checker must consider.
"""

import itertools
import random
import threading
import time

from support.sqs import Client, NotSent, ServiceError, Unknown

CALL_TIMEOUT_S = 3
NAMES_AT_ONCE = 3
CALLS_MAX, UNKNOWN_MAX = 120, 5
RETRY_S = 0.02


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
    """The clients. Use as a context. Who derives says what they ask and how."""

    # What the records are called, which service is asked, how many clients there are and how long they rest.
    op, service, workers, think_s = "", "", 0, 0.0

    def __init__(self, endpoints, prefix, history, seed=0):
        self.endpoints, self.history, self.seed = list(endpoints), history, seed
        self.names = Names(prefix)
        self.stopping = threading.Event()
        self.crashed = []
        self.threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(self.workers)]

    def choose(self, number, name, source):
        """What the client of that number asks about a name: `do`, and what belongs to it."""
        raise NotImplementedError

    def call(self, client, name, asked):
        """Asks it: `result`, and what belongs to it. ServiceError and Unknown where nobody can say."""
        raise NotImplementedError

    def learn(self, number, record):
        """The client of that number has heard so much."""

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
            self.crashed.append(f"{self.op} worker {number}: {error!r}")
            raise

    def _work(self, number):
        source = random.Random(f"{self.seed}-{self.op}-{number}")
        clients = [Client(e, timeout_s=CALL_TIMEOUT_S, service=self.service) for e in self.endpoints]
        at = number
        while not self.stopping.wait(self.think_s * 2 * source.random()):
            at = (at if source.random() < 0.7 else at + 1) % len(clients)
            entry = self.names.one(source)
            asked = self.choose(number, entry["name"], source)
            record = {"op": self.op, "w": number, "key": entry["name"], **asked, "b": time.monotonic()}
            try:
                record |= self.call(clients[at], entry["name"], asked)
            except NotSent:
                at += 1
                self.stopping.wait(RETRY_S)
                continue
            except (Unknown, ServiceError) as error:
                at += 1
                record |= {"result": "unknown", "why": str(error)[:100]}
                if asked["do"] != "get":
                    self.names.unanswered(entry)
            record["e"] = time.monotonic()
            self.learn(number, record)
            self.history.add(record)
