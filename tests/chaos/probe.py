"""Looks whether this machine itself stands still: its disk, or this process. A pause that it caused is no failover."""

import os
import threading
import time

EVERY_S = 0.05
# A sync of 4 KiB, or a short sleep, that takes longer is written down.
STALL_S = 0.15


class Probe(threading.Thread):
    """Syncs a small file again and again. `stalls` holds (what, began, ended). Use as a context."""

    def __init__(self, path, history):
        super().__init__(daemon=True)
        self.path, self.history = path, history
        self.stalls = []
        self.stopping = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join(10)

    def run(self):
        with open(self.path, "wb", buffering=0) as file:
            while not self.stopping.is_set():
                began = time.monotonic()
                os.pwrite(file.fileno(), os.urandom(4096), 0)
                os.fdatasync(file.fileno())
                synced = time.monotonic()
                self.stopping.wait(EVERY_S)
                self._note("disk", began, synced)
                self._note("processor", synced, time.monotonic())

    def _note(self, what, began, ended):
        if ended - began > STALL_S:
            self.stalls.append((what, began, ended))
            self.history.add({"op": "stall", "what": what, "b": began, "e": ended})

    def between(self, since, until):
        """The longest stall in that time, in words, or None."""
        found = [(e - b, what) for what, b, e in self.stalls if e > since and b < until]
        if not found:
            return None
        longest_s, what = max(found)
        return f"this machine's {what} stood still for {longest_s:.2f} s"
