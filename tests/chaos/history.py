"""A file of what happened, one JSON object a line, its times counted from its beginning. The records: support/judge.py."""

import json
import threading
import time

TIMES = ("b", "e", "t")


class History:
    """Appends records. For several threads; a use as a context closes it."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.file = open(path, "w", buffering=1 << 20)
        self.began = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self.lock:
            self.file.close()
            self.file = None

    def add(self, record):
        """Writes a record whose times are of the monotonic clock."""
        shifted = {k: round(v - self.began, 6) if k in TIMES else v for k, v in record.items()}
        line = json.dumps(shifted, separators=(",", ":")) + "\n"
        with self.lock:
            if self.file:  # a worker that outlives the run says nothing more
                self.file.write(line)

    def mark(self, op, **more):
        """Writes a record of something that happened now."""
        self.add({"op": op, "t": time.monotonic(), **more})
