"""Restarts in good order: SIGTERM, which hands leaders over, then the same binary again. One node, or each in turn."""

import time

from chaos.faults.base import RECOVERY_TIMEOUT_S, Fault


def stop(node):
    """Ends a node by SIGTERM, which it must obey by itself."""
    assert node.stop(), f"node {node.number} did not end by itself after SIGTERM\n{node.log_tail()}"


class Restart(Fault):
    """One node."""

    name, weight = "restart", 1

    def draw(self, source):
        self.hold_s = source.uniform(0, 1)

    def inject(self):
        stop(self.node)

    def heal(self):
        self.start(self.node)


class Rolling(Fault):
    """Each in turn, as an operator upgrades: the next when the last is ready and the cluster whole."""

    name, weight = "rolling", 1

    def draw(self, source):
        self.hold_s = 0
        self.between_s = source.uniform(0, 1)

    def describe(self):
        return "all, one after the other"

    def inject(self):
        for node in self.world.nodes:
            stop(node)
            node.start()
            self.world.wait_whole(RECOVERY_TIMEOUT_S)
            time.sleep(self.between_s)


KINDS = (Restart, Rolling)
