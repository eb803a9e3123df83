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
}
BAD = {
    "lost": [sent(0)],
    "after its delete": [sent(0), received(0), *deleted(0), received(0, at=4.0)],
    "FIFO lost": [sent(0, "fifo")],
    "FIFO out of order": [received(1, 0, queue="fifo")],
    "FIFO before the one ahead was deleted": [received(0, queue="fifo"), received(1, queue="fifo", at=2.5)],
    "FIFO after its delete": [received(0, queue="fifo"), *deleted(0, "fifo"), received(0, queue="fifo", at=4.0)],
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
