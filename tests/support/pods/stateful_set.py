"""The StatefulSet's controller and the kubelet, by the manifest as it stands.

Environment, arguments, probes, hook and grace are the manifest's. Three times are shortened, so that a test takes
seconds: how long a pod lingers, how long it must be ready, and the pause before a container is started again. The
volume is a directory, and stands for /data.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
import time

import yaml
from support.nodes import binary

from support.pods.api_server import PORT
from support.pods.isolated import HERE

LINGER_S, READY_FOR_S, RESTART_PAUSE_S = 1, 1, 0.5
# Fewer than the manifest's, for the speed of a test's first start.
PARTITIONS = 6
NAMESPACE = "levada"
# Of each partition but the catalog, which all nodes have.
COPIES = 3
READY_TIMEOUT_S = 120
POLL_S = 0.05


def eventually(what, timeout_s=READY_TIMEOUT_S, why=lambda: ""):
    """Waits until `what()` is true."""
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, f"not within {timeout_s} s\n{why()}"
        time.sleep(POLL_S)


class Pod:
    """One pod, from its creation to its end."""

    def __init__(self, owner, ordinal):
        self.owner, self.ordinal = owner, ordinal
        self.name = f"{owner.name}-{ordinal}"
        self.volume = owner.directory / f"data-{self.name}"
        self.volume.mkdir(exist_ok=True)
        self.log_path = owner.directory / f"{self.name}.log"
        self.network = owner.world.network()
        self.address = self.network.address
        self.terminating = False
        self.restarts = {}
        self.processes = {}
        owner.world.name(owner.host(ordinal), self.address)
        for container in owner.spec["containers"]:
            self._launch(container)
        self.kubelet = threading.Thread(target=self._keep_running, daemon=True)
        self.kubelet.start()

    def _environment(self, container):
        fields = {"metadata.name": self.name, "metadata.namespace": NAMESPACE}
        given = {k: v for k, v in os.environ.items() if not k.startswith("LEVADA_")}
        own = {"KUBERNETES_SERVICE_HOST": HERE, "KUBERNETES_SERVICE_PORT": str(PORT), "HOSTNAME": self.name}
        for variable in container.get("env", ()):
            if "valueFrom" in variable:
                own[variable["name"]] = fields[variable["valueFrom"]["fieldRef"]["fieldPath"]]
            else:
                value = str(variable["value"])
                for name, known in own.items():
                    value = value.replace(f"$({name})", known)
                own[variable["name"]] = value
        for name, value in own.items():
            if value.startswith("/data"):
                own[name] = f"{self.volume}{value.removeprefix('/data')}"
        if "LEVADA_PARTITIONS" in own:
            own["LEVADA_PARTITIONS"] = str(PARTITIONS)
        return given | own | self.owner.extra_env

    def _launch(self, container):
        command = self.network.enter(str(self.owner.binary), *container["args"])
        with self.log_path.open("ab") as log:
            self.processes[container["name"]] = subprocess.Popen(
                command, env=self._environment(container), stdout=log, stderr=log
            )

    def _keep_running(self):
        """The kubelet starts a container again that has ended by itself."""
        while not self.terminating:
            for container in self.owner.spec["containers"]:
                name = container["name"]
                if self.processes[name].poll() is not None and not self.terminating:
                    self.restarts[name] = self.restarts.get(name, 0) + 1
                    time.sleep(RESTART_PAUSE_S)
                    if not self.terminating:
                        self._launch(container)
            time.sleep(POLL_S)

    def container(self, name):
        """A container of the manifest."""
        return next(c for c in self.owner.spec["containers"] if c["name"] == name)

    def probe(self, kind):
        """Whether a probe of the node's container succeeds."""
        get = self.container("levada")[kind]["httpGet"]
        ports = {p["name"]: p["containerPort"] for p in self.container("levada")["ports"]}
        connection = http.client.HTTPConnection(self.address, ports[get["port"]], timeout=2)
        try:
            connection.request("GET", get["path"])
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def ready(self):
        """Whether the services have it."""
        return not self.terminating and self.probe("readinessProbe")

    def stays_ready(self):
        """Whether it is ready and stays so for a while: a probe may fail as often as the manifest lets it."""
        threshold = self.container("levada")["readinessProbe"]["failureThreshold"]
        until, failed = time.monotonic() + READY_FOR_S, 0
        while time.monotonic() < until:
            failed = 0 if self.ready() else failed + 1
            if failed >= threshold:
                return False
            time.sleep(10 * POLL_S)
        return failed == 0

    def exec(self, *words):
        """`kubectl exec -c levada`: gives what the command said."""
        return subprocess.run(
            self.network.enter(str(self.owner.binary), *words), env=self._environment(self.container("levada")),
            capture_output=True, text=True, check=False, timeout=120,
        )

    def delete(self, force=False):
        """Deletes the pod as the API server does: the hook, SIGTERM, the grace period, then the end. With `force` the
        machine is gone: no hook, no signal that a process could act on. Returns whether it ended in time."""
        self.terminating = True
        self.kubelet.join()
        graceful = True
        if force:
            self.network.cut()
        else:
            graceful = self._terminate()
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.network.remove()
        self.owner.world.name(self.owner.host(self.ordinal), None)
        return graceful

    def _terminate(self):
        deadline = time.monotonic() + self.owner.spec["terminationGracePeriodSeconds"]
        self.processes["members"].send_signal(signal.SIGTERM)
        container = self.container("levada")
        hook = [word.replace("--linger-secs=5", f"--linger-secs={LINGER_S}") for word in
                container["lifecycle"]["preStop"]["exec"]["command"]]
        assert hook[0] == "/levada"
        with self.log_path.open("ab") as log:
            stopping = subprocess.Popen(
                self.network.enter(str(self.owner.binary), *hook[1:]), env=self._environment(container),
                stdout=log, stderr=log,
            )
        node = self.processes["levada"]
        while stopping.poll() is None and node.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
        if stopping.poll() is None:
            stopping.kill()
        stopping.wait()
        node.send_signal(signal.SIGTERM)
        try:
            node.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def log_tail(self, lines=25):
        """The end of what its containers said."""
        text = self.log_path.read_text(errors="replace")
        return f"-- {self.name} ({self.address})\n" + "\n".join(text.splitlines()[-lines:])


class StatefulSet:
    """The pods that the manifest wants."""

    def __init__(self, world, api, manifest, directory, extra_env=None):
        documents = list(yaml.safe_load_all(manifest.read_text()))
        document = next(d for d in documents if d and d["kind"] == "StatefulSet")
        self.world, self.api, self.directory = world, api, directory
        self.name = document["metadata"]["name"]
        self.service = document["spec"]["serviceName"]
        self.spec = document["spec"]["template"]["spec"]
        assert document["spec"]["podManagementPolicy"] == "Parallel", "what is acted here is that"
        self.extra_env = extra_env or {}
        self.binary = binary()
        self.pods = {}
        self.replicas = 0

    def host(self, ordinal):
        """The name that the headless service gives a pod."""
        return f"{self.name}-{ordinal}.{self.service}.{NAMESPACE}.svc.cluster.local"

    def endpoint(self, ordinal):
        """Where a client finds a pod by its name."""
        return f"http://{self.host(ordinal)}:4566"

    def scale(self, replicas):
        """All pods that are missing come at once, and all that are too many go at once."""
        self.replicas = replicas
        self.api.replicas[f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/{self.name}/scale"] = replicas
        for ordinal in range(replicas):
            if ordinal not in self.pods:
                self.pods[ordinal] = Pod(self, ordinal)
        gone = [self.pods.pop(ordinal) for ordinal in sorted(self.pods) if ordinal >= replicas]
        results = []
        threads = [threading.Thread(target=lambda pod=pod: results.append((pod, pod.delete()))) for pod in gone]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(graceful for _, graceful in results), "a pod's grace ran out\n" + self.logs()
        return gone

    def delete_pod(self, ordinal, force=False, volume=False):
        """A pod is deleted, perhaps with its volume, and the controller makes it anew, at another address."""
        pod = self.pods.pop(ordinal)
        pod.delete(force)
        if volume:
            shutil.rmtree(pod.volume)
        assert ordinal < self.replicas
        self.pods[ordinal] = Pod(self, ordinal)
        return self.pods[ordinal]

    def rolling_update(self, new_binary=None, between=lambda ordinal: None):
        """From the last ordinal to the first, each when the one before has been ready for a while."""
        self.binary = new_binary or self.binary
        for ordinal in sorted(self.pods, reverse=True):
            pod = self.delete_pod(ordinal)
            eventually(pod.stays_ready, why=self.logs)
            between(ordinal)

    def status(self, ordinal=0):
        """The cluster as a pod sees it."""
        connection = http.client.HTTPConnection(self.pods[ordinal].address, 4566, timeout=5)
        try:
            connection.request("GET", "/_levada/status")
            return json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        finally:
            connection.close()

    def is_whole(self):
        """Whether the members are the pods, all of them ready, and every partition has its copies where it should."""
        if not all(pod.ready() for pod in self.pods.values()):
            return False
        status = self.status()
        hosts = {f"{self.host(ordinal)}:7100" for ordinal in self.pods}
        nodes = {member["node"] for member in status.get("members", ())}

        def placed(partition):
            copies, votes = set(partition["set"]), partition["voters"]
            count = len(nodes) if partition["partition"] == 0 else min(COPIES, len(nodes))
            # Without a copy of its own a node does not know who votes.
            return copies <= nodes and len(copies) == count and (votes is None or set(votes) == copies)

        return (
            {member["peer_address"] for member in status.get("members", ())} == hosts
            and status["change"] is None
            and all(placed(partition) for partition in status["partitions"])
        )

    def wait_whole(self):
        """Returns when one more failure could be survived."""
        eventually(self.is_whole, why=lambda: f"{self.status()}\n{self.logs()}")

    def logs(self):
        """The end of every pod's log."""
        return "\n".join(pod.log_tail() for pod in self.pods.values())

    def close(self):
        """Ends every process."""
        for pod in self.pods.values():
            pod.delete(force=True)
        self.pods.clear()
