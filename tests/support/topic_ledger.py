"""What was published to topics and what came of it, queue by queue.

Each queue that a message is for has it at one place, however often it was published, shipped and received; a queue
that it is not for never has it. Besides that each queue keeps what any queue does (`ledger.py`): nothing acknowledged
is lost, nothing deleted comes again, and the messages of a group come in order.
"""

import threading
from collections import OrderedDict

from support.ledger import DELETED_MAX, VIOLATIONS_MAX, Fifo, Standard, place


class Topics:
    """The ledger of all topics' queues."""

    def __init__(self, remembered_max=DELETED_MAX):
        self.remembered_max = remembered_max
        self.lock = threading.Lock()
        self.standard, self.fifo = {}, {}  # by queue
        self.places = OrderedDict()  # (queue, message) -> where it is
        self.strangers = []
        self.published = 0

    def acknowledged(self, number, group, to, now):
        """A publish was answered. `to`: by queue, the place among those of the group that are for this queue."""
        with self.lock:
            self.published += 1
        for queue, index in to.items():
            if group is None:
                self._standard(queue).acknowledged(number, now)
            else:
                self._fifo(queue).acknowledged(group, index, number)

    def arrived(self, queue, got, began, ended):
        """A receive gave these (handle, number, group, index)."""
        groups = {}
        for handle, number, group, index in got:
            self._settle(queue, handle, number, index)
            if group is None:
                self._standard(queue).delivered(number, handle, began, ended)
            elif index is not None:
                groups.setdefault(group, []).append((index, number))
        for group, batch in groups.items():
            self._fifo(queue).delivered(group, batch, began, ended)

    def _settle(self, queue, handle, number, index):
        with self.lock:
            here = place(handle)
            known = self.places.setdefault((queue, number), here)
            while len(self.places) > self.remembered_max:
                self.places.popitem(last=False)
            if known != here:
                self._violation(f"{queue}: {number} is at partition and position {known}, and at {here}")
            if index is None:
                self._violation(f"{queue}: {number} came, and is not for it")

    def removing(self, queue, rows):
        """These (group, index) are about to be deleted."""
        for group, index in rows:
            if group is not None and index is not None:
                self._fifo(queue).delete_begins(group, [index])

    def removed(self, queue, done, now):
        """The delete of these (handle, number, group, index) was answered."""
        for handle, number, group, index in done:
            if group is None:
                self._standard(queue).delete_acknowledged(number, handle, now)
            elif index is not None:
                self._fifo(queue).delete_acknowledged(group, index, now)

    def _standard(self, queue):
        with self.lock:
            return self.standard.setdefault(queue, Standard(self.remembered_max))

    def _fifo(self, queue):
        with self.lock:
            return self.fifo.setdefault(queue, Fifo())

    def queues(self):
        with self.lock:
            return [*self.standard.items(), *self.fifo.items()]

    def _violation(self, text):
        if len(self.strangers) < VIOLATIONS_MAX:
            self.strangers.append(text)

    def outstanding(self):
        """By queue, how many copies have not come that must."""
        left = ((name, ledger.outstanding()) for name, ledger in self.queues())
        return {name: count for name, count in left if count}

    def violations(self):
        """Every promise that was seen broken."""
        found = [f"{name}: {what}" for name, ledger in self.queues() for what in ledger.violations]
        return list(self.strangers) + found

    def counts(self):
        """(published, received, received again, deleted)."""
        ledgers = [ledger for _, ledger in self.queues()]
        sums = (sum(getattr(ledger, name) for ledger in ledgers) for name in ("received", "repeated", "deleted"))
        return self.published, *sums
