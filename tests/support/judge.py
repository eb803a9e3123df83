"""Feeds the ledgers with a history of calls, while it happens or long after.

A record is a dict. `op` says what, `q` is "standard", "fifo", "stream" or "topic", `b` and `e` are when the call began
and ended, in seconds of one monotonic clock; a call without an answer has `error` and nothing that it returned. A
record is made after what it tells and before what follows from it, so their order is one in which things can have happened.

    send      id, and for FIFO group, index
    receive   got: [[id, handle]] or, for FIFO, [[id, handle, group, index]]
    deleting  FIFO, before the call: group, indexes
    delete    done: [[id, handle]] or, for FIFO, [[group, index]]
    put       kept: [[key, index, sequence number]]
    records   reader, shard, got: [[sequence number, key, index]], ended: the shard's end was told
    shards    rows: [[shard, parents, first and last hash key, first and last sequence number]], as they are listed
    publish   number, group or none, to: {queue: place in the queue's part of the group}
    arrived   queue, got: [[handle, number, group, place, none if it is not for this queue]]
    removing  queue, before the call, rows: [[group, place]]
    removed   queue, done: as got
    since     shard, asked and found: [position, arrival in ms] of a record, and of the first since its arrival
"""

import json

from support.ledger import Fifo, Standard
from support.stream_ledger import Streams, sequence
from support.topic_ledger import Topics


class Judge:
    """The verdict on a history."""

    def __init__(self, remembered_max=None):
        self.standard = Standard(remembered_max) if remembered_max else Standard()
        self.fifo = Fifo()
        self.stream = Streams()
        self.topics = Topics(remembered_max) if remembered_max else Topics()
        # Who must have read everything in the end; else those that have read anything.
        self.readers = None

    def feed(self, record):
        """Takes a record into account; those of other kinds, and calls that failed, say nothing here."""
        if "error" not in record and (take := getattr(self, f"_{record['op']}", None)):
            take(record)

    def _send(self, record):
        if record["q"] == "fifo":
            self.fifo.acknowledged(record["group"], record["index"], record["id"])
        else:
            self.standard.acknowledged(record["id"], record["e"])

    def _receive(self, record):
        if record["q"] == "standard":
            for message_id, handle in record["got"]:
                self.standard.delivered(message_id, handle, record["b"], record["e"])
            return
        groups = {}
        for message_id, _, group, index in record["got"]:
            groups.setdefault(group, []).append((index, message_id))
        for group, batch in groups.items():
            self.fifo.delivered(group, batch, record["b"], record["e"])

    def _deleting(self, record):
        self.fifo.delete_begins(record["group"], record["indexes"])

    def _delete(self, record):
        for row in record["done"]:
            if record["q"] == "fifo":
                self.fifo.delete_acknowledged(*row, record["e"])
            else:
                self.standard.delete_acknowledged(*row, record["e"])

    def _put(self, record):
        for row in record["kept"]:
            self.stream.acknowledged(*row)

    def _records(self, record):
        reader, shard = record["reader"], record["shard"]
        self.stream.delivered(reader, shard, [(sequence(n)[1], key, index) for n, key, index in record["got"]])
        if record["ended"]:
            self.stream.ended(reader, shard)

    def _shards(self, record):
        self.stream.described(record["rows"])

    def _since(self, record):
        self.stream.searched(record["shard"], record["asked"], record["found"])

    def _publish(self, record):
        self.topics.acknowledged(record["number"], record["group"], record["to"], record["e"])

    def _arrived(self, record):
        self.topics.arrived(record["queue"], record["got"], record["b"], record["e"])

    def _removing(self, record):
        self.topics.removing(record["queue"], record["rows"])

    def _removed(self, record):
        self.topics.removed(record["queue"], record["done"], record["e"])

    def outstanding(self):
        """What was acknowledged and not received, in words."""
        counts = {"standard": self.standard.outstanding(), "FIFO": self.fifo.outstanding()}
        found = [f"{what}: {n} acknowledged messages were never received" for what, n in counts.items() if n]
        if late := self.stream.outstanding(self.readers or self.stream.readers()):
            found.append(f"stream: {late} records were not read by every reader")
        for queue, count in self.topics.outstanding().items():
            found.append(f"{queue}: {count} published messages never came")
        return found

    def violations(self):
        """Every promise that was seen broken."""
        found = self.standard.violations + self.fifo.violations + self.stream.violations
        return found + self.topics.violations()


def read(path):
    """The records of a history file, in order; the last line may be torn."""
    with open(path) as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)
