"""What the docs show of a program runs: in Python as it is written, in another language under tests/interop."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENDPOINT = '"http://127.0.0.1:4566"'
# By the language of a block: the program, and what it says instead of the endpoint.
PROGRAMS = {
    "js": ("javascript/kinesis.test.js", "process.env.LEVADA_ENDPOINT"),
    "go": ("go/kinesis_test.go", 'os.Getenv("LEVADA_ENDPOINT")'),
    "rust": ("rust/tests/kinesis.rs", "endpoint"),
    "java": ("java/src/test/java/dev/levada/interop/KinesisTest.java", 'System.getenv("LEVADA_ENDPOINT")'),
}


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_lines_for_another_language_are_those_that_run(language):
    program, endpoint = PROGRAMS[language]
    source = " ".join((ROOT / "tests/interop" / program).read_text().split())
    (shown,) = (block for block in blocks(ROOT / "docs/kinesis.md", language) if ENDPOINT in block)
    wanted = " ".join(shown.replace(ENDPOINT, endpoint).split())
    assert wanted in source, wanted


# What the pages make, under names that no other test uses.
PAGES_ON_TOPICS = {
    "sns.md": (["orders", "steps.fifo"], ["billing", "worker.fifo"]),
    "sns-queues.md": (["parcels"], ["parcel-log", "parcel-heavy", "parcel-lost"]),
}


@pytest.mark.parametrize("page", PAGES_ON_TOPICS)
def test_the_python_of_the_pages_on_topics_runs(endpoint, sns, sqs, page):
    """Its topics and queues are deleted when it has run."""
    program = "\n".join(blocks(ROOT / "docs" / page, "python"))
    program = program.replace(ENDPOINT, repr(endpoint))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    topics, queues = PAGES_ON_TOPICS[page]
    for name in topics:
        sns.delete_topic(TopicArn=f"arn:aws:sns:us-east-1:000000000000:{name}")
    for name in queues:
        sqs.delete_queue(QueueUrl=f"{endpoint}/000000000000/{name}")
    assert done.returncode == 0, done.stderr


def test_the_lines_of_the_library_for_rust_are_those_of_its_example():
    source = " ".join((ROOT / "clients/rust/examples/orders.rs").read_text().split())
    shown = blocks(ROOT / "docs/clients.md", "rust")
    assert len(shown) >= 5
    for block in shown:
        wanted = " ".join(block.replace(ENDPOINT, "endpoint").split())
        assert wanted in source, wanted
