"""A run: load, faults one after the other as the seed deals them, and everything accounted for now and then."""

import random
import time

from support.workload import Load

from chaos.catalog import Catalog
from chaos.cellar import Cellar
from chaos.faults import KINDS, Course
from chaos.faults.base import carry_through
from chaos.leases import Leases
from chaos.probe import Probe

DRAIN_TIMEOUT_S = 180
# Load without a fault at the beginning, to compare with.
CALM_S = 5


class Run:
    """One course of faults over a world. `wrong` holds what broke, `done` the outcomes."""

    def __init__(self, world, history, seed, names, say=print, drain_every=10, cellar_mb=0, even=False, think_s=0.01):
        self.world, self.history, self.seed, self.say = world, history, seed, say
        self.drain_every, self.cellar_mb, self.even, self.think_s = drain_every, cellar_mb, even, think_s
        self.names = [name for name in names if world.has(KINDS[name].needs)]
        self.left_out = [name for name in names if name not in self.names]
        self.done, self.wrong = [], []

    def go(self, minutes=None, count=None):
        """Runs until the time is over or so many faults were done, whichever is asked for."""
        endpoints = self.world.endpoints
        cellar = Cellar(endpoints, self.cellar_mb)
        cellar.fill()
        self.say(f"{len(cellar.kept)} messages lie in the cellar")
        self._torment(minutes, count, endpoints)
        if not self.wrong:
            self.wrong = cellar.count()
            self.history.mark("cellar", kept=len(cellar.kept), found=len(cellar.found), wrong=self.wrong)
            self.say(f"{len(cellar.found)} messages found in the cellar, {len(self.wrong)} wrong")

    def _torment(self, minutes, count, endpoints):
        end = time.monotonic() + minutes * 60 if minutes is not None else float("inf")
        course = Course(self.names, random.Random(self.seed), self.even)
        with (
            Load(
                endpoints,
                "chaos",
                seed=self.seed,
                think_s=self.think_s,
                history=self.history,
                stream=True,
                topics=True,
            ) as load,
            Catalog(endpoints, "register", self.history, seed=self.seed) as catalog,
            Leases(endpoints, "lease", self.history, seed=self.seed) as leases,
            Probe(self.world.directory / "probe", self.history) as self.probe,
        ):
            time.sleep(CALM_S)
            self._see_fifo_partition(load)
            since, until = time.monotonic() - CALM_S + 1, time.monotonic()
            calm, p99 = load.pauses(since, until), load.p99(since, until)
            self.say(f"without a fault: standard {calm[0]:.3f} s, FIFO {calm[1]:.3f} s between two sends at most")
            self.say(f"without a fault: p99 {p99[0] * 1000:.0f} and {p99[1] * 1000:.0f} ms")
            self.history.mark("calm", standard_p99_s=p99[0], fifo_p99_s=p99[1])
            try:
                while time.monotonic() < end and not self.wrong and (count is None or len(self.done) < count):
                    self._one(course.next(self.world), load)
                    self.wrong = load.violations() + catalog.crashed + leases.crashed
                    if not self.wrong and len(self.done) % self.drain_every == 0:
                        self._drain(load)
                        load.resume()
                if not self.wrong:
                    self._drain(load)
            except (AssertionError, OSError) as error:  # a node that did not come back, a command that failed
                self.wrong = [f"{type(error).__name__}: {error}", *load.violations()]
            self.summary = load.summary()

    def _one(self, fault, load):
        self.say(f"{fault.name}: {fault.describe()}")
        outcome = carry_through(fault, load, self.history)
        if stall := self.probe.between(outcome.began, outcome.ended):
            outcome.notes.append(stall)
        outcome.notes += [f"{path.name} was set aside" for path in self.world.tidy()]
        self.done.append(outcome)
        self.say(outcome.row())

    def _drain(self, load):
        began = time.monotonic()
        self.wrong = load.drain(DRAIN_TIMEOUT_S)
        self.history.mark("drained", wrong=self.wrong)
        self.say(f"drained in {time.monotonic() - began:.1f} s: {len(self.wrong)} wrong")

    def _see_fifo_partition(self, load):
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        while load.fifo_partition is None:
            if time.monotonic() > deadline:
                raise AssertionError("no FIFO message was ever received")
            time.sleep(0.1)
        self.world.fifo_partition = load.fifo_partition
