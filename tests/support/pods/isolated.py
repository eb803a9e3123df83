"""A network for pods within this process's own namespaces: a bridge, an address for each pod, names in /etc/hosts.

A pod is a network namespace that a sleeping process holds open, as the pause container does. What is made here is seen
by this process and its children only, and is gone with them.
"""

import ctypes
import itertools
import os
import shutil
import subprocess
from pathlib import Path

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
# A network that leads nowhere; the tests are at its first address.
NETWORK, HERE = "10.77.0.", "10.77.0.1"


def _ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _mount(*words):
    subprocess.run(["mount", *words], check=True, capture_output=True)


def cannot():
    """Why no namespaces can be made here; None if they can."""
    if os.geteuid() != 0:
        return "acting Kubernetes out needs root, for network namespaces"
    for tool in ("ip", "unshare", "nsenter", "mount"):
        if not shutil.which(tool):
            return f"acting Kubernetes out needs `{tool}`"
    done = subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"no namespaces can be made here: {done.stderr.strip()}"


class World:
    """The bridge, the names and the pods' networks."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.hosts_path = self.directory / "hosts"
        self.names = {}
        self.pods = []
        self._addresses = itertools.count(10)

    def __enter__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        # For this thread, and so for every process and thread that it makes from here on.
        if libc.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        _mount("--make-rprivate", "/")
        # Where Kubernetes puts a pod's account; the machine's own /run is not seen from here.
        _mount("-t", "tmpfs", "tmpfs", "/run")
        self.hosts_path.write_text("127.0.0.1 localhost\n")
        _mount("--bind", str(self.hosts_path), "/etc/hosts")
        _ip("link", "set", "lo", "up")
        _ip("link", "add", "pods", "type", "bridge")
        _ip("addr", "add", f"{HERE}/24", "dev", "pods")
        _ip("link", "set", "pods", "up")
        return self

    def __exit__(self, *_):
        for pod in list(self.pods):
            pod.remove()

    def name(self, name, address):
        """Lets a name lead to an address; None: to nowhere."""
        self.names[name] = address
        lines = ["127.0.0.1 localhost"]
        lines += [f"{address} {name}" for name, address in self.names.items() if address]
        # In place: what is mounted is the file, not its name.
        self.hosts_path.write_text("\n".join(lines) + "\n")

    def network(self):
        """A pod's network, at an address that nobody had before."""
        network = Network(f"{NETWORK}{next(self._addresses)}", self)
        self.pods.append(network)
        return network


class Network:
    """One pod's network namespace."""

    def __init__(self, address, world):
        self.address, self.world = address, world
        self.pause = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep infinity"], stdout=subprocess.PIPE)
        # Its namespace is there when it says something.
        self.pause.stdout.readline()
        pid, link = str(self.pause.pid), f"p{address.rsplit('.', 1)[1]}"
        self.link = link
        _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", pid)
        _ip("link", "set", link, "master", "pods", "up")
        for words in (
            ("addr", "add", f"{address}/24", "dev", "eth0"), ("link", "set", "eth0", "up"), ("link", "set", "lo", "up"),
        ):
            subprocess.run(self.enter("ip", *words), check=True, capture_output=True)

    def enter(self, *command):
        """The command, within the pod's network."""
        return ["nsenter", "-t", str(self.pause.pid), "-n", "--", *command]

    def cut(self):
        """Nothing comes in or goes out any more, and nobody is told."""
        _ip("link", "set", self.link, "down")

    def remove(self):
        """The network and its address are gone."""
        self.pause.kill()
        self.pause.wait()
        self.pause.stdout.close()
        if self in self.world.pods:
            self.world.pods.remove(self)
