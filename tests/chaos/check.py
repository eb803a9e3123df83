#!/usr/bin/env python3
"""Judges a history that `scripts/chaos` recorded: queues, FIFO groups, the stream and the topics here, the catalog
and the leases by porcupine.

    tests/chaos/check.py target/chaos/SEED/history.jsonl

Exit status 0: every promise was kept; 1: one was broken.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chaos.verdict import Verdict  # noqa: E402

PORCUPINE = Path(__file__).with_name("linearizable")
SHOWN_MAX = 50
LINEARIZABLE, NOT_LINEARIZABLE = 0, 1
REGISTERS_TIMEOUT_S = 900


def judge_registers(history):
    """The lines that say how the catalog and the leases did, and whether any was found wrong. Without Go nobody says."""
    if not shutil.which("go"):
        return ["CATALOG AND LEASES NOT JUDGED: there is no `go` here to run porcupine with"], False
    binary = Path(history).parent.resolve() / "linearizable"
    built = subprocess.run(["go", "build", "-o", str(binary), "."], cwd=PORCUPINE, capture_output=True, text=True)
    if built.returncode:
        return [f"CATALOG AND LEASES NOT JUDGED: {built.stderr.strip()}"], False
    done = subprocess.run(
        [str(binary), "-pictures", str(Path(history).parent), str(history)],
        capture_output=True,
        text=True,
        timeout=REGISTERS_TIMEOUT_S,
    )
    binary.unlink()
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines, done.returncode not in (LINEARIZABLE, 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("history")
    options = parser.parse_args()
    verdict = Verdict(options.history)
    registers, registers_wrong = judge_registers(options.history)
    print("\n".join([*verdict.counts(), *registers, "", verdict.markdown(), ""]))
    for kind, what in verdict.broken[:SHOWN_MAX]:
        print(f"BROKEN during {kind}: {what}")
    if not verdict.drained:
        print("the run ended before everything was received: what is owed was not judged")
    broken = len(verdict.broken) + registers_wrong
    print(f"{broken} promises broken")
    return 1 if broken or not verdict.drained else 0


if __name__ == "__main__":
    sys.exit(main())
