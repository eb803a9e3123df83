"""Changes of who belongs to the cluster, under load."""

import time

from support.operate import levada

from chaos.faults.base import Fault

# After a loss of power the members of a partition may be changing while all of them are ready.
PATIENCE_S = 60
PAUSE_S = 0.2


class Grow(Fault):
    """A fourth node is let in, votes everywhere, and is taken out again."""

    name, weight = "grow-shrink", 1

    def draw(self, source):
        self.hold_s = source.uniform(0, 2)

    def describe(self):
        return f"n{len(self.world.nodes) + 1} joins, and leaves {self.hold_s:.1f} s later"

    def operate(self, *words):
        """Runs `levada cluster ...` against a node that stays; again, if that is what it says is to be done."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            last = time.monotonic() > deadline
            done = levada("cluster", *words, endpoint=self.node.endpoint, check=last)
            if done.returncode == 0:
                return
            assert "try again" in done.stderr, f"levada cluster {words}\n{done.stdout}\n{done.stderr}"
            time.sleep(PAUSE_S)

    def inject(self):
        spare = self.world.spare()
        self.operate("add", self.world.peer(spare))
        spare.start()
        self.operate("wait")

    def heal(self):
        spare = self.world.spare()
        self.operate("remove", self.world.peer(spare))
        spare.kill()
        spare.wipe()


class Drain(Fault):
    """A node leads nothing for a while."""

    name, weight = "drain", 1

    def inject(self):
        levada("cluster", "drain", self.world.peer(self.node), endpoint=self.node.endpoint)

    def heal(self):
        levada("cluster", "undrain", self.world.peer(self.node), endpoint=self.node.endpoint)


KINDS = (Grow, Drain)
