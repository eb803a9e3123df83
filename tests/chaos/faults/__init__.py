"""What is done to a cluster, a file for each family.

A fault draws what it does from the course's random source and from nothing else, so a seed gives the same faults in the
same order.
"""

import random

from chaos.faults import clocks, damage, disk, members, outage, packets, partition, process, reshard, restarts
from chaos.faults.base import carry_through

# None bears the name of a kind, so that a name given on the command line means one thing.
FAMILIES = (process, restarts, partition, packets, clocks, disk, damage, outage, members, reshard)
KINDS = {kind.name: kind for family in FAMILIES for kind in family.KINDS}


def family_of(name):
    """The name of a kind's family: its file's."""
    return KINDS[name].__module__.rpartition(".")[2]


def chosen(only, without):
    """The kinds that are wanted, by names of kinds or of families; empty `only` means all."""
    for word in [*only, *without]:
        if word not in KINDS and word not in {family_of(k) for k in KINDS}:
            raise ValueError(f"there is no fault '{word}'")

    def named(name, words):
        return name in words or family_of(name) in words

    return [n for n in KINDS if (not only or named(n, only)) and not named(n, without)]


def apply(cluster, load, kind, number, down_s, settle_s=2.0):
    """One fault of a test's own choice at node `number`, and its outcome; `down_s` is for how long it lasts."""
    fault = KINDS[kind](cluster, random.Random(0))
    fault.number, fault.hold_s, fault.settle_s = number, down_s, settle_s
    return carry_through(fault, load)


class Course:
    """Deals kinds: each as often as its weight in one round, or once if `even`, in an order that the seed decides."""

    def __init__(self, names, source, even=False):
        self.names, self.source, self.even, self.deck = list(names), source, even, []

    def next(self, world):
        """The next fault."""
        if not self.deck:
            self.deck = [name for name in self.names for _ in range(1 if self.even else KINDS[name].weight)]
            self.source.shuffle(self.deck)
        return KINDS[self.deck.pop()](world, self.source)
