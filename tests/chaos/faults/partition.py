"""Cuts of the network that nobody is told of. Clients reach every node unless the fault says otherwise."""

from chaos.faults.aim import AtLeader
from chaos.faults.base import Fault
from chaos.network import CLIENTS


class Partition(Fault):
    """What all of these have in common: which directions are cut, and that healing mends all."""

    needs = ("network",)

    def cuts(self):
        """The (sender, receiver) pairs that are cut."""
        raise NotImplementedError

    def inject(self):
        for sender, receiver in self.cuts():
            self.world.network.cut(sender, receiver)

    def heal(self):
        self.world.network.mend()

    def others(self):
        """The numbers of the other nodes."""
        return [n.number for n in self.world.nodes if n.number != self.number]

    def both_ways(self, others):
        """Every direction between the node and these."""
        return [pair for other in others for pair in ((self.number, other), (other, self.number))]


class Minority(Partition):
    """One node sees no peer; half of the time no client either."""

    name, weight = "split", 2

    def draw(self, source):
        self.with_clients = source.random() < 0.5

    def describe(self):
        return f"n{self.number} from its peers{' and all clients' if self.with_clients else ''} for {self.hold_s:.1f} s"

    def cuts(self):
        return self.both_ways(self.others() + ([CLIENTS] if self.with_clients else []))


class LeaderAlone(AtLeader, Partition):
    """The leader of a partition sees no peer, and still hears its clients."""

    name, weight = "split-leader", 2

    def cuts(self):
        return self.both_ways(self.others())


class OneWay(Partition):
    """One node hears its peers and is not heard, or the other way round."""

    name, weight = "one-way", 2

    def draw(self, source):
        self.mute = source.random() < 0.5

    def describe(self):
        return f"n{self.number} {'is not heard' if self.mute else 'hears nothing'} for {self.hold_s:.1f} s"

    def cuts(self):
        pairs = [(self.number, other) for other in self.others()]
        return pairs if self.mute else [(b, a) for a, b in pairs]


class Bridge(Partition):
    """Two nodes do not see each other, and the third sees both."""

    name, weight = "bridge", 1

    def describe(self):
        return f"n{self.number} and n{self.others()[0]} from each other for {self.hold_s:.1f} s"

    def cuts(self):
        return self.both_ways(self.others()[:1])


class Shatter(Partition):
    """No node sees another: there is no majority anywhere."""

    name, weight, serves = "shatter", 1, False

    def describe(self):
        return f"every node alone for {self.hold_s:.1f} s"

    def cuts(self):
        numbers = [n.number for n in self.world.nodes]
        return [(a, b) for a in numbers for b in numbers if a != b]


KINDS = (Minority, LeaderAlone, OneWay, Bridge, Shatter)
