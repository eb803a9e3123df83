"""The checker of a history must find what is wrong in one: each kind of broken promise, and none in a good one."""

import json

import pytest
from chaos.verdict import Verdict

BEGIN = {"op": "fault", "t": 0.0, "phase": "begin", "kind": "kill", "what": "n1"}
DRAINED = {"op": "drained", "t": 9.0, "wrong": []}


def sent(number, queue="standard", at=1.0):
    record = {"op": "send", "q": queue, "b": at, "e": at + 0.1, "id": f"m{number}"}
    return record | ({"group": "g", "index": number} if queue == "fifo" else {})


def received(*numbers, queue="standard", at=2.0):
    got = [[f"m{n}", f"h{n}"] + (["g", n] if queue == "fifo" else []) for n in numbers]
    return {"op": "receive", "q": queue, "b": at, "e": at + 0.1, "got": got}


def deleted(number, queue="standard", at=3.0):
    done = [["g", number]] if queue == "fifo" else [[f"m{number}", f"h{number}"]]
    deleting = {"op": "deleting", "q": queue, "group": "g", "indexes": [number]}
    record = {"op": "delete", "q": queue, "b": at, "e": at + 0.1, "done": done}
    return [deleting, record] if queue == "fifo" else [record]


def number(position, shard=0, opened=100):
    return f"49{opened:011}{position:033}{shard:010}"


def put(index, position, key="k", **at):
    return {"op": "put", "q": "stream", "b": 1.0, "e": 1.1, "kept": [[key, index, number(position, **at)]]}


def read(*rows, reader="r", ended=False, **at):
    got = [[number(position, **at), "k", index] for position, index in rows]
    shard = at.get("shard", 0)
    return {"op": "records", "q": "stream", "b": 2.0, "e": 2.1, "reader": reader, "shard": shard, "got": got} | {
        "ended": ended
    }


HALF = 2**127
ALL = 2**128 - 1


def shards(*rows):
    return {"op": "shards", "q": "stream", "e": 3.0, "rows": [list(row) for row in rows]}


def split(end=3, low=(0, HALF - 1), high=(HALF, ALL), opened=101):
    """A shard whose last position is before `end`, and its children."""
    children = [[n, [0], *keys, number(0, n, opened), None] for n, keys in ((1, low), (2, high))]
    return shards([0, [], 0, ALL, number(0), number(end)], *children)


def published(number, group=None, **to):
    return {"op": "publish", "q": "topic", "b": 1.0, "e": 1.1, "number": number, "group": group, "to": to or {"a": 0}}


def came(*rows, queue="a", at=2.0):
    """Rows of number, group, place in the group, and handle if it is another one."""
    got = [[(handle or [f"h{number}"])[0], number, group, index] for number, group, index, *handle in rows]
    return {"op": "arrived", "q": "topic", "b": at, "e": at + 0.1, "queue": queue, "got": got}


def removed(number, group=None, index=0, queue="a", at=3.0):
    done = [[f"h{number}", number, group, index]]
    removing = {"op": "removing", "q": "topic", "queue": queue, "rows": [[group, index]]}
    return [removing, {"op": "removed", "q": "topic", "b": at, "e": at + 0.1, "queue": queue, "done": done}]


def judged(tmp_path, *records):
    path = tmp_path / "history.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in [BEGIN, *records, DRAINED]))
    return Verdict(path)


GOOD = {
    "a message": [sent(0), received(0), *deleted(0)],
    "a repeated one before its delete": [sent(0), received(0), received(0, at=2.5), *deleted(0)],
    "a receive that began before the delete was over": [sent(0), received(0), *deleted(0), received(0, at=3.05)],
    "one that was never acknowledged": [received(0), *deleted(0)],
    "FIFO in order": [sent(0, "fifo"), sent(1, "fifo"), received(0, 1, queue="fifo")],
    "FIFO one by one": [received(0, queue="fifo"), *deleted(0, "fifo"), received(1, queue="fifo", at=4.0)],
    "stream in order": [put(0, 1), put(1, 2), read((1, 0)), read((2, 1)), read((1, 0), (2, 1), reader="s")],
    "stream, a put that was made again": [put(0, 2), read((1, 0), (2, 0))],
    "stream, into a child": [put(0, 2), split(), read((1, 0), (2, 0), ended=True), put(1, 1, shard=1, opened=101)]
    + [read((1, 1), shard=1)],
    "topic, two queues": [published("m", a=0, b=0), came(("m", None, 0)), came(("m", None, 0, "hb"), queue="b")],
    "topic, once more before its delete": [published("m"), came(("m", None, 0)), came(("m", None, 0)), *removed("m")],
    "topic, never acknowledged": [came(("m", None, 0)), *removed("m")],
    "topic, in order": [published("m", "g"), published("n", "g", a=1), came(("m", "g", 0), ("n", "g", 1))],
    "topic, one by one": [came(("m", "g", 0)), *removed("m", "g"), came(("n", "g", 1), at=4.0)],
    "stream, a search by time": [{"op": "since", "q": "stream", "e": 1, "shard": 0, "asked": [5, 70], "found": [4, 70]}],
}
BAD = {
    "lost": [sent(0)],
    "after its delete": [sent(0), received(0), *deleted(0), received(0, at=4.0)],
    "FIFO lost": [sent(0, "fifo")],
    "FIFO out of order": [received(1, 0, queue="fifo")],
    "FIFO before the one ahead was deleted": [received(0, queue="fifo"), received(1, queue="fifo", at=2.5)],
    "FIFO after its delete": [received(0, queue="fifo"), *deleted(0, "fifo"), received(0, queue="fifo", at=4.0)],
    "stream lost": [put(0, 1)],
    "stream lost for one reader": [put(0, 1), put(1, 2), read((1, 0)), read((1, 0), (2, 1), reader="s")],
    "stream with a gap": [put(0, 1), put(1, 3), read((1, 0), (3, 1))],
    "stream out of order": [read((2, 1), (1, 0))],
    "stream with another record than was acknowledged": [put(0, 1), read((1, 7))],
    "stream read before another one was acknowledged there": [read((1, 7)), put(0, 1)],
    "stream that two readers see otherwise": [read((1, 0)), read((1, 7), reader="s")],
    "stream whose numbers fall": [put(0, 2), put(1, 1), read((1, 1), (2, 0))],
    "stream whose child begins early": [split(opened=100)],
    "stream that takes more when it is closed": [split(end=2), put(0, 2), read((1, 0), (2, 0))],
    "stream with two ends": [split(end=3), read((1, 0), ended=True)],
    "stream with keys that no child takes": [split(high=(HALF + 1, ALL))],
    "stream with keys that two children take": [split(low=(0, HALF))],
    "stream searched too far": [{"op": "since", "q": "stream", "e": 1, "shard": 0, "asked": [5, 70], "found": [6, 70]}],
    "topic lost": [published("m")],
    "topic lost in one queue": [published("m", a=0, b=0), came(("m", None, 0))],
    "topic lost in order": [published("m", "g")],
    "topic twice": [published("m"), came(("m", None, 0)), came(("m", None, 0, "other"))],
    "topic twice in order": [published("m", "g"), came(("m", "g", 0)), came(("m", "g", 0, "other"))],
    "topic, for another queue": [came(("m", None, None))],
    "topic, after its delete": [published("m"), came(("m", None, 0)), *removed("m"), came(("m", None, 0), at=4.0)],
    "topic out of order": [came(("n", "g", 1), ("m", "g", 0))],
    "topic, before the one ahead was deleted": [came(("m", "g", 0)), came(("n", "g", 1), at=2.5)],
    "topic, another one under one id": [published("m", "g"), came(("n", "g", 0))],
    "FIFO twice under one id": [sent(0, "fifo"), sent(0, "fifo") | {"id": "m9"}, received(0, queue="fifo")],
}


@pytest.mark.parametrize("what", GOOD)
def test_a_good_history_has_no_broken_promise(tmp_path, what):
    verdict = judged(tmp_path, *GOOD[what])
    assert verdict.broken == [] and verdict.drained


@pytest.mark.parametrize("what", BAD)
def test_a_broken_promise_is_found_and_laid_at_its_fault(tmp_path, what):
    verdict = judged(tmp_path, *BAD[what])
    assert [kind for kind, _ in verdict.broken][:1] == ["kill"], what
    assert verdict.table()[-1][-1] >= 1
