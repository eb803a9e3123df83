"""Disks that are full or slow."""

import time

from support.sqs import Client, ServiceError, Unknown

from chaos.faults.base import Fault

# Below the 256 MiB that a node keeps in reserve: it refuses sends and goes on with the rest.
LITTLE_BYTES = 128 << 20
# More than a log has preallocated.
FLOOD_BODY_BYTES, FLOOD_MESSAGES_MAX = 1 << 20, 300
FLOOD_CALL_TIMEOUT_S = 5
# A process that has met the full disk just before there was room again is gone by then.
ENDING_S = 1


class NearlyFull(Fault):
    """One node has less room than its reserve."""

    name, weight, needs = "disk-low", 1, ("disks",)

    def inject(self):
        self.world.disks[self.number].fill(LITTLE_BYTES)

    def heal(self):
        self.world.disks[self.number].empty()


class AllNearlyFull(Fault):
    """All nodes have less room than their reserve: sends are refused everywhere, and must be taken again afterwards."""

    name, weight, needs, serves = "disk-low-all", 1, ("disks",), False

    def describe(self):
        return f"all for {self.hold_s:.1f} s"

    def inject(self):
        for disk in self.world.disks.values():
            disk.fill(LITTLE_BYTES)

    def heal(self):
        for disk in self.world.disks.values():
            disk.empty()


class Full(Fault):
    """One node has no room at all: a write fails, which ends its process. It is started when there is room again.

    A log that has room of its own left would not notice, so large messages are sent until it does.
    """

    name, weight, needs = "disk-full", 2, ("disks",)

    def inject(self):
        self.world.disks[self.number].fill(0)
        others = [n for n in self.world.nodes if n is not self.node]
        client = Client(others[0].endpoint, timeout_s=FLOOD_CALL_TIMEOUT_S)
        url = client.call("CreateQueue", QueueName="flood")["QueueUrl"]
        body, sent = "x" * FLOOD_BODY_BYTES, 0
        for _ in range(FLOOD_MESSAGES_MAX):
            if not self.node.alive():
                break
            try:
                client.call("SendMessage", QueueUrl=url, MessageBody=body)
                sent += 1
            except (ServiceError, Unknown):
                time.sleep(0.05)
        self.notes.append(f"{'ran on' if self.node.alive() else 'ended'} after {sent} MiB")
        client.close()

    def heal(self):
        self.world.disks[self.number].empty()
        self.node.ends_within(ENDING_S)
        self.start(self.node)
        # What was sent to fill the disk is not to fill it for ever.
        client = Client(self.world.nodes[self.number % len(self.world.nodes)].endpoint)
        client.call("DeleteQueue", QueueUrl=f"{self.node.endpoint}/000000000000/flood")
        client.close()


class Slow(Fault):
    """Every sync of one node takes 10 to 300 ms longer."""

    name, weight, needs = "disk-slow", 2, ("shim",)

    def draw(self, source):
        self.delay_s = source.uniform(0.01, 0.3)

    def describe(self):
        return f"syncs of n{self.number} take {self.delay_s * 1000:.0f} ms longer for {self.hold_s:.1f} s"

    def inject(self):
        self.world.shims[self.number].set(sync_delay_s=self.delay_s)

    def heal(self):
        self.world.shims[self.number].set()


KINDS = (NearlyFull, AllNearlyFull, Full, Slow)
