"""A link that loses or delays frames: all that one node sends and receives, or all of every node."""

from chaos.faults.base import Fault


class Link(Fault):
    """What both have in common."""

    needs = ("network",)

    def draw(self, source):
        self.everywhere = source.random() < 0.3
        self.seed = source.randrange(1 << 30)
        self.words = self.draw_words(source)

    def draw_words(self, source):
        """The relay's options."""
        raise NotImplementedError

    def describe(self):
        who = "every node" if self.everywhere else f"n{self.number}"
        return f"{who}: {' '.join(map(str, self.words))} for {self.hold_s:.1f} s"

    def inject(self):
        for node in self.world.nodes if self.everywhere else [self.node]:
            self.world.network.impair(node.number, *self.words, "--seed", self.seed)

    def heal(self):
        self.world.network.repair()


class Loss(Link):
    """1 to 20 % of the frames are lost, each way."""

    name, weight = "loss", 2

    def draw_words(self, source):
        return ("--loss", round(source.uniform(0.01, 0.2), 3))


class Delay(Link):
    """5 to 100 ms more each way, and as much again by chance, which also reorders."""

    name, weight = "delay", 2

    def draw_words(self, source):
        delay_ms = round(source.uniform(5, 100))
        return ("--delay-ms", delay_ms, "--jitter-ms", round(delay_ms * source.random()))


KINDS = (Loss, Delay)
