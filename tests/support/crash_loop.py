"""kill -9 of a single node under load, again and again, and what was found after each restart.

Besides the two queues of the workload there is a third, the cellar: messages that are only put down, so that
they leave memory for blocks and checkpoints, and are all counted at the end.
"""

import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from support.nodes import Cluster
from support.sqs import Client, ServiceError, Unknown
from support.worker import CALL_TIMEOUT_S, RETRY_S
from support.workload import Load

CELLAR_BODY_BYTES = 2000
# Large enough that some lives write past the bytes after which a node makes a checkpoint.
BODY_BYTES = 50_000
# Most lives are short. The others end around the moment when a node looks whether a checkpoint is due, a second
# after its start, so that kills fall into the writing of one.
SHORT_LIFE_S, LONG_LIFE_S = (0.05, 0.7), (0.95, 1.6)
LONG_LIVES = 0.3
# The node says of every checkpoint that it was written.
LOG_FILTER = '\n[log]\nlevel = "info,openraft=warn,raft_engine=error,levada_replica::machine=debug"\n'
# Lines of a node's log that are worth counting, by what they speak of.
TELLING = {
    # Its log speaks of sequence numbers and blobs, not of its name.
    "sled": re.compile(r"\bsled\b|\blsn\b", re.I),
    "checkpoint written": re.compile(r"wrote a checkpoint"),
    "checkpoint, other": re.compile(r"(?<!wrote a )checkpoint", re.I),
    "corrupt": re.compile(r"corrupt|checksum|crc mismatch|damaged|unreadable", re.I),
    "refill": re.compile(r"refill", re.I),
    "torn tail": re.compile(r"torn", re.I),
    "panic": re.compile(r"panicked|RUST_BACKTRACE"),
    "error": re.compile(r"\bERROR\b|\"level\":\"ERROR\""),
}
# Any of these after a kill -9 of one process on a sound disk is a bug.
FORBIDDEN = ("corrupt", "refill", "panic")


@dataclass
class Outcome:
    """What a run of cycles saw."""

    cycles: int = 0
    ready_s: list = field(default_factory=list)
    said: Counter = field(default_factory=Counter)
    examples: dict = field(default_factory=dict)
    cellar_sent: int = 0
    cellar_found: int = 0
    wrong: list = field(default_factory=list)
    summary: str = ""
    disk_bytes: int = 0
    peak_memory_bytes: int = 0

    def text(self):
        """The report."""
        times = sorted(self.ready_s) or [0.0]
        lines = [
            f"{self.cycles} cycles of kill -9; from start to ready: median {times[len(times) // 2]:.3f} s,"
            f" longest {times[-1]:.3f} s",
            self.summary,
            f"cellar: {self.cellar_sent} acknowledged, {self.cellar_found} found",
            f"data directory at the end: {self.disk_bytes / 2**20:.0f} MiB; largest resident set seen:"
            f" {self.peak_memory_bytes / 2**20:.0f} MiB",
            "lines in the log: " + (", ".join(f"{k} {v}" for k, v in sorted(self.said.items())) or "nothing telling"),
        ]
        lines += [f"  {kind}: {line}" for kind, line in sorted(self.examples.items())]
        return "\n".join(lines)


class Cellarer(threading.Thread):
    """Puts batches into the cellar; an acknowledged body must be found again."""

    def __init__(self, load, url):
        super().__init__(daemon=True)
        self.load, self.url = load, url
        self.kept, self.count = set(), 0

    def run(self):
        client = Client(self.load.endpoints[0], timeout_s=CALL_TIMEOUT_S)
        while not self.load.stopping.is_set():
            entries = [
                {"Id": str(i), "MessageBody": f"{self.count + i} ".ljust(CELLAR_BODY_BYTES, "x")} for i in range(10)
            ]
            try:
                answer = client.call("SendMessageBatch", QueueUrl=self.url, Entries=entries)
            except (ServiceError, Unknown):
                time.sleep(RETRY_S)
                continue
            finally:
                self.count += 10
            self.kept.update(self.count - 10 + int(e["Id"]) for e in answer.get("Successful") or [])
            time.sleep(0.05)


def run(cycles, seed, directory=None, say=lambda text: None, check_every=100):
    """Runs the cycles and returns what was seen. Stops at the first broken promise."""
    source = random.Random(seed)
    outcome = Outcome()
    with Cluster(1, directory=directory, extra_config=LOG_FILTER) as cluster:
        node = cluster.nodes[0]
        with Load(cluster.endpoints, "loop", seed=seed, workers=3, think_s=0.005, body_bytes=BODY_BYTES) as load:
            url = load.ask("CreateQueue", QueueName="cellar")["QueueUrl"]
            cellarer = Cellarer(load, url)
            cellarer.start()
            try:
                _cycles(cycles, source, node, load, outcome, say, check_every)
                outcome.wrong += load.drain()
            except AssertionError as error:
                outcome.wrong += [str(error), *load.violations()]
            outcome.summary = load.summary()
        cellarer.join(CALL_TIMEOUT_S + 5)
        if node.alive():
            _count_cellar(node, url, cellarer.kept, outcome)
        _read_log(node, outcome)
        outcome.disk_bytes = sum(f.stat().st_size for f in node.data_dir.rglob("*") if f.is_file())
        if outcome.wrong:
            say(node.log_tail(60))
    return outcome


def _cycles(cycles, source, node, load, outcome, say, check_every):
    for cycle in range(1, cycles + 1):
        time.sleep(source.uniform(*(LONG_LIFE_S if source.random() < LONG_LIVES else SHORT_LIFE_S)))
        outcome.peak_memory_bytes = max(outcome.peak_memory_bytes, node.resident_bytes())
        node.kill()
        begun = time.monotonic()
        node.start()
        outcome.cycles = cycle
        outcome.ready_s.append(time.monotonic() - begun)
        outcome.wrong += load.violations()
        if not outcome.wrong and cycle % check_every == 0:
            outcome.wrong += load.drain()
            load.resume()
            say(f"{cycle} cycles; last restart {outcome.ready_s[-1]:.3f} s; {load.standard.sent} standard and"
                f" {load.fifo.sent} FIFO sends acknowledged; {len(outcome.wrong)} wrong")
        if outcome.wrong:
            return


def _count_cellar(node, url, kept, outcome):
    """Everything acknowledged must come out, after one more kill."""
    node.kill()
    node.start()
    client, found, empty = Client(node.endpoint, timeout_s=30), set(), 0
    while empty < 3:
        batch = client.call(
            "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, VisibilityTimeout=600
        ).get("Messages") or []
        empty = 0 if batch else empty + 1
        for message in batch:
            number = message["Body"].split(" ", 1)[0]
            if message["Body"] != f"{number} ".ljust(CELLAR_BODY_BYTES, "x"):
                outcome.wrong.append(f"cellar: the body of {number} is not what was sent")
            found.add(int(number))
        if batch:
            entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(batch)]
            client.call("DeleteMessageBatch", QueueUrl=url, Entries=entries)
    outcome.cellar_sent, outcome.cellar_found = len(kept), len(kept & found)
    if missing := sorted(kept - found):
        outcome.wrong.append(f"cellar: {len(missing)} acknowledged messages are lost, the first {missing[:5]}")


def _read_log(node, outcome):
    for line in node.log_text().splitlines():
        for kind, pattern in TELLING.items():
            # A kill in the middle of a write leaves a torn block behind, which nothing names.
            if pattern.search(line) and not (kind == "corrupt" and TELLING["torn tail"].search(line)):
                outcome.said[kind] += 1
                outcome.examples.setdefault(kind, line[:300])
    outcome.wrong += [f"the log speaks of: {kind}" for kind in FORBIDDEN if outcome.said[kind]]
