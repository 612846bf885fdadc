"""Numbers as people read them: with separators, units and nouns."""

from __future__ import annotations

from datetime import UTC, datetime

#: Characters of a bar between its brackets.
BAR_WIDTH = 24


def count(value: float) -> str:
    """Write a whole number with separators: 1,234,567."""
    return f"{value:,.0f}"


def compact(value: float) -> str:
    """Write a number with three significant digits: 12.3k, 4.56M; a small number as it is."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= factor:
            scaled = value / (1e3 if unit == "k" else factor)
            return f"{scaled:.{0 if scaled >= 100 else 1 if scaled >= 10 else 2}f}{unit}"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2g}"


def percent(share: float) -> str:
    """Write a share: 0.4 %, 12 %. Only an exact 0 is rounded to 0, and only what is very near 1 to 100."""
    value = share * 100
    if value == 0 or value >= 99.95:
        return f"{value:.0f}\N{NO-BREAK SPACE}%"
    if value < 0.05:
        return "<\N{NO-BREAK SPACE}0.1\N{NO-BREAK SPACE}%"
    return f"{value:.{1 if value < 9.95 or value > 99 else 0}f}\N{NO-BREAK SPACE}%"


def score(value: float | None) -> str:
    """Write a score between 0 and 1, or a dash where nothing was scored."""
    return "\N{EN DASH}" if value is None else f"{value:.3f}"


def duration(seconds: float) -> str:
    """Write a duration in at most two units: 850 ms, 12.3 s, 3 min 12 s, 1 h 04 min, 2 d 03 h."""
    if seconds <= 0:
        return _spaced("0 s")
    if seconds < 0.9995:
        return _spaced(f"{max(seconds * 1000, 1):.0f} ms")
    if seconds < 59.95:
        return _spaced(f"{seconds:.1f} s")
    whole = round(seconds)
    for size, unit, smaller, part in ((86_400, "d", "h", 3_600), (3_600, "h", "min", 60), (60, "min", "s", 1)):
        if whole >= size:
            return _spaced(f"{whole // size} {unit} {whole % size // part:02d} {smaller}")
    return _spaced(f"{whole} s")


def rough_duration(seconds: float) -> str:
    """Write an estimated duration in one unit, with two significant digits: 22 s, 8.9 min, 14 h, 5.9 d."""
    value, unit = seconds, "s"
    for factor, larger in ((60, "min"), (60, "h"), (24, "d")):
        if value < (99.5 if larger == "min" else 1.995 * factor):
            break
        value, unit = value / factor, larger
    return _spaced(f"{value:,.{0 if value >= 9.95 else 1}f} {unit}")


def clock(seconds: float) -> str:
    """Write a duration as on a clock: 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


def moment(unix_s: float) -> str:
    """Write a time with its date: 9 October 2025, 08:53 UTC."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0")


def size(bytes_: float) -> str:
    """Write a size in binary units: 512 MiB, 12.3 GiB."""
    if bytes_ <= 0:
        return "\N{EN DASH}"
    value, unit = float(bytes_), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1023.5:
            break
        value, unit = value / 1024, larger
    return _spaced(f"{value:.{0 if value >= 100 or unit == 'B' else 1}f} {unit}")


def plural(number: float, noun: str, nouns: str | None = None) -> str:
    """Write a number with its noun: 1 record, 2 records."""
    return f"{count(number)}\N{NO-BREAK SPACE}{noun if number == 1 else nouns or noun + 's'}"


def bar(share: float) -> str:
    """Draw a share as a bar, with its percentage."""
    filled = round(share * BAR_WIDTH)
    return f"[{'█' * filled}{'·' * (BAR_WIDTH - filled)}] {share:4.0%}"


def _spaced(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")
