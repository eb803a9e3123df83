"""What was promised and what was seen, checked as it happens.

Time is this process's monotonic clock. A call is known by the moments between which it happened, so a rule is
broken only where no order of events inside those bounds could explain what was seen.

Standard: every acknowledged message id is received at least once, and none is handed out by a receive that
began after its delete was acknowledged.
FIFO: besides that, the messages of a group come in order, one deduplication id is one message, and a message
comes only when every earlier one of its group was deleted or came in the same answer.
"""

import base64
import struct
import threading
from collections import OrderedDict

# Message ids whose deletion is remembered. At 1,000 a second that is eight minutes, far beyond any timeout here.
DELETED_MAX = 500_000
VIOLATIONS_MAX = 50


def partition_of(handle):
    """The partition that a receipt handle's message lies in."""
    return struct.unpack(">BIQQII", base64.urlsafe_b64decode(handle + "=" * (-len(handle) % 4)))[1]


def place(handle):
    """The partition of a receipt handle's message, and its position there; the handle itself if it is of another kind."""
    try:
        raw = base64.urlsafe_b64decode(handle + "=" * (-len(handle) % 4))
        _, partition, _, position, _, _ = struct.unpack(">BIQQII", raw)
        return partition, position
    except (ValueError, struct.error):
        return handle


def where(handle):
    """Which copy of a message a receipt handle means: the broker keeps partition, position and generation in it."""
    try:
        raw = base64.urlsafe_b64decode(handle + "=" * (-len(handle) % 4))
        _, partition, _, position, generation, _ = struct.unpack(">BIQQII", raw)
        return f"partition {partition} position {position} receive {generation}"
    except (ValueError, struct.error):
        return handle


class Standard:
    """The ledger of a standard queue."""

    def __init__(self, deleted_max=DELETED_MAX):
        self.deleted_max = deleted_max
        self.lock = threading.Lock()
        self.owed = {}  # message id -> when its send was acknowledged
        self.early = set()  # received before (or without) an acknowledgement
        self.gone = OrderedDict()  # message id -> when its delete was acknowledged, and by which handle
        self.violations = []
        self.sent = self.received = self.repeated = self.deleted = 0

    def acknowledged(self, message_id, now):
        """A send of ours was answered with this id."""
        with self.lock:
            self.sent += 1
            if message_id in self.early:
                self.early.discard(message_id)
            elif message_id not in self.gone:
                self.owed[message_id] = now

    def delivered(self, message_id, handle, began, ended):
        """A receive that lasted from `began` to `ended` returned the message, with this receipt handle."""
        with self.lock:
            self.received += 1
            deleted_at, by = self.gone.get(message_id, (None, None))
            if deleted_at is not None:
                self.repeated += 1
                if deleted_at < began:
                    self._violation(
                        f"{message_id} was received by a call of {began:.3f}-{ended:.3f} as {where(handle)},"
                        f" and its delete as {where(by)} was acknowledged at {deleted_at:.3f}"
                    )
            elif self.owed.pop(message_id, None) is None:
                if message_id in self.early:
                    self.repeated += 1
                self.early.add(message_id)

    def delete_acknowledged(self, message_id, handle, now):
        """A delete by this receipt handle was answered with success."""
        with self.lock:
            self.deleted += 1
            self.early.discard(message_id)
            self.gone.setdefault(message_id, (now, handle))
            while len(self.gone) > self.deleted_max:
                self.gone.popitem(last=False)

    def outstanding(self):
        """How many acknowledged messages have not been received yet."""
        with self.lock:
            return len(self.owed)

    def oldest(self):
        """When the oldest of them was acknowledged, or None."""
        with self.lock:
            return min(self.owed.values(), default=None)

    def _violation(self, text):
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(text)


class Group:
    """One message group of a FIFO queue. Its one producer numbers the messages from zero."""

    def __init__(self):
        self.ids = {}  # index -> message id
        self.seen = set()  # indexes received
        self.delete_begun = set()  # indexes whose delete somebody asked for
        self.gone = {}  # index -> when its delete was acknowledged
        self.heads = []  # (ended, first index) of every answer: all before that index was deleted by then
        self.acknowledged = 0  # indexes below this were acknowledged


class Fifo:
    """The ledger of a FIFO queue."""

    def __init__(self):
        self.lock = threading.Lock()
        self.groups = {}
        self.violations = []
        self.sent = self.received = self.repeated = self.deleted = 0

    def group(self, name):
        """The group's own page."""
        return self.groups.setdefault(name, Group())

    def acknowledged(self, name, index, message_id):
        """The send of message `index` was answered."""
        with self.lock:
            self.sent += 1
            group = self.group(name)
            self._same(name, group, index, message_id)
            group.acknowledged = max(group.acknowledged, index + 1)

    def delivered(self, name, batch, began, ended):
        """One answer held these (index, message id) of the group, in this order."""
        with self.lock:
            group = self.group(name)
            indexes = [i for i, _ in batch]
            if indexes != sorted(set(indexes)):
                self._violation(f"group {name}: one answer held {indexes}")
            for index, message_id in batch:
                self.received += 1
                self.repeated += index in group.seen
                group.seen.add(index)
                self._same(name, group, index, message_id)
                if group.gone.get(index, ended) < began:
                    self._violation(
                        f"group {name}: {index} was received by a call of {began:.3f}-{ended:.3f},"
                        f" and its delete was acknowledged at {group.gone[index]:.3f}"
                    )
            self._in_order(name, group, indexes, began, ended)

    def _in_order(self, name, group, indexes, began, ended):
        together = set(indexes)
        for index in range(self._settled(group), indexes[-1]):
            if index not in together and index not in group.delete_begun:
                self._violation(f"group {name}: {indexes} came at {ended:.3f}, and nobody had deleted {index}")
                break
        for when, head in reversed(group.heads[-100:]):
            if when < began and indexes[0] < head:
                self._violation(
                    f"group {name}: {indexes[0]} came at {ended:.3f}, and {head} had come alone at {when:.3f}"
                )
                break
        group.heads.append((ended, indexes[0]))
        del group.heads[:-200]

    @staticmethod
    def _settled(group):
        """Indexes below this were all deleted; kept low so that a long run stays quick."""
        low = getattr(group, "low", 0)
        while low in group.gone:
            low += 1
        group.low = low
        return low

    def delete_begins(self, name, indexes):
        """A delete is about to be sent."""
        with self.lock:
            self.group(name).delete_begun.update(indexes)

    def delete_acknowledged(self, name, index, now):
        """A delete was answered with success."""
        with self.lock:
            self.deleted += 1
            self.group(name).gone.setdefault(index, now)

    def outstanding(self):
        """How many acknowledged messages have not been received yet."""
        with self.lock:
            return sum(len(set(range(g.acknowledged)) - g.seen) for g in self.groups.values())

    def _same(self, name, group, index, message_id):
        known = group.ids.setdefault(index, message_id)
        if known != message_id:
            self._violation(f"group {name}: the deduplication id of {index} is both {known} and {message_id}")

    def _violation(self, text):
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(text)
