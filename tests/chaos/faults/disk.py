"""Disks that are full or slow."""

from chaos.faults.base import Fault

# Below the 256 MiB that a node keeps in reserve: it refuses sends and goes on with the rest.
LITTLE_BYTES = 128 << 20


class NearlyFull(Fault):
    """One node has less room than its reserve."""

    name, weight, needs = "disk-low", 1, ("disks",)

    def inject(self):
        self.world.disks[self.number].fill(LITTLE_BYTES)

    def heal(self):
        self.world.disks[self.number].empty()


class AllNearlyFull(Fault):
    """All nodes have less room than their reserve: sends are refused everywhere, and must be taken again afterwards."""

    name, weight, needs, serves = "disk-low-all", 1, ("disks",), False

    def describe(self):
        return f"all for {self.hold_s:.1f} s"

    def inject(self):
        for disk in self.world.disks.values():
            disk.fill(LITTLE_BYTES)

    def heal(self):
        for disk in self.world.disks.values():
            disk.empty()


class Full(Fault):
    """One node has no room at all: a write fails, which ends its process. It is started when there is room again."""

    name, weight, needs = "disk-full", 2, ("disks",)

    def inject(self):
        self.world.disks[self.number].fill(0)

    def heal(self):
        if self.node.alive():
            self.notes.append("it still ran")
        else:
            self.notes.append("it had ended")
        self.world.disks[self.number].empty()
        self.start(self.node)


class Slow(Fault):
    """Every sync of one node takes 10 to 300 ms longer."""

    name, weight, needs = "disk-slow", 2, ("shim",)

    def draw(self, source):
        self.delay_s = source.uniform(0.01, 0.3)

    def describe(self):
        return f"syncs of n{self.number} take {self.delay_s * 1000:.0f} ms longer for {self.hold_s:.1f} s"

    def inject(self):
        self.world.shims[self.number].set(sync_delay_s=self.delay_s)

    def heal(self):
        self.world.shims[self.number].set()


KINDS = (NearlyFull, AllNearlyFull, Full, Slow)
