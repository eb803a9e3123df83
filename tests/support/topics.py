"""Work on topics: two standard ones and one FIFO, four queues each, which get by filters what is for them, raw or in
a document. A message says in its body which queues it is for, as this file understands the filters, and which place
it has among those of its group that are for a queue.

A publish without an answer is repeated until it has one: as a new message, or on a FIFO topic with the same
deduplication id.
"""

import itertools
import json
import time

from support.sns_forms import SnsClient, entries
from support.sqs import ServiceError, Unknown
from support.worker import Worker, ask_around, is_final

KINDS = ("red", "green", "blue")
WEIGHTS = 10
# What a queue is to get: a filter policy, and the same in Python. Every other queue gets it raw.
FILTERS = (
    (None, lambda kind, weight: True),
    ({"kind": ["red"]}, lambda kind, weight: kind == "red"),
    ({"kind": [{"anything-but": ["red"]}]}, lambda kind, weight: kind != "red"),
    (
        {"kind": ["green", "red"], "weight": [{"numeric": [">=", 5]}]},
        lambda kind, weight: kind != "blue" and weight >= 5,
    ),
)
GROUPS, CONSUMERS = 2, 2
# So many times slower than the work on queues, which are to keep most of the machine.
SLOWER = 20
POLL_S = 0.2


class Queue:
    """A topic's subscriber."""

    def __init__(self, topic, number, fifo):
        self.name = f"{topic}-{number}{'.fifo' if fifo else ''}"
        self.policy, self.takes = FILTERS[number]
        self.raw = number % 2 == 0
        self.fifo, self.url, self.arn = fifo, None, None


class Topic:
    """A topic, and who has subscribed."""

    def __init__(self, name, fifo):
        self.name = f"{name}.fifo" if fifo else name
        self.fifo, self.arn = fifo, None
        self.queues = [Queue(name, number, fifo) for number in range(len(FILTERS))]


class TopicPublisher(Worker):
    """Publishes one message after the other; on a FIFO topic those of one group, each until it is acknowledged."""

    service = "sns"

    def __init__(self, load, number, topic):
        super().__init__(load, number)
        self.topic = topic

    def work(self):
        load, tail = self.load, "x" * self.load.body_bytes
        group = f"g{self.number}" if self.topic.fifo else None
        following = {queue.name: itertools.count() for queue in self.topic.queues}
        numbers = (f"{self.name}-{n}" for n in itertools.count())
        message = None
        while not load.stopping.is_set():
            if message is None or group is None:
                load.producing.wait(0.1)
                if not self.may_send():
                    continue
                message = self.draw(next(numbers), group, following)
            if self.publish(message, tail):
                message = None
                time.sleep(load.think_s * SLOWER * self.random.random() * 2)

    def draw(self, number, group, following):
        kind, weight = self.random.choice(KINDS), self.random.randrange(WEIGHTS)
        to = [queue.name for queue in self.topic.queues if queue.takes(kind, weight)]
        return {
            "number": number,
            "group": group,
            "to": {name: next(following[name]) for name in to},
            "kind": kind,
            "weight": weight,
        }

    def publish(self, message, tail):
        """One call. Whether it was acknowledged."""
        number, group = message["number"], message["group"]
        asked = {"TopicArn": self.topic.arn, "Message": json.dumps(message | {"tail": tail})}
        for place, (name, kind) in enumerate((("kind", "String"), ("weight", "Number")), 1):
            asked |= {
                f"MessageAttributes.entry.{place}.Name": name,
                f"MessageAttributes.entry.{place}.Value.DataType": kind,
                f"MessageAttributes.entry.{place}.Value.StringValue": str(message[name]),
            }
        if group:
            asked |= {"MessageGroupId": group, "MessageDeduplicationId": number}
        began = time.monotonic()
        try:
            self.call("Publish", **asked)
        except (ServiceError, Unknown) as error:
            self.failed("publish", "topic", began, error)
            return False
        now = time.monotonic()
        self.load.note(op="publish", q="topic", b=began, e=now, number=number, group=group, to=message["to"])
        return True


class TopicConsumer(Worker):
    """Takes what arrives in some of the queues, one after the other."""

    def __init__(self, load, number, queues):
        super().__init__(load, number)
        self.queues = queues

    def work(self):
        while not self.load.stopping.is_set():
            if not any([self.take(queue) for queue in self.queues]):
                self.load.stopping.wait(POLL_S)

    def take(self, queue):
        """One receive, and the delete of what it gave. Whether it gave anything."""
        began = time.monotonic()
        try:
            answer = self.call("ReceiveMessage", QueueUrl=queue.url, MaxNumberOfMessages=10)
        except (ServiceError, Unknown) as error:
            self.failed("arrived", "topic", began, error)
            return False
        batch = answer.get("Messages") or []
        got = [[message["ReceiptHandle"], *told_by(message["Body"], queue)] for message in batch]
        if got:
            now = time.monotonic()
            self.load.note(op="arrived", q="topic", b=began, e=now, queue=queue.name, got=got)
            self.delete(queue, got)
        return bool(got)

    def delete(self, queue, got):
        load = self.load
        load.note(op="removing", q="topic", queue=queue.name, rows=[row[2:] for row in got])
        entries = [{"Id": str(n), "ReceiptHandle": row[0]} for n, row in enumerate(got)]
        began = time.monotonic()
        try:
            answer = self.call("DeleteMessageBatch", QueueUrl=queue.url, Entries=entries)
        except (ServiceError, Unknown) as error:
            self.failed("removed", "topic", began, error)
            return
        now = time.monotonic()
        done = [got[int(entry["Id"])] for entry in answer.get("Successful") or []]
        load.note(op="removed", q="topic", b=began, e=now, queue=queue.name, done=done)


def told_by(body, queue):
    """(number, group, place in the queue's part of the group) of what a queue gave; no place if it is not for it."""
    told = json.loads(body)
    if queue.raw == (told.get("Type") == "Notification"):
        raise AssertionError(f"{queue.name} got this in the other form: {body[:200]}")
    if not queue.raw:
        told = json.loads(told["Message"])
    return told["number"], told["group"], told["to"].get(queue.name)


class TopicLoad:
    """The topics under work, as part of a load."""

    def __init__(self, load, name):
        self.load = load
        topics = [Topic(f"{name}-{kind}", kind == "steps") for kind in ("news", "alarms", "steps")]
        for topic in topics:
            self._create(topic)
        queues = [queue for topic in topics for queue in topic.queues]
        self.urls = [queue.url for queue in queues]
        publishers = [topic for topic in topics for _ in range(GROUPS if topic.fifo else 1)]
        self.workers = [TopicPublisher(load, n, topic) for n, topic in enumerate(publishers)]
        self.workers += [TopicConsumer(load, n, queues[n::CONSUMERS]) for n in range(CONSUMERS)]

    def _create(self, topic):
        fifo = {"FifoTopic": "true"} if topic.fifo else {}
        topic.arn = self.ask("CreateTopic", Name=topic.name, **entries("Attributes", fifo.items()))["TopicArn"]
        for queue in topic.queues:
            queue.url = self.load.create(queue.name, {"FifoQueue": "true"} if queue.fifo else {})
            read = self.load.ask("GetQueueAttributes", QueueUrl=queue.url, AttributeNames=["QueueArn"])
            queue.arn = read["Attributes"]["QueueArn"]
            attributes = {"RawMessageDelivery": "true"} if queue.raw else {}
            if queue.policy:
                attributes["FilterPolicy"] = json.dumps(queue.policy)
            asked = {"TopicArn": topic.arn, "Protocol": "sqs", "Endpoint": queue.arn}
            self.ask("Subscribe", **asked, **entries("Attributes", attributes.items()))

    def ask(self, action, timeout_s=60, **parameters):
        """A call that is repeated at node after node until it is answered: those made here can be."""
        return ask_around(self.load.endpoints, SnsClient, action, timeout_s, is_final, **parameters)
