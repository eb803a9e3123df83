"""What the docs show of a program runs: in Python as it is written, in another language under tests/interop."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from support.endpoints import HttpEndpoint, MailServer
from support.nodes import Cluster

ROOT = Path(__file__).resolve().parents[2]
ENDPOINT = '"http://127.0.0.1:4566"'
# By the language of a block: the programs, by service, and what they say instead of the endpoint.
PROGRAMS = {
    "js": ("javascript/{}.test.js", "process.env.LEVADA_ENDPOINT"),
    "go": ("go/{}_test.go", 'os.Getenv("LEVADA_ENDPOINT")'),
    "rust": ("rust/tests/{}.rs", "endpoint"),
    "java": ("java/src/test/java/dev/levada/interop/{}Test.java", 'System.getenv("LEVADA_ENDPOINT")'),
}
# As the README's table calls them, and where the table's line for them runs.
SDKS = {"JavaScript v3": "js", "Java v2": "java", "Go v2": "go", "Rust": "rust"}


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


def runs(language, service, shown):
    """Asserts that lines of the docs are in the program of a language for a service."""
    program, endpoint = PROGRAMS[language]
    named = service.title() if language == "java" else service
    source = " ".join((ROOT / "tests/interop" / program.format(named)).read_text().split())
    wanted = " ".join(shown.replace(ENDPOINT, endpoint).split())
    assert wanted in source, wanted


@pytest.mark.parametrize("service", ["kinesis", "sns"])
@pytest.mark.parametrize("language", PROGRAMS)
def test_the_lines_for_another_language_are_those_that_run(language, service):
    (shown,) = (block for block in blocks(ROOT / "docs" / f"{service}.md", language) if ENDPOINT in block)
    runs(language, service, shown)


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("service", ["kinesis", "sns", "sqs"])
def test_the_readmes_line_for_an_sdk_is_one_that_runs(sdk, service):
    (line,) = re.findall(rf"^\| {sdk} \| `(.*)` \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert ENDPOINT in line
    runs(SDKS[sdk], service, line)


# What the pages make, under names that no other test uses.
PAGES_ON_TOPICS = {
    "sns.md": (["orders", "steps.fifo"], ["billing", "worker.fifo"]),
    "sns-replays.md": (["ledger.fifo"], ["auditor.fifo"]),
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


def run(page, endpoint, **environment):
    """Runs the Python of a page against another endpoint."""
    program = "\n".join(blocks(ROOT / "docs/sns" / page, "python")).replace(ENDPOINT, repr(endpoint))
    environment = os.environ | environment
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=90, env=environment)
    assert done.returncode == 0, done.stderr


def settings(page, shown, there):
    """The settings of a page, with another address in them."""
    (text,) = blocks(ROOT / "docs/sns" / page, "toml")
    assert shown in text
    return "\n" + text.replace(shown, there)


def test_the_page_on_http(endpoint, sns):
    run("http.md", endpoint)
    sns.delete_topic(TopicArn="arn:aws:sns:us-east-1:000000000000:hooks")


def test_the_page_on_mail():
    with MailServer() as mail, Cluster(1, extra_config=settings("email.md", "127.0.0.1:1025", mail.address)) as cluster:
        run("email.md", cluster.nodes[0].endpoint)
        assert mail.next()[1] == ["ann@example.com"]


def test_the_page_on_text_messages():
    with HttpEndpoint() as gateway:
        with Cluster(1, extra_config=settings("sms.md", "http://127.0.0.1:8025", gateway.url)) as cluster:
            run("sms.md", cluster.nodes[0].endpoint)
            first, second = gateway.next(), gateway.next()
            assert first.document == {"to": "+15005550006", "text": "Your code is 1234", "from": "Shop"}
            assert second.document["text"] == "Alerts> It rains"


def test_the_page_on_functions():
    with HttpEndpoint(lambda a: 202) as functions:
        with Cluster(1, extra_config=settings("lambda.md", "http://127.0.0.1:9001", functions.url)) as cluster:
            run("lambda.md", cluster.nodes[0].endpoint)
            came = functions.next()
            assert came.path == "/2015-03-31/functions/resize/invocations"
            assert came.document["Records"][0]["Sns"]["Message"] == "picture 1"


def test_the_page_on_apps(tmp_path):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"client_email": "a@b", "private_key": pem.decode(), "project_id": "p"}))
    token = json.dumps({"access_token": "granted", "expires_in": 3600})
    with HttpEndpoint(lambda a: (200, token, {}) if a.path == "/token" else (200, "{}", {})) as google:
        with Cluster(1, extra_config=settings("apps.md", "http://127.0.0.1:9002", google.url)) as cluster:
            run("apps.md", cluster.nodes[0].endpoint, SERVICE_ACCOUNT=str(account))
            assert google.next().path == "/token"
            assert google.next().document["message"]["notification"] == {"title": "Hi"}
            assert google.next().document["message"]["data"] == {"default": "It is out"}


def test_the_lines_of_the_library_for_rust_are_those_of_its_example():
    source = " ".join((ROOT / "clients/rust/examples/orders.rs").read_text().split())
    shown = blocks(ROOT / "docs/clients.md", "rust")
    assert len(shown) >= 5
    for block in shown:
        wanted = " ".join(block.replace(ENDPOINT, "endpoint").split())
        assert wanted in source, wanted
