"""Power loss: of one node, and of all at one moment. What was not synced is gone."""

from chaos.faults.base import Fault


def cut(world, nodes):
    """Stops the processes, ends their file systems where they are, then removes the processes.

    They are stopped first, so that none can act on an I/O error that a real power cut would not have shown it.
    """
    for node in nodes:
        node.pause()
    for node in nodes:
        world.disks[node.number].cut_power()
    for node in nodes:
        node.kill()


class Power(Fault):
    """One node."""

    name, weight, needs = "power", 1, ("disks",)

    def inject(self):
        cut(self.world, [self.node])

    def heal(self):
        self.world.disks[self.number].restore_power()
        self.start(self.node)


class PowerAll(Fault):
    """All nodes."""

    name, weight, needs, serves = "power-all", 2, ("disks",), False

    def describe(self):
        return f"all for {self.hold_s:.1f} s"

    def inject(self):
        cut(self.world, self.world.nodes)

    def heal(self):
        for node in self.world.nodes:
            self.world.disks[node.number].restore_power()
        self.start(*self.world.nodes)


KINDS = (Power, PowerAll)
