"""What is done to a cluster: each fault ends with every node running, ready, and a voter everywhere.

`apply` returns when the fault is over; what it took is in the `Fault` that it returns.
"""

import time
from dataclasses import dataclass

# A client must see the cluster whole again within this, or the fault is a failure of its own.
RECOVERY_TIMEOUT_S = 60


@dataclass
class Fault:
    """One fault and what it cost."""

    name: str
    node: int
    began: float = 0.0
    ended: float = 0.0
    standard_pause_s: float = 0.0
    fifo_pause_s: float = 0.0
    ready_s: float = 0.0
    whole_s: float = 0.0

    def row(self):
        """A line of the report."""
        who = f"n{self.node}" if self.node else "all"
        return (
            f"{self.name:<10} {who:<4} standard {self.standard_pause_s:6.3f} s   FIFO {self.fifo_pause_s:6.3f} s"
            f"   ready again {self.ready_s:6.2f} s, whole {self.whole_s:6.2f} s"
        )


KINDS = ("kill", "kill-all", "pause", "wipe", "restart", "rolling")


def apply(cluster, load, kind, number, down_s, settle_s=2.0):
    """Does it, waits until all is well, and measures the longest pauses of acknowledged sends."""
    fault = Fault(kind, 0 if kind in ("kill-all", "rolling") else number, began=time.monotonic())
    node = cluster.nodes[number - 1]
    back = fault.began
    if kind == "kill":
        node.kill()
        time.sleep(down_s)
        back = _start([node])
    elif kind == "kill-all":
        for each in cluster.nodes:
            each.kill()
        time.sleep(down_s)
        back = _start(cluster.nodes)
    elif kind == "pause":
        node.pause()
        time.sleep(down_s)
        node.resume()
        back = time.monotonic()
        node.wait_ready(RECOVERY_TIMEOUT_S)
    elif kind == "wipe":
        node.kill()
        node.wipe()
        time.sleep(down_s)
        back = _start([node])
    elif kind == "restart":
        _stop(node)
        back = _start([node])
    elif kind == "rolling":
        for each in cluster.nodes:
            _stop(each)
            back = _start([each])
            time.sleep(settle_s / 2)
    else:
        raise ValueError(kind)
    fault.ready_s = time.monotonic() - back
    cluster.wait_whole(RECOVERY_TIMEOUT_S)
    fault.whole_s = time.monotonic() - back
    time.sleep(settle_s)
    fault.ended = time.monotonic()
    if load:
        fault.standard_pause_s, fault.fifo_pause_s = load.pauses(fault.began, fault.ended)
    return fault


def _start(nodes):
    begun = time.monotonic()
    for node in nodes:
        node.launch()
    for node in nodes:
        node.wait_ready(RECOVERY_TIMEOUT_S)
    return begun


def _stop(node):
    assert node.stop(), f"node {node.number} did not end by itself after SIGTERM\n{node.log_tail()}"
