#!/usr/bin/env python3
"""Draws a run from its history: throughput and latency of sends over time with the faults marked, and every pause.

    tests/chaos/draw.py target/chaos/SEED/history.jsonl      # needs tests/chaos/requirements.txt
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

try:
    import matplotlib
except ImportError:
    sys.exit("no pictures: pip install -r tests/chaos/requirements.txt")

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from PIL import Image  # noqa: E402

from chaos.faults import FAMILIES, family_of  # noqa: E402
from chaos.verdict import Verdict  # noqa: E402
from support.judge import read  # noqa: E402

# So many points a line at most, or a second each.
POINTS_MAX = 600
STANDARD, FIFO = "#1f6fb4", "#d1603d"
PALETTE = ("#e3c567", "#a3c9a8", "#c38d9e", "#8fb8de", "#d9ae94", "#b8b8d1", "#e8a87c", "#9a9a9a", "#85c7c0", "#c9b1e0")
COLOURS = {family.__name__.rpartition(".")[2]: PALETTE[n] for n, family in enumerate(FAMILIES)}
DPI, COLOURS_MAX = 90, 96


def sends(path):
    """(acknowledged at, took) of every acknowledged send, by queue."""
    found = {"standard": [], "fifo": []}
    for record in read(path):
        if record["op"] == "send" and "error" not in record:
            found[record["q"]].append((record["e"], record["e"] - record["b"]))
    return found


def binned(rows, bin_s, ended):
    """For each bin: its time, sends a second, and p50 and p99 in milliseconds, None where nothing was sent."""
    bins = [[] for _ in range(int(ended / bin_s) + 1)]
    for at, took in rows:
        bins[int(at / bin_s)].append(took * 1000)
    for number, values in enumerate(bins):
        values.sort()
        part = (lambda q, v=values: v[min(len(v) - 1, int(len(v) * q))] if v else None)
        yield number * bin_s, len(values) / bin_s, part(0.5), part(0.99)


def mark(axes, faults):
    """Shades each fault from its beginning to the moment when the cluster was whole again."""
    for fault in faults:
        end = fault.get("healed", fault["t"]) + fault.get("whole_s", 0)
        axes.axvspan(fault["t"], end, color=COLOURS[family_of(fault["kind"])], alpha=0.55, linewidth=0)


def timeline(path, verdict, to):
    """Throughput above, latency below, the faults behind both."""
    bin_s = max(1.0, verdict.ended / POINTS_MAX)
    figure, (above, below) = plt.subplots(2, 1, figsize=(14, 7.2), sharex=True, height_ratios=(1, 1.2))
    for axes in (above, below):
        mark(axes, verdict.faults)
        axes.grid(alpha=0.3)
    for queue, colour, name in (("standard", STANDARD, "standard"), ("fifo", FIFO, "FIFO")):
        rows = list(binned(sends(path)[queue], bin_s, verdict.ended))
        at = [row[0] for row in rows]
        above.plot(at, [row[1] for row in rows], color=colour, linewidth=1.2, label=name)
        below.plot(at, [row[2] for row in rows], color=colour, linewidth=1.2, label=f"{name} p50")
        below.plot(at, [row[3] for row in rows], color=colour, linewidth=0.8, linestyle=":", label=f"{name} p99")
    for began, ended in verdict.stalls:
        below.axvspan(began, max(ended, began + bin_s / 2), ymax=0.03, color="black", linewidth=0)
    above.set_ylabel("acknowledged sends a second")
    above.set_ylim(bottom=0)
    above.legend(loc="upper right", ncols=2, framealpha=0.9)
    below.set_ylabel("latency of a send, ms")
    below.set_yscale("log")
    shaded = "shaded: from a fault until the cluster is whole again; black: this machine itself stood still"
    below.set_xlabel(f"seconds since the beginning; {shaded}")
    below.legend(loc="upper right", ncols=4, framealpha=0.9)
    label(above, verdict)
    about = verdict.about
    title = f"{about.get('command', '')}   commit {about.get('commit', '?')}   queue promises broken: {len(verdict.broken)}"
    figure.suptitle(title, fontsize=11)
    families = dict.fromkeys(family_of(f["kind"]) for f in verdict.faults)
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLOURS[name], alpha=0.55) for name in families]
    figure.legend(handles, families, loc="lower center", ncols=len(handles), frameon=False)
    figure.tight_layout(rect=(0, 0.035, 1, 1))
    save(figure, to)


def save(figure, to):
    """Writes a picture small enough for a repository: no more colours than it needs."""
    figure.savefig(to, dpi=DPI)
    plt.close(figure)
    Image.open(to).convert("RGB").quantize(COLOURS_MAX).save(to, optimize=True)


def label(axes, verdict):
    """Names the faults, where there is room for names."""
    if len(verdict.faults) > 70:
        return
    for fault in verdict.faults:
        axes.annotate(
            fault["kind"],
            (fault["t"], 1.02),
            xycoords=("data", "axes fraction"),
            rotation=60,
            fontsize=7,
            ha="left",
            va="bottom",
            annotation_clip=False,
        )


def pauses(verdict, to):
    """Each fault's pause of acknowledged sends, by kind."""
    kinds = sorted({f["kind"] for f in verdict.faults}, key=lambda k: (family_of(k), k), reverse=True)
    figure, axes = plt.subplots(figsize=(10, 1.2 + 0.32 * len(kinds)))
    for row, kind in enumerate(kinds):
        axes.axhspan(row - 0.5, row + 0.5, color=COLOURS[family_of(kind)], alpha=0.25, linewidth=0)
        for key, colour, shift in (("standard_pause_s", STANDARD, 0.16), ("fifo_pause_s", FIFO, -0.16)):
            values = [max(f[key], 0.01) for f in verdict.faults if f["kind"] == kind and key in f]
            axes.scatter(values, [row + shift] * len(values), s=22, color=colour, alpha=0.8, linewidths=0)
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_ylim(-0.5, len(kinds) - 0.5)
    axes.set_xscale("log")
    ticks = (0.01, 0.03, 0.1, 0.2, 0.5, 1, 1.5, 3, 10)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(axis="x", alpha=0.4)
    axes.set_xlabel("longest time without an acknowledged send, s")
    handles = [plt.Line2D([], [], color=c, marker="o", linestyle="") for c in (STANDARD, FIFO)]
    axes.legend(handles, ("standard", "FIFO"), loc="lower right")
    figure.tight_layout()
    save(figure, to)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("history", type=Path)
    history = parser.parse_args().history
    verdict = Verdict(history)
    timeline(history, verdict, history.with_name("timeline.png"))
    pauses(verdict, history.with_name("pauses.png"))
    print(f"drawn: {history.with_name('timeline.png')}, {history.with_name('pauses.png')}")


if __name__ == "__main__":
    main()
