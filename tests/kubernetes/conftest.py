"""The suite acts Kubernetes out in a network and a mount namespace of its own, which end with the process."""

import pytest
from support.pods import isolated


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """The network of the acted cluster. Without the right to make namespaces there is nothing to act in."""
    if why_not := isolated.cannot():
        pytest.skip(why_not)
    with isolated.World(tmp_path_factory.mktemp("world")) as made:
        yield made
