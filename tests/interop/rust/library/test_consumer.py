"""The library's consumer: three workers on six shards, with the library's producer as load, go on through the death of a worker,
a split, a merge, and the death of a node."""

import json
import os
import subprocess
import time
import uuid

import pytest
from support.balancer import Balancer, Forgetful
from support.dynamodb import dynamodb_client
from support.kcl import all_shards, judge, open_shards, parents_of, wait_for
from support.kinesis import kinesis_client, wait_active
from support.nodes import Cluster
from support.operate import levada
from support.rust_library import (
    KclWorker,
    LibraryWorker,
    Load,
    aggregate,
    environment,
    hash_key,
    place,
    program,
    take_apart,
)

LONG = os.environ.get("LEVADA_LONG") == "1"
SHARDS, WORKERS = 6, 3
# How long all is left alone between two events.
QUIET_S = 30 if LONG else 1
RECORDS_A_SECOND = 300


@pytest.fixture(scope="module")
def cluster():
    with Cluster(3) as nodes:
        yield nodes


class Application:
    """A stream, its load, and workers."""

    def __init__(self, endpoint, directory, mode, load=None, own=None):
        self.endpoint, self.directory, self.mode = endpoint, directory, mode
        self.stream = self.name = f"rust-{mode}-{uuid.uuid4().hex[:8]}"
        self.kinesis = kinesis_client(own or endpoint, retries={"total_max_attempts": 8, "mode": "standard"})
        self.kinesis.create_stream(StreamName=self.stream, ShardCount=SHARDS)
        wait_active(self.kinesis, self.stream)
        self.load = load and Load(directory, endpoint, self.stream, load, pace=RECORDS_A_SECOND)
        self.workers = []

    def start_worker(self, lease_s=4):
        """One more."""
        name = f"worker-{len(self.workers) + 1}"
        words = (self.endpoint, self.stream, self.name, name, self.mode, lease_s)
        self.workers.append(LibraryWorker(self.directory, *words))
        return self.workers[-1]

    def living(self):
        """The workers whose process runs."""
        return [worker for worker in self.workers if worker.process.poll() is None]

    def wait(self, what, says):
        """Until it is so."""
        return wait_for(what, self.workers, says)

    def wait_held(self, shards, fewest=0):
        """Until these shards are held by workers that live, and each of those has so many at least."""

        def held():
            holders = [worker.holds() for worker in self.living()]
            return shards <= set().union(*holders) and min(map(len, holders)) >= fewest

        self.wait(held, f"{sorted(shards)} are held, {fewest} or more by each")

    def wait_given(self, shards):
        """Until a record of each of these shards is given that comes from now on."""
        now_ms = time.time() * 1000

        def given():
            events = (e for worker in self.living() for e in worker.events if e.what == "record" and e.at_ms > now_ms)
            return shards <= {event.shard for event in events}

        self.wait(given, f"each of {sorted(shards)} goes on")

    def end_workers(self, code=0):
        """All that live are told to end, and do."""
        living = self.living()
        for worker in living:
            worker.tell_to_end()
        assert all([worker.ends() for worker in living]), self.workers[-1].errors_tail()
        assert all(worker.process.returncode == code for worker in living), self.workers[-1].errors_tail()

    def close(self):
        """No process is left."""
        for worker in self.workers:
            worker.kill()
        if self.load:
            self.load.kill()


@pytest.fixture
def application(cluster, tmp_path, request):
    """By a balancer, as whoever is killed is not to matter."""
    with Balancer(cluster.nodes) as balancer:
        made = Application(balancer.endpoint, tmp_path, *request.param)
        try:
            yield made
        finally:
            made.close()


def ids(shards):
    return {shard["ShardId"] for shard in shards}


def split(app, shard):
    """In the middle."""
    bounds = [int(shard["HashKeyRange"][end]) for end in ("StartingHashKey", "EndingHashKey")]
    middle = str(sum(bounds) // 2)
    app.kinesis.split_shard(StreamName=app.stream, ShardToSplit=shard["ShardId"], NewStartingHashKey=middle)
    wait_active(app.kinesis, app.stream)


def judge_all(app):
    """Ends the load, waits until all of it is given, ends the workers, and judges them. Gives figures."""
    receipts = app.load.end()
    shards = all_shards(app.kinesis, app.stream)
    contents = user_records(app.kinesis, app.stream, shards)
    put = judge_producer(contents, shards, receipts)
    total = sum(map(len, contents.values()))

    def all_given():
        events = (event for worker in app.workers for event in worker.events if event.what == "record")
        return len({(event.shard, event.rest[0]) for event in events}) >= total

    app.wait(all_given, f"all {total} records are given")
    app.end_workers()
    figures = judge(contents, shards, app.workers)
    judge_keys(app.workers)
    return {"put": put} | figures


def user_records(kinesis, stream, shards):
    """{shard: [(place, key, data)]} to the end of each, taken apart here; what belongs to another shard is left out."""
    found = {}
    for shard in shards:
        bounds = [int(shard["HashKeyRange"][end]) for end in ("StartingHashKey", "EndingHashKey")]
        records = found[shard["ShardId"]] = []
        at = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while at:
            answer = kinesis.get_records(ShardIterator=at)
            for record in answer["Records"]:
                users = take_apart(record["Data"]) or [(record["PartitionKey"], record["Data"])]
                records += [
                    (place(record["SequenceNumber"], sub), key, data.decode())
                    for sub, (key, data) in enumerate(users)
                    if bounds[0] <= hash_key(key) <= bounds[1]
                ]
            if not answer["Records"] and answer["MillisBehindLatest"] == 0:
                break
            at = answer.get("NextShardIterator")
    return found


def judge_producer(contents, shards, receipts):
    """Everything with a receipt is where the receipt says, and the first appearances of a key's numbers are in order."""
    places = {(shard, at): data for shard, records in contents.items() for at, _, data in records}
    for shard, sequence, sub, data in receipts:
        at = place(sequence, 0 if sub == "-" else sub)
        assert places.get((shard, at)) == data, f"{data} is not at {shard} {sequence} {sub}"
    numbers = sorted(int(data.rpartition(":")[2]) for _, _, _, data in receipts)
    assert numbers == list(range(len(numbers))), "a record has no receipt, or two"
    seen, last = set(), {}
    for shard in shards:
        for _, key, data in contents[shard["ShardId"]]:
            number = int(data.rpartition(":")[2])
            if number not in seen:
                assert last.get(key, -1) < number, f"{key}: {number} after {last[key]} in {shard['ShardId']}"
                seen.add(number)
                last[key] = number
    return len(seen)


def judge_keys(workers):
    """Of each key, what the workers were given for the first time came in order."""
    events = sorted((e.at_ms, n, e) for w in workers for n, e in enumerate(w.events) if e.what == "record")
    seen, last = set(), {}
    for _, _, event in events:
        key, number = event.rest[1], int(event.rest[2].rpartition(":")[2])
        if number not in seen:
            assert last.get(key, -1) < number, f"{key}: {number} was given after {last[key]}"
            seen.add(number)
            last[key] = number


def judge_table(app):
    """The table has the leases that the library of Amazon would have, and the operator's command shows them."""
    items = dynamodb_client(app.endpoint).scan(TableName=app.name)["Items"]
    by_key = {item["leaseKey"]["S"]: item for item in items}
    for shard in all_shards(app.kinesis, app.stream):
        item = by_key.pop(shard["ShardId"])
        assert item["startingHashKey"]["S"] == shard["HashKeyRange"]["StartingHashKey"]
        assert item["endingHashKey"]["S"] == shard["HashKeyRange"]["EndingHashKey"]
        assert sorted(item.get("parentShardId", {"SS": []})["SS"]) == sorted(parents_of(shard))
        assert int(item["leaseCounter"]["N"]) > 0 and "N" in item["ownerSwitchesSinceCheckpoint"]
        assert "N" in item["checkpointSubSequenceNumber"] and "leaseOwner" not in item, "every lease was handed back"
        closed = "EndingSequenceNumber" in shard["SequenceNumberRange"]
        assert (item["checkpoint"]["S"] == "SHARD_END") == closed == ("childShardIds" in item), item
    assert not by_key, f"leases of nothing: {by_key}"
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_REGION": "us-east-1"}
    listed = levada("lease", "list", "--json", endpoint=app.endpoint, environment=keys).stdout
    mine = next(one for one in json.loads(listed)["applications"] if one["application"] == app.name)
    assert mine["leases"] == len(items) and mine["unowned"] == len(items)
    shown = levada("lease", "show", app.name, "--stream", app.stream, "--json", endpoint=app.endpoint, environment=keys)
    behind = [one["behind_ms"] for one in json.loads(shown.stdout)["leases"] if one["checkpoint"].isdigit()]
    assert behind and set(behind) == {0}, "all is read"


@pytest.mark.parametrize(
    "application", [("polling", "single"), ("fanout", "aggregated")], ids="-".join, indirect=True
)
def test_an_application_goes_on(application, cluster):
    app, kinesis = application, application.kinesis
    begun, marks = time.monotonic(), []

    def mark(what):
        marks.append(f"{what} {time.monotonic() - begun:.0f} s")

    for _ in range(WORKERS):
        app.start_worker()
    app.wait_held(ids(open_shards(kinesis, app.stream)), fewest=SHARDS // WORKERS)
    mark("balanced")
    app.wait_given(ids(open_shards(kinesis, app.stream)))
    time.sleep(QUIET_S)

    victim = app.workers[0]
    orphans = victim.holds()
    victim.kill()
    app.wait_held(orphans)
    app.wait_given(orphans)
    mark("worker replaced")
    app.start_worker()

    first, second, third = open_shards(kinesis, app.stream)[:3]
    split(app, first)
    kinesis.merge_shards(StreamName=app.stream, ShardToMerge=second["ShardId"], AdjacentShardToMerge=third["ShardId"])
    wait_active(kinesis, app.stream)
    children = ids(shard for shard in all_shards(kinesis, app.stream) if parents_of(shard))
    assert len(children) == 3
    app.wait_given(children)
    mark("children")

    dead = cluster.nodes[0]
    dead.kill()
    app.wait_given(ids(open_shards(kinesis, app.stream)))
    mark("node lost")
    dead.start()
    cluster.wait_whole()
    time.sleep(QUIET_S)
    app.wait_given(ids(open_shards(kinesis, app.stream)))
    mark("node back")

    figures = judge_all(app)
    judge_table(app)
    checkpoints = [e for w in app.workers for e in w.events if e.what == "checkpoint"]
    if app.mode == "fanout":
        assert any(not e.rest[0].endswith("0" * 9) for e in checkpoints), "no checkpoint was inside an aggregated record"
    mark("judged")
    print(f"\n{app.name}: {figures}; {', '.join(marks)}")


@pytest.mark.parametrize("mode", ["polling", "fanout"])
def test_lost_answers_cost_no_lease_and_no_record(cluster, tmp_path, mode):
    """What is written, put or taken, and not heard of, is found to be written: a worker that is alone loses no lease."""
    with Forgetful(cluster.nodes, losses_in_a_thousand=80, seed=7) as balancer:
        app = Application(balancer.endpoint, tmp_path, mode, "aggregated", own=cluster.endpoints[0])
        try:
            # So long that a busy machine loses none either.
            worker = app.start_worker(lease_s=30)
            app.wait_given(ids(open_shards(app.kinesis, app.stream)))
            split(app, open_shards(app.kinesis, app.stream)[0])
            app.wait(lambda: balancer.lost >= 30, "thirty answers are lost")
            app.wait_given(ids(open_shards(app.kinesis, app.stream)))
            figures = judge_all(app)
        finally:
            app.close()
    lost = [event for event in worker.events if event.what in ("lost", "superseded")]
    assert not lost, lost
    assert figures["again"] == 0, figures
    print(f"\n{app.name}: {figures}, {balancer.lost} answers lost")


@pytest.mark.parametrize("application", [("polling", None)], ids=["polling"], indirect=True)
def test_a_worker_that_ends_hands_its_leases_back_at_once(application):
    """Were they not handed back, they would be nobody's only once their counters had stood still."""
    app = application
    shards = ids(open_shards(app.kinesis, app.stream))
    first = app.start_worker()
    app.wait_held(shards)
    first.tell_to_end()
    assert first.ends() and first.process.returncode == 0, first.errors_tail()
    stopped = {event.shard for event in first.events if event.what == "stopped"}
    assert stopped == shards
    items = dynamodb_client(app.endpoint).scan(TableName=app.name)["Items"]
    assert len(items) == SHARDS and not any("leaseOwner" in item for item in items), items


@pytest.mark.parametrize("application", [("polling", None)], ids=["polling"], indirect=True)
def test_records_of_another_producer_are_taken_apart(application):
    """Bytes that were put together here: tables of keys, explicit hash keys, tags that nobody uses."""
    app = application
    shard = open_shards(app.kinesis, app.stream)[2]
    bounds = [int(shard["HashKeyRange"][end]) for end in ("StartingHashKey", "EndingHashKey")]
    mine, other = bounds[0] + 5, (bounds[1] + 1) % 2**128
    whole = aggregate(
        [("a", b"a:1", 0), ("b", b"b:2", 0), ("a", b"a:3", 1), ("Gr\u00fc\u00dfe", b"c:4", 0)],
        hash_keys=[mine, other],
        tagged=True,
    )
    for data in (whole, b"plain"):
        app.kinesis.put_record(StreamName=app.stream, PartitionKey="p", ExplicitHashKey=str(mine), Data=data)
    worker = app.start_worker()

    def given():
        return [e for e in worker.events if e.what == "record"]

    app.wait(lambda: len(given()) >= 4, "four user records")
    told = [(int(event.rest[0][-9:]), event.rest[1], event.rest[2]) for event in given()]
    # The third one belongs to another shard: its producer puts it there.
    assert told == [(0, "a", "a:1"), (1, "b", "b:2"), (3, "Gr\u00fc\u00dfe", "c:4"), (0, "p", "plain")]
    assert {event.shard for event in given()} == {shard["ShardId"]}


@pytest.mark.parametrize("application", [("polling", None)], ids=["polling"], indirect=True)
def test_the_example_of_the_docs_runs(application):
    app = application
    done = subprocess.run(
        [program("orders"), app.endpoint, app.stream], capture_output=True, text=True, env=environment(), timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 6 and all(line.startswith("shardId-") for line in lines), lines
    orders = sorted(line.partition(" ")[2] for line in lines[3:])
    assert orders == ["ann: milk", "ann: tea", "bo: bread"]
    ann = [line for line in lines[3:] if " ann: " in line]
    assert "tea" in ann[0] and "milk" in ann[1], "a key keeps its order"


@pytest.mark.skipif(not LONG, reason="a JVM takes its time: `run --long`")
@pytest.mark.skipif("LEVADA_BUILD_KCL3" not in os.environ, reason="tests/interop/java/kinesis/run builds it")
@pytest.mark.parametrize("application", [("polling", "aggregated")], ids=["polling"], indirect=True)
def test_amazons_library_and_this_one_follow_on_each_other(application):
    app = application
    shards = ids(open_shards(app.kinesis, app.stream))
    app.start_worker()
    app.wait_given(shards)
    app.end_workers()

    words = (app.endpoint, app.stream, app.name, "kcl", "polling", "quick")
    app.workers.append(KclWorker(os.environ["LEVADA_BUILD_KCL3"], app.directory, *words))
    app.wait_given(shards)
    # A JVM that was told to end says so by its code.
    app.end_workers(code=143)

    app.start_worker()
    app.wait_given(shards)
    figures = judge_all(app)
    print(f"\n{app.name}: {figures}")
