"""Workers of an application on Amazon's client library (KCL) as processes, what they say, and whether it is right.

A worker is `dev.levada.interop.Worker` (tests/interop/java/kinesis), a line for each event. What is in the stream is read
by boto3, and the workers' logs are judged by it.
"""

import os
import signal
import subprocess
import threading
import time
from collections import namedtuple
from pathlib import Path

from support.kinesis import kinesis_client
from support.nodes import Patience

# JVMs and nodes share two cores with whatever else the machine does. At its own pace version 3 looks for an imbalance once a
# minute, and takes a part of it away.
WAIT_S = 600 if os.environ.get("LEVADA_LONG") == "1" else 180
# A worker that is told to end checkpoints first.
STOP_TIMEOUT_S = 40
JAVA = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.showDateTime=true"]
HASH_KEYS = 2**128

Event = namedtuple("Event", "at_ms what shard rest")
# A worker's time with a shard: since when, from after which checkpoint, and which sequence numbers it was given.
Tenure = namedtuple("Tenure", "worker shard since_ms after sequences")


def java(build, main, *words, stdout, stderr, level="warn"):
    """Starts a class of the built project in a process of its own."""
    classpath = f"{build}/classes:{(Path(build) / 'classpath').read_text().strip()}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return subprocess.Popen(
        [*JAVA, f"-Dorg.slf4j.simpleLogger.defaultLogLevel={level}", "-cp", classpath, main, *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=environment | {"AWS_EC2_METADATA_DISABLED": "true"},
        start_new_session=True,
    )


class Worker:
    """One process of an application."""

    def __init__(self, build, directory, endpoint, stream, application, name, mode, pace):
        self.name, self.directory = name, Path(directory)
        self.events_path, self.errors_path = self.directory / f"{name}.events", self.directory / f"{name}.errors"
        with open(self.events_path, "wb") as out, open(self.errors_path, "wb") as err:
            words = (endpoint, stream, application, name, mode, pace)
            self.process = java(build, "dev.levada.interop.Worker", *words, stdout=out, stderr=err)
        self._read, self._events, self._lock = 0, [], threading.Lock()

    @property
    def events(self):
        """What it has said until now, in whole lines."""
        with self._lock:
            with open(self.events_path, "rb") as log:
                log.seek(self._read)
                fresh = log.read()
            end = fresh.rfind(b"\n") + 1
            self._read += end
            for line in fresh[:end].decode().splitlines():
                at, what, shard, *rest = line.split("\t")
                self._events.append(Event(int(at), what, shard, tuple(rest)))
            return self._events

    def holds(self):
        """The shards that it has begun and not ended or lost."""
        held = set()
        for event in self.events:
            if event.what == "init":
                held.add(event.shard)
            elif event.what in ("lost", "ended", "stopped"):
                held.discard(event.shard)
        return held

    def kill(self):
        """kill -9, and waits until the process is gone."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def tell_to_end(self):
        """SIGTERM."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)

    def ends(self):
        """Waits; true if the worker ended by itself."""
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def errors_tail(self, lines=30):
        """The end of what the libraries said."""
        said = self.errors_path.read_text(errors="replace").splitlines()
        return f"-- {self.name} ({self.process.poll()}):\n" + "\n".join(line[:400] for line in said[-lines:])


def wait_for(what, workers, says, timeout_s=WAIT_S):
    """Waits until `what()` is true, and gives what it was; shows the workers if it does not come."""
    patience = Patience(timeout_s)
    while not (found := what()):
        if patience.is_over():
            held = {worker.name: sorted(worker.holds()) for worker in workers}
            tails = "\n".join(worker.errors_tail() for worker in workers)
            raise AssertionError(f"not within {timeout_s} s: {says}; held: {held}\n{tails}")
        time.sleep(0.1)
    return found


class Load(threading.Thread):
    """Puts numbered records of many keys until it is told to end. A batch has a key once at most and is repeated, in part or
    whole, until all of it was acknowledged: so the numbers of a key never fall in the stream, though one may stand twice."""

    KEYS, BATCH, PAUSE_S = 60, 30, 0.05

    def __init__(self, endpoint, stream):
        super().__init__(daemon=True)
        self.endpoint, self.stream = endpoint, stream
        self.acknowledged, self.retries, self.failure = [], 0, None
        self._ends = threading.Event()

    def run(self):
        """Until `end`."""
        kinesis = kinesis_client(self.endpoint, read_timeout=10)
        number = 0
        while not self._ends.wait(self.PAUSE_S):
            batch = [(f"key-{(number + i) % self.KEYS}", number + i) for i in range(self.BATCH)]
            number += self.BATCH
            while batch:
                batch = self._put(kinesis, batch)

    def _put(self, kinesis, batch):
        """What was not acknowledged."""
        records = [{"Data": f"{key}:{n}".encode(), "PartitionKey": key} for key, n in batch]
        try:
            results = kinesis.put_records(StreamName=self.stream, Records=records)["Records"]
        except Exception as failure:  # noqa: BLE001 - a node was killed: whatever it was, it is tried again
            self.retries, self.failure = self.retries + 1, repr(failure)
            time.sleep(0.2)
            return batch
        left = []
        for (key, n), result in zip(batch, results):
            if "SequenceNumber" in result:
                self.acknowledged.append((result["ShardId"], result["SequenceNumber"], f"{key}:{n}"))
            else:
                left.append((key, n))
        if left:
            self.retries += 1
            time.sleep(0.2)
        return left

    def end(self):
        """No more; waits for what is under way."""
        self._ends.set()
        self.join(60)
        assert not self.is_alive(), f"the load does not come to its end: {self.failure}"


def all_shards(kinesis, stream):
    """Every shard, closed ones too, parents first."""
    shards, request = [], {"StreamName": stream}
    while True:
        answer = kinesis.list_shards(**request)
        shards += answer["Shards"]
        if "NextToken" not in answer:
            break
        request = {"NextToken": answer["NextToken"]}
    return sorted(shards, key=lambda shard: shard["ShardId"])


def open_shards(kinesis, stream):
    """Those that take records, by their hash keys."""
    shards = [s for s in all_shards(kinesis, stream) if "EndingSequenceNumber" not in s["SequenceNumberRange"]]
    return sorted(shards, key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))


def parents_of(shard):
    """The shards that a shard replaced, or replaced a part of."""
    return [shard[name] for name in ("ParentShardId", "AdjacentParentShardId") if name in shard]


def read_whole(kinesis, stream, shards):
    """{shard: [(sequence number, key, data)]}, to the end of each."""
    found = {}
    for shard in shards:
        records = found[shard["ShardId"]] = []
        at = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while at:
            answer = kinesis.get_records(ShardIterator=at)
            records += [(r["SequenceNumber"], r["PartitionKey"], r["Data"].decode()) for r in answer["Records"]]
            if not answer["Records"] and answer["MillisBehindLatest"] == 0:
                break
            at = answer.get("NextShardIterator")
    return found


def _tenures(worker):
    """A worker's tenures, in the order of their beginning."""
    found, now = [], {}
    for event in worker.events:
        if event.what == "init":
            assert event.shard not in now, f"{worker.name} begins {event.shard} twice"
            now[event.shard] = Tenure(worker.name, event.shard, event.at_ms, event.rest[0], [])
            found.append(now[event.shard])
        elif event.what == "record":
            assert event.shard in now, f"{worker.name} is given a record of {event.shard}, which it has not"
            now[event.shard].sequences.append(event.rest[0])
        elif event.what in ("lost", "ended", "stopped"):
            now.pop(event.shard, None)
        elif event.what == "failed":
            raise AssertionError(f"{worker.name}: {event}")
    return found


def judge_stream(contents, shards, acknowledged):
    """What the broker promises without the library: nothing acknowledged is missing, and the numbers of a key don't fall."""
    places = {(shard, sequence): data for shard, records in contents.items() for sequence, _, data in records}
    missing = [one for one in acknowledged if places.get(one[:2]) != one[2]]
    assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged records are not there: {missing[:5]}"
    last = {}
    for shard in shards:
        for _, key, data in contents[shard["ShardId"]]:
            number = int(data.rpartition(":")[2])
            assert last.get(key, -1) <= number, f"{key}: {number} after {last[key]} in {shard['ShardId']}"
            last[key] = number


def judge(contents, shards, workers):
    """Every tenure is a run without a gap from its checkpoint on, no checkpoint is lost, no record is skipped, children follow
    their parents. Gives figures."""
    place = {shard: {r[0]: n for n, r in enumerate(records)} for shard, records in contents.items()}
    tenures = [tenure for worker in workers for tenure in _tenures(worker)]
    tenures.sort(key=lambda tenure: tenure.since_ms)
    marks = sorted(
        (event.at_ms, event.shard, event.rest[0])
        for worker in workers
        for event in worker.events
        if event.what == "checkpoint" and event.rest[0].isdigit()
    )
    seen = {shard: set() for shard in contents}
    given = 0
    for tenure in tenures:
        of, records = place[tenure.shard], contents[tenure.shard]
        begin = of[tenure.after] + 1 if tenure.after.isdigit() else 0
        whole = [r[0] for r in records[begin : begin + len(tenure.sequences)]]
        assert tenure.sequences == whole, f"{tenure.worker} skips or repeats records of {tenure.shard}: {tenure}"
        skipped = [n for n in range(begin) if n not in seen[tenure.shard]]
        assert not skipped, f"{tenure.worker} begins {tenure.shard} at {begin}, and nobody had {skipped[:5]}"
        acknowledged = [of[at] for ms, shard, at in marks if shard == tenure.shard and ms < tenure.since_ms]
        assert begin > max(acknowledged, default=-1), f"{tenure} begins before a checkpoint that was acknowledged"
        seen[tenure.shard].update(range(begin, begin + len(whole)))
        given += len(whole)
    for shard, records in contents.items():
        assert len(seen[shard]) == len(records), f"{shard}: {len(records) - len(seen[shard])} records went to nobody"
    _judge_lineage(shards, tenures, workers)
    total = sum(map(len, contents.values()))
    return {"records": total, "again": given - total, "tenures": len(tenures), "shards": len(contents)}


def _judge_lineage(shards, tenures, workers):
    ended = {}
    for worker in workers:
        for event in worker.events:
            if event.what == "ended":
                ended[event.shard] = min(event.at_ms, ended.get(event.shard, event.at_ms))
    for shard in shards:
        for parent in parents_of(shard):
            begun = [tenure.since_ms for tenure in tenures if tenure.shard == shard["ShardId"]]
            assert parent in ended, f"nobody saw the end of {parent}"
            assert min(begun) >= ended[parent], f"{shard['ShardId']} was begun before its parent {parent} ended"
