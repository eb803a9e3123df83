"""The short form of scripts/chaos: one fault of each kind that only namespaces, loop disks and shifted clocks make.

tests/cluster/test_faults.py has those that need no more than processes.
"""

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from chaos import disks, network, shim
from chaos.world import World
from support.sqs import Client, ServiceError

ROOT = Path(__file__).resolve().parents[2]
CHAOS_TIMEOUT_S = 300


def chaos(directory, *words):
    """Runs scripts/chaos and gives what it said; it must have found every promise kept."""
    command = [sys.executable, str(ROOT / "scripts/chaos"), "--dir", str(directory), "--no-pictures"]
    command += ["--cellar-mb", "8", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CHAOS_TIMEOUT_S)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def skip_without_root(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("NO CHAOS WITH NAMESPACES: not root")
    if why := network.why_not():
        pytest.skip(f"NO CHAOS WITH NAMESPACES: {why}")
    if why := disks.why_not(tmp_path):
        pytest.skip(f"NO CHAOS WITH DISKS: {why}")


def test_cuts_loss_power_and_damage_break_no_promise(tmp_path):
    skip_without_root(tmp_path)
    kinds = "split-leader,loss,clock,flip-log,power-all"
    said = chaos(tmp_path, "--even", "--faults", "5", "--seed", "7", "--only", kinds)
    assert "LEFT OUT" not in said
    assert "5 faults, every promise kept" in said


def test_power_that_is_cut_takes_what_was_not_synced(tmp_path):
    skip_without_root(tmp_path)
    with disks.Disk(tmp_path / "disk", 64 << 20) as disk:
        synced, lost = disk.path / "synced", disk.path / "lost"
        with open(synced, "wb") as file:
            file.write(b"a" * 10_000)
            file.flush()
            os.fsync(file.fileno())
            os.sync()
            file.write(b"b" * 10_000)
        lost.write_bytes(b"c")
        disk.cut_power()
        with pytest.raises(OSError):
            (disk.path / "too late").write_bytes(b"d")
        disk.restore_power()
        assert synced.read_bytes() == b"a" * 10_000
        assert not lost.exists()


def test_a_cut_is_silent_and_one_way_and_a_delay_delays(tmp_path):
    skip_without_root(tmp_path)
    serve = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 9)); print(1, flush=True)\n"
    serve += "while True: d, a = s.recvfrom(99); print(d.decode(), flush=True); s.sendto(d, a)"
    with network.Network([1]) as net:
        command = [*net.wrap(1), sys.executable, "-uc", serve]
        echo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert echo.stdout.readline() == "1\n"
            with socket.socket(type=socket.SOCK_DGRAM) as client:
                client.connect((net.host(1), 9))
                client.settimeout(5)
                asked(client, b"open")
                client.settimeout(0.3)
                for cut, heard in (((network.CLIENTS, 1), False), ((1, network.CLIENTS), True)):
                    net.cut(*cut)
                    with pytest.raises(TimeoutError):
                        asked(client, b"heard" if heard else b"not heard")
                    net.mend()
                client.settimeout(5)
                net.impair(1, "--delay-ms", 100)
                assert 0.2 <= asked(client, b"slow")
                net.repair()
                asked(client, b"open again")
        finally:
            echo.kill()
        assert echo.communicate()[0].split("\n") == ["open", "heard", "slow", "open again", ""]


def test_a_node_that_was_cut_off_does_not_answer_from_the_names_that_it_knew(tmp_path):
    """A queue was deleted and made anew meanwhile: the name means the new one, whatever the node remembers."""
    skip_without_root(tmp_path)
    with World(tmp_path) as world:
        near, far = (Client(node.endpoint, timeout_s=20) for node in (world.nodes[0], world.nodes[2]))
        for action, more in CHANGES.items():
            queue = {"QueueUrl": near.call("CreateQueue", QueueName="anew")["QueueUrl"]}
            far.call("GetQueueAttributes", **queue)
            for other in (1, 2):
                world.network.cut(3, other)
                world.network.cut(other, 3)
            repeated(near, "DeleteQueue", **queue)
            repeated(near, "CreateQueue", QueueName="anew")
            with ThreadPoolExecutor() as threads:
                answer = threads.submit(far.call, action, **queue, **more)
                time.sleep(0.5)  # for the call to be under way; without it the test only shows less
                world.network.mend()
                answer.result()
            world.wait_whole()
            if action != "DeleteQueue":
                near.call("DeleteQueue", **queue)


# A change of each kind, which only a queue that exists takes.
CHANGES = {
    "SetQueueAttributes": {"Attributes": {"VisibilityTimeout": "7"}},
    "TagQueue": {"Tags": {"a": "b"}},
    "UntagQueue": {"TagKeys": ["a"]},
    "PurgeQueue": {},
    "DeleteQueue": {},
}


def repeated(client, action, **parameters):
    """A call that waits out an election."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return client.call(action, **parameters)
        except ServiceError as error:
            if error.status < 500 or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def asked(client, word):
    """How long an echo took."""
    began = time.monotonic()
    client.send(word)
    assert client.recv(99) == word
    return time.monotonic() - began


def test_the_loopback_form_needs_no_root(tmp_path):
    said = chaos(tmp_path, "--loopback", "--faults", "1", "--seed", "3", "--only", "pause-leader")
    assert "LEFT OUT for want of network" in said
    assert "1 faults, every promise kept" in said


def test_a_shifted_clock_and_a_slow_sync_are_what_they_say(tmp_path):
    """The shim must work, or the faults that it makes would all be survived."""
    try:
        made = shim.Shim(shim.build(tmp_path), tmp_path / "control")
    except OSError as error:
        pytest.skip(f"NO SHIFTED CLOCKS: {error}")
    look = "import os, time; b = time.monotonic(); os.fsync(1); print(time.time(), time.monotonic() - b, b)"

    def looked():
        with open(tmp_path / "out", "w+") as out:
            subprocess.run([sys.executable, "-c", look], stdout=out, env=os.environ | made.environment(), check=True)
            out.seek(0)
            return [float(word) for word in out.read().split()]

    true_wall, _, true_monotonic = looked()
    made.set(clock_offset_s=-3600, sync_delay_s=0.5)
    wall, took, monotonic = looked()
    assert -3600 <= wall - true_wall < -3500
    assert took >= 0.5
    assert 0 <= monotonic - true_monotonic < 100
