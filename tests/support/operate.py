"""The binary's own commands, as an operator gives them."""

import json
import os
import subprocess
import time

from support.nodes import Node, binary, free_ports

COMMAND_TIMEOUT_S = 180
DRAIN_TIMEOUT_S = 60


def levada(*words, endpoint=None, check=True, environment=None):
    """Runs `levada ...` and gives what it said; with `check`, it must have succeeded. `environment` is added to this process's."""
    words = [str(word) for word in words]
    if endpoint:
        words += ["--endpoint", endpoint]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LEVADA_")} | (environment or {})
    done = subprocess.run(
        [str(binary()), *words], capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, env=environment
    )
    if check:
        assert done.returncode == 0, f"levada {' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done


def refused(*words, endpoint=None, environment=None):
    """Runs a command that must be refused, and gives the reason."""
    done = levada(*words, endpoint=endpoint, check=False, environment=environment)
    assert done.returncode == 1, f"levada {words} was not refused\n{done.stdout}\n{done.stderr}"
    return done.stderr.strip().splitlines()[-1]


def status(node):
    """The document of `levada cluster status --json`."""
    return json.loads(levada("cluster", "status", "--json", endpoint=node.endpoint).stdout)


def name(node):
    """The node's number, as the cluster knows it."""
    return node.document("/_levada/status")["node"]


def leads(node, asked=None):
    """How many partitions a node leads, as another one sees it."""
    who = name(node)
    members = (asked or node).document("/_levada/status")["members"]
    return next(m["leads"] for m in members if m["node"] == who)


def spare_node(cluster, extra_config=""):
    """A node that is configured beside the cluster's, and not started. The cluster ends it, whoever has started it."""
    http_port, peer_port = free_ports(2)
    members = [f"127.0.0.1:{n.peer_port}" for n in cluster.nodes] + [f"127.0.0.1:{peer_port}"]
    number = max(n.number for n in cluster.nodes) + 1
    spare = Node(cluster.directory / f"n{number}", http_port, peer_port, members, number, extra_config)
    cluster.spares.append(spare)
    return spare


def address(node):
    """Where its peers reach it."""
    return f"127.0.0.1:{node.peer_port}"


def eventually(what, timeout_s=60, said=lambda: ""):
    """Waits until `what()` is true; if it does not become that, shows what is `said()` then."""
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, f"not within {timeout_s} s {said()}"
        time.sleep(0.1)


def check(load, cluster):
    """Drains, and holds the ledger against what was seen."""
    wrong = load.drain(DRAIN_TIMEOUT_S)
    print(load.summary())
    assert not wrong, "\n".join(wrong) + "\n" + cluster.logs(15)
