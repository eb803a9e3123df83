"""More than three nodes: three copies of each partition, in three zones, that move as nodes come and go under load.

After each test everything is drained and checked, as after a fault: no acknowledged message is lost, none comes
after its delete was acknowledged, FIFO order holds.
"""

import threading
import time
import uuid

import pytest
from support.aws import sqs_client
from support.nodes import Cluster
from support.operate import address, check, eventually, levada, name, refused, spare_node, status
from support.workload import Load

ZONES = ("a", "a", "b", "b", "c")
DATA_PARTITIONS = 24


def zone(node, label):
    """Writes the node's zone into its configuration."""
    config = node.directory / "node.toml"
    config.write_text(config.read_text() + f'zone = "{label}"\n')


@pytest.fixture
def cluster():
    """Five nodes in three zones for one test."""
    nodes = Cluster(5)
    for node, label in zip(nodes.nodes, ZONES):
        zone(node, label)
    first = list(nodes.nodes)
    with nodes:
        yield nodes
        nodes.spares += [node for node in first if node not in nodes.nodes]


@pytest.fixture
def load(cluster):
    """Work on two new queues, through all nodes."""
    with Load(cluster.endpoints, f"s{uuid.uuid4().hex[:8]}") as work:
        yield work


def sets(node):
    """The set of each partition but the catalog, and the zone of each member."""
    seen = node.document("/_levada/status")
    zones = {member["node"]: member["zone"] for member in seen["members"]}
    return {p["partition"]: p["set"] for p in seen["partitions"] if p["partition"]}, zones


def spread(node):
    """Whether each partition has three copies in three zones."""
    found, zones = sets(node)
    return all(len(s) == 3 and len({zones[n] for n in s}) == 3 for s in found.values())


def has_moved(cluster):
    """Whether that is so of who votes, too, as each leader has it: copies move one after the other to where they are placed."""
    seen = [document for document in (node.document("/_levada/status") for node in cluster.nodes) if document]
    if not seen or not spread(cluster.nodes[0]):
        return False
    zones = {member["node"]: member["zone"] for member in seen[0]["members"]}
    placed = {p["partition"] for p in seen[0]["partitions"] if p["partition"]}
    voters = {
        p["partition"]: p["voters"]
        for document in seen
        for p in document["partitions"]
        if p["partition"] and p["leader"] == document["node"] and p["voters"]
    }
    return placed == set(voters) and all(len(v) == 3 and len({zones.get(n) for n in v}) == 3 for v in voters.values())


def copies(node):
    """How many copies each member should have."""
    return {m["node"]: m["copies"] for m in node.document("/_levada/status")["members"]}


def test_a_zone_is_lost_and_nothing_with_it(cluster, load):
    first, second, third, *_ = cluster.nodes
    eventually(lambda: has_moved(cluster))
    cluster.wait_whole()
    shown = levada("cluster", "status", endpoint=first.endpoint).stdout
    assert "zone" in shown and "copies" in shown
    # A queue whose parts are elsewhere is used through any node, and a long poll there is woken.
    before = load.summary()
    for node in (first, second):
        node.kill()
    eventually(
        lambda: third.status("/health/ready") == 200,
        said=lambda: "\n".join(map(str, [third.text("/health/ready"), third.text("/_levada/status"), cluster.logs(15)])),
    )
    time.sleep(2)
    assert load.summary() != before
    for node in (first, second):
        node.start()
    cluster.wait_whole()
    check(load, cluster)


def test_a_node_without_a_copy_wakes_polls_and_makes_backups(cluster, tmp_path):
    first = cluster.nodes[0]
    eventually(lambda: has_moved(cluster))
    cluster.wait_whole()
    clients = [sqs_client(node.endpoint) for node in cluster.nodes]
    for number in range(4):
        queue = clients[0].create_queue(QueueName=f"poll-{number}.fifo", Attributes={"FifoQueue": "true"})
        url = queue["QueueUrl"]
        for client in clients:
            got = []
            poll = threading.Thread(
                target=lambda c=client: got.append(c.receive_message(QueueUrl=url, WaitTimeSeconds=20)), daemon=True
            )
            poll.start()
            time.sleep(0.3)
            clients[number].send_message(
                QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId=uuid.uuid4().hex
            )
            poll.join(20)
            # At its end a poll that nobody woke answers with nothing, whatever has come.
            assert got and got[0].get("Messages"), f"poll-{number}: nothing came"
            client.delete_message(QueueUrl=url, ReceiptHandle=got[0]["Messages"][0]["ReceiptHandle"])
    clients[0].send_message(QueueUrl=url, MessageBody="kept", MessageGroupId="g", MessageDeduplicationId="kept")
    levada("backup", "--to", tmp_path / "backup", endpoint=first.endpoint)
    levada("restore", "--from", tmp_path / "backup", "--data", tmp_path / "restored")
    said = levada("doctor", "--data", tmp_path / "restored", check=False).stdout
    assert "PROBLEM" not in said, said


def test_nodes_come_and_go_and_partitions_are_added_under_load(cluster, load):
    first = cluster.nodes[0]
    eventually(lambda: has_moved(cluster))
    cluster.wait_whole()
    sixth = spare_node(cluster)
    zone(sixth, "c")
    levada("cluster", "add", address(sixth), endpoint=first.endpoint)
    sixth.launch()
    levada("cluster", "wait", endpoint=first.endpoint)
    sixth.wait_ready()
    cluster.nodes.append(sixth)
    cluster.wait_whole()
    assert spread(first)
    # The zone had one node, with all of its copies, and has two now.
    assert set(copies(first).values()) == {DATA_PARTITIONS // 2 + 1}, copies(first)

    second = cluster.nodes[1]
    levada("cluster", "remove", name(second), endpoint=first.endpoint)
    second.process.wait(30)
    cluster.nodes.remove(second)
    cluster.wait_whole()
    assert spread(first)

    assert "there can only be more" in refused("cluster", "partitions", "12", endpoint=first.endpoint)
    said = levada("cluster", "partitions", "30", endpoint=first.endpoint).stdout
    assert "30 partitions, 24 before" in said
    cluster.wait_whole()
    assert len(status(sixth)["partitions"]) == 31 and spread(sixth)
    # What they hold is there after all have been down.
    sqs = sqs_client(first.endpoint)
    urls = [sqs.create_queue(QueueName=f"new-{n}")["QueueUrl"] for n in range(12)]
    for url in urls:
        sqs.send_message(QueueUrl=url, MessageBody="kept")
    check(load, cluster)
    for node in cluster.nodes:
        node.kill()
    for node in cluster.nodes:
        node.launch()
    cluster.wait_whole()
    other = sqs_client(cluster.nodes[-1].endpoint)
    for url in urls:
        got = other.receive_message(QueueUrl=url, WaitTimeSeconds=10)
        assert [m["Body"] for m in got.get("Messages", [])] == ["kept"]
