"""Producers and consumers that go on through any fault, and write down what they saw.

A send without an answer is repeated until it has one: with a new message on a standard queue, with the same
deduplication id on a FIFO queue.
"""

import threading
import time
from collections import Counter

from support.judge import Judge
from support.ledger import partition_of
from support.nodes import Patience
from support.sqs import Client, ServiceError, Unknown
from support.streams import StreamLoad
from support.topics import TopicLoad
from support.worker import CALL_TIMEOUT_S, Worker, ask_around

# Claims that a fault lost come back within this.
VISIBILITY_TIMEOUT_S = 6


class StandardProducer(Worker):
    """Sends one message after the other."""

    def work(self):
        count = 0
        body = f"{self.name} " + "x" * self.load.body_bytes
        while not self.load.stopping.is_set():
            self.load.producing.wait(0.1)
            if not self.may_send():
                continue
            count += 1
            began = time.monotonic()
            try:
                answer = self.call("SendMessage", QueueUrl=self.load.standard_url, MessageBody=f"{count} {body}")
            except (ServiceError, Unknown) as error:
                self.failed("send", "standard", began, error)
                continue
            now = time.monotonic()
            self.load.note(op="send", q="standard", b=began, e=now, id=answer["MessageId"])
            self.load.standard_sends.append((began, now))
            time.sleep(self.load.think_s * self.random.random() * 2)


class StandardConsumer(Worker):
    """Receives and deletes."""

    def work(self):
        load = self.load
        while not load.stopping.is_set():
            began = time.monotonic()
            try:
                answer = self.call(
                    "ReceiveMessage", QueueUrl=load.standard_url, MaxNumberOfMessages=10, WaitTimeSeconds=1
                )
            except (ServiceError, Unknown) as error:
                self.failed("receive", "standard", began, error)
                continue
            ended = time.monotonic()
            batch = answer.get("Messages") or []
            got = [[m["MessageId"], m["ReceiptHandle"]] for m in batch]
            load.note(op="receive", q="standard", b=began, e=ended, got=got)
            if batch:
                self.delete(batch)

    def delete(self, batch):
        entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(batch)]
        began = time.monotonic()
        try:
            answer = self.call("DeleteMessageBatch", QueueUrl=self.load.standard_url, Entries=entries)
        except (ServiceError, Unknown) as error:
            self.failed("delete", "standard", began, error)
            return
        now = time.monotonic()
        gone = [batch[int(entry["Id"])] for entry in answer.get("Successful") or []]
        done = [[m["MessageId"], m["ReceiptHandle"]] for m in gone]
        self.load.note(op="delete", q="standard", b=began, e=now, done=done)


class FifoProducer(Worker):
    """Sends the messages of one group, each until it is acknowledged."""

    def work(self):
        load, group, index = self.load, f"g{self.number}", 0
        tail = " " + "x" * load.body_bytes
        while not load.stopping.is_set():
            load.producing.wait(0.1)
            if not self.may_send():
                continue
            began = time.monotonic()
            try:
                answer = self.call(
                    "SendMessage",
                    QueueUrl=load.fifo_url,
                    MessageBody=f"{group} {index}{tail}",
                    MessageGroupId=group,
                    MessageDeduplicationId=f"{group}-{index}",
                )
            except (ServiceError, Unknown) as error:
                self.failed("send", "fifo", began, error)
                continue
            now = time.monotonic()
            load.note(op="send", q="fifo", b=began, e=now, id=answer["MessageId"], group=group, index=index)
            load.fifo_sends.append((began, now))
            index += 1
            time.sleep(load.think_s * self.random.random() * 2)


class FifoConsumer(Worker):
    """Receives and deletes, group by group."""

    def work(self):
        load = self.load
        while not load.stopping.is_set():
            began = time.monotonic()
            try:
                answer = self.call("ReceiveMessage", QueueUrl=load.fifo_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            except (ServiceError, Unknown) as error:
                self.failed("receive", "fifo", began, error)
                continue
            ended = time.monotonic()
            groups, got = {}, []
            for message in answer.get("Messages") or []:
                group, index = message["Body"].split(" ", 2)[:2]
                groups.setdefault(group, []).append((int(index), message))
                got.append([message["MessageId"], message["ReceiptHandle"], group, int(index)])
            load.note(op="receive", q="fifo", b=began, e=ended, got=got)
            if got and load.fifo_partition is None:
                load.fifo_partition = partition_of(got[0][1])
            for group, batch in groups.items():
                self.delete(group, batch)

    def delete(self, group, batch):
        load = self.load
        load.note(op="deleting", q="fifo", group=group, indexes=[i for i, _ in batch])
        entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in batch]
        began = time.monotonic()
        try:
            answer = self.call("DeleteMessageBatch", QueueUrl=load.fifo_url, Entries=entries)
        except (ServiceError, Unknown) as error:
            self.failed("delete", "fifo", began, error)
            return
        now = time.monotonic()
        done = [[group, int(entry["Id"])] for entry in answer.get("Successful") or []]
        load.note(op="delete", q="fifo", b=began, e=now, done=done)


class Load:
    """A standard and a FIFO queue under work, and a stream and topics if asked for. Use as a context. `history.add` gets
    a record of each call."""

    def __init__(
        self,
        endpoints,
        name,
        seed=0,
        body_bytes=200,
        think_s=0.01,
        workers=4,
        history=None,
        stream=False,
        topics=False,
    ):
        self.history, self.judge = history, Judge()
        self.endpoints, self.name, self.seed = list(endpoints), name, seed
        self.body_bytes, self.think_s = body_bytes, think_s
        self.lock = threading.Lock()
        self.errors, self.crashed = Counter(), []
        self.standard, self.fifo = self.judge.standard, self.judge.fifo
        self.fifo_partition = None  # where the FIFO queue lies, once a message was received
        self.standard_sends, self.fifo_sends = [], []  # (began, acknowledged)
        self.producing, self.stopping = threading.Event(), threading.Event()
        kinds = (StandardProducer, StandardConsumer, FifoProducer, FifoConsumer)
        self.standard_url = self.create(f"{name}-standard", {})
        self.fifo_url = self.create(f"{name}-fifo.fifo", {"FifoQueue": "true"})
        self.workers = [kind(self, n) for kind in kinds for n in range(workers)]
        self.stream = StreamLoad(self, f"{name}-stream") if stream else None
        if stream:
            self.workers += self.stream.workers
            self.judge.readers = self.stream.readers
        self.topics = TopicLoad(self, f"{name}-topic") if topics else None
        if topics:
            self.workers += self.topics.workers

    def create(self, name, attributes):
        """The URL of a queue, made if it is not there."""
        attributes = {"VisibilityTimeout": str(VISIBILITY_TIMEOUT_S), **attributes}
        return self.ask("CreateQueue", QueueName=name, Attributes=attributes)["QueueUrl"]

    def ask(self, action, timeout_s=30, **parameters):
        """A call that is repeated at node after node until it is answered."""
        return ask_around(self.endpoints, Client, action, timeout_s, **parameters)

    def __enter__(self):
        self.producing.set()
        for worker in self.workers:
            worker.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.producing.set()
        for worker in self.workers:
            worker.join(CALL_TIMEOUT_S + 5)

    def note(self, **record):
        """Writes down what a worker did and saw, and judges it."""
        if self.history:
            self.history.add(record)
        self.judge.feed(record)

    def violations(self):
        """Every promise that was seen broken so far."""
        return self.crashed + self.judge.violations()

    def drain(self, timeout_s=60):
        """Stops the producers, lets the consumers finish, and says what is wrong then, if anything."""
        self.producing.clear()
        patience = Patience(timeout_s)
        wrong = self._undrained()
        while wrong and not patience.is_over():
            time.sleep(0.2)
            wrong = self._undrained()
        return wrong + self.violations()

    def resume(self):
        """Lets the producers go on after `drain`."""
        self.producing.set()

    def _undrained(self):
        wrong = [f"{worker.name} is still sending" for worker in self.workers if worker.sends]
        wrong += self.judge.outstanding()
        names = [f"ApproximateNumberOfMessages{s}" for s in ("", "NotVisible", "Delayed")]
        for url in (self.standard_url, self.fifo_url, *(self.topics.urls if self.topics else ())):
            read = self.ask("GetQueueAttributes", QueueUrl=url, AttributeNames=names)["Attributes"]
            if any(int(read[n]) for n in names):
                wrong.append(f"{url} is not empty: {read}")
        return wrong

    def pauses(self, since, until):
        """The longest time without an acknowledged send, standard and FIFO, in seconds."""
        return tuple(_longest_gap(sends, since, until) for sends in (self.standard_sends, self.fifo_sends))

    def stream_pause(self, since, until):
        """The longest time without an acknowledged record, in seconds."""
        return _longest_gap(self.stream.puts, since, until) if self.stream else 0.0

    def p99(self, since, until):
        """What 99 of 100 acknowledged sends took no longer than, standard and FIFO, in seconds."""
        both = []
        for sends in (self.standard_sends, self.fifo_sends):
            took = sorted(e - b for b, e in list(sends) if since <= e <= until) or [0.0]
            both.append(took[int(len(took) * 0.99)])
        return tuple(both)

    def summary(self):
        """Counts, for the end of a run."""
        lines = []
        for what, ledger in (("standard", self.standard), ("FIFO", self.fifo)):
            lines.append(
                f"{what}: {ledger.sent} sends acknowledged, {ledger.received} received"
                f" ({ledger.repeated} of them again), {ledger.deleted} deletes acknowledged"
            )
        if self.stream:
            ledger = self.judge.stream
            lines.append(
                f"stream: {ledger.put} records acknowledged, {ledger.read} there, in {len(ledger.shards)} shards;"
                f" {len(self.stream.readers)} readers"
            )
        if self.topics:
            published, received, repeated, deleted = self.judge.topics.counts()
            lines.append(
                f"topics: {published} messages published, {received} copies received ({repeated} of them again),"
                f" {deleted} deletes acknowledged"
            )
        failed = ", ".join(f"{name} x{count}" for name, count in self.errors.most_common(12))
        lines.append(f"calls that failed: {failed or 'none'}")
        return "\n".join(lines)


def _longest_gap(sends, since, until):
    longest, before = 0.0, since
    # Several threads append, so neighbours may be out of order by a scheduler's turn.
    for at in sorted(acknowledged for _, acknowledged in list(sends) if since <= acknowledged <= until):
        longest = max(longest, at - before)
        before = at
    return max(longest, until - before)
