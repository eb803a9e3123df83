"""Work on a stream: producers with PutRecords, readers that follow its shards by GetRecords, and a subscriber.

A record without an acknowledgement is put again until it has one, so some are there twice. A producer goes on to the
next record of a key only then.
"""

import base64
import itertools
import time
from functools import partial

from support.nodes import Patience
from support.sqs import Client, ServiceError, Unknown
from support.stream_ledger import sequence
from support.worker import Worker, ask_around, is_final

SHARDS = 4
PRODUCERS, READERS = 2, 2
KEYS = 6  # of one producer
RECORDS_MAX = 5
# So many times slower than the work on queues: what is to be seen is order, and queues are to keep most of the machine.
SLOWER = 10
POLL_S = 0.1
LIMIT = 500
LIST_EVERY_S = 1.0
SEARCH_EVERY = 50
# The subscriber goes from shard to shard, and leaves one that says nothing. Of one shard a new subscription is taken
# after 5 s.
VISIT_S, SILENCE_S, AGAIN_S = 1.0, 0.5, 5.0


def known_of(record):
    """(sequence number, key, index) of a record, checked against its body."""
    key, index = base64.b64decode(record["Data"]).decode().split(" ", 2)[:2]
    if key != record["PartitionKey"]:
        raise AssertionError(f"{record['SequenceNumber']}: key {record['PartitionKey']} carries the record of {key}")
    return record["SequenceNumber"], key, int(index)


def shard_row(shard):
    """A shard of a listing, as the history has it."""
    numbers, keys = shard["SequenceNumberRange"], shard["HashKeyRange"]
    parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
    return [
        number_of(shard["ShardId"]),
        [number_of(parent) for parent in parents if parent],
        int(keys["StartingHashKey"]),
        int(keys["EndingHashKey"]),
        numbers["StartingSequenceNumber"],
        numbers.get("EndingSequenceNumber"),
    ]


def number_of(shard_id):
    """The number in a shard's id."""
    return int(shard_id.rpartition("-")[2])


def id_of(number):
    """A shard's id."""
    return f"shardId-{number:012}"


class StreamProducer(Worker):
    """Puts records of a few keys that are its own, each until it is acknowledged."""

    service = "kinesis"

    def work(self):
        load, tail = self.load, " " + "x" * self.load.body_bytes
        following = {f"p{self.number}-{n}": itertools.count() for n in range(KEYS)}
        left = []
        while not load.stopping.is_set():
            if not left:
                load.producing.wait(0.1)
                if not self.may_send():
                    continue
                keys = self.random.choices(list(following), k=self.random.randint(1, RECORDS_MAX))
                left = [(key, next(following[key])) for key in keys]
            left = self.put(left, tail)
            time.sleep(load.think_s * SLOWER * self.random.random() * 2)

    def put(self, rows, tail):
        """One call; the rows that were not acknowledged. Rows of one key share a shard, and so its fate."""
        began = time.monotonic()
        data = [base64.b64encode(f"{key} {index}{tail}".encode()).decode() for key, index in rows]
        records = [{"Data": d, "PartitionKey": key} for d, (key, _) in zip(data, rows)]
        try:
            answer = self.call("PutRecords", StreamName=self.load.stream.name, Records=records)
        except (ServiceError, Unknown) as error:
            self.failed("put", "stream", began, error)
            return rows
        now = time.monotonic()
        numbers = [entry.get("SequenceNumber") for entry in answer["Records"]]
        kept = [[*row, number] for row, number in zip(rows, numbers) if number]
        if kept:
            self.load.note(op="put", q="stream", b=began, e=now, kept=kept)
            self.load.stream.puts.append((began, now))
        return [row for row, number in zip(rows, numbers) if not number]


class Follower(Worker):
    """Who reads every shard from its beginning, in whatever way."""

    service = "kinesis"

    def __init__(self, load, number):
        super().__init__(load, number)
        self.listed, self.listed_at = [], 0.0
        self.last = {}  # shard -> the last sequence number that was read
        self.finished = set()

    def look(self):
        """Lists the shards, now and then; those that were not read to their ends."""
        if time.monotonic() - self.listed_at > LIST_EVERY_S:
            rows, token = [], {"StreamName": self.load.stream.name}
            while token:
                answer = self.call("ListShards", **token)
                rows += map(shard_row, answer["Shards"])
                token = {"NextToken": answer["NextToken"]} if answer.get("NextToken") else None
            self.listed_at = time.monotonic()
            if rows != self.listed:
                self.load.note(op="shards", q="stream", e=self.listed_at, rows=rows)
                self.listed = rows
        return [row[0] for row in self.listed if row[0] not in self.finished]

    def took(self, shard, began, records, ended):
        """Notes what came."""
        got = [known_of(record) for record in records]
        if got:
            self.last[shard] = got[-1][0]
        if ended:
            self.finished.add(shard)
        if got or ended:
            now = time.monotonic()
            self.load.note(
                op="records", q="stream", b=began, e=now, reader=self.name, shard=shard, got=got, ended=bool(ended)
            )

    def position(self, shard):
        """The kind of the position at which it goes on, and what belongs to it."""
        if last := self.last.get(shard):
            return "AFTER_SEQUENCE_NUMBER", last
        return "TRIM_HORIZON", None


class StreamReader(Follower):
    """Reads by GetRecords, at any node, in turn."""

    def work(self):
        iterators, turn = {}, 0
        while not self.load.stopping.is_set():
            began = time.monotonic()
            shard = None
            try:
                shards = self.look()
                turn += 1
                if shards:
                    shard = shards[turn % len(shards)]
                    self.read(shard, iterators)
                if turn % SEARCH_EVERY == 0:
                    self.search()
            except (ServiceError, Unknown) as error:
                self.failed("records", "stream", began, error)
                if is_final(error):
                    iterators.pop(shard, None)  # it is too old
            time.sleep(self.load.think_s * SLOWER * self.random.random() * 2)

    def iterator(self, shard, kind, **more):
        parameters = {"StreamName": self.load.stream.name, "ShardId": id_of(shard), "ShardIteratorType": kind}
        return self.call("GetShardIterator", **parameters, **more)["ShardIterator"]

    def read(self, shard, iterators):
        if shard not in iterators:
            kind, last = self.position(shard)
            iterators[shard] = self.iterator(shard, kind, **({"StartingSequenceNumber": last} if last else {}))
        began = time.monotonic()
        answer = self.call("GetRecords", ShardIterator=iterators[shard], Limit=LIMIT)
        self.took(shard, began, answer["Records"], "NextShardIterator" not in answer)
        iterators[shard] = answer.get("NextShardIterator")
        if answer["Records"]:
            self.known = shard, answer["Records"][0]

    known = None

    def search(self):
        """Asks for what came since a record that it knows, which is the first or follows soon."""
        if not self.known:
            return
        shard, record = self.known
        at = self.iterator(shard, "AT_TIMESTAMP", Timestamp=record["ApproximateArrivalTimestamp"])
        answer = self.call("GetRecords", ShardIterator=at, Limit=1)
        if not answer["Records"]:
            return  # this node's copy is behind
        asked, found = (
            [sequence(r["SequenceNumber"])[1], round(r["ApproximateArrivalTimestamp"] * 1000)]
            for r in (record, answer["Records"][0])
        )
        self.load.note(op="since", q="stream", e=time.monotonic(), shard=shard, asked=asked, found=found)


class StreamSubscriber(Follower):
    """Is pushed what comes by SubscribeToShard, one shard after the other."""

    def work(self):
        visited = {}
        while not self.load.stopping.is_set():
            began = time.monotonic()
            try:
                shards = [s for s in self.look() if began - visited.get(s, -AGAIN_S) >= AGAIN_S]
                if shards:
                    shard = min(shards, key=lambda s: visited.get(s, 0.0))
                    visited[shard] = began
                    self.visit(shard)
            except (ServiceError, Unknown) as error:
                self.failed("records", "stream", began, error)
            time.sleep(POLL_S)

    def visit(self, shard):
        kind, last = self.position(shard)
        position = {"Type": kind} | ({"SequenceNumber": last} if last else {})
        parameters = {"ConsumerARN": self.load.stream.consumer, "ShardId": id_of(shard), "StartingPosition": position}
        self.attempt("SubscribeToShard", lambda client: self.listen(client, shard, parameters))

    def listen(self, client, shard, parameters):
        until = time.monotonic() + VISIT_S
        with client.events("SubscribeToShard", SILENCE_S, **parameters) as events:
            for headers, event in events:
                if headers.get(":message-type") == "exception":
                    raise ServiceError(400, headers.get(":exception-type", ""), event.get("message", ""))
                if headers.get(":event-type") != "SubscribeToShardEvent":
                    continue  # the beginning
                self.took(shard, time.monotonic(), event["Records"], event.get("ChildShards"))
                # Who rests has put nothing more: what came is all.
                rests = self.load.stopping.is_set() or not self.load.producing.is_set()
                if time.monotonic() > until or rests or event.get("ChildShards"):
                    return


class StreamLoad:
    """A stream under work, as part of a load."""

    def __init__(self, load, name):
        self.load, self.name = load, name
        self.puts = []  # (began, acknowledged)
        self.change("CreateStream", StreamName=name, ShardCount=SHARDS)
        self.wait_active()
        arn = self.summary()["StreamARN"]
        self.change("RegisterStreamConsumer", StreamARN=arn, ConsumerName="subscriber")
        described = self.ask("DescribeStreamConsumer", StreamARN=arn, ConsumerName="subscriber")
        self.consumer = described["ConsumerDescription"]["ConsumerARN"]
        kinds = [StreamProducer] * PRODUCERS + [StreamReader] * READERS + [StreamSubscriber]
        self.workers = [kind(load, n) for n, kind in enumerate(kinds)]
        self.readers = [worker.name for worker in self.workers if isinstance(worker, Follower)]

    def ask(self, action, timeout_s=60, **parameters):
        """A call that is repeated at node after node until it is answered; what is refused is refused."""
        kinesis = partial(Client, service="kinesis")
        return ask_around(self.load.endpoints, kinesis, action, timeout_s, is_final, **parameters)

    def change(self, action, **parameters):
        """A change that may have been carried out by a call without an answer: then the next one is refused. Whether it
        was answered with success."""
        try:
            self.ask(action, **parameters)
        except ServiceError:
            return False
        return True

    def summary(self):
        """What DescribeStreamSummary says."""
        return self.ask("DescribeStreamSummary", StreamName=self.name)["StreamDescriptionSummary"]

    def wait_active(self, timeout_s=60):
        """Waits until no change of its shards is under way."""
        patience = Patience(timeout_s)
        while (summary := self.summary())["StreamStatus"] != "ACTIVE":
            if patience.is_over():
                raise AssertionError(f"{self.name} was not active after {timeout_s} s: {summary}")
            time.sleep(0.05)

    def open_shards(self):
        """Rows of the open shards, by hash key."""
        shards = self.ask("ListShards", StreamName=self.name, ShardFilter={"Type": "AT_LATEST"})["Shards"]
        return sorted(map(shard_row, shards), key=lambda row: row[2])
