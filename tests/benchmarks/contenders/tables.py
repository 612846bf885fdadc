"""The results as Markdown."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.contenders.figures import Growth, Summary
from benchmarks.contenders.plan import CONTENDERS, KINDS

Table = list[list[str]]

#: Of the machine's core seconds: what others may take before a measurement counts as disturbed.
NOISE = 0.05


def render(results: Mapping[str, Any], summaries: Sequence[Summary], growths: Sequence[Growth]) -> str:
    """Return all tables of a benchmark."""
    cores = results["settings"]["cores"]
    parts = ["# Shardner and what one would use instead", describe_machine(results["machine"], cores)]
    parts.append(describe_noise(results["measurements"], results["machine"]["cores"]))
    same = [each for each in summaries if each.cores == cores]
    for (kind, size), members in groupby(same, key=lambda each: (each.kind, each.size)):
        facts = results["corpora"][f"{kind}-{size}"]
        parts += [f"## {kind}, {facts['bytes'] / 1e6:.2f} MB", describe_corpus(facts), show_corpus(list(members))]
    if any(each.exponent is not None for each in growths):
        parts += ["## How time grows with the size of the corpus", EXPLAIN_GROWTH, show_growth(growths)]
    if results["scaling"]:
        parts += ["## Shardner with more cores", show_scaling(results["scaling"])]
    if results["profiles"]:
        parts += ["## Where Shardner's core seconds go", EXPLAIN_PROFILE, show_profiles(results["profiles"])]
    parts += ["## Contenders", show_contenders(results["skipped"])]
    return "\n\n".join(parts) + "\n"


EXPLAIN_GROWTH = (
    "Exponent: the slope of log time over log size; 1 is linear, less than 1 means that fixed costs still count. Fixed "
    "cost: where the line through the two smallest sizes meets a size of nothing. Last column: from which size on that "
    "is less than 5 % of the time."
)
EXPLAIN_PROFILE = "Of wall time times cores, at the largest size of each kind."


def describe_machine(machine: Mapping[str, Any], cores: int) -> str:
    """Return a paragraph about where this was measured."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['date']}; {machine['cpu']}, {cores} of {machine['cores']} cores, {machine['memory_gib']:.0f} GiB; "
        f"{machine['system']}; {versions}. Pipeline: {machine['pipeline']}. Medians; in brackets the range. Seconds "
        f"are from the start of the process to the table on disk. Memory is the peak of the whole process tree "
        f"({'PSS' if machine['system'].startswith('Linux') else 'RSS'}, sampled), and of its largest process."
    )


def describe_noise(measurements: Sequence[Mapping[str, Any]], cores: int) -> str:
    """Say in how many measurements the machine had something else to do."""
    noisy = [each for each in measurements if each["others_cpu_s"] > NOISE * each["wall_s"] * cores]
    return (
        f"In {len(noisy)} of {len(measurements)} measurements other processes took more than {NOISE:.0%} of the "
        f"machine's cores."
    )


def describe_corpus(facts: Mapping[str, Any]) -> str:
    """Return a line about a corpus."""
    return (
        f"{facts['documents']:,} documents, {facts['chars']:,} characters, the longest {facts['longest_chars']:,}; "
        f"{facts['repeated_share']:.1%} of the characters are in repeated texts."
    )


def show_corpus(members: Sequence[Summary]) -> str:
    """Return the table of one corpus."""
    rows = [["contender", "seconds", "runs", "times Shardner's", "CPU s", "memory, MiB", "largest process", "output"]]
    for each in members:
        if each.wall_s is None:
            rows.append(
                [
                    each.contender,
                    "failed",
                    str(each.repeats),
                    "",
                    "",
                    mebibytes(each.peak_tree_bytes),
                    "",
                    escape(each.reason),
                ]
            )
            continue
        spread = f" ({each.least_s:.1f} to {each.most_s:.1f})" if each.repeats > 1 else ""
        rows.append(
            [
                each.contender,
                f"{each.wall_s:.1f}{spread}",
                str(each.repeats),
                f"{each.ratio:.2f}" if each.ratio else "",
                f"{each.cpu_s:.1f}",
                mebibytes(each.peak_tree_bytes),
                mebibytes(each.peak_process_bytes),
                describe_output(each),
            ]
        )
    return markdown(rows)


def describe_output(summary: Summary) -> str:
    """Say how a contender's entities compare with those of stock spaCy in one process."""
    found = summary.comparison
    failed = f"; failed once: {escape(summary.reason)}" if summary.reason else ""
    if summary.verdict == "near-ties":
        return f"identical but for {found['near_ties']} near-ties{failed}"
    if summary.verdict != "different":
        return summary.verdict + failed
    at_borders = found["missing_at_borders"] + found["extra_at_borders"]
    return (
        f"**wrong**: {found['missing']:,} missing, {found['extra']:,} extra ({at_borders:,} of both at cuts)"
        f"{'' if found['in_order'] else ', not in order'}{failed}"
    )


def show_growth(growths: Sequence[Growth]) -> str:
    """Return the table of exponents and fixed costs."""
    rows = [["kind", "contender", "exponent", "fixed cost, s", "s per MB", "fixed cost < 5 % from"]]
    for each in growths:
        if each.exponent is None:
            continue
        small = f"{each.small_at_megabytes:.1f} MB" if each.small_at_megabytes is not None else ""
        figures = [each.exponent, each.fixed_s, each.s_per_megabyte]
        rows.append([each.kind, each.contender, *(f"{one:.2f}" if one is not None else "" for one in figures), small])
    return markdown(rows)


def show_scaling(scaling: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of strong scaling."""
    rows = [["corpus", "cores", "seconds", "speed-up", "efficiency"]]
    for each in scaling:
        corpus = f"{each['kind']}, {each['megabytes']:.2f} MB"
        figures = [f"{each['wall_s']:.1f}", f"{each['speedup']:.2f}", f"{each['efficiency']:.0%}"]
        rows.append([corpus, str(each["cores"]), *figures])
    return markdown(rows)


def show_profiles(profiles: Mapping[str, Sequence[Sequence[Any]]]) -> str:
    """Return the table of phases, a column a corpus."""
    names = list(dict.fromkeys(name for shares in profiles.values() for name, _ in shares))
    # the rest stands last
    names.sort(key=lambda name: name.startswith("Snakemake"))
    rows = [["share of the core seconds", *profiles]]
    for name in names:
        shares = [dict(map(tuple, each)).get(name, 0.0) for each in profiles.values()]  # type: ignore[arg-type]
        rows.append([name, *(f"{share:.1%}" for share in shares)])
    return markdown(rows)


def show_contenders(skipped: Mapping[str, str]) -> str:
    """Return what each contender is, and why some were not measured."""
    rows = [["contender", "what it is", "skipped"]]
    rows += [[each.name, each.what, skipped.get(each.name, "")] for each in CONTENDERS.values()]
    return markdown(rows)


def markdown(rows: Table) -> str:
    """Return rows as a table, the first being its head; columns of figures stand right."""
    head, *body = rows
    figures = [{row[i] for row in body if row[i]} - {"failed"} for i in range(len(head))]
    right = [bool(each) and all(value.lstrip("-")[0].isdigit() for value in each) for each in figures]
    lines = [head, ["---:" if each else "---" for each in right], *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def mebibytes(size: int) -> str:
    """Return bytes in MiB."""
    return f"{size / 2**20:,.0f}"


def escape(text: str | None) -> str:
    """Return what a program said as the content of a cell: no markup, no line break."""
    plain = " ".join((text or "").replace("`", "'").split())
    return f"`{plain.replace('|', '/')}`" if plain else ""


def kinds_in(summaries: Sequence[Summary]) -> list[str]:
    """Return the kinds that were measured."""
    return [kind for kind in KINDS if any(each.kind == kind for each in summaries)]
