"""Processes that die or stand still: kill -9 of one, of the leader of the FIFO queue, of all; SIGSTOP; a lost disk."""

from chaos.faults.base import Fault
from chaos.faults.aim import AtLeader


class Kill(Fault):
    """kill -9 of one node, started again later."""

    name, weight = "kill", 4

    def inject(self):
        self.node.kill()

    def heal(self):
        self.start(self.node)


class KillLeader(AtLeader, Kill):
    """kill -9 of the node that leads what hurts most."""

    name, weight = "kill-leader", 2


class KillAll(Fault):
    """kill -9 of all nodes, one after the other within milliseconds. What was written is kept: no power is lost."""

    name, serves = "kill-all", False

    def describe(self):
        return f"all for {self.hold_s:.1f} s"

    def inject(self):
        for node in self.world.nodes:
            node.kill()

    def heal(self):
        self.start(*self.world.nodes)


class Pause(Fault):
    """SIGSTOP: its sockets stay open and nothing is answered."""

    name, weight = "pause", 2

    def inject(self):
        self.node.pause()

    def heal(self):
        self.node.resume()


class PauseLeader(AtLeader, Pause):
    """SIGSTOP of the node that leads what hurts most."""

    name, weight = "pause-leader", 1


class Wipe(Kill):
    """kill -9, and the directory is gone: the node joins as a newcomer."""

    name, weight = "wipe", 1

    def inject(self):
        super().inject()
        self.node.wipe()

    def after(self, outcome):
        megabytes = sum(p.stat().st_size for p in (self.node.data_dir / "blocks").rglob("*") if p.is_file()) / 1e6
        rate = megabytes / outcome.whole_s
        self.notes.append(f"{megabytes:.0f} MB of blocks refilled, {rate:.0f} MB/s from its start until whole")


KINDS = (Kill, KillLeader, KillAll, Pause, PauseLeader, Wipe)
