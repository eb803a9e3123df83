"""Amazon's producer library (KPL), its native process included: what it aggregates is read back whole."""

import os
import subprocess
import uuid

import pytest
from support.kcl import java
from support.kinesis import kinesis_client, wait_active
from support.nodes import Cluster

LONG = os.environ.get("LEVADA_LONG") == "1"
USER_RECORDS = 200_000 if LONG else 20_000


@pytest.fixture(scope="module")
def cluster():
    with Cluster(1, tls=True) as nodes:
        yield nodes


@pytest.mark.parametrize("verifies", [False, True], ids=["any-certificate", "verified"])
def test_aggregated_records_come_back_whole(cluster, tmp_path, verifies):
    [node] = cluster.nodes
    kinesis, stream = kinesis_client(node.endpoint), f"kpl-{uuid.uuid4().hex[:8]}"
    kinesis.create_stream(StreamName=stream, ShardCount=3)
    wait_active(kinesis, stream)
    words = [node.endpoint, node.tls_port, stream, USER_RECORDS] + ([node.certificate] if verifies else [])
    with open(tmp_path / "out", "wb") as out, open(tmp_path / "err", "wb") as err:
        build = os.environ["LEVADA_BUILD_KCL3"]
        process = java(build, "dev.levada.interop.Producer", *words, stdout=out, stderr=err, level="info")
        try:
            code = process.wait(300)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    said = (tmp_path / "out").read_text()
    errors = (tmp_path / "err").read_text(errors="replace")
    assert code == 0, f"{said}\n{errors[-6000:]}"
    last = said.splitlines()[-1]
    print(f"\n{last}")
    users, packed = int(last.split()[2].rstrip(",")), int(last.split()[-1])
    assert users == USER_RECORDS
    assert packed < users / 10, "little was aggregated"
