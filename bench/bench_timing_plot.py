"""The plots of what is measured of time: errors of placed frames, what more looks buy, jitter of spacing."""

import math
from collections import Counter

from bench_plot import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Picture, colour, lines


def placement(path, title, rows):
    """Standard deviation of the placed frame, by block size and method, on a logarithmic axis."""
    rows = [row for row in rows if row["kind"] == "uniform" and row["jitter_percent"] == 50]
    sizes = sorted({row["frames"] for row in rows})
    names = list(dict.fromkeys(row["name"] for row in rows))
    if not rows:
        return
    picture, base = Picture(title, 360), 360 - BOTTOM - 20
    low, high = -1, 3

    def y(value):
        return base - (math.log10(max(value, 10**low)) - low) / (high - low) * (base - TOP - 20)

    for power in range(low, high + 1):
        picture.line(LEFT, y(10**power), WIDTH - RIGHT, y(10**power))
        picture.text(LEFT - 6, y(10**power) + 4, f"{10**power:g}", anchor="end")
    picture.text(8, TOP, "frames")
    group = (WIDTH - LEFT - RIGHT) / len(sizes)
    for number, size in enumerate(sizes):
        at = LEFT + number * group
        for index, name in enumerate(names):
            for row in rows:
                if row["frames"] == size and row["name"] == name:
                    wide = (group - 24) / len(names)
                    x = at + 12 + index * wide
                    picture.bar(x, y(row["deviation"]), wide - 4, base - y(row["deviation"]), colour(index))
                    picture.text(x + 2, y(row["deviation"]) - 3, f"{row['deviation']:.3g}")
        picture.text(at + group / 2, base + 16, f"{size} frames a block", anchor="middle")
    for index, name in enumerate(names):
        picture.text(LEFT + index * 200, picture.height - 12, name, colour=colour(index))
    picture.write(path)


def tick(path, title, rows):
    """Median from push to wire against looks: a line for each load, a point for each tick."""
    series = {}
    for row in sorted(rows, key=lambda row: row["wakes_per_block"]["median"]):
        if row["ports"] == 1 and row["kind"] != "no rhythm":
            series.setdefault(f"{row['load_percent']} % of the block", []).append(
                (row["wakes_per_block"]["median"], row["median_us"]["median"]))
    lines(path, title, series, "times that the network thread woke, a block", "µs from push to wire, median")


def spacing(path, title, offs):
    """How many notes were off by so many frames: {name: [frames]}, one below the other."""
    offs = {name: values for name, values in offs.items() if values}
    if not offs:
        return
    most = max(abs(value) for values in offs.values() for value in values) + 1
    each = 100
    picture = Picture(title, TOP + each * len(offs) + BOTTOM)
    width = (WIDTH - LEFT - RIGHT) / (2 * most + 1)
    bottom = TOP + each * len(offs)
    step = next(step for step in (10, 20, 50, 100, 200, 500, 1000, 10000) if most / step < 8)
    for value in range(-int(most) // step * step, int(most) + 1, step):
        x = LEFT + (value + most + 0.5) * width
        if x >= LEFT:
            picture.line(x, TOP, x, bottom)
            picture.text(x, bottom + 16, str(value), anchor="middle")
    picture.text(WIDTH / 2, picture.height - 8, "frames off", anchor="middle")
    for index, (name, values) in enumerate(offs.items()):
        base, counts = TOP + each * (index + 1) - 8, Counter(map(round, values))
        for value, count in counts.items():
            tall = max(1.0, (each - 28) * count / max(counts.values()))
            picture.bar(LEFT + (value + most) * width, base - tall, max(width, 1.5), tall, colour(index))
        picture.line(LEFT, base, WIDTH - RIGHT, base, "#888")
        picture.text(LEFT + 4, base - each + 26, name, colour=colour(index))
    picture.write(path)
