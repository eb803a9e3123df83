"""The form of a fault, and how one is carried through."""

import time
from dataclasses import dataclass, field

# The cluster must be whole again within this, or the fault is a failure of its own. It takes seconds; a machine that
# does other work too may stand still for a minute.
RECOVERY_TIMEOUT_S = 180


class Fault:
    """One fault. `inject` does it, `heal` ends it and leaves every node running; what it needs is in `needs`.

    `held` says that the fault lasts between the two; the pause that it costs may then be bounded by what it is.
    """

    name = ""
    weight = 1
    needs = ()
    # Whether clients are expected to be served meanwhile: a majority lives and has room.
    serves = True
    # The load that it is done under, while it is carried through.
    load = None

    def __init__(self, world, source):
        self.world = world
        self.number = source.randrange(1, len(world.nodes) + 1)
        self.hold_s = source.uniform(1, 5)
        self.settle_s = source.uniform(1, 3)
        self.notes = []
        self.draw(source)

    def draw(self, source):
        """Draws what is particular to this kind."""

    @property
    def node(self):
        """The node that it is about."""
        return self.world.nodes[self.number - 1]

    def describe(self):
        """What it will do, in a few words."""
        return f"n{self.number} for {self.hold_s:.1f} s"

    def inject(self):
        """Does it."""

    def heal(self):
        """Ends it."""

    def after(self, outcome):
        """Notes what is known only when the cluster is whole again."""

    def start(self, *nodes):
        """Starts those that do not run. Waiting is for `carry_through`."""
        for node in nodes:
            if not node.alive():
                node.launch()


@dataclass
class Outcome:
    """What a fault cost, in seconds."""

    name: str
    what: str
    began: float
    healed: float = 0.0
    ended: float = 0.0
    ready_s: float = 0.0
    whole_s: float = 0.0
    standard_pause_s: float = 0.0
    fifo_pause_s: float = 0.0
    stream_pause_s: float = 0.0
    standard_p99_s: float = 0.0
    fifo_p99_s: float = 0.0
    notes: list = field(default_factory=list)

    def row(self):
        """A line of the log."""
        notes = f"   {'; '.join(self.notes)}" if self.notes else ""
        return (
            f"{self.name:<16} standard {self.standard_pause_s:6.3f} s   FIFO {self.fifo_pause_s:6.3f} s"
            f"   stream {self.stream_pause_s:6.3f} s"
            f"   p99 {self.standard_p99_s * 1000:4.0f} and {self.fifo_p99_s * 1000:4.0f} ms"
            f"   ready {self.ready_s:5.2f} s, whole {self.whole_s:5.2f} s after it ended{notes}"
        )


def carry_through(fault, load, history=None):
    """Does it, holds it, ends it, waits until all is well, and measures the longest pauses of acknowledged sends."""
    world, fault.load = fault.world, load
    outcome = Outcome(fault.name, fault.describe(), began=time.monotonic())
    if history:
        history.mark("fault", phase="begin", kind=fault.name, what=outcome.what, serves=fault.serves)
    fault.inject()
    time.sleep(fault.hold_s)
    outcome.healed = time.monotonic()
    fault.heal()
    if history:
        history.add({"op": "fault", "phase": "heal", "kind": fault.name, "t": outcome.healed})
    for node in world.nodes:
        node.wait_ready(RECOVERY_TIMEOUT_S)
    outcome.ready_s = time.monotonic() - outcome.healed
    world.wait_whole(RECOVERY_TIMEOUT_S)
    outcome.whole_s = time.monotonic() - outcome.healed
    whole = time.monotonic()
    fault.after(outcome)
    time.sleep(fault.settle_s)
    outcome.ended = time.monotonic()
    outcome.notes = fault.notes
    if load:
        outcome.standard_p99_s, outcome.fifo_p99_s = load.p99(outcome.began, whole)
        outcome.standard_pause_s, outcome.fifo_pause_s = load.pauses(outcome.began, outcome.ended)
        outcome.stream_pause_s = load.stream_pause(outcome.began, outcome.ended)
    if history:
        costs = {k: round(v, 3) for k, v in vars(outcome).items() if k.endswith("_s")}
        history.mark("fault", phase="end", kind=fault.name, notes=fault.notes, **costs)
    return outcome
