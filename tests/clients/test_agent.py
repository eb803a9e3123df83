"""`levada agent` against a node: what is written to files arrives, in order, whatever happens to the files, the agent and
the broker."""

import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from support.agent import KEYS, Agent, Broker, Writer, environment
from support.aws import eventually, receive_all
from support.kinesis import iterator, kinesis_client, wait_active
from support.nodes import Cluster, binary

pytestmark = pytest.mark.skipif("LEVADA_TEST_ENDPOINT" in os.environ, reason="the agent is this build's")

# On a machine that has much else to do.
ARRIVE_TIMEOUT_S = 300
# Room for what the runtime reads of its own.
SLACK_BYTES = 16 * 1024 * 1024


def config(endpoint, files, target, *settings):
    """A configuration of one flow that sends soon."""
    lines = [
        f'endpoint = "{endpoint}"',
        "poll_interval_ms = 50",
        "[[flows]]",
        f'files = "{files}"',
        target,
        "max_buffer_age_ms = 100",
        # However slow the machine is, a line that a test tears stays torn.
        "torn_line_wait_ms = 3600000",
        *settings,
    ]
    return "\n".join(lines) + "\n"


class Reader:
    """Reads a stream's only shard from its beginning."""

    def __init__(self, kinesis, stream):
        self.kinesis, self.at = kinesis, iterator(kinesis, stream)
        self.records = []

    def read(self):
        answer = self.kinesis.get_records(ShardIterator=self.at)
        self.at = answer["NextShardIterator"]
        self.records += [record["Data"].decode() for record in answer["Records"]]
        return bool(answer["Records"])

    def until(self, is_enough):
        deadline = time.monotonic() + ARRIVE_TIMEOUT_S
        while not is_enough(self.records):
            assert time.monotonic() < deadline, (len(self.records), self.records[-3:])
            if not self.read():
                time.sleep(0.05)
        return self.records

    def count(self, count):
        return self.until(lambda records: len(records) >= count)

    def rest(self):
        """All, once nobody sends any more."""
        while self.read():
            pass
        return self.records


@pytest.fixture
def reader(kinesis, stream):
    return Reader(kinesis, stream)


def append(path, text):
    with open(path, "a") as file:
        file.write(text)


def first_times(records):
    """Without what came again."""
    return list(dict.fromkeys(records))


def arrived(reader, agent):
    """All that came. A call that was not answered in time may have been done, and is repeated: then without what came again."""
    records = reader.rest()
    return first_times(records) if "could not be asked" in agent.said() else records


def test_a_hundred_thousand_lines_arrive_once_and_in_order(tmp_path, endpoint, stream, reader):
    lines = [f"{number:08d} {'x' * (number % 50)}" for number in range(100_000)]
    append(tmp_path / "a.log", "\n".join(lines) + "\n")
    agent = Agent(tmp_path, config(endpoint, tmp_path / "?.log", f'stream = "{stream}"', 'partition_key = "file"'))
    with agent:
        reader.count(len(lines))
        append(tmp_path / "a.log", "torn")
        append(tmp_path / "b.log", "of another file\n")
        reader.count(len(lines) + 1)
        append(tmp_path / "a.log", " and whole\n")
        reader.count(len(lines) + 2)
        agent.stop()
    assert arrived(reader, agent) == [*lines, "of another file", "torn and whole"]


@pytest.mark.parametrize("pattern", ["a.txt", "a.txt*"])
@pytest.mark.parametrize("how", ["rename", "copy", "deletion"])
def test_rotation_under_writing_loses_nothing_and_keeps_the_order(tmp_path, endpoint, stream, reader, how, pattern):
    writer = Writer(tmp_path / "a.txt", 20_000)
    with Agent(tmp_path, config(endpoint, tmp_path / pattern, f'stream = "{stream}"')) as agent:
        writer.start()
        for part in range(1, 5):
            eventually(lambda: writer.written >= part * 4_000, timeout_s=60)
            getattr(writer, f"rotate_by_{how}")()
        writer.join()
        reader.count(20_000)
        agent.stop()
    assert arrived(reader, agent) == writer.lines()


@pytest.mark.parametrize("how", ["rename", "copy"])
def test_kills_lose_nothing_whatever_happens_to_the_files_meanwhile(tmp_path, endpoint, stream, reader, how):
    writer = Writer(tmp_path / "a.txt", 20_000)
    agent = Agent(tmp_path, config(endpoint, tmp_path / "a.txt", f'stream = "{stream}"'))
    with agent:
        writer.start()
        for part in range(1, 7):
            eventually(lambda: writer.written >= part * 2_500, timeout_s=60)
            agent.kill()
            if part % 2:
                written = writer.written
                getattr(writer, f"rotate_by_{how}")()
                eventually(lambda: writer.written >= min(written + 500, 20_000), timeout_s=60)
            agent.start()
            reader.until(lambda records: f"{part * 2_000:08d} some text" in records)
        writer.join()
        reader.until(lambda records: len(set(records)) >= 20_000)
        agent.stop()
    assert first_times(reader.rest()) == writer.lines()


def test_a_stopped_agent_has_sent_what_was_written_and_goes_on_without_sending_it_again(
    tmp_path, endpoint, stream, reader
):
    settings = f'stream = "{stream}"', "max_buffer_records = 500"
    text = config(endpoint, tmp_path / "*.txt", *settings).replace("age_ms = 100", "age_ms = 900000")
    agent = Agent(tmp_path, text)
    append(tmp_path / "a.txt", "1\n")
    with agent:
        eventually(lambda: (tmp_path / "state").exists() and list((tmp_path / "state").glob("*.checkpoint")))
        append(tmp_path / "a.txt", "2\n3\nto")
        agent.stop()
        assert reader.rest() == ["1", "2", "3"]
        agent.start()
        append(tmp_path / "a.txt", "rn\n")
        eventually(lambda: "1 flows to" in agent.said().split("behind", 1)[-1])
        agent.stop()
    assert reader.rest() == ["1", "2", "3", "torn"]


def test_records_of_several_lines_headers_and_conversions(tmp_path, endpoint, stream, reader):
    trace = "2026-01-01 failed\n  at a\n  at b\n"
    append(tmp_path / "trace.txt", trace + "2026-01-02 again\n  at c\n")
    append(tmp_path / "rows.csv", 'host,text\nh1,"a, b"\nh2,c\n')
    append(tmp_path / "access.http", '::1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 5\nodd\n')
    text = config(
        endpoint, tmp_path / "*.txt", f'stream = "{stream}"', r"multiline_start = '^\d{4}-'", "multiline_wait_ms = 200"
    )
    text += f"""
[[flows]]
files = "{tmp_path}/*.csv"
stream = "{stream}"
skip_header_lines = 1
csv_to_json = {{ names = ["host", "text"] }}
[[flows]]
files = "{tmp_path}/*.http"
stream = "{stream}"
log_to_json = {{ format = "apache_common" }}
"""
    with Agent(tmp_path, text) as agent:
        reader.count(6)
        agent.stop()
    records = reader.rest()
    assert Counter(records) == Counter(set(records))
    assert {trace.rstrip(), "2026-01-02 again\n  at c", '{"host":"h1","text":"a, b"}', "odd"} < set(records)
    (access,) = [json.loads(record) for record in records if '"request"' in record]
    assert (access["response"], access["authuser"]) == ("200", "-")
    assert "1 not converted" in agent.said()


def test_an_agent_json_of_amazons_agent_is_taken_with_another_endpoint(tmp_path, endpoint, stream, reader):
    written = {
        "checkpointFile": str(tmp_path / "amazon" / "checkpoints"),
        "cloudwatch.emitMetrics": False,
        "kinesis.endpoint": endpoint,
        "awsAccessKeyId": "test",
        "awsSecretAccessKey": "secret",
        "flows": [
            {
                "filePattern": f"{tmp_path}/a.txt*",
                "kinesisStream": stream,
                "initialPosition": "START_OF_FILE",
                "partitionKeyOption": "DETERMINISTIC",
                "maxBufferAgeMillis": 1000,
                "multiLineStartPattern": "#",
                "dataProcessingOptions": [
                    {"optionName": "SINGLELINE"},
                    {"optionName": "CSVTOJSON", "customFieldNames": ["a", "b"], "delimiter": "\\|"},
                ],
            }
        ],
    }
    append(tmp_path / "a.txt", "#1|\n  x\n#2|y\n")
    agent = Agent(tmp_path, json.dumps(written), "agent.json")
    for key in KEYS:
        del agent.environment[key]
    with agent:
        reader.count(2)
        agent.stop()
    assert reader.rest() == ['{"a":"#1","b":"x"}\n', '{"a":"#2","b":"y"}\n']
    assert "cloudwatch.emitMetrics is not heeded" in agent.said()


def test_a_broker_that_goes_away_is_waited_for(tmp_path):
    with Cluster(1) as cluster:
        (node,) = cluster.nodes
        kinesis = kinesis_client(node.endpoint)
        kinesis.create_stream(StreamName="s", ShardCount=1)
        wait_active(kinesis, "s")
        reader = Reader(kinesis, "s")
        writer = Writer(tmp_path / "a.txt", 12_000)
        with Agent(tmp_path, config(node.endpoint, tmp_path / "a.txt", 'stream = "s"')) as agent:
            writer.start()
            reader.count(2_000)
            node.kill()
            eventually(lambda: "tried again until it succeeds" in agent.said(), timeout_s=60)
            writer.rotate_by_rename()
            written = writer.written
            eventually(lambda: writer.written >= min(written + 2_000, 12_000), timeout_s=60)
            node.start()
            writer.join()
            reader.until(lambda records: len(set(records)) >= 12_000)
            assert "goes on after" in agent.said()
            agent.stop()
        # A batch of which the answer was lost comes twice.
        assert first_times(reader.rest()) == writer.lines()


def test_a_stream_that_is_made_later_is_waited_for(tmp_path, endpoint, make_stream, kinesis):
    append(tmp_path / "a.txt", "1\n")
    with Agent(tmp_path, config(endpoint, tmp_path / "a.txt", 'stream = "made-later"')) as agent:
        eventually(lambda: "ResourceNotFoundException" in agent.said(), timeout_s=60)
        make_stream("made-later")
        assert Reader(kinesis, "made-later").count(1) == ["1"]


def test_a_queue_gets_messages(tmp_path, endpoint, sqs, queue):
    lines = [f"{number:04d} ä" for number in range(1_000)]
    append(tmp_path / "a.txt", "\n\n".join(lines) + "\n")
    with open(tmp_path / "b.txt", "wb") as file:
        file.write(b"\xff\x00!\n")
    with Agent(tmp_path, config(endpoint, tmp_path / "*.txt", f'queue = "{queue.rsplit("/", 1)[1]}"')):
        received = receive_all(sqs, queue, 1_001, timeout_s=ARRIVE_TIMEOUT_S)
    assert Counter(message["Body"] for message in received) == Counter([*lines, "??!"])


def test_a_fifo_queue_keeps_the_order_of_a_file_and_drops_what_is_sent_again(tmp_path, endpoint, sqs, fifo):
    writer = Writer(tmp_path / "a.txt", 2_000, lines_a_second=1_000)
    agent = Agent(tmp_path, config(endpoint, tmp_path / "a.txt", f'queue = "{fifo}"'))
    with agent:
        writer.start()
        for part in range(1, 4):
            eventually(lambda: writer.written >= part * 500, timeout_s=60)
            agent.kill()
            agent.start()
        received = receive_all(sqs, fifo, 2_000, timeout_s=ARRIVE_TIMEOUT_S)
        agent.stop()
    assert [message["Body"] for message in received] == writer.lines()


def test_only_what_was_refused_is_sent_again_and_before_anything_else(tmp_path):
    calls = []

    def answer(records, _):
        calls.append([record.decode() for record in records])
        is_first = len(calls) == 1
        refused = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"}
        taken = {"SequenceNumber": "1", "ShardId": "shardId-000000000000"}
        return [refused if is_first and number % 2 else taken for number in range(len(records))]

    append(tmp_path / "a.txt", "0\n1\n2\n3\n4\n5\n6\n")
    with Broker(answer) as broker:
        text = config(broker.endpoint, tmp_path / "a.txt", 'stream = "s"', "max_buffer_records = 4")
        with Agent(tmp_path, text) as agent:
            eventually(lambda: sum(map(len, calls)) >= 9, timeout_s=60)
            agent.stop()
    assert calls == [["0", "1", "2", "3"], ["1", "3"], ["4", "5", "6"]]


def test_what_was_not_answered_for_is_sent_again_by_the_next_agent(tmp_path):
    calls = []

    def answer(records, _):
        calls.append([record.decode() for record in records])
        return None if len(calls) == 2 else [{"SequenceNumber": "1"} for _ in records]

    append(tmp_path / "a.txt", "1\n2\n3\n")
    with Broker(answer) as broker:
        text = config(broker.endpoint, tmp_path / "a.txt", 'stream = "s"', "max_buffer_records = 1")
        with Agent(tmp_path, text) as agent:
            eventually(lambda: len(calls) == 2, timeout_s=60)
            # It ends although it gets no answer, and has written down what it knows.
            agent.stop()
            agent.start()
            eventually(lambda: len(calls) >= 4, timeout_s=60)
            agent.stop()
    assert calls == [["1"], ["2"], ["2"], ["3"]]


def test_a_broker_that_does_not_answer_stops_reading(tmp_path):
    calls = []

    def answer(records, _):
        calls.append(len(records))
        return None if len(calls) > 3 else [{"SequenceNumber": "1"} for _ in records]

    with open(tmp_path / "a.txt", "w") as file:
        for number in range(200):
            file.write(f"{number:>9999}\n" * 100)  # 1 MB
    with Broker(answer) as broker:
        text = config(broker.endpoint, tmp_path / "a.txt", 'stream = "s"', "max_buffer_bytes = 1000000")
        with Agent(tmp_path, text) as agent:
            eventually(lambda: len(calls) > 3, timeout_s=60)
            seen = []

            def is_still():
                seen.append(agent.bytes_read())
                time.sleep(0.2)
                return len(seen) > 10 and seen[-1] - seen[-10] < 1_000_000

            eventually(is_still, timeout_s=60)
            assert seen[-1] < 5 * 1_000_000 + SLACK_BYTES, seen[-1]
    assert sum(calls[:3]) * 10_000 < 4_000_000


def test_requests_are_signed_as_amazons_own_client_signs_them(tmp_path):
    append(tmp_path / "a.txt", "1\n")
    with Broker(lambda records, _: [{"SequenceNumber": "1"} for _ in records]) as broker:
        text = config(broker.endpoint, tmp_path / "a.txt", 'stream = "s"')
        with Agent(tmp_path, text, AWS_SESSION_TOKEN="token+/=") as agent:
            eventually(lambda: broker.requests, timeout_s=60)
            agent.stop()
        headers, body = broker.requests[0]
    headers = {name.lower(): value for name, value in headers.items()}
    said = headers["authorization"]
    names = said.split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {"host", "x-amz-date", "x-amz-target", "x-amz-security-token", "content-type"} == set(names)
    request = AWSRequest("POST", broker.endpoint + "/", data=body, headers={name: headers[name] for name in names})
    request.context["timestamp"] = headers["x-amz-date"]
    keys = Credentials(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"])
    signer = SigV4Auth(keys, "kinesis", KEYS["AWS_REGION"])
    text_to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    assert said.endswith("Signature=" + signer.signature(text_to_sign, request))


def test_over_tls_with_an_authority_of_ones_own(tmp_path):
    append(tmp_path / "a.txt", "sealed\n")
    with Cluster(1, tls=True) as cluster:
        (node,) = cluster.nodes
        kinesis = kinesis_client(node.endpoint)
        kinesis.create_stream(StreamName="s", ShardCount=1)
        wait_active(kinesis, "s")
        text = config(node.https_endpoint, tmp_path / "a.txt", 'stream = "s"')
        with Agent(tmp_path, text) as stranger:
            eventually(lambda: "could not be asked" in stranger.said(), timeout_s=60)
        with Agent(tmp_path, text, SSL_CERT_FILE=str(node.certificate)):
            assert Reader(kinesis, "s").count(1) == ["sealed"]


def test_how_things_stand_is_told_when_asked(tmp_path, endpoint, stream, reader):
    append(tmp_path / "a.txt", "1\n22\n")
    with Agent(tmp_path, config(endpoint, tmp_path / "a.txt", f'stream = "{stream}"')) as agent:
        reader.count(2)

        def told():
            agent.process.send_signal(signal.SIGUSR1)
            return "2 records and 3 bytes sent, 1 files, 0 bytes behind" in agent.said()

        eventually(told, timeout_s=60)


def _levada(*words):
    return subprocess.run([str(binary()), *map(str, words)], capture_output=True, text=True, env=environment())


def test_a_configuration_is_checked_and_two_agents_do_not_share_a_state(tmp_path, endpoint, stream, reader):
    append(tmp_path / "a.txt", "1\n")
    with Agent(tmp_path, config(endpoint, tmp_path / "*.txt", f'stream = "{stream}"')) as agent:
        done = _levada("agent", "check", "--config", agent.config, "--state-dir", agent.state)
        assert done.returncode == 0, done.stderr
        assert f"{tmp_path}/*.txt to stream {stream}: 1 files now" in done.stdout
        assert endpoint in done.stdout and "secret" not in done.stdout
        reader.count(1)
        second = _levada("agent", "--config", agent.config, "--state-dir", agent.state)
        assert second.returncode == 1 and "another agent uses" in second.stderr
    agent.config.write_text(agent.config.read_text().replace("max_buffer_age_ms", "max_bufer_age_ms"))
    done = _levada("agent", "check", "--config", agent.config)
    assert done.returncode == 1 and "max_bufer_age_ms" in done.stderr
    assert _levada("agent").returncode != 0


def test_many_files_are_followed_by_one_flow(tmp_path, endpoint, stream, reader):
    def write(first):
        for number in range(first, 500, 4):
            append(tmp_path / f"{number}.txt", f"{number}\n")

    with Agent(tmp_path, config(endpoint, tmp_path / "*.txt", f'stream = "{stream}"')) as agent:
        threads = [threading.Thread(target=write, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        reader.count(500)
        agent.stop()
    assert sorted(map(int, reader.rest())) == list(range(500))
