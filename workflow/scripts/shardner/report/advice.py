"""Advice: what would make the run faster, by its figures. Every sentence names the number that it rests on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from shardner.report.figures import Advice, Performance
from shardner.report.forecast import Plan, model_wall
from shardner.terminal.numbers import count, duration, percent, plural, size

#: A run that annotated for fewer seconds is too short to gain from tuning.
SMALL_S = 60.0
#: What would save a smaller share of the time is not worth a sentence.
LEAST_GAIN = 0.05
#: A larger share of start-up in the workers' time is worth a sentence.
MUCH_START_UP_SHARE = 0.05
#: A larger share of idle slots at the end of the run is worth a sentence.
MUCH_TAIL_SHARE = 0.05
#: A larger share of waiting in the workers' time is worth a sentence.
MUCH_IDLE_SHARE = 0.15
#: This share of rejected records, or a larger one, is worth a sentence.
MUCH_REJECTED_SHARE = 0.01
#: The share of start-up with the number of shards that is advised.
GOOD_START_UP_SHARE = 0.03
#: Shards per slot that even out the end of a run.
SHARDS_A_SLOT = 4
#: A shard that takes this many times the mean is an outlier.
OUTLIER = 1.5
#: Memory is full if this share of it was used, or more.
MEMORY_FULL = 0.9
#: Memory is empty if this share of it was used, or less.
MEMORY_EMPTY = 0.4


def advise(performance: Performance) -> tuple[Advice, ...]:
    """Return advice, the most valuable first; at least one sentence."""
    if not performance.headline.documents:
        found = [Advice("empty", "The corpus holds no documents: there was nothing to annotate.")]
        return tuple(found + _about_rejected(performance))
    if performance.headline.annotate_wall_s < SMALL_S:
        took = duration(performance.headline.annotate_wall_s)
        small = Advice("small", f"Annotating took {took}: this corpus is too small for tuning to matter.")
        return (small, *_about_rejected(performance))
    unused = _about_unused_cores(performance)
    # with more cores, shards and start-up weigh differently: what this run says of them would mislead
    tuning: list[Callable[[Performance], list[Advice]]] = [
        _about_too_few_shards,
        _about_shard_count,
        _about_single_workers,
        _about_idle_workers,
    ]
    rules = [*([] if unused else tuning), _about_memory, _about_rejected]
    found = [*unused, *(advice for rule in rules for advice in rule(performance))]
    return tuple(map(_with_price, found) if found else [_nothing(performance)])


def _with_price(advice: Advice) -> Advice:
    """Say with another number of shards that it annotates anew."""
    if advice.setting is None or not advice.setting.startswith("shards.count"):
        return advice
    return replace(advice, text=f"{advice.text} Another number of shards annotates the whole corpus anew.")


def _about_unused_cores(performance: Performance) -> list[Advice]:
    """Say what more cores of the same machine would bring, by the forecast."""
    slots, _ = _count_possible_slots(performance)
    forecast, lost, cores = performance.forecast, performance.lost, performance.hardware.cores_per_host
    hosts = {device.host for device in performance.devices}
    if slots is None or cores is None or forecast is None or len(hosts) != 1:
        return []
    if any(device.kind != "cpu" for device in performance.devices) or forecast.doubts:
        return []
    slots = min(slots, performance.balance.shards)
    if slots <= lost.slots:
        return []
    rates = forecast.rates
    wall_s = model_wall(rates, 1, Plan(rates.parts, rates.shards), slots).wall_s
    if wall_s > (1 - LEAST_GAIN) * forecast.modelled_s:
        return []
    workers = max(device.workers for device in performance.devices)
    took_s = forecast.measured_s * wall_s / forecast.modelled_s
    text = (
        f"The machine has {plural(cores, 'core')}, and the run used {count(lost.slots * workers)}. On "
        f"{count(slots * workers)}, the same shards would take about {duration(took_s)} instead of "
        f"{duration(forecast.measured_s)}."
    )
    return [Advice("unused_cores", text, f"--cores {slots * workers}")]


def _nothing(performance: Performance) -> Advice:
    lost = performance.lost.start_up_share + performance.lost.worker_idle_share
    return Advice(
        "nothing",
        f"Nothing stands out: the workers spent {percent(1 - lost)} of their time annotating, and devices stood idle "
        f"for {percent(performance.lost.slot_idle_share)} of the time.",
    )


def _about_shard_count(performance: Performance) -> list[Advice]:
    """Weigh start-up, which asks for fewer shards, against the end of the run, which asks for more."""
    start_up, tail = _about_start_up(performance), _about_imbalance(performance)
    if not (start_up and tail and tail[0].setting):
        return start_up + tail
    lost = performance.lost
    text = (
        f"Start-up took {percent(lost.start_up_share)} of the workers' time, which asks for fewer shards, and slots "
        f"stood idle for {percent(lost.tail_idle_share)} of the time towards the end, which asks for more: "
        f"{count(len(performance.shards))} shards are a fair balance for this corpus on {plural(lost.slots, 'slot')}."
    )
    return [Advice("trade_off", text)]


def _about_start_up(performance: Performance) -> list[Advice]:
    lost, shards = performance.lost, len(performance.shards)
    if lost.start_up_share <= MUCH_START_UP_SHARE or not shards:
        return []
    wanted = good_shard_count(performance)
    start = (
        f"{percent(lost.start_up_share)} of the workers' time went into starting up and loading the model, "
        f"about {duration(lost.start_up_worker_s / shards)} a shard."
    )
    if wanted < shards:
        workers = max(sum(device.slots * device.workers for device in performance.devices), 1)
        saved_s = lost.start_up_worker_s * (1 - wanted / shards) / workers
        if saved_s < LEAST_GAIN * performance.headline.annotate_wall_s and not _about_imbalance(performance):
            return []
        text = (
            f"{start} Fewer, larger shards pay for it less often: try {count(wanted)} instead of {count(shards)}, "
            f"which saves about {duration(saved_s)} of {duration(performance.headline.annotate_wall_s)}."
        )
        return [Advice("start_up", text, f"shards.count: {wanted}")]
    text = f"{start} There is only {plural(shards / lost.slots, 'shard')} a slot, so fewer would leave slots empty."
    return [Advice("start_up", text)]


def good_shard_count(performance: Performance) -> int:
    """Return how many shards bring start-up down to `GOOD_START_UP_SHARE`, or the number of slots if that is larger."""
    lost = performance.lost
    work_s = sum(figure.worker_s for figure in performance.phases) - lost.start_up_worker_s
    start_up_s = lost.start_up_worker_s / max(len(performance.shards), 1)
    wanted = GOOD_START_UP_SHARE / (1 - GOOD_START_UP_SHARE) * work_s / start_up_s if start_up_s else math.inf
    slots = max(lost.slots, 1)
    if wanted >= slots * SHARDS_A_SLOT:
        return int(min(wanted, len(performance.shards)))
    # of few shards each slot gets the same number, or the last round is half empty
    return slots * max(int(wanted // slots), 1)


def _about_too_few_shards(performance: Performance) -> list[Advice]:
    slots, what = _count_possible_slots(performance)
    filled = performance.balance.shards
    if slots is None or filled >= slots:
        return []
    if filled > performance.lost.slots:
        return []  # shards waited for one another: Snakemake had been given fewer devices or cores than there are
    wanted = slots * SHARDS_A_SLOT
    text = (
        f"The corpus was cut into {plural(filled, 'shard')}, but there are {count(slots)} {what}: "
        f"{count(slots - filled)} had nothing to do. Try {count(wanted)} shards."
    )
    return [Advice("too_few_shards", text, f"shards.count: {wanted}")]


def _count_possible_slots(performance: Performance) -> tuple[int | None, str]:
    """Return how many annotate jobs the machines could run side by side, and what these need; None if not known."""
    hardware = performance.hardware
    if not performance.devices:
        return None, ""
    if all(device.kind == "cpu" for device in performance.devices):
        workers = max(device.workers for device in performance.devices)
        hosts = len({device.host for device in performance.devices})
        if hardware.cores_per_host is None:
            return None, ""
        return hosts * (hardware.cores_per_host // workers), "places for a job on the cores"
    return hardware.devices, "devices"


def _about_imbalance(performance: Performance) -> list[Advice]:
    lost, balance = performance.lost, performance.balance
    if lost.tail_idle_share <= MUCH_TAIL_SHARE or lost.slots < 2:
        return []
    start = (
        f"Towards the end, slots stood idle while the last shards ran: {percent(lost.tail_idle_share)} of the time, "
        f"about {duration(lost.tail_idle_s)} of annotating."
    )
    wanted = lost.slots * SHARDS_A_SLOT
    if balance.shards < wanted:
        text = f"{start} More shards than {count(balance.shards)} even it out: try {count(wanted)}."
        return [Advice("imbalance", text, f"shards.count: {wanted}")]
    if balance.elapsed_max_over_mean >= OUTLIER:
        text = (
            f"{start} Shard {balance.longest_shard} took {duration(balance.longest_s)}, "
            f"{balance.elapsed_max_over_mean:.1f} times the mean; its text or its host is slower than the others'."
        )
        return [Advice("imbalance", text)]
    wanted = balance.shards * 2
    text = f"{start} Smaller shards end closer together: try {count(wanted)} instead of {count(balance.shards)}."
    return [Advice("imbalance", text, f"shards.count: {wanted}")]


def _about_single_workers(performance: Performance) -> list[Advice]:
    gpus = [device for device in performance.devices if device.kind == "gpu"]
    cores = performance.hardware.cores_per_host
    if not gpus or cores is None or any(device.workers > 1 for device in gpus):
        return []
    hosts = {device.host for device in gpus}
    slots = max(sum(device.slots for device in gpus if device.host == host) for host in hosts)
    wanted = cores // slots
    if wanted < 2:
        return []
    text = (
        f"Each device was fed by one worker while {count(cores - slots)} of {count(cores)} cores had nothing to do, "
        f"and the tokenizer runs on cores. Let {count(wanted)} workers share a device."
    )
    return [Advice("single_worker", text, f"--cores {cores}, ner.threads: {wanted}")]


def _about_idle_workers(performance: Performance) -> list[Advice]:
    share = performance.lost.worker_idle_share
    workers = max((device.workers for device in performance.devices), default=1)
    if share <= MUCH_IDLE_SHARE or workers < 2:
        return []
    text = (
        f"Workers waited for {percent(share)} of their time, with {count(workers)} to a job: fewer workers, or larger "
        f"shards, keep them busier."
    )
    return [Advice("idle_workers", text, f"ner.threads: {max(workers // 2, 1)}")]


def _about_memory(performance: Performance) -> list[Advice]:
    hardware, found = performance.hardware, []
    device_peak = max((shard.peak_device_bytes for shard in performance.shards), default=0)
    rss_peak = max((shard.peak_rss_bytes for shard in performance.shards), default=0)
    if hardware.device_memory_bytes and device_peak:
        used = device_peak / hardware.device_memory_bytes
        amount = f"{size(device_peak)} of a device's {size(hardware.device_memory_bytes)} ({percent(used)})"
        if used >= MEMORY_FULL:
            text = f"The annotate jobs used {amount}: little is left for a longer batch or another worker."
            found.append(Advice("memory_full", text))
        elif used <= MEMORY_EMPTY and _phase_share(performance, "encode", "decode", "recognise") >= 0.5:
            text = f"Recognising took most of the time and used at most {amount}: larger batches may go faster."
            found.append(Advice("memory_headroom", text, "ner.batch_tokens: twice what it was"))
    if hardware.host_memory_bytes and rss_peak:
        hosts = {device.host for device in performance.devices}
        side_by_side = max(
            sum(device.slots * device.workers for device in performance.devices if device.host == host)
            for host in hosts
        )
        used = rss_peak * side_by_side / hardware.host_memory_bytes
        if used >= MEMORY_FULL:
            text = (
                f"{plural(side_by_side, 'worker')} of up to {size(rss_peak)} ran side by side on a host of "
                f"{size(hardware.host_memory_bytes)}: it may run out of memory. Use fewer workers."
            )
            found.append(Advice("host_memory_full", text, f"ner.threads: {max(_most_workers(performance) // 2, 1)}"))
    return found


def _most_workers(performance: Performance) -> int:
    return max((device.workers for device in performance.devices), default=1)


def _phase_share(performance: Performance, *phases: str) -> float:
    return sum(figure.share for figure in performance.phases if figure.phase in phases)


def _about_rejected(performance: Performance) -> list[Advice]:
    headline = performance.headline
    records = headline.documents + headline.rejected
    if not headline.rejected or headline.rejected / records < MUCH_REJECTED_SHARE:
        return []
    text = (
        f"{percent(headline.rejected / records)} of the records were rejected: {count(headline.rejected)} of "
        f"{count(records)}."
    )
    if performance.rejected:
        first = performance.rejected[0]
        text += f" The most frequent reason ({plural(first.count, 'record')}): “{first.reason}”."
    return [Advice("rejected", text)]
