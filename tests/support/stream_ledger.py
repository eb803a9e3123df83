"""What was promised of a stream and what was seen, checked as it happens.

- An acknowledged record is read by every reader at the sequence number that its producer was told.
- The sequence numbers of a key's records, put one after the other, rise: across failovers, and into child shards.
- A reader sees no gap and no reordering within a shard, and all readers see the same.
- A closed shard gets nothing more. Its children begin after it and take its hash keys exactly; the open shards take all.

A put without an answer is made again, so a record may be in its shard twice, as Kinesis has it.
"""

import threading

VIOLATIONS_MAX = 50
HASH_KEY_MAX = 2**128 - 1


def sequence(text):
    """When its shard was opened, the position in it and the shard's number, as the broker keeps them in the digits of a
    sequence number; they compare as the numbers do."""
    return int(text[2:13]), int(text[13:46]), int(text[46:])


class Streams:
    """The ledger of one stream. Nothing expires while it looks."""

    def __init__(self):
        self.lock = threading.Lock()
        self.violations = []
        self.put = self.read = 0
        self.content = {}  # shard -> (key, index) of each position from 1 on, as the first reader saw it
        self.owed = {}  # shard -> {position: (key, index)} of what was acknowledged, and not read by anybody yet
        self.last = {}  # key -> (sequence, index) of the last that was acknowledged
        self.places = {}  # reader -> {shard: the position that it reads next}
        self.ends = {}  # shard -> the position behind the last record, of closed ones
        self.shards = {}  # shard -> its row without its end, as it was first told

    def acknowledged(self, key, index, number):
        """A record was answered with this sequence number."""
        now = sequence(number)
        _, position, shard = now
        with self.lock:
            self.put += 1
            before, earlier = self.last.get(key, ((0, 0, 0), -1))
            if before >= now:
                self._violation(f"key {key}: {index} is at {now}, and {earlier}, put before it, at {before}")
            self.last[key] = now, index
            content = self.content.setdefault(shard, [])
            if position <= len(content):
                self._same(shard, position, content[position - 1], (key, index))
            else:
                known = self.owed.setdefault(shard, {}).setdefault(position, (key, index))
                self._same(shard, position, known, (key, index))
            self._within(shard, position)

    def delivered(self, reader, shard, got):
        """A reader was given (position, key, index) of a shard, in this order."""
        with self.lock:
            places = self.places.setdefault(reader, {})
            content, owed = self.content.setdefault(shard, []), self.owed.setdefault(shard, {})
            for position, key, index in got:
                expected = places.get(shard, 1)
                if position != expected:
                    self._violation(f"{reader} got position {position} of shard {shard} where {expected} comes next")
                    return
                places[shard] = position + 1
                if position <= len(content):
                    self._same(shard, position, content[position - 1], (key, index))
                    continue
                self.read += 1
                content.append((key, index))
                self._same(shard, position, owed.pop(position, (key, index)), (key, index))
                self._within(shard, position)

    def ended(self, reader, shard):
        """A reader was told that nothing of the shard is left."""
        with self.lock:
            self._ends_at(shard, self.places.get(reader, {}).get(shard, 1))

    def searched(self, shard, asked, found):
        """(position, arrived at) of a known record, and of the first since that time."""
        if found[0] > asked[0] or found[1] < asked[1]:
            with self.lock:
                self._violation(f"shard {shard}: since {asked[1]} came {asked[0]}, and a search gave {found}")

    def described(self, rows):
        """A listing: rows of shard, its parents, first and last hash key, first and last sequence number or None."""
        with self.lock:
            by_number = {row[0]: row for row in rows}
            for row in rows:
                shard, parents, first, last, begins, ends = row
                told = (parents, first, last, begins)
                if self.shards.setdefault(shard, told) != told:
                    self._violation(f"shard {shard} was {self.shards[shard]} and is {told}")
                if ends is not None:
                    self._ends_at(shard, sequence(ends)[1])
                    children = [r for r in rows if shard in r[1]]
                    shares = [(max(r[2], first), min(r[3], last)) for r in children]
                    if not _cover(shares, first, last):
                        self._violation(f"shard {shard} is closed, and its children are {children}")
                for parent in (by_number[p] for p in parents if p in by_number):
                    if parent[5] is None or sequence(parent[5]) >= sequence(begins):
                        self._violation(f"shard {shard} does not begin after {parent}")
            if not _cover([(r[2], r[3]) for r in rows if r[5] is None], 0, HASH_KEY_MAX):
                self._violation(f"the open shards are no whole: {rows}")

    def outstanding(self, readers):
        """How many acknowledged records some of the readers have not read yet."""
        with self.lock:
            late = 0
            for shard, content in self.content.items():
                least = min((self.places.get(reader, {}).get(shard, 1) for reader in readers), default=1)
                late += max(0, len(content) - least + 1)
            return late + sum(map(len, self.owed.values()))

    def readers(self):
        """Who has read anything."""
        with self.lock:
            return list(self.places)

    def _ends_at(self, shard, end):
        known = self.ends.setdefault(shard, end)
        if known != end:
            self._violation(f"shard {shard} ends at {known} and at {end}")
        taken = max([len(self.content.get(shard, ())), *self.owed.get(shard, ())])
        if taken >= end:
            self._violation(f"shard {shard} was closed at {end} and has a record at {taken}")

    def _within(self, shard, position):
        if position >= self.ends.get(shard, position + 1):
            self._violation(f"shard {shard} was closed at {self.ends[shard]} and has a record at {position}")

    def _same(self, shard, position, known, now):
        if known != now:
            self._violation(f"shard {shard}, position {position}: {known} and {now} (key, index)")

    def _violation(self, text):
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(text)


def _cover(ranges, first, last):
    """Whether ranges follow each other from the first key to the last."""
    for begin, end in sorted(ranges):
        if begin != first:
            return False
        first = end + 1
    return first == last + 1
