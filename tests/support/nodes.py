"""Real `levada` processes on free ports and directories of their own.

Nothing here talks SQS. A node is ready when GET /health/ready answers 200; it is ended by its own pid and by
nothing else, and its log stays readable until its directory goes.
"""

import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A node on an empty directory is ready within 5 s; a busy machine gets more, a hung one is not waited for.
READY_TIMEOUT_S = 60
# A node hands its leaders over before it ends.
STOP_TIMEOUT_S = 20
POLL_S = 0.01
# Below the range that Linux takes source ports from: a port that a killed node left must still be free for
# it a moment later, and a client that dials it meanwhile must not be connected to itself.
PORTS = range(20_000, 32_000)


class Patience:
    """A timeout that does not run while this whole machine stands still, as a busy one may for minutes."""

    LOOK_S_MAX = 1.0

    def __init__(self, timeout_s):
        self.left_s, self.looked = timeout_s, time.monotonic()

    def is_over(self):
        """True once so much time has passed, of which each look takes a second at most."""
        now = time.monotonic()
        self.left_s -= min(now - self.looked, self.LOOK_S_MAX)
        self.looked = now
        return self.left_s <= 0


class NotReady(AssertionError):
    """A node ended, or did not become ready in time."""


def binary():
    """The binary under test: LEVADA_BIN, else the newest that cargo built here."""
    named = os.environ.get("LEVADA_BIN")
    if named:
        return Path(named).resolve()
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [target / profile / "levada" for profile in ("release", "debug")]
    built = sorted((p for p in built if p.exists()), key=lambda p: p.stat().st_mtime)
    if not built:
        raise FileNotFoundError("no levada binary: run `cargo build -p levada`, or set LEVADA_BIN")
    return built[-1]


def free_ports(count):
    """Ports that nobody listens on now, each given out once by this process."""
    found = []
    while len(found) < count:
        port = random.SystemRandom().choice(PORTS)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        found.append(port)
    return found


_given = set()


class Node:
    """One process. Its directory holds `node.toml`, `log` and, without a `disk` of its own, `data/`.

    `wrap` are words before the command (to enter a network namespace), `environment` is added to the process's. With a
    `tls_port` it serves over TLS too, by a certificate that it makes itself.
    """

    def __init__(
        self,
        directory,
        http_port,
        peer_port=None,
        members=(),
        number=1,
        extra_config="",
        host="127.0.0.1",
        disk=None,
        wrap=(),
        environment=None,
        tls_port=None,
    ):
        self.directory = Path(directory)
        self.disk = Path(disk or directory)
        self.host, self.http_port, self.peer_port = host, http_port, peer_port
        self.wrap, self.environment = list(wrap), dict(environment or {})
        self.number = number
        self.endpoint = f"http://{host}:{http_port}"
        self.https_endpoint = f"https://{host}:{tls_port}"
        self.tls_port = tls_port
        self.process = None
        self.binary = None  # another one than the one under test
        self.directory.mkdir(parents=True, exist_ok=True)
        lines = [f'data_dir = "{self.data_dir}"', "", "[http]", f'listen = "{host}:{http_port}"']
        if tls_port:
            lines += ["", "[http.tls]", f'listen = "{host}:{tls_port}"', "self_signed = true"]
        if members:
            quoted = ", ".join(f'"{m}"' for m in members)
            lines += ["", "[peers]", f'listen = "{host}:{peer_port}"', f"members = [{quoted}]"]
        (self.directory / "node.toml").write_text("\n".join(lines) + "\n" + extra_config)

    @property
    def data_dir(self):
        """What the node must not forget."""
        return self.disk / "data"

    @property
    def certificate(self):
        """What clients over TLS are to trust."""
        return self.data_dir / "tls" / "certificate.pem"

    @property
    def log_path(self):
        """What the node said, over all its lives."""
        return self.directory / "log"

    @property
    def pid(self):
        """The pid of the process, or None."""
        return self.process.pid if self.process else None

    def alive(self):
        """True while the process runs (a paused one runs)."""
        return self.process is not None and self.process.poll() is None

    def launch(self):
        """Starts the process and returns at once."""
        assert not self.alive(), f"node {self.number} runs already"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LEVADA_")}
        with open(self.log_path, "ab") as log:
            log.write(f"---- start at {time.time():.3f}\n".encode())
            log.flush()
            self.process = subprocess.Popen(
                [*self.wrap, str(self.binary or binary()), "serve", "--config", str(self.directory / "node.toml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment | self.environment,
                start_new_session=True,
            )
        return self

    def start(self, timeout_s=READY_TIMEOUT_S):
        """Starts the process and returns when it is ready."""
        self.launch()
        return self.wait_ready(timeout_s)

    def wait_ready(self, timeout_s=READY_TIMEOUT_S):
        """Returns when /health/ready answers 200."""
        return self.wait_for("/health/ready", timeout_s)

    def wait_for(self, path, timeout_s=READY_TIMEOUT_S):
        """Returns when GET `path` answers 200; shows the log if it does not."""
        patience = Patience(timeout_s)
        while self.status(path) != 200:
            if not self.alive():
                code = self.process.returncode if self.process else None
                raise NotReady(f"node {self.number} ended with {code}\n{self.log_tail()}")
            if patience.is_over():
                said = f"{self.text(path)}\n{json.dumps(self.document('/_levada/status'))}"
                raise NotReady(f"node {self.number}: no 200 at {path} in {timeout_s} s: {said}\n{self.log_tail()}")
            time.sleep(POLL_S)
        return self

    def status(self, path, timeout_s=2):
        """The status of GET `path`, or None if nobody answers."""
        connection = http.client.HTTPConnection(self.host, self.http_port, timeout=timeout_s)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def text(self, path, timeout_s=2):
        """What is at GET `path`, or None if nobody answers."""
        connection = http.client.HTTPConnection(self.host, self.http_port, timeout=timeout_s)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def document(self, path, timeout_s=2):
        """The JSON at GET `path`, or None if nobody answers."""
        try:
            return json.loads(self.text(path, timeout_s) or "null")
        except ValueError:
            return None

    def signal(self, number):
        """Sends a signal to this process and no other."""
        if self.alive():
            os.kill(self.process.pid, number)

    def kill(self):
        """kill -9, and waits until the process is gone."""
        self.signal(signal.SIGKILL)
        if self.process:
            self.process.wait()

    def pause(self):
        """SIGSTOP: the process stays, its sockets stay open, nothing is answered."""
        self.signal(signal.SIGSTOP)

    def resume(self):
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def ends_within(self, timeout_s):
        """True if the process is gone, or ends by itself in that time."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, timeout_s=STOP_TIMEOUT_S):
        """SIGTERM, and waits; True if the node ended by itself in time."""
        self.resume()
        self.signal(signal.SIGTERM)
        if not self.process or self.ends_within(timeout_s):
            return True
        self.kill()
        return False

    def wipe(self):
        """Deletes what the node kept. It must not run."""
        assert not self.alive(), f"node {self.number} runs"
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def log_text(self):
        """The whole log."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines=40):
        """The end of the log, for the report of a failure."""
        return f"-- log of node {self.number}:\n" + "\n".join(self.log_text().splitlines()[-lines:])

    def resident_bytes(self):
        """Memory of the process that is in RAM now."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def cpu_s(self):
        """CPU time that the process has used, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Cluster:
    """`count` nodes that know each other. One node has no peers at all: it is `levada serve` alone."""

    def __init__(self, count=3, directory=None, extra_config="", tls=False):
        self.owned = directory is None
        self.directory = Path(directory or tempfile.mkdtemp(prefix="levada-test-"))
        self.tls = tls
        self.nodes = self._nodes(count, extra_config)
        self.spares = []  # nodes that a test makes beside them

    def _nodes(self, count, extra_config):
        ports = free_ports(2 * count)
        tls_ports = free_ports(count) if self.tls else [None] * count
        members = [f"127.0.0.1:{p}" for p in ports[count:]] if count > 1 else []
        return [
            Node(
                self.directory / f"n{i + 1}",
                ports[i],
                ports[count + i],
                members,
                i + 1,
                extra_config,
                tls_port=tls_ports[i],
            )
            for i in range(count)
        ]

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    @property
    def endpoints(self):
        """The URL of every node."""
        return [node.endpoint for node in self.nodes]

    def start(self):
        """Starts every node that does not run and waits until all are ready."""
        try:
            for node in self.nodes:
                if not node.alive():
                    node.launch()
            for node in self.nodes:
                node.wait_ready()
            if len(self.nodes) > 1:
                self.wait_whole()
        except BaseException:
            self.close()
            raise
        return self

    def missing(self):
        """What keeps the cluster from being whole: every partition led, and voted on by the nodes of its set."""
        seen = [node.document("/_levada/status") for node in self.nodes]
        if not all(seen):
            return "a node does not answer"
        nodes = {status.get("node") for status in seen}
        for status in seen:
            for partition in status.get("partitions") or [{}]:
                wanted = set(partition.get("set", ()))
                if not wanted or not wanted <= nodes or len(wanted) < min(3, len(nodes)):
                    return f"partition {partition.get('partition')} should be on {wanted} of {nodes}"
                voters = partition.get("voters")
                if (status["node"] in wanted) != (voters is not None) and partition["partition"] != 0:
                    return f"{status['node']} has or lacks a copy of partition {partition.get('partition')}"
                if voters is not None and set(voters) != wanted:
                    return f"partition {partition.get('partition')} has voters {voters}, not {wanted}"
                if partition.get("leader") not in nodes:
                    return f"partition {partition.get('partition')} has no leader"
        return None

    def wait_whole(self, timeout_s=READY_TIMEOUT_S):
        """Returns when one more fault could be survived."""
        patience = Patience(timeout_s)
        while what := self.missing():
            if patience.is_over():
                raise NotReady(f"not whole in {timeout_s} s: {what}\n{self.logs(25)}")
            time.sleep(0.05)
        return self

    def logs(self, lines=40):
        """The end of every log."""
        return "\n".join(node.log_tail(lines) for node in self.nodes)

    def close(self):
        """Kills what runs and deletes the directory, unless LEVADA_TEST_KEEP is set."""
        for node in self.nodes + self.spares:
            node.kill()
        if self.owned and not os.environ.get("LEVADA_TEST_KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)
