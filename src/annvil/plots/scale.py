"""From numbers to positions, and the ticks between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10


@dataclass(frozen=True)
class Scale:
    """Maps ``low … high`` to ``start … end``, linearly or by logarithm; values outside are mapped outside."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, value, high = map(log10, (self.low, value, self.high)) if self.log else (self.low, value, self.high)
        share = (value - low) / (high - low)
        return self.start + share * (self.end - self.start)

    def clamp(self, value: float) -> float:
        """The value, moved to the nearer end when it lies outside."""
        return min(max(value, self.low), self.high)

    def ticks(self, about: int = 5) -> tuple[float, ...]:
        """Round values inside the scale, roughly ``about`` of them."""
        return (log_ticks if self.log else nice_ticks)(self.low, self.high, about)


def fit_scale(
    values: Iterable[float], start: float, end: float, *, log: bool = False, margin: float = 0.06, least: float = 0.0
) -> Scale:
    """A scale that holds all finite values with a margin; never of zero width.

    ``least`` is the least span, so that differences too small to matter do not look large.
    """
    finite = [v for v in values if isfinite(v) and (v > 0 or not log)]
    if not finite:
        return Scale(1.0, 10.0, start, end, log) if log else Scale(0.0, 1.0, start, end)
    low, high = min(finite), max(finite)
    if log:
        pad = max((log10(high) - log10(low)) * margin, 0.1)
        return Scale(10 ** (log10(low) - pad), 10 ** (log10(high) + pad), start, end, True)
    span = max(high - low, least, 1e-9 * max(abs(low), abs(high)), 1e-12)
    middle = (low + high) / 2
    half = span / 2 + span * margin
    return Scale(middle - half, middle + half, start, end)


def nice_step(span: float, about: int) -> float:
    """The step of 1, 2 or 5 times a power of ten that cuts ``span`` into ``about`` parts or a few fewer."""
    raw = span / max(about, 1)
    power = 10.0 ** floor(log10(raw))
    return power * next((factor for factor in (1.0, 2.0, 5.0) if raw <= factor * power * 1.0000001), 10.0)


def nice_ticks(low: float, high: float, about: int = 5) -> tuple[float, ...]:
    """Multiples of a nice step within ``low … high``."""
    step = nice_step(high - low, about)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return tuple(round(i * step, 12 - floor(log10(step))) for i in range(first, last + 1))


def log_ticks(low: float, high: float, about: int = 5) -> tuple[float, ...]:
    """1, 10, 100, …; with 2 and 5 between them when there is room; every second or third power when there is not."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    for factors in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        ticks = [f * 10.0**p for p in powers for f in factors if low <= f * 10.0**p <= high]
        if len(ticks) <= about:
            break
    stride = max(1, -(-len(ticks) // about))
    chosen = ticks[::stride]
    if len(chosen) >= 2:
        return tuple(chosen)
    return tuple(t for t in nice_ticks(low, high, about) if t > 0)


def labels_of(scale: Scale, ticks: Sequence[float]) -> list[str]:
    """Of the ticks of that scale."""
    return log_labels(ticks) if scale.log else tick_labels(ticks)


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Equal decimals for all: ``["0.80", "0.85"]``, ``["10,000", "20,000"]``; millions as ``"2 M"``."""
    largest = max((abs(t) for t in ticks), default=0.0)
    divisor, suffix = (1e9, " bn") if largest >= 1e10 else (1e6, " M") if largest >= 1e7 else (1.0, "")
    values = [t / divisor for t in ticks]
    if any(abs(v) >= 1e15 or 0 < abs(v) < 1e-6 for v in values):
        return [f"{v:.3g}{suffix}" for v in values]
    places = next((p for p in range(7) if all(abs(round(v, p) - v) < 1e-9 * max(1.0, abs(v)) for v in values)), 6)
    return [f"{v:,.{places}f}{suffix}".replace("-", "−") for v in values]


def log_labels(ticks: Sequence[float]) -> list[str]:
    """Each with the decimals it needs: ``["0.1", "1", "10", "1,000"]``."""
    return [f"{t:,.10f}".rstrip("0").rstrip(".") for t in ticks]
