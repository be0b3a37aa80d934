"""The figures as Markdown tables and as JSON."""

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path

from bench_build import BENCH, say
from project import version

RESULTS = BENCH / "results"


def machine():
    return {
        "when": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "midisock": version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "rustc": output("rustc", "--version"),
        "cc": output("cc", "--version").split("\n")[0],
        "python": platform.python_version(),
        "load_average_before": load_average(),
    }


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        return name + (", virtual machine" if any(" hypervisor" in line for line in lines) else "")
    except (OSError, StopIteration):
        return platform.processor()


def output(*command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def load_average():
    return [round(value, 2) for value in os.getloadavg()]


def spread(values, form):
    return f"{values['median']:{form}} ({values['min']:{form}} to {values['max']:{form}})"


def stream(part):
    yield "| stream of 3-byte messages | million messages/s | share of bare recv |"
    yield "|---|---|---|"
    for row in part["rows"]:
        share = {name: 100 * value for name, value in row["share_of_bare"].items()}
        yield f"| {row['name']} | {spread(row['million_per_second'], '.1f')} | {spread(share, '.1f')} % |"


def roundtrip(part):
    yield "| round trip | pace | median µs | p99 | p99.9 | max | times bare TCP |"
    yield "|---|---|---|---|---|---|---|"
    for row in part["rows"]:
        times = " | ".join(f"{row['ns'][key] / 1000:.1f}" for key in ("median", "p99", "p999", "max"))
        yield f"| {row['name']} | {row['pace']} | {times} | {spread(row['times_bare'], '.2f')} |"


def queue(part):
    yield "| push and pop of 3 bytes | case | ns per message | times rtrb |"
    yield "|---|---|---|---|"
    for row in part["rows"]:
        yield f"| {row['name']} | {row['case']} | {spread(row['ns'], '.1f')} | {spread(row['times_rtrb'], '.2f')} |"


def idle(part):
    yield "| idle | % of one core | wakes/s |"
    yield "|---|---|---|"
    for row in part["rows"]:
        yield f"| {row['name']} | {spread(row['cpu_percent'], '.2f')} | {spread(row['wakes_per_second'], '.0f')} |"


TABLES = {"stream": stream, "roundtrip": roundtrip, "queue": queue, "idle": idle}


def markdown(results):
    about = results["machine"]
    lines = [f"midisock {about['midisock']}, {about['when']}: {about['processor']}, {about['cores']} cores; "
             f"{about['system']}; {about['rustc']}; {about['cc']}; Python {about['python']}. "
             f"Load average before {about['load_average_before'][0]}, after {results['load_average_after'][0]}. "
             "Median (smallest to largest) of the repetitions."]
    for name, part in results["parts"].items():
        lines += ["", *TABLES[name](part)]
    return "\n".join(lines)


def write(results, full):
    """Prints the tables and keeps the figures."""
    RESULTS.mkdir(exist_ok=True)
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    path = RESULTS / f"{stamp}.json"
    path.write_text(json.dumps(results) + "\n")
    if full:
        (RESULTS / "last.json").write_text(json.dumps(results) + "\n")
    print(markdown(results))
    say(f"raw figures: {path}")
