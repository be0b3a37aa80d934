"""The plots, as SVG: bars with their spread, distributions over a logarithmic axis, and lines."""

import math
from xml.sax.saxutils import escape

WIDTH = 860
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 46, 46
LEGEND = 190  # beside a plot with lines
COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f", "#bcbd22", "#e377c2")


class Picture:
    """An SVG being written."""

    def __init__(self, title, height):
        self.height = height
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
            'font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>']
        self.text(WIDTH / 2, 22, title, anchor="middle", size=15)

    def text(self, x, y, text, anchor="start", size=12, colour="#222"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">'
                          f'{escape(text)}</text>')

    def line(self, x1, y1, x2, y2, colour="#ccc", width=1):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
                          f'stroke-width="{width}"/>')

    def bar(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}" '
                          f'fill="{colour}"/>')

    def path(self, points, colour):
        at = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{at}" fill="none" stroke="{colour}" stroke-width="1.8"/>')

    def write(self, path):
        path.write_text("\n".join([*self.parts, "</svg>"]) + "\n")


def colour(index):
    return COLOURS[index % len(COLOURS)]


def bars(path, title, groups, unit):
    """Groups {label: {name: spread}} of horizontal bars: the median, with a line from the smallest to the largest."""
    rows = sum(len(group) + 1.6 for group in groups.values())
    picture = Picture(title, int(TOP + rows * 18 + 20))
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    left, y = 270, TOP
    for label, group in groups.items():
        picture.text(8, y + 12, f"{label}, {unit}", size=13)
        y += 20
        # One stray repetition must not make the rest too small to see.
        most = 1.6 * max(values["median"] for values in group.values())
        scale = (WIDTH - left - 90) / most
        for name, values in group.items():
            picture.text(left - 6, y + 11, name, anchor="end")
            picture.bar(left, y + 2, values["median"] * scale, 11, colour(names.index(name)))
            picture.line(left + values["min"] * scale, y + 7.5, left + min(values["max"], most) * scale, y + 7.5, "#222")
            picture.text(WIDTH - 8, y + 11, f"{values['median']:.1f}", anchor="end")
            y += 18
        y += 9
    picture.write(path)


class Axes:
    """A plot with logarithmic axes."""

    def __init__(self, title, x, y, x_title, y_title, height=420):
        self.picture = Picture(title, height)
        self.x, self.y, self.bottom = x, y, height - BOTTOM
        for value in self.ticks(*x):
            at = self.at_x(value)
            self.picture.line(at, TOP, at, self.bottom)
            self.picture.text(at, self.bottom + 16, short(value), anchor="middle")
        for value in self.ticks(*y):
            at = self.at_y(value)
            self.picture.line(LEFT, at, WIDTH - LEGEND, at)
            self.picture.text(LEFT - 6, at + 4, short(value), anchor="end")
        self.picture.text((LEFT + WIDTH - LEGEND) / 2, height - 8, x_title, anchor="middle")
        self.picture.text(8, TOP - 10, y_title)
        self.series = 0

    @staticmethod
    def ticks(low, high):
        return [10.0 ** power for power in range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)]

    def at_x(self, value):
        return LEFT + (WIDTH - LEFT - LEGEND) * self.share(value, self.x)

    def at_y(self, value):
        return self.bottom - (self.bottom - TOP) * self.share(value, self.y)

    @staticmethod
    def share(value, limits):
        low, high = map(math.log10, limits)
        return (math.log10(min(max(value, limits[0]), limits[1])) - low) / (high - low)

    def draw(self, name, points):
        self.picture.path([(self.at_x(x), self.at_y(y)) for x, y in points], colour(self.series))
        self.picture.text(WIDTH - LEGEND + 10, TOP + 16 + 16 * self.series, name, colour=colour(self.series))
        self.series += 1


def short(value):
    for limit, unit in ((1e6, " M"), (1e3, " k")):
        if value >= limit:
            return f"{value / limit:g}{unit}"
    return f"{value:g}"


def distributions(path, title, histograms):
    """How many of all took longer, by time: {name: [[ns, count], ...]}."""
    histograms = {name: values for name, values in histograms.items() if values}
    if not histograms:
        return
    low = min(values[0][0] for values in histograms.values()) / 1000
    high = max(values[-1][0] for values in histograms.values()) / 1000
    fewest = min(1 / sum(count for _, count in values) for values in histograms.values())
    axes = Axes(title, (max(low, 0.01) * 0.8, high * 1.3), (fewest / 2, 1), "µs", "share that took longer")
    for name, values in histograms.items():
        total = sum(count for _, count in values)
        left, points = total, []
        for ns, count in values:
            points.append((ns / 1000, left / total))
            left -= count
        points.append((values[-1][0] / 1000, fewest / 2))
        axes.draw(name, points)
    axes.picture.write(path)


def histogram(path, title, histograms):
    """How many took so long, in steps of an eighth: {name: [[ns, count], ...]}, one below the other."""
    histograms = {name: values for name, values in histograms.items() if values}
    if not histograms:
        return
    each, low = 84, min(values[0][0] for values in histograms.values()) * 0.8
    high = max(values[-1][0] for values in histograms.values()) * 1.3
    picture = Picture(title, TOP + each * len(histograms) + BOTTOM)
    steps = 160

    def at(ns):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(ns / low) / math.log(high / low)

    for tick in Axes.ticks(low / 1000, high / 1000):
        picture.line(at(tick * 1000), TOP, at(tick * 1000), TOP + each * len(histograms))
        picture.text(at(tick * 1000), TOP + each * len(histograms) + 16, short(tick), anchor="middle")
    picture.text(WIDTH / 2, picture.height - 8, "µs", anchor="middle")
    for index, (name, values) in enumerate(histograms.items()):
        base = TOP + each * (index + 1) - 8
        counts = [0] * steps
        for ns, count in values:
            counts[min(steps - 1, int(steps * math.log(max(ns, low) / low) / math.log(high / low)))] += count
        width = (WIDTH - LEFT - RIGHT) / steps
        for step, count in enumerate(counts):
            if count:
                tall = max(1.0, (each - 24) * count / max(counts))
                picture.bar(LEFT + step * width, base - tall, width, tall, colour(index))
        picture.line(LEFT, base, WIDTH - RIGHT, base, "#888")
        picture.text(LEFT + 4, base - each + 22, name, colour=colour(index))
    picture.write(path)


def lines(path, title, series, x_title, y_title):
    """{name: [(x, y), ...]}"""
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    if not xs:
        return
    axes = Axes(title, (min(xs) * 0.9, max(xs) * 1.1), (min(ys) * 0.8, max(ys) * 1.4), x_title, y_title)
    for name, points in series.items():
        axes.draw(name, points)
    axes.picture.write(path)


def plots(results, into):
    """Draws what the parts give; by part, the names of the plots and what they show."""
    import bench_timing_plot  # which imports this module
    into.mkdir(parents=True, exist_ok=True)
    parts, drawn = results["parts"], {}

    def draw(part, name, title, how, *arguments):
        how(into / name, title, *arguments)
        if (into / name).exists():
            drawn.setdefault(part, []).append((name, title))

    if "queue" in parts:
        groups = {}
        for row in parts["queue"]["rows"]:
            groups.setdefault(row["case"], {})[row["name"]] = row["ns"]
        draw("queue", "queue.svg", "Push and pop of one message", bars, groups, "ns")
    if "stream" in parts:
        group = {row["name"]: row["million_per_second"] for row in parts["stream"]["rows"][1:]}
        draw("stream", "stream.svg", "From a socket to popped messages", bars, {"3 bytes": short_names(group)},
             "million a second")
    if "roundtrip" in parts:
        for number, (label, raw) in enumerate(parts["roundtrip"]["raw"].items(), 1):
            shown = {name.removesuffix(" histogram"): values for name, values in raw.items() if name.endswith("histogram")}
            draw("roundtrip", f"roundtrip-{number}.svg", f"Round trip, {label}", histogram, shown)
            draw("roundtrip", f"roundtrip-{number}-tail.svg", f"The tail of it, {label}", distributions, shown)
    if "push" in parts:
        for number, (label, raw) in enumerate(parts["push"]["raw"].items(), 1):
            for what, title in (("to peer", "From push to peer"), ("call", "What the call takes")):
                shown = {name: runs[0].get(f"{what} histogram", []) for name, runs in raw.items()}
                kind = what.replace(" ", "-")
                draw("push", f"push-{kind}-{number}.svg", f"{title}, {label}", histogram, shown)
    if "fan" in parts:
        for kind in dict.fromkeys(row["kind"] for row in parts["fan"]["rows"]):
            series = {}
            for row in parts["fan"]["rows"]:
                if row["kind"] == kind:
                    name = f"{row['rate']:,} a second" if row["rate"] else "as many as go"
                    series.setdefault(name, []).append((row["clients"], row["cpu_ns_per_message"]["median"]))
            name = kind.replace(", ", "-").replace(" ", "-")
            draw("fan", f"fan-{name}.svg", f"What a message costs: {kind}", lines, series, "clients",
                 "ns of processor time per message delivered")
    if "placement" in parts:
        draw("placement", "placement.svg", "Standard deviation of the placed frame, callbacks late by up to half a block",
             bench_timing_plot.placement, parts["placement"]["rows"])
    if "tick" in parts:
        draw("tick", "tick.svg", "What more looks buy: pushes anywhere in a callback of so much of 128 frames at 48 kHz",
             bench_timing_plot.tick, parts["tick"]["rows"])
    if "spacing" in parts:
        for number, (label, raw) in enumerate(parts["spacing"]["raw"].items(), 1):
            shown = {name: [off for run in runs for off in run["off"]] for name, runs in raw.items()}
            draw("spacing", f"spacing-{number}.svg", f"Spacing from frame to frame, {label}", bench_timing_plot.spacing, shown)
    return drawn


def short_names(group):
    return {name.replace("popping in a loop", "loop").replace("midisock_wait when empty", "wait"): values
            for name, values in group.items()}
