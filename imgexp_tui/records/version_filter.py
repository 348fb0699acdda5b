"""Which versions of a table are shown: a line in a small language, and what it makes of a version and its runs.

    state:running tag:seed base:v0 valid/loss<0.3 accuracy>60% starves "two words" !tag:old

All of it must hold. A metric's number is that of the best line of the version's best run, as tables and reports show
it: nothing has to be read for it. A metric is named by its end; of several that fit, the judged one counts, then
validation.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from imgexp_tui.notebook.model import Version
from imgexp_tui.notebook.schema.settings import nearest
from imgexp_tui.notebook.search import folded
from imgexp_tui.records.status import State
from imgexp_tui.text import clean_line, listed

_NONE, _LIVE, _BROKEN = "none", "live", "broken"
STATES = (*(state.value for state in State), _LIVE, _NONE, _BROKEN)
"""What `state:` takes: the states, "live" for any of a run under way, "none" without runs, "broken" for a version that
cannot run."""
_KEYS = ("state", "tag", "base")
_KEYED = re.compile(r"(!?)([^\W\d_]\w*):(\"[^\"]*\"?|\S*)")
_COMPARED = re.compile(r"([^\s\"<>=!:]*)\s*(<=|>=|<|>|=)\s*(\S*)")
_WORD = re.compile(r"(!?)(\"[^\"]*\"?|\S+)")
_SPACE = re.compile(r"\s*")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": math.isclose,
}


class FilterError(Exception):
    """One sentence: what is wrong with a filter."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a version.

    Attributes:
        states: of its shown run and of every live one; none without runs.
        numbers: `Best.numbers` of the version's best run.
    """

    version: Version
    states: Collection[str] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)


_Test = Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was understood.

    Attributes:
        text: as it was typed.
    """

    text: str
    tests: tuple[_Test, ...]

    def holds(self, facts: Facts) -> bool:
        """Whether a version is shown."""
        return all(test(facts) for test in self.tests)


def parse(text: str, metrics: Collection[str] = ()) -> Filter | None:
    """The filter that `text` says; None where it says nothing.

    Args:
        metrics: those that are known, so that a mistyped one can be told; without any, none is.

    Raises:
        FilterError: it cannot be understood.
    """
    tests: list[_Test] = []
    at = 0
    while (at := _end(_SPACE, text, at)) < len(text):
        if found := _KEYED.match(text, at):
            tests.append(_negated(found[1], _keyed(found[2].lower(), _unquoted(found[3]))))
        elif found := _COMPARED.match(text, at):
            tests.append(_compared(found[1], found[2], found[3], metrics))
        elif found := _WORD.match(text, at):
            tests.append(_negated(found[1], _says(_unquoted(found[2]))))
        assert found is not None
        at = found.end()
    return Filter(text.strip(), tuple(tests)) if tests else None


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    if len(text) < 2 or not text.endswith('"'):
        raise FilterError(f"{clean_line(text)} has no second quote; close it")
    return text[1:-1]


def _negated(sign: str, test: _Test) -> _Test:
    return (lambda facts: not test(facts)) if sign else test


def _keyed(key: str, value: str) -> _Test:
    if key not in _KEYS:
        near = nearest(key, _KEYS)
        mend = f"did you mean {near}:?" if near else "take state:, tag: or base:, or put the words in quotes"
        raise FilterError(f"there is no {clean_line(key)}:; {mend}")
    wanted = [part.strip().lower() for part in value.split(",") if part.strip()]
    if not wanted:
        example = {"state": listed(list(STATES), "or"), "tag": "such as tag:seed", "base": "such as base:v0"}[key]
        raise FilterError(f"{key}: wants a word: {example}")
    if key == "state":
        return _of_state(wanted)
    if key == "tag":
        return lambda facts: any(tag.lower() in wanted for tag in facts.version.tags)
    return lambda facts: (facts.version.base or _NONE).lower() in wanted


def _of_state(wanted: list[str]) -> _Test:
    """The beginning of a state will do: what is being typed filters already."""
    states: set[str] = set()
    for word in wanted:
        found = {state for state in STATES if state.startswith(word.replace("-", " ").replace("_", " "))}
        if not found:
            near = nearest(word, STATES)
            mend = f"did you mean {near}?" if near else f"take one of {', '.join(STATES)}"
            raise FilterError(f"{clean_line(word)} is no state; {mend}")
        states |= found
    if _LIVE in states:
        states |= {state.value for state in State if state.live}

    def test(facts: Facts) -> bool:
        found = facts.states or {_NONE}
        return not states.isdisjoint(found) or (_BROKEN in states and not facts.version.runnable)

    return test


def _compared(name: str, sign: str, value: str, metrics: Collection[str]) -> _Test:
    if not name:
        raise FilterError(f"{sign} stands behind a metric, such as valid/loss<0.3")
    try:
        limit = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        told = f"{clean_line(value)} is no number" if value else f"{sign} wants a number"
        raise FilterError(f"{told}; write such as {clean_line(name)}{sign}0.3") from None
    if metrics and not any(_fits(name, metric) for metric in metrics):
        ends = {metric.rpartition("/")[2] for metric in metrics} | set(metrics)
        near = nearest(name, ends)
        mend = f"did you mean {near}?" if near else f"there are {', '.join(sorted(map(clean_line, metrics))[:8])}"
        raise FilterError(f"no run has a metric that ends in {clean_line(name)}; {mend}")
    compare = _COMPARE[sign]

    def test(facts: Facts) -> bool:
        fitting = [metric for metric in facts.numbers if _fits(name, metric)]
        if not fitting:
            return False
        judged = next(iter(facts.numbers))
        order = {metric: 2 for metric in fitting if metric.startswith("valid/")} | {judged: 1, name: 0}
        return compare(facts.numbers[min(fitting, key=lambda metric: order.get(metric, 3))], limit)

    return test


def _fits(name: str, metric: str) -> bool:
    return metric == name or metric.endswith(f"/{name}")


def _says(words: str) -> _Test:
    exact = words != folded(words)

    def test(facts: Facts) -> bool:
        one = facts.version
        texts = (one.name, one.summary, one.takeaways, one.observed)
        return any(words in (text if exact else folded(text)) for text in texts)

    return test
