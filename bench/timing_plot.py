#!/usr/bin/env python3
"""Draws docs/timing-error.svg from bench/results/last.json, or from the file named: the standard deviation of placed
frames, by block size and method, where the callback jitters by up to half a block."""

import json
import math
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLOURS = {"pop_block": "#2a7", "MidiMessageCollector": "#c80", "offset 0": "#c33"}
WIDTH, HEIGHT, LEFT, BOTTOM, LEAST, MOST = 640, 320, 60, 50, 0.1, 1000.0


def main():
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "bench" / "results" / "last.json"
    rows = [row for row in json.loads(source.read_text())["parts"]["placement"]["rows"]
            if row["kind"] == "uniform" and row["jitter_percent"] == 50]
    sizes = sorted({row["frames"] for row in rows})
    height = HEIGHT - BOTTOM - 30

    def y(value):
        share = math.log10(value / LEAST) / math.log10(MOST / LEAST)
        return HEIGHT - BOTTOM - share * height

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
           'font-size="12">', f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for power in range(-1, 4):
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{y(10**power):.1f}" y2="{y(10**power):.1f}" '
                   f'stroke="#ddd"/><text x="{LEFT - 6}" y="{y(10**power) + 4:.1f}" text-anchor="end">{10**power:g}</text>')
    group = (WIDTH - LEFT - 10) / len(sizes)
    for number, size in enumerate(sizes):
        at = LEFT + number * group
        for bar, (name, colour) in enumerate(COLOURS.items()):
            found = [row["deviation"] for row in rows if row["frames"] == size and row["name"] == name]
            for value in found:
                x = at + 12 + bar * (group - 24) / 3
                out.append(f'<rect x="{x:.1f}" y="{y(value):.1f}" width="{(group - 24) / 3 - 4:.1f}" '
                           f'height="{HEIGHT - BOTTOM - y(value):.1f}" fill="{colour}"/>'
                           f'<text x="{x + 2:.1f}" y="{y(value) - 3:.1f}">{value:.3g}</text>')
        out.append(f'<text x="{at + group / 2:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{size} frames</text>')
    for number, (name, colour) in enumerate(COLOURS.items()):
        x = LEFT + number * 190
        out.append(f'<rect x="{x}" y="{HEIGHT - 22}" width="12" height="12" fill="{colour}"/>'
                   f'<text x="{x + 18}" y="{HEIGHT - 12}">{name}</text>')
    out.append(f'<text x="{LEFT}" y="16">Standard deviation of the placed frame, in frames (logarithmic)</text></svg>')
    (ROOT / "docs" / "timing-error.svg").write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
