"""Scaling, deleted pods, lost volumes and rolling updates, under load, with nobody who helps."""

import time
import uuid

import pytest
from support.pods.api_server import ApiServer
from support.pods.isolated import HERE
from support.pods.stateful_set import StatefulSet, eventually
from support.nodes import ROOT
from support.workload import Load

MANIFEST = ROOT / "cluster-configs" / "kubernetes" / "manifests" / "statefulset.yaml"
DRAIN_TIMEOUT_S = 90


@pytest.fixture(scope="module")
def api(world):
    """The API server."""
    server = ApiServer(HERE)
    yield server
    server.close()


@pytest.fixture
def pods(world, api, tmp_path):
    """Three pods that have made a cluster."""
    made = StatefulSet(world, api, MANIFEST, tmp_path)
    try:
        made.scale(3)
        made.wait_whole()
        yield made
    finally:
        made.close()


@pytest.fixture
def load(pods):
    """Work on two new queues, through the first three pods by their names."""
    with Load([pods.endpoint(n) for n in range(3)], f"k{uuid.uuid4().hex[:8]}") as work:
        yield work


def check(load, pods):
    """Drains, and holds the ledger against what was seen."""
    wrong = load.drain(DRAIN_TIMEOUT_S)
    print(load.summary())
    assert not wrong, "\n".join(wrong) + "\n" + pods.logs()


def test_scaling_from_three_to_five_and_back(pods, load):
    began = time.monotonic()
    pods.scale(5)
    pods.wait_whole()
    print(f"three to five: {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    gone = pods.scale(3)
    print(f"five to three, hooks included: {time.monotonic() - began:.1f} s")
    for pod in gone:
        assert "was taken out of its cluster" in pod.log_path.read_text(), pod.log_tail()
    # Both were let go while they still ran: nothing is left to be done afterwards.
    pods.wait_whole()
    # Their volumes were kept, and are of no use: they come back as newcomers.
    old = {member["node"] for member in pods.status()["members"]}
    pods.scale(4)
    pods.wait_whole()
    assert "the directory is emptied" in pods.pods[3].log_path.read_text()
    assert old < {member["node"] for member in pods.status()["members"]}
    check(load, pods)


def test_deleted_pods_and_a_deleted_volume(pods, load):
    before = {ordinal: pod.address for ordinal, pod in pods.pods.items()}
    nodes = {member["peer_address"]: member["node"] for member in pods.status()["members"]}
    pods.delete_pod(1)
    pods.wait_whole()
    # Its machine is gone, and its address with it.
    pods.delete_pod(0, force=True)
    pods.wait_whole()
    pods.delete_pod(2, force=True, volume=True)
    pods.wait_whole()
    assert all(pods.pods[ordinal].address != address for ordinal, address in before.items())
    now = {member["peer_address"]: member["node"] for member in pods.status()["members"]}
    assert now.keys() == nodes.keys()
    replaced = [address for address in now if now[address] != nodes[address]]
    assert replaced == [f"{pods.host(2)}:7100"], "an empty volume is a newcomer's, and the others are who they were"
    check(load, pods)


def test_a_rolling_update_and_a_cluster_that_is_put_away(pods, load):
    led_at_the_end = {}

    def look(ordinal):
        led_at_the_end[ordinal] = "partitions were handed over" in pods.pods[ordinal].log_path.read_text()

    began = time.monotonic()
    pods.rolling_update(between=look)
    assert all(led_at_the_end.values()), led_at_the_end
    pods.wait_whole()
    print(f"longest pauses of a send, in seconds: {load.pauses(began, time.monotonic())}")
    check(load, pods)
    # No replicas at all: everybody stops, nobody is taken out, and all of it comes back at other addresses.
    nodes = {member["node"] for member in pods.status()["members"]}
    pods.scale(0)
    pods.scale(3)
    pods.wait_whole()
    assert {member["node"] for member in pods.status()["members"]} == nodes


def test_an_api_server_that_is_away_is_waited_for(pods, api):
    path = next(path for path in api.replicas if path.endswith("/levada/scale"))
    replicas = api.replicas.pop(path)
    refused = "does not let this pod look at the StatefulSet levada"
    eventually(lambda: any(refused in pod.log_path.read_text() for pod in pods.pods.values()), why=pods.logs)
    # A pod that is deleted meanwhile is taken to stay.
    assert pods.pods[2].delete()
    assert "not wanted any more" not in pods.pods[2].log_path.read_text()
    api.replicas[path] = replicas
    pods.pods.pop(2)
    pods.scale(3)
    pods.wait_whole()
