"""What an operator does to a live cluster, by the binary's own commands, under load.

After each operation everything is drained and checked, as after a fault: no acknowledged message is lost, none
comes after its delete was acknowledged, FIFO order holds.
"""

import subprocess
import time
import uuid

import pytest
from support.nodes import Cluster, binary
from support.operate import address, check, eventually, leads, levada, name, refused, spare_node, status
from support.workload import Load


@pytest.fixture
def cluster():
    """Three nodes for one test."""
    with Cluster(3) as nodes:
        first = list(nodes.nodes)
        yield nodes
        nodes.spares += [node for node in first if node not in nodes.nodes]


def balanced(node):
    """Whether every leader is where it should be, as this node sees it."""
    return all(p["leader"] == p["preferred"] for p in node.document("/_levada/status")["partitions"])


@pytest.fixture
def load(cluster):
    """Work on two new queues, through all nodes."""
    with Load(cluster.endpoints, f"o{uuid.uuid4().hex[:8]}") as work:
        yield work


def test_leaders_are_handed_over_and_spread_again(cluster, load):
    first, second, third = cluster.nodes
    one = first.endpoint
    eventually(lambda: balanced(first))
    for partition in (1, 2, 3):
        said = levada("cluster", "transfer", "--partition", partition, "--to", name(third), endpoint=one).stdout
        assert name(third) in said
    time.sleep(4)  # the balance looks every second, and must leave them there
    led = {p["partition"]: p["leader"] for p in status(second)["partitions"]}
    assert all(led[partition] == name(third) for partition in (1, 2, 3))
    assert "there is no" in refused("cluster", "transfer", "--partition", 999, "--to", name(third), endpoint=one)
    assert "no member is" in refused("cluster", "transfer", "--partition", 1, "--to", "n5", endpoint=one)
    assert "not led as preferred" in levada("cluster", "rebalance", "--dry-run", endpoint=one).stdout
    said = levada("cluster", "rebalance", endpoint=one)
    assert " -> " in said.stderr, said.stderr
    assert "as preferred" in said.stdout
    assert all(p["leader"] == p["preferred"] == p["spread"] for p in status(first)["partitions"])
    check(load, cluster)


def test_a_drained_node_leads_nothing_until_it_is_undrained(cluster, load):
    first, second, third = cluster.nodes
    eventually(lambda: balanced(first))
    said = levada("cluster", "drain", address(second), endpoint=first.endpoint)
    assert "leads nothing" in said.stdout
    assert "still leads" in said.stderr
    assert leads(second, asked=first) == 0
    assert "should lead nothing" in refused(
        "cluster", "transfer", "--partition", 1, "--to", name(second), endpoint=first.endpoint
    )
    # A failover must not bring it back, and neither must a restart of everything.
    first.kill()
    eventually(lambda: all(p["leader"] == name(third) for p in third.document("/_levada/status")["partitions"]))
    first.start()
    for node in cluster.nodes:
        assert node.stop()
        node.start()
    cluster.wait_whole()
    eventually(lambda: leads(second, asked=first) == 0)
    time.sleep(4)
    assert leads(second, asked=first) == 0
    levada("cluster", "undrain", name(second), endpoint=third.endpoint)
    eventually(lambda: leads(second, asked=first) > 5)
    check(load, cluster)


def test_a_cluster_grows_and_shrinks_under_load(cluster, load):
    first = cluster.nodes[0]
    fourth = spare_node(cluster)
    fourth.launch()
    time.sleep(1)
    assert fourth.status("/health/ready") == 503, "nobody expects it yet"
    said = levada("cluster", "add", address(fourth), endpoint=first.endpoint).stdout
    assert address(fourth) in said and "LEVADA_PEERS_MEMBERS" in said
    watched = levada("cluster", "wait", endpoint=first.endpoint)
    fourth.wait_ready()
    cluster.nodes.append(fourth)
    cluster.wait_whole()
    assert status(first)["change"] is None
    assert "votes in" in watched.stderr or "waiting for" in watched.stderr
    eventually(lambda: leads(fourth) > 3)
    # It counts: with two of the old ones gone in turn, the rest goes on.
    cluster.nodes[1].kill()
    time.sleep(1)
    cluster.nodes[1].start()
    cluster.wait_whole()

    third = cluster.nodes[2]
    gone = name(third)
    assert "ask another member" in refused("cluster", "remove", gone, endpoint=third.endpoint)
    said = levada("cluster", "remove", gone, endpoint=first.endpoint)
    assert "Of the 3 that remain 1 may fail" in said.stdout
    third.process.wait(30)
    assert third.process.returncode == 1
    assert "was taken out of its cluster" in third.log_text()
    cluster.nodes.remove(third)
    cluster.wait_whole()
    # Its directory is refused from now on, in words.
    third.launch()
    third.process.wait(30)
    assert third.process.returncode == 1
    assert "levada cluster add" in third.log_tail(3)
    check(load, cluster)


def test_a_node_that_was_down_when_it_was_removed_hears_of_it_later(cluster, load):
    first, second, third = cluster.nodes
    gone = name(third)
    third.kill()
    eventually(lambda: first.status("/health/ready") == 200)
    assert "bring" in refused("cluster", "remove", name(second), endpoint=first.endpoint)
    levada("cluster", "remove", gone, endpoint=first.endpoint)
    third.launch()
    third.process.wait(60)
    assert "was taken out of its cluster" in third.log_text()
    cluster.nodes.remove(third)
    cluster.wait_whole()
    # Down to one, which keeps everything.
    levada("cluster", "remove", name(second), endpoint=first.endpoint)
    second.process.wait(60)
    cluster.nodes.remove(second)
    cluster.wait_whole()
    assert "the only member" in refused("cluster", "remove", name(first), endpoint=first.endpoint)
    check(load, cluster)


def test_a_node_is_replaced(cluster, load):
    first, _, third = cluster.nodes
    old = name(third)
    third.kill()
    third.wipe()
    # The command waits; the node comes meanwhile.
    command = subprocess.Popen(
        [str(binary()), "cluster", "replace", address(third), "--endpoint", first.endpoint],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    eventually(lambda: command.poll() is not None or status(first)["change"])
    assert command.poll() is None, command.communicate()
    assert "being replaced" in refused("cluster", "add", "127.0.0.1:1", endpoint=first.endpoint)
    third.start()
    out, err = command.communicate(timeout=90)
    assert command.returncode == 0, err
    assert "is replaced" in out and "empty its data directory" in err
    cluster.wait_whole()
    assert name(third) != old
    check(load, cluster)


def test_two_operators_and_interrupted_commands_strand_nothing(cluster):
    first, second, third = cluster.nodes
    fourth = spare_node(cluster)
    adds = [
        subprocess.Popen(
            [str(binary()), "cluster", "add", at, "--endpoint", node.endpoint],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for node, at in ((first, address(fourth)), (second, "127.0.0.1:19999"))
    ]
    results = [(add.communicate(timeout=60), add.returncode) for add in adds]
    assert sorted(code for _, code in results) == [0, 1], results
    assert "new member is expected at" in refused("cluster", "remove", name(third), endpoint=first.endpoint)
    levada("cluster", "cancel", endpoint=third.endpoint)
    assert "no change" in refused("cluster", "cancel", endpoint=first.endpoint)

    # A removal whose operator, and then whose leader of the catalog, is gone half way.
    removal = subprocess.Popen(
        [str(binary()), "cluster", "remove", name(third), "--endpoint", second.endpoint],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    eventually(lambda: (status(second)["change"] or {}).get("kind") == "remove")
    removal.kill()
    removal.communicate()
    third.process.wait(60)
    cluster.nodes.remove(third)
    cluster.wait_whole()
    eventually(lambda: status(first)["change"] is None)


def test_what_makes_no_sense_is_refused_with_the_safe_way(cluster):
    first, second, _ = cluster.nodes
    with Cluster(1) as foreign:
        alone = foreign.nodes[0]
        assert "listens for no peers" in refused("cluster", "add", "127.0.0.1:1", endpoint=alone.endpoint)
    with Cluster(2) as foreign:
        said = refused("cluster", "add", address(foreign.nodes[0]), endpoint=first.endpoint)
        assert "belongs to cluster" in said and "empty directory" in said
    assert "joins in its old place" in refused("cluster", "add", address(second), endpoint=first.endpoint)
    assert "no member is" in refused("cluster", "remove", "10.9.9.9:7100", endpoint=first.endpoint)
    # Strangers' pages and proxies do not operate.
    import http.client

    for headers, expected in (
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/json", "origin": "http://evil"}, 403),
        ({"content-type": "application/json", "x-forwarded-for": "10.0.0.1"}, 403),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", first.http_port, timeout=5)
        connection.request("POST", "/_levada/cluster/cancel", b"{}", headers)
        assert connection.getresponse().status == expected
        connection.close()


def test_the_doctor_says_what_is_wrong_and_what_to_do(cluster):
    first, second, third = cluster.nodes
    eventually(lambda: balanced(first))
    well = levada("doctor", "--endpoint", first.endpoint, check=False)
    assert "PROBLEM" not in well.stdout and "are led" in well.stdout, well.stdout
    config = second.directory / "node.toml"
    of_file = levada("doctor", "--config", config, check=False)
    assert "the configuration is right" in of_file.stdout and "a process uses the directory" in of_file.stdout
    config.write_text(config.read_text() + "\nno_such_key = 1\n")
    broken = levada("doctor", "--config", config, check=False)
    assert broken.returncode == 1 and "no_such_key" in broken.stdout
    third.kill()
    eventually(lambda: first.status("/health/ready") == 200)
    ill = levada("doctor", "--json", "--endpoint", first.endpoint, check=False)
    assert ill.returncode == 1
    assert "does not answer" in ill.stdout and "levada cluster replace" in ill.stdout
    # Its directory can be looked into while it is down, and is the same afterwards.
    before = sorted(p.name for p in third.directory.iterdir())
    stopped = levada("doctor", "--data", third.data_dir, check=False)
    assert "have a checkpoint" in stopped.stdout and "PROBLEM" not in stopped.stdout, stopped.stdout
    assert sorted(p.name for p in third.directory.iterdir()) == before
    third.start()
    cluster.wait_whole()
    nobody = levada("doctor", "--endpoint", "http://127.0.0.1:1", check=False)
    assert nobody.returncode == 1 and "is the node running" in nobody.stdout
