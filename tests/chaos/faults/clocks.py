"""Wall clocks that jump. The monotonic clock goes on, as it does when NTP or a person sets the time."""

import time

from chaos.faults.base import Fault

# Below the 300 s for which a FIFO queue knows a deduplication id: beyond that a repeated send is rightly a new message.
AHEAD_S_MAX = 200
BACK_S_MAX = 7200


class Clock(Fault):
    """The wall clock of one node, or of all, jumps and later jumps back."""

    name, weight, needs = "clock", 2, ("shim",)

    def draw(self, source):
        self.offset_s = source.choice((source.uniform(0.1, AHEAD_S_MAX), -source.uniform(0.1, BACK_S_MAX)))
        self.everywhere = source.random() < 0.2

    def describe(self):
        who = "every clock" if self.everywhere else f"the clock of n{self.number}"
        return f"{who} jumps by {self.offset_s:+.1f} s for {self.hold_s:.1f} s"

    def inject(self):
        for node in self.world.nodes if self.everywhere else [self.node]:
            self.world.shims[node.number].set(clock_offset_s=self.offset_s)

    def heal(self):
        for shim in self.world.shims.values():
            shim.set()


class Strobe(Clock):
    """A clock that jumps to and fro, some ten times a second."""

    name, weight = "clock-strobe", 1

    def draw(self, source):
        super().draw(source)
        self.offset_s = source.uniform(0.05, 3)
        self.everywhere = False

    def describe(self):
        return f"the clock of n{self.number} jumps by {self.offset_s:.2f} s to and fro for {self.hold_s:.1f} s"

    def inject(self):
        end = time.monotonic() + self.hold_s
        self.hold_s = 0
        while time.monotonic() < end:
            self.world.shims[self.number].set(clock_offset_s=self.offset_s)
            time.sleep(0.05)
            self.world.shims[self.number].set(clock_offset_s=-self.offset_s)
            time.sleep(0.05)


KINDS = (Clock, Strobe)
