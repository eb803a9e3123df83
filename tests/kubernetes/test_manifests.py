"""The manifests are those of the chart, valid by the published schemas, and hold what the broker asks for."""

import json
import os
import re
import shutil
import subprocess

import jsonschema
import kubernetes_validate
import pytest
import yaml
from support.nodes import ROOT

HERE = ROOT / "cluster-configs" / "kubernetes"
MANIFESTS = sorted((HERE / "manifests").rglob("*.yaml"))
SERVICE_MONITOR = json.loads((ROOT / "tests" / "kubernetes" / "servicemonitor.schema.json").read_text())
# The oldest that the chart names, and the newest whose schemas are published in the package.
VERSIONS = ("1.27.0", kubernetes_validate.latest_version())


def documents():
    """Every document of every manifest, with its file."""
    for path in MANIFESTS:
        for document in yaml.safe_load_all(path.read_text()):
            if document:
                yield path.name, document


def one(kind):
    """The only document of a kind."""
    found = [document for _, document in documents() if document["kind"] == kind]
    assert len(found) == 1, kind
    return found[0]


def container(name):
    """A container of the StatefulSet."""
    return next(c for c in one("StatefulSet")["spec"]["template"]["spec"]["containers"] if c["name"] == name)


def validate(document, version):
    """Raises what is wrong with a document; a field that the schema does not know is wrong."""
    if document["kind"] == "ServiceMonitor":
        jsonschema.validate(document, SERVICE_MONITOR)
    else:
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_fits_the_published_schemas(version):
    kinds = set()
    for _, document in documents():
        validate(document, version)
        kinds.add(document["kind"])
    assert kinds == {
        "StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy", "ServiceAccount", "Role", "RoleBinding",
        "ServiceMonitor",
    }


def test_a_mistake_is_found_by_the_schemas():
    for _, document in documents():
        wrong = json.loads(json.dumps(document))
        # A role has no spec, and its rules are a list.
        wrong.setdefault("spec", {})["replica"] = 3
        with pytest.raises(jsonschema.ValidationError):
            validate(wrong, VERSIONS[-1])


def test_the_manifests_are_those_of_the_chart():
    fingerprint = subprocess.run([HERE / "fingerprint"], check=True, capture_output=True, text=True).stdout
    assert (HERE / "manifests" / "rendered-from").read_text() == fingerprint, "run cluster-configs/kubernetes/render"
    helm = os.environ.get("HELM") or shutil.which("helm")
    if helm:
        done = subprocess.run(
            [HERE / "render", "--check"], env=os.environ | {"HELM": helm}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_value_is_documented_and_checked():
    values = (HERE / "chart" / "values.yaml").read_text()
    schema = json.loads((HERE / "chart" / "values.schema.json").read_text())
    jsonschema.validate(yaml.safe_load(values), schema)
    assert set(yaml.safe_load(values)) == set(schema["properties"]) - {"global"}
    lines = values.splitlines()
    # A block of keys without an empty line between them has a comment above it, or one inside.
    for block in values.split("\n\n"):
        assert re.search(r"^\s*#", block, re.MULTILINE), f"a value without a word on it:\n{block}"
    assert max(len(line) for line in lines) <= 120


def test_what_the_cluster_stands_on():
    spec = one("StatefulSet")["spec"]
    # Neither the first start nor a restart of all may wait for one pod to be ready.
    assert spec["podManagementPolicy"] == "Parallel"
    peers = next(d for _, d in documents() if d["kind"] == "Service" and d["spec"].get("clusterIP") == "None")
    assert peers["spec"]["publishNotReadyAddresses"] and peers["metadata"]["name"] == spec["serviceName"]
    assert spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain"
    template = spec["template"]
    assert one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    for kind in ("PodDisruptionBudget", "StatefulSet"):
        wanted = one(kind)["spec"]["selector"]["matchLabels"]
        assert wanted.items() <= template["metadata"]["labels"].items()
    for document in (d for _, d in documents() if d["kind"] == "Service"):
        assert document["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    hook = container("levada")["lifecycle"]["preStop"]["exec"]["command"]
    seconds = dict(word.removeprefix("--").split("=") for word in hook if word.startswith("--"))
    # The hook counts against the grace, and the node takes up to 10 s to stop.
    grace = template["spec"]["terminationGracePeriodSeconds"]
    assert grace >= int(seconds["linger-secs"]) + int(seconds["leave-secs"]) + 10


def test_the_containers_may_do_nothing_else():
    pod = one("StatefulSet")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    for each in pod["containers"]:
        security = each["securityContext"]
        assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= each["resources"].keys()
    assert one("Role")["rules"] == [
        {"apiGroups": ["apps"], "resources": ["statefulsets/scale"], "resourceNames": ["levada"], "verbs": ["get"]}
    ]


def test_strangers_do_not_reach_the_peers_port():
    policy = one("NetworkPolicy")["spec"]
    labels = one("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    for rule in policy["ingress"]:
        if any(port["port"] == "peers" for port in rule["ports"]):
            assert rule["from"] == [{"podSelector": policy["podSelector"]}]


def test_what_is_set_is_what_the_broker_knows():
    known = (ROOT / "docs" / "configuration.md").read_text()
    for each in ("levada", "members"):
        for variable in container(each)["env"]:
            if variable["name"].startswith("LEVADA_"):
                assert f"`{variable['name']}`" in known, f"{variable['name']} is not in docs/configuration.md"
    ports = {port["name"]: port["containerPort"] for port in container("levada")["ports"]}
    environment = {v["name"]: v.get("value", "") for v in container("levada")["env"]}
    assert environment["LEVADA_HTTP_LISTEN"].endswith(f":{ports['http']}")
    assert environment["LEVADA_PEERS_LISTEN"].endswith(f":{ports['peers']}")
    # The volume's own directory cannot be renamed, which a damaged one must be.
    assert environment["LEVADA_DATA_DIR"].startswith("/data/")
