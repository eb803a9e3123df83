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
        self.about = {}
        self.drained = False
        self.ended = 0.0
        known, now = 0, "no fault"
        for record in read(path):
            self.ended = max(self.ended, record.get("e", record.get("t", 0.0)))
            if record["op"] == "fault":
                now = self._fault(record, now)
            elif record["op"] == "about":
                self.about = record
            elif record["op"] == "drained":
                self.drained = True
                self.broken += [(now, what) for what in record["wrong"] + self.judge.outstanding()]
            else:
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
        """Rows of (kind, count, p50 and max of both pauses, p50 and max of the time until whole, promises broken)."""
        rows = []
        broken = Counter(kind for kind, _ in self.broken)
        for kind in dict.fromkeys(f["kind"] for f in self.faults):
            done = [f for f in self.faults if f["kind"] == kind and "ended" in f]
            figures = [figure for key in ("standard_pause_s", "fifo_pause_s", "whole_s") for figure in _spread(done, key)]
            rows.append((kind, len(done), *figures, broken.pop(kind, 0)))
        return rows + [(kind, 0, *[0.0] * 6, count) for kind, count in broken.items()]

    def markdown(self):
        """The table, as Markdown that also reads well in a terminal."""
        head = "| fault            |  n | standard p50 |   max | FIFO p50 |   max | whole p50 |   max | broken |"
        lines = [head, "|---|--:|--:|--:|--:|--:|--:|--:|--:|"]
        for kind, count, *figures, broken in sorted(self.table()):
            s50, s, f50, f, w50, w = (f"{figure:.2f}" for figure in figures)
            lines.append(
                f"| {kind:<16} | {count:>2} | {s50:>12} | {s:>5} | {f50:>8} | {f:>5} | {w50:>9} | {w:>5} | {broken:>6} |"
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
        return [*lines, f"{len(self.faults)} faults in {self.ended:.0f} s, {failed} calls failed"]


def _spread(done, key):
    values = sorted(f[key] for f in done) or [0.0]
    return values[len(values) // 2], values[-1]
