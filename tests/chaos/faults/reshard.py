"""Shards of the stream are split and merged under load, with a node that dies meanwhile too. Needs a load with a stream."""

from chaos.faults.base import Fault

# Open shards, so that a run of many faults neither ends with one nor with hundreds.
OPEN_MIN, OPEN_MAX = 2, 8


class Reshard(Fault):
    """What the kinds have in common."""

    def draw(self, source):
        self.which, self.cut, self.target = source.random(), source.uniform(0.1, 0.9), source.random()
        self.hold_s = source.uniform(0, 2)

    @property
    def stream(self):
        return self.load.stream

    def describe(self):
        return f"{self.which:.2f} of the shards, {self.target:.2f} of the counts"

    def split(self):
        """Has a shard split, if there is room for one more."""
        shards = self.stream.open_shards()
        if len(shards) >= OPEN_MAX:
            return
        shard, _, first, last, *_ = shards[int(self.which * len(shards))]
        at = first + int((last - first) * self.cut)
        done = self.stream.change(
            "SplitShard", StreamName=self.stream.name, ShardToSplit=_id(shard), NewStartingHashKey=str(at)
        )
        self.note("split", done)

    def merge(self):
        """Has two neighbours merged, unless they are the last ones."""
        shards = self.stream.open_shards()
        if len(shards) <= OPEN_MIN:
            return
        low = int(self.which * (len(shards) - 1))
        one, other = (_id(row[0]) for row in shards[low : low + 2])
        done = self.stream.change(
            "MergeShards", StreamName=self.stream.name, ShardToMerge=one, AdjacentShardToMerge=other
        )
        self.note("merge", done)

    def count(self):
        """Has the shards counted anew, between half and twice as many as there are."""
        now = len(self.stream.open_shards())
        least, most = max(OPEN_MIN, (now + 1) // 2), min(OPEN_MAX, 2 * now)
        others = [count for count in range(least, most + 1) if count != now]
        target = others[min(int(self.target * len(others)), len(others) - 1)]
        done = self.stream.change(
            "UpdateShardCount",
            StreamName=self.stream.name,
            TargetShardCount=target,
            ScalingType="UNIFORM_SCALING",
        )
        self.note(f"{now} to {target} shards", done)

    def note(self, what, done):
        # An answer that was lost looks like a refusal of the second try.
        self.notes.append(what if done else f"{what}: refused")

    def after(self, outcome):
        self.stream.wait_active()
        self.notes.append(f"{len(self.stream.open_shards())} open")


class SplitMerge(Reshard):
    """A shard is split, and two are merged."""

    name, weight = "split-merge", 1

    def inject(self):
        self.split()

    def heal(self):
        self.stream.wait_active()
        self.merge()


class ShardCount(Reshard):
    """UpdateShardCount, twice."""

    name, weight = "shard-count", 1

    def inject(self):
        self.count()

    def heal(self):
        self.stream.wait_active()
        self.target = 1 - self.target
        self.count()


class ReshardKill(Reshard):
    """The count of shards is changed, and a node is killed before that is done."""

    name, weight = "reshard-kill", 1

    def describe(self):
        return f"n{self.number} is killed for {self.hold_s:.1f} s; {self.target:.2f} of the counts"

    def inject(self):
        self.count()
        self.node.kill()

    def heal(self):
        self.start(self.node)


def _id(number):
    return f"shardId-{number:012}"


KINDS = (SplitMerge, ShardCount, ReshardKill)
