"""The short form of scripts/crash-loop: five kill -9 of one node under load."""

import random

from support import crash_loop


def test_five_kills_lose_nothing_and_corrupt_no_checkpoint():
    seed = random.SystemRandom().randrange(2**32)
    outcome = crash_loop.run(5, seed, say=print, check_every=2)
    print(f"seed {seed}\n{outcome.text()}")
    assert outcome.wrong == []
    assert outcome.cycles == 5 and outcome.cellar_sent > 0
