"""One network namespace a node, one for the clients, and a bridge between them in a namespace of its own.

Nothing here leaves the machine or touches its own network. A cut is silent: the sender keeps a wrong hardware
address for the other side, so its frames reach nobody and nobody answers, as when a switch drops them. That
needs no packet filter. Loss and delay are made by `relay.py`, because few kernels have netem built in.
"""

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

CLONE_NEWNET = 0x40000000
# Where the clients are, as a number beside those of the nodes.
CLIENTS = 100
BRIDGE, RELAY = "br0", Path(__file__).with_name("relay.py")
RELAY_READY_TIMEOUT_S = 10
_libc = ctypes.CDLL(None, use_errno=True)


def _run(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def _enter(path):
    """Moves this thread, and the threads and processes that it starts from now on, to another namespace."""
    with open(path) as namespace:
        if _libc.setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {path}")


def sweep():
    """Removes the namespaces of runs that were killed: those that bear the number of a process that is gone."""
    for path in Path("/var/run/netns").glob("chaos-*-*"):
        pid = path.name.split("-")[1]
        if pid.isdigit() and not Path("/proc", pid).exists():
            _run("ip", "netns", "del", path.name)


def why_not():
    """Why namespaces cannot be made here, or None."""
    name = f"chaos-{os.getpid()}-try"
    try:
        _run("ip", "netns", "add", name)
        try:
            _run("ip", "-n", name, "link", "add", "v0", "type", "veth", "peer", "name", "v1")
            _run("ip", "-n", name, "link", "add", "name", BRIDGE, "type", "bridge")
            _run("nsenter", f"--net=/var/run/netns/{name}", "true")
        finally:
            _run("ip", "netns", "del", name)
    except OSError as error:
        return str(error)
    return None


class Network:
    """The namespaces of one run, entered by the thread that makes it. Use as a context."""

    def __init__(self, numbers):
        self.prefix = f"chaos-{os.getpid()}"
        self.numbers = [*numbers, CLIENTS]
        self.relays = {}  # number -> process
        self.before = None

    @staticmethod
    def host(number):
        """The address of a node, or of the clients."""
        return f"10.99.0.{number}"

    def name(self, number):
        """The namespace of a node, or of the clients."""
        return f"{self.prefix}-n{number}"

    def wrap(self, number):
        """The words that start a command there."""
        return ["nsenter", f"--net=/var/run/netns/{self.name(number)}", "--"]

    def __enter__(self):
        try:
            self._make()
        except BaseException:
            self.close()
            raise
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _enter(f"/var/run/netns/{self.name(CLIENTS)}")
        return self

    def __exit__(self, *_):
        self.close()

    def _make(self):
        self.switch = f"{self.prefix}-switch"
        _run("ip", "netns", "add", self.switch)
        _run("ip", "-n", self.switch, "link", "add", "name", BRIDGE, "type", "bridge")
        _run("ip", "-n", self.switch, "link", "set", "dev", BRIDGE, "up")
        for number in self.numbers:
            name = self.name(number)
            _run("ip", "netns", "add", name)
            peer = ("peer", "name", "eth0", "netns", name, "address", _mac(number))
            _run("ip", "-n", self.switch, "link", "add", f"p{number}", "type", "veth", *peer)
            _run("ip", "-n", self.switch, "link", "set", "dev", f"p{number}", "master", BRIDGE, "up")
            _run("ip", "-n", name, "link", "set", "dev", "lo", "up")
            _run("ip", "-n", name, "link", "set", "dev", "eth0", "up")
            _run("ip", "-n", name, "addr", "add", f"{self.host(number)}/24", "dev", "eth0")
        for number in self.numbers:
            for other in self.numbers:
                if other != number:
                    self._aim(number, other, _mac(other))

    def _aim(self, sender, receiver, mac):
        where = ("lladdr", mac, "dev", "eth0", "nud", "permanent")
        _run("ip", "-n", self.name(sender), "neigh", "replace", self.host(receiver), *where)

    def cut(self, sender, receiver):
        """What `sender` sends to `receiver` is lost from now on, without a word to either."""
        self._aim(sender, receiver, _mac(0xFE))

    def mend(self):
        """Ends every cut."""
        for number in self.numbers:
            for other in self.numbers:
                if other != number:
                    self._aim(number, other, _mac(other))

    def impair(self, number, *words):
        """Takes a node's link to the bridge through `relay.py`, with these options, until `repair`."""
        inner, outer = f"r{number}", f"q{number}"
        port = f"p{number}"
        _run("ip", "-n", self.switch, "link", "add", inner, "type", "veth", "peer", "name", outer)
        for device in (inner, outer):
            _run("ip", "-n", self.switch, "link", "set", "dev", device, "up")
        python = ["nsenter", f"--net=/var/run/netns/{self.switch}", "--", sys.executable, str(RELAY)]
        self._offloads(number, 0)
        _run(*python, "--offloads", 0, outer)
        command = [*python, port, inner, *map(str, words)]
        self.relays[number] = relay = subprocess.Popen(command, stdout=subprocess.PIPE)
        os.set_blocking(relay.stdout.fileno(), False)
        deadline = time.monotonic() + RELAY_READY_TIMEOUT_S
        while not relay.stdout.read(1):
            if relay.poll() is not None or time.monotonic() > deadline:
                raise OSError(f"the relay of node {number} did not start")
            time.sleep(0.01)
        # Only now, so that no more is lost than what comes between these two.
        _run("ip", "-n", self.switch, "link", "set", "dev", port, "nomaster")
        _run("ip", "-n", self.switch, "link", "set", "dev", outer, "master", BRIDGE)

    def repair(self):
        """Ends every `impair`."""
        for number, relay in list(self.relays.items()):
            relay.kill()
            relay.wait()
            _run("ip", "-n", self.switch, "link", "set", "dev", f"p{number}", "master", BRIDGE)
            _run("ip", "-n", self.switch, "link", "del", f"r{number}")
            self._offloads(number, 1)
            del self.relays[number]

    def _offloads(self, number, on):
        _run(*self.wrap(number), sys.executable, RELAY, "--offloads", on, "eth0")

    def close(self):
        """Goes back where this thread was, and removes what was made. The nodes have ended by then."""
        for relay in self.relays.values():
            relay.kill()
            relay.wait()
        if self.before is not None:
            _enter(f"/proc/self/fd/{self.before}")
            os.close(self.before)
            self.before = None
        for name in [self.name(number) for number in self.numbers] + [self.switch]:
            if Path("/var/run/netns", name).exists():
                _run("ip", "netns", "del", name)


def _mac(number):
    return f"02:00:00:00:00:{number:02x}"
