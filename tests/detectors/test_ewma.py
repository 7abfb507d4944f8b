"""EWMA by hand, and against the loop that the benchmark's job D is defined by."""

from __future__ import annotations

import math

import numpy as np

from detectors.contract import CHANGE, END, ONSET, Reason
from tests.detectors.streams import find

NOISE = np.random.default_rng(3).normal(0, 1, 5000)


def test_plain_learning_is_job_d_bit_for_bit() -> None:
    """The flagged readings and their z are those of a plain loop with a constant alpha, to the last bit."""
    x = np.round(NOISE + 50, 4)
    x[[700, 701, 2000, 3000]] += (30, 28, -25, 12)
    mean, var, n, expected = x[0], 0.0, 1, []
    for i in range(1, len(x)):
        d = x[i] - mean
        z = d / math.sqrt(var) if n >= 30 and var > 0 else 0.0
        if abs(z) > 6:
            expected.append((float(i + 1), x[i], z))
        mean += 0.05 * d
        var = (1 - 0.05) * (var + 0.05 * d * d)
        n += 1
    marks = find("ewma", x, alpha=0.05, z=[6.0], warm_up=30, learning="plain", each=True, release=1.0)
    flagged = [(m.ts, m.value, m.score if m.reason == Reason.RISE else -m.score) for m in marks if m.phase != END]
    assert flagged == expected
    assert len(expected) >= 3


def test_noise_is_no_finding() -> None:
    """Six sigma of normal noise come once in many millions of readings."""
    assert find("ewma", NOISE) == []


def test_a_shift_lasts_until_it_is_learned_anew() -> None:
    """A guarded baseline does not follow a shift; ten minutes later it is the new normal, and stays quiet."""
    x = NOISE[:3000] + np.where(np.arange(3000) >= 1000, 20, 0)
    onset, end = find("ewma", x, relearn="10 min")
    assert (onset.phase, onset.ts) == (ONSET, 1001)
    assert (end.phase, end.ts) == (END, 1601)
    assert abs(onset.baseline) < 1


def test_an_anomaly_that_passes_leaves_the_baseline_alone() -> None:
    """After a minute of nonsense the next one is judged as sharply as before."""
    x = NOISE[:2000].copy()
    x[1000:1060] += 50
    x[1100] += 8
    marks = find("ewma", x)
    assert [mark.ts for mark in marks if mark.phase == ONSET] == [1001, 1101]


def test_grades() -> None:
    """Six and twelve sigma are grades 1 and 2, left at half their distance."""
    x = NOISE[:300] * 0.5
    marks = find("ewma", [*x, 4, 9, 1.9, 0], z=[6.0, 12.0])
    assert [(mark.phase, mark.grade) for mark in marks] == [(ONSET, 1), (CHANGE, 2), (CHANGE, 1), (END, 0)]


def test_a_constant_has_no_sigma_to_judge_by() -> None:
    """Zero variance: nothing is judged without a floor; with one, a step of ten floors is found."""
    x = [5.0] * 100 + [6.0]
    assert find("ewma", x) == []
    assert [mark.ts for mark in find("ewma", x, min_sigma="0.1 u")] == [101]


def test_a_long_half_life_does_not_take_the_noise_for_too_small() -> None:
    """Right after the warm-up the standard deviation is already that of the readings."""
    assert find("ewma", NOISE, half_life=2000.0, warm_up=30) == []


def test_one_side_only() -> None:
    """A fall is no finding where only rises count."""
    x = [*NOISE[:200], -40, 0.1, 40]
    assert [mark.reason for mark in find("ewma", x, sides="up") if mark.phase == ONSET] == [Reason.RISE]
