"""What a history says: the promises that were broken, by kind of fault, and the pauses that each fault cost."""

from collections import Counter

from support.judge import Judge, read

# A judge of a file remembers every deletion; the one that runs along must forget.
REMEMBERED_MAX = 1 << 40


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
            self.ended = max(self.ended, record.get("e", record.get("t", 0.0)))
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
        """Rows of (kind, count, p50 and max of both pauses and of the time until whole, worst p99s in ms, broken)."""
        rows = []
        broken = Counter(kind for kind, _ in self.broken)
        for kind in dict.fromkeys(f["kind"] for f in self.faults):
            done = [f for f in self.faults if f["kind"] == kind and "ended" in f]
            spreads = [_spread(done, key) for key in ("standard_pause_s", "fifo_pause_s", "whole_s")]
            figures = [figure for spread in spreads for figure in spread]
            p99s = [_spread(done, key)[1] * 1000 for key in ("standard_p99_s", "fifo_p99_s")]
            rows.append((kind, len(done), *figures, *p99s, broken.pop(kind, 0)))
        return rows + [(kind, 0, *[0.0] * 8, count) for kind, count in broken.items()]

    def markdown(self):
        """The table, as Markdown that also reads well in a terminal."""
        lines = [
            "| fault            |  n | standard p50 |   max | FIFO p50 |   max | whole p50 |   max |   p99 | FIFO's"
            " | broken |",
            "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        ]
        for kind, count, *figures, p99, fifo_p99, broken in sorted(self.table()):
            s50, s, f50, f, w50, w = (f"{figure:.2f}" for figure in figures)
            lines.append(
                f"| {kind:<16} | {count:>2} | {s50:>12} | {s:>5} | {f50:>8} | {f:>5} | {w50:>9} | {w:>5} | {p99:>5.0f} "
                f"| {fifo_p99:>6.0f} | {broken:>6} |"
            )
        return "\n".join(lines)

    def counts(self):
        """Lines on what was done."""
        lines = []
        for what, ledger in (("standard", self.judge.standard), ("FIFO", self.judge.fifo)):
            lines.append(
                f"{what}: {ledger.sent} sends acknowledged, {ledger.received} received ({ledger.repeated} of them"
                f" again), {ledger.deleted} deletes acknowledged"
            )
        failed = sum(self.errors.values())
        if self.stalls:
            longest = max(e - b for b, e in self.stalls)
            count = len(self.stalls)
            lines.append(f"this machine's own disk or processor stood still {count} times, {longest:.2f} s at most")
        return [*lines, f"{len(self.faults)} faults in {self.ended:.0f} s, {failed} calls failed"]


def _spread(done, key):
    values = sorted(f.get(key, 0.0) for f in done) or [0.0]
    return values[len(values) // 2], values[-1]
