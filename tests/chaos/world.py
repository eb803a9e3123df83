"""Three nodes and a spare one, each with a network, a disk and a clock of its own as far as this machine allows.

What it does not allow is named in `lacking`, with the reason, and the faults that need it are left out.
"""

import os
import shutil

from support.nodes import Cluster, Node, free_ports

from chaos import disks, network, shim

COUNT = 3
HTTP_PORT, PEER_PORT = 4566, 7100
# Names can be used again at once, so that a name's history is that of one register. Operators are not on loopback.
CONFIG = '\n[sqs]\ndeleted_name_wait_secs = 0\n\n[admin]\ncallers = "all"\n\n[log]\nlevel = "info"\n'
# A run that is killed takes its nodes along.
DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []


class World(Cluster):
    """A cluster to torment. Use as a context."""

    def __init__(self, directory, namespaces=True, loop_disks=True, disk_bytes=disks.DISK_BYTES):
        os.makedirs(directory, exist_ok=True)
        self.lacking = {}
        self.disk_bytes = disk_bytes
        self.keep = False  # whether the disks stay, for someone to look at
        self.fifo_partition = None  # known once there is load
        self.network = self.library = None
        self.disks, self.shims = {}, {}
        if why := network.why_not() if namespaces else "not asked for":
            self.lacking["network"] = why
        else:
            self.network = network.Network(range(1, COUNT + 2))
        if why := disks.why_not(directory) if loop_disks else "not asked for":
            self.lacking["disks"] = why
        try:
            self.library = shim.build(directory)
        except OSError as error:
            self.lacking["shim"] = str(error)
        try:
            if self.network:
                self.network.__enter__()
            super().__init__(COUNT, directory)
        except BaseException:
            self.close_surroundings()
            raise

    def _nodes(self, count, _):
        self.ports = [] if self.network else free_ports(2 * (count + 1))
        return [self._node(number, [self._peer(n) for n in range(1, count + 1)]) for number in range(1, count + 1)]

    def _address(self, number):
        if self.network:
            return self.network.host(number), HTTP_PORT, PEER_PORT
        return "127.0.0.1", *self.ports[2 * number - 2 : 2 * number]

    def _peer(self, number):
        host, _, port = self._address(number)
        return f"{host}:{port}"

    def peer(self, node):
        """The peer address of a node, by which operations name it."""
        return self._peer(node.number)

    def _node(self, number, members):
        directory = self.directory / f"n{number}"
        directory.mkdir(parents=True, exist_ok=True)
        disk = None
        if "disks" not in self.lacking:
            disk = directory / "disk"
            self.disks[number] = disks.Disk(disk, self.disk_bytes).make()
        if self.library:
            self.shims[number] = shim.Shim(self.library, directory / "control")
        host, http_port, peer_port = self._address(number)
        return Node(
            directory,
            http_port,
            peer_port,
            members,
            number,
            CONFIG,
            host=host,
            disk=disk,
            wrap=[*(self.network.wrap(number) if self.network else ()), *DIES_WITH_US],
            environment=self.shims[number].environment() if self.library else None,
        )

    def spare(self):
        """The node that a growing cluster takes in, made when it is first asked for."""
        if not self.spares:
            self.spares.append(self._node(COUNT + 1, [self._peer(n) for n in range(1, COUNT + 2)]))
        return self.spares[0]

    def has(self, needs):
        """Whether faults that need these can be done."""
        return not any(need in self.lacking for need in needs)

    def leader_of(self, partition):
        """The node that leads a partition as the nodes see it, or None."""
        for node in self.nodes:
            status = node.document("/_levada/status") or {}
            for row in status.get("partitions") or ():
                if row.get("partition") == partition and row.get("leader") == status.get("node"):
                    return node
        return None

    def tidy(self):
        """Deletes the directories that damaged nodes set aside, and gives their paths."""
        found = [path for node in self.nodes for path in node.disk.glob("data.damaged*")]
        for path in found:
            shutil.rmtree(path)
        return found

    def calm(self):
        """Ends whatever a fault may have left: cuts, delays, shifted clocks, full disks. Nodes stay as they are."""
        if self.network:
            self.network.mend()
            self.network.repair()
        for each in self.shims.values():
            each.set()
        for disk in self.disks.values():
            disk.empty()
        for node in self.nodes:
            node.resume()

    def close(self):
        """Kills what runs and removes what was made; in plain directories, what the nodes kept."""
        super().close()
        if not self.keep:
            for node in self.nodes + self.spares:
                node.wipe()
        self.close_surroundings()

    def close_surroundings(self):
        """Takes the disks and the network away."""
        for disk in self.disks.values():
            disk.close(self.keep)
        self.disks = {}
        if self.network:
            self.network.close()
            self.network = None
