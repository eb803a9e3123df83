"""Changes of who belongs to the cluster, under load."""

from support.operate import levada

from chaos.faults.base import Fault


class Grow(Fault):
    """A fourth node is let in, votes everywhere, and is taken out again."""

    name, weight = "grow-shrink", 1

    def draw(self, source):
        self.hold_s = source.uniform(0, 2)

    def describe(self):
        return f"n{len(self.world.nodes) + 1} joins, and leaves {self.hold_s:.1f} s later"

    def operate(self, *words):
        """Runs `levada cluster ...` against a node that stays."""
        levada("cluster", *words, endpoint=self.node.endpoint)

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
