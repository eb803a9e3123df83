"""What a history says: the promises that were broken, by kind of fault, and the pauses that each fault cost."""

from collections import Counter
from statistics import median

from support.judge import Judge, read

# A judge of a file remembers every deletion; the one that runs along must forget.
REMEMBERED_MAX = 1 << 40
# A fault during which this machine itself stood still for so long says nothing about failover.
STALL_S = 0.3
# Of the many clients one always ends a call within this, be it in vain: else nothing ran here at all.
SILENCE_S = 5.0


class Verdict:
    """Read from a history file. `broken` holds (kind of the fault then, what was broken)."""

    def __init__(self, path):
        self.judge = Judge(REMEMBERED_MAX)
        self.broken, self.faults, self.errors = [], [], Counter()
        self.about, self.stalls = {}, []
        self.drained = False
        self.ended = 0.0
        known, now = 0, "no fault"
        for record in read(path):
            at = record.get("e", record.get("t", 0.0))
            if at - self.ended > SILENCE_S and self.faults and record["op"] != "cellar":
                self.stalls.append((self.ended, at))
            self.ended = max(self.ended, at)
            if record["op"] == "fault":
                now = self._fault(record, now)
            elif record["op"] == "about":
                self.about = record
            elif record["op"] == "stall":
                self.stalls.append((record["b"], record["e"]))
            elif record["op"] == "cellar":
                self.broken += [(now, what) for what in record["wrong"]]
            elif record["op"] == "drained":
                self.drained = True
                self.broken += [(now, what) for what in record["wrong"] + self.judge.outstanding()]
            elif "q" in record:
                if error := record.get("error"):
                    self.errors[f"{record['op']} {record['q']}: {error[:60]}"] += 1
                self.judge.feed(record)
                if len(found := self.judge.violations()) > known:
                    self.broken += [(now, what) for what in found[known:]]
                    known = len(found)

    def _fault(self, record, now):
        if record["phase"] == "begin":
            self.drained = False
            self.faults.append(record)
            return record["kind"]
        if self.faults:
            key = {"heal": "healed", "end": "ended"}[record["phase"]]
            self.faults[-1] |= {key: record["t"]} | {k: v for k, v in record.items() if k not in ("t", "phase")}
        # What comes to light after a fault is still its doing, until the next begins.
        return now

    def table(self):
        """Rows of (kind, count, how many of them are measured, figures, broken).

        Figures: p50 and maximum of both pauses and of the time until whole, in seconds, and the worst p99s, in ms.
        """
        rows = []
        broken = Counter(kind for kind, _ in self.broken)
        for kind in dict.fromkeys(f["kind"] for f in self.faults):
            done = [f for f in self.faults if f["kind"] == kind and "ended" in f]
            count = len(done)
            done = [f for f in done if not self._disturbed(f)]
            spreads = [_spread(done, key) for key in ("standard_pause_s", "fifo_pause_s", "whole_s")]
            figures = [figure for spread in spreads for figure in spread]
            p99s = [_spread(done, key)[1] * 1000 for key in ("standard_p99_s", "fifo_p99_s")]
            rows.append((kind, count, len(done), *figures, *p99s, broken.pop(kind, 0)))
        return rows + [(kind, 0, 0, *[0.0] * 8, count) for kind, count in broken.items()]

    def _disturbed(self, fault):
        return any(e - b > STALL_S and e > fault["t"] and b < fault["ended"] for b, e in self.stalls)

    def markdown(self):
        """The table, as Markdown that also reads well in a terminal."""
        heads = ("fault", "n", "measured", "standard p50", "max", "FIFO p50", "max", "whole p50", "max")
        heads += ("p99", "FIFO's", "broken")
        lines = [f"| {heads[0]:<16} | {' | '.join(heads[1:])} |", "|---" + "|--:" * (len(heads) - 1) + "|"]
        for kind, count, measured, *seconds, p99, fifo_p99, broken in sorted(self.table()):
            cells = [count, measured, *(f"{s:.2f}" for s in seconds), f"{p99:.0f}", f"{fifo_p99:.0f}", broken]
            padded = (f"{cell:>{len(head)}}" for cell, head in zip(cells, heads[1:]))
            lines.append(f"| {kind:<16} | {' | '.join(padded)} |")
        return "\n".join(lines)

    def counts(self):
        """Lines on what was done."""
        lines = []
        for what, ledger in (("standard", self.judge.standard), ("FIFO", self.judge.fifo)):
            lines.append(
                f"{what}: {ledger.sent} sends acknowledged, {ledger.received} received ({ledger.repeated} of them"
                f" again), {ledger.deleted} deletes acknowledged"
            )
        stream = self.judge.stream
        lines.append(
            f"stream: {stream.put} records acknowledged, {stream.read} there, in {len(stream.shards)} shards;"
            f" {len(stream.readers())} readers"
        )
        published, received, repeated, deleted = self.judge.topics.counts()
        lines.append(
            f"topics: {published} messages published, {received} copies received ({repeated} of them again),"
            f" {deleted} deletes acknowledged, in {len(self.judge.topics.queues())} queues"
        )
        failed = sum(self.errors.values())
        if self.stalls:
            longest = max(e - b for b, e in self.stalls)
            count = len(self.stalls)
            lines.append(f"this machine's own disk or processor stood still {count} times, {longest:.2f} s at most")
        return [*lines, f"{len(self.faults)} faults in {self.ended:.0f} s, {failed} calls failed"]


def _spread(done, key):
    values = sorted(f.get(key, 0.0) for f in done) or [0.0]
    return median(values), values[-1]
