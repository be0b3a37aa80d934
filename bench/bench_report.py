"""The figures as Markdown tables, as JSON and as plots."""

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path

import bench_host
import bench_network
import bench_plot
import bench_timing
from bench_build import BENCH, say
from project import ROOT, version

RESULTS = BENCH / "results"
LAST = RESULTS / "last.json"
DOCS = ROOT / "docs" / "performance"


def machine():
    return {
        "midisock": version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "rustc": output("rustc", "--version"),
        "cc": output("cc", "--version").split("\n")[0],
        "python": platform.python_version(),
    }


def moment():
    """When, and how busy the machine is."""
    return {"when": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "load_average": round(os.getloadavg()[0], 2)}


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


def spread(values, form):
    return f"{values['median']:{form}} ({values['min']:{form}} to {values['max']:{form}})"


def microseconds(ns):
    return " | ".join(f"{ns[key] / 1000:.1f}" for key in ("median", "p99", "p999", "max"))


def queue(part):
    yield "| push and pop | case | ns per message | times the best other |"
    yield "|---|---|---|---|"
    for row in part["rows"]:
        ratio = f"{spread(row['times_best'], '.2f')} ({row['best']})" if "best" in row else ""
        yield f"| {row['name']} | {row['case']} | {spread(row['ns'], '.1f')} | {ratio} |"


def parser(part):
    yield "| parser alone | MB/s | million messages/s |"
    yield "|---|---|---|"
    for row in part["rows"]:
        yield f"| {row['name']} | {spread(row['mb_per_second'], '.0f')} | {row['million_per_second']:.1f} |"


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
        yield f"| {row['name']} | {row['pace']} | {microseconds(row['ns'])} | {spread(row['times_bare'], '.2f')} |"


def push(part):
    yield "| pushing | pace | what | median µs | p99 | p99.9 | max |"
    yield "|---|---|---|---|---|---|---|"
    for row in part["rows"]:
        what = {"call": "the call", "to peer": "until received"}[row["what"]]
        yield f"| {row['name']} | {row['pace']} | {what} | {microseconds(row['ns'])} |"


def arrival(part):
    yield "| from arrival to pop | what | median µs | p99 | p99.9 | max |"
    yield "|---|---|---|---|---|---|"
    for row in part["rows"]:
        yield f"| {row['name']} | {row['what']} | {microseconds(row['ns'])} |"


def fan(part):
    yield ("| fan | clients | messages/s asked for | delivered/s | ns of processor time per delivery | times one client's | "
           "% of a core: network thread | popping or pushing | the clients |")
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in part["rows"]:
        rate = f"{row['rate']:,}" if row["rate"] else "as many as go"
        percent = " | ".join(f"{row[f'{who}_percent']['median']:.1f}" for who in ("network", "own", "clients"))
        yield (f"| {row['kind']} | {row['clients']} | {rate} | {row['per_second']['median']:,.0f} | "
               f"{spread(row['cpu_ns_per_message'], ',.0f')} | {spread(row['times_alone'], '.2f')} | {percent} |")


def memory(part):
    yield "| memory | KiB |"
    yield "|---|---|"
    for row in part["rows"]:
        yield f"| {row['name']} | {row['bytes'] / 1024:.1f} |"


def share(part):
    yield "| ports | in: ns a message | out: ns a message | KiB of each further port |"
    yield "|---|---|---|---|"
    for row in part["rows"]:
        kib = {key: value / 1024 for key, value in row["bytes"].items()}
        yield (f"| {row['ports']} | {spread(row['in_ns'], '.0f')} | {spread(row['out_ns'], '.0f')} | "
               f"{spread(kib, '.0f')} |")


def idle(part):
    yield "| idle | % of one core | wakes/s |"
    yield "|---|---|---|"
    for row in part["rows"]:
        yield f"| {row['name']} | {spread(row['cpu_percent'], '.2f')} | {spread(row['wakes_per_second'], '.0f')} |"


TABLES = {"queue": queue, "parser": parser, "stream": stream, "roundtrip": roundtrip, "host": bench_host.host_table,
          "push": push, "arrival": arrival, "fan": fan, "memory": memory, "share": share, "idle": idle,
          "placement": bench_timing.placement_table, "tick": bench_timing.tick_table,
          "spacing": bench_timing.spacing_table, "network": bench_network.network_table,
          "virtual": bench_network.virtual_table}


def markdown(results, plots):
    about = results["machine"]
    lines = [f"midisock {about['midisock']}: {about['processor']}, {about['cores']} cores; {about['system']}; "
             f"{about['rustc']}; {about['cc']}; Python {about['python']}. Median (smallest to largest) of the repetitions."]
    for name, table in TABLES.items():
        if name in results["parts"]:
            part = results["parts"][name]
            before, after = part["before"], part["after"]
            lines += ["", f"## {name}", "", f"{before['when']}, load average {before['load_average']} before and "
                      f"{after['load_average']} after.", "", *table(part)]
            for file, title in plots.get(name, []):
                lines += ["", f"![{title}]({file})"]
    return "\n".join(lines) + "\n"


def write(parts, keep):
    """Prints the tables and keeps the figures."""
    results = {"machine": machine(), "parts": parts}
    RESULTS.mkdir(exist_ok=True)
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S")
    path = RESULTS / f"{stamp}.json"
    path.write_text(json.dumps(results) + "\n")
    bench_plot.plots(results, RESULTS / stamp)
    print(markdown(results, {}), end="")
    say(f"raw figures and plots: {path}, {RESULTS / stamp}")
    if keep:
        last = json.loads(LAST.read_text())["parts"] if LAST.exists() else {}
        results["parts"] = {name: part for name, part in {**last, **parts}.items() if name in TABLES}
        LAST.write_text(json.dumps(results) + "\n")
        plots = bench_plot.plots(results, DOCS)
        (DOCS / "last.md").write_text("# The last run of scripts/bench\n\n" + markdown(results, plots))
