"""Amazon's client library (KCL), both lines of it, polling and with enhanced fan-out: three workers on six shards go on
through the death of a worker, a split, a merge, and the death of a node."""

import os
import time
import uuid

import pytest
from support.balancer import Balancer
from support.kcl import (
    Load,
    Worker,
    all_shards,
    judge,
    judge_stream,
    open_shards,
    parents_of,
    read_whole,
    wait_for,
)
from support.kinesis import kinesis_client, wait_active
from support.nodes import Cluster

LONG = os.environ.get("LEVADA_LONG") == "1"
SHARDS, WORKERS = 6, 3
# The short form has each line and each way once.
FORMS = [("kcl3", "fanout"), ("kcl2", "polling")] + ([("kcl3", "polling"), ("kcl2", "fanout")] if LONG else [])
# How long all is left alone between two events.
QUIET_S = 30 if LONG else 2


@pytest.fixture(scope="module")
def cluster():
    with Cluster(3) as nodes:
        yield nodes


@pytest.fixture
def application(cluster, tmp_path, request):
    """An application with its load; what it was when the test failed is shown."""
    line, mode = request.param
    with Balancer(cluster.nodes) as balancer:
        made = Application(balancer.endpoint, tmp_path, line, mode)
        try:
            yield made
        finally:
            made.close()


class Application:
    """A stream, its load, and workers."""

    def __init__(self, endpoint, directory, line, mode):
        self.endpoint, self.directory, self.mode = endpoint, directory, mode
        self.build = os.environ[f"LEVADA_BUILD_{line.upper()}"]
        self.stream = self.name = f"{line}-{mode}-{uuid.uuid4().hex[:8]}"
        self.kinesis = kinesis_client(endpoint, retries={"total_max_attempts": 8, "mode": "standard"})
        self.kinesis.create_stream(StreamName=self.stream, ShardCount=SHARDS)
        wait_active(self.kinesis, self.stream)
        self.load = Load(endpoint, self.stream)
        self.load.start()
        self.workers = []

    def start_worker(self):
        """One more."""
        name = f"worker-{len(self.workers) + 1}"
        pace = "default" if LONG else "quick"
        words = (self.endpoint, self.stream, self.name, name, self.mode, pace)
        self.workers.append(Worker(self.build, self.directory, *words))
        return self.workers[-1]

    def living(self):
        """The workers whose process runs."""
        return [worker for worker in self.workers if worker.process.poll() is None]

    def wait(self, what, says):
        """Until it is so."""
        return wait_for(what, self.workers, says)

    def wait_held(self, shards, by=None):
        """Until these shards are given to workers that live, to each of at least `by` of them one."""

        def held():
            holders = [worker.holds() for worker in self.living()]
            return shards <= set().union(*holders) and sum(map(bool, holders)) >= (by or 1)

        self.wait(held, f"{sorted(shards)} are held by {by or 1} workers or more")

    def wait_given(self, shards):
        """Until a record of each of these shards is given that comes from now on."""
        now_ms = time.time() * 1000

        def given():
            events = (e for worker in self.living() for e in worker.events if e.what == "record" and e.at_ms > now_ms)
            return shards <= {event.shard for event in events}

        self.wait(given, f"each of {sorted(shards)} goes on")

    def close(self):
        """No process is left."""
        for worker in self.workers:
            worker.kill()
        if self.load.is_alive():
            self.load.end()


def _ids(shards):
    return {shard["ShardId"] for shard in shards}


@pytest.mark.parametrize("application", FORMS, ids="-".join, indirect=True)
def test_an_application_goes_on(application, cluster):
    app, kinesis = application, application.kinesis
    begun, marks = time.monotonic(), []

    def mark(what):
        marks.append(f"{what} {time.monotonic() - begun:.0f} s")

    # The first alone: version 3.5.1 does not get over two workers that both make a new application's rows, wherever they are.
    app.start_worker()
    app.wait_held(_ids(open_shards(kinesis, app.stream)))
    for _ in range(WORKERS - 1):
        app.start_worker()
    app.wait_held(_ids(open_shards(kinesis, app.stream)), by=WORKERS)
    mark("balanced")
    app.wait_given(_ids(open_shards(kinesis, app.stream)))
    time.sleep(QUIET_S)

    victim = max(app.workers, key=lambda worker: len(worker.holds()))
    orphans = victim.holds()
    victim.kill()
    app.wait_held(orphans)
    app.wait_given(orphans)
    mark("worker replaced")
    app.start_worker()

    first, second, third = open_shards(kinesis, app.stream)[:3]
    bounds = [int(first["HashKeyRange"][end]) for end in ("StartingHashKey", "EndingHashKey")]
    kinesis.split_shard(
        StreamName=app.stream, ShardToSplit=first["ShardId"], NewStartingHashKey=str(sum(bounds) // 2)
    )
    wait_active(kinesis, app.stream)
    kinesis.merge_shards(StreamName=app.stream, ShardToMerge=second["ShardId"], AdjacentShardToMerge=third["ShardId"])
    wait_active(kinesis, app.stream)
    children = _ids(shard for shard in all_shards(kinesis, app.stream) if parents_of(shard))
    assert len(children) == 3
    app.wait_given(children)
    mark("children")

    dead = cluster.nodes[0]
    dead.kill()
    app.wait_given(_ids(open_shards(kinesis, app.stream)))
    mark("node lost")
    dead.start()
    cluster.wait_whole()
    time.sleep(QUIET_S)
    app.wait_given(_ids(open_shards(kinesis, app.stream)))
    mark("node back")

    app.load.end()
    shards = all_shards(kinesis, app.stream)
    contents = read_whole(kinesis, app.stream, shards)
    judge_stream(contents, shards, app.load.acknowledged)
    total = sum(map(len, contents.values()))

    def all_given():
        events = (event for worker in app.workers for event in worker.events if event.what == "record")
        return len({(event.shard, event.rest[0]) for event in events}) == total

    app.wait(all_given, f"all {total} records are given")
    living = app.living()
    for worker in living:
        worker.tell_to_end()
    assert all([worker.ends() for worker in living]), app.workers[-1].errors_tail()
    figures = judge(contents, shards, app.workers)
    mark("judged")
    print(f"\n{app.name}: {figures}, {app.load.retries} retries of the load; {', '.join(marks)}")
