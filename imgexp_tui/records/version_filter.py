"""Parses the filter line of the version table, and matches versions and their runs against it.

    state:running tag:seed base:v0 valid/loss<0.3 accuracy>60% starves "two words" !tag:old

All conditions must hold. The value of a metric is that at the best line of the version's best run, as tables and
reports show it, so that no file is read for it. A condition names a metric by the end of its name; of several matches
the judged one counts, then validation.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from imgexp_tui.notebook.model import Version
from imgexp_tui.notebook.schema.settings import closest_name
from imgexp_tui.notebook.search import fold_case
from imgexp_tui.records.status import State
from imgexp_tui.text import clean_line, join_names

_NONE, _LIVE, _BROKEN = "none", "live", "broken"
FILTER_STATES = (*(state.value for state in State), _LIVE, _NONE, _BROKEN)
"""The values of `state:`: the states, "live" for any live run, "none" without runs, "broken" for a version that cannot
run."""
_FILTER_KEYS = ("state", "tag", "base")
_KEY_TOKEN = re.compile(r"(!?)([^\W\d_]\w*):(\"[^\"]*\"?|\S*)")
_COMPARISON_TOKEN = re.compile(r"([^\s\"<>=!:]*)\s*(<=|>=|<|>|=)\s*(\S*)")
_WORD_TOKEN = re.compile(r"(!?)(\"[^\"]*\"?|\S+)")
_SPACE = re.compile(r"\s*")
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": math.isclose,
}


class FilterError(Exception):
    """What is wrong with a filter, in one sentence."""


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """The facts of a version that a filter tests.

    Attributes:
        states: of its displayed run and of every live one; empty without runs.
        metric_values: `Best.metric_values` of the version's best run.
    """

    version: Version
    states: Collection[str] = ()
    metric_values: Mapping[str, float] = field(default_factory=dict)


_Predicate = Callable[[VersionFacts], bool]


@dataclass(frozen=True, slots=True)
class ParsedFilter:
    """A parsed filter.

    Attributes:
        text: as typed.
    """

    text: str
    predicates: tuple[_Predicate, ...]

    def matches(self, facts: VersionFacts) -> bool:
        """Whether a version passes the filter."""
        return all(test(facts) for test in self.predicates)


def parse_filter(text: str, metrics: Collection[str] = ()) -> ParsedFilter | None:
    """The filter of `text`; None for an empty one.

    Args:
        metrics: names of the known metrics, to report unknown ones; without any, none is reported.

    Raises:
        FilterError: the text is not a filter.
    """
    tests: list[_Predicate] = []
    at = 0
    while (at := _match_end(_SPACE, text, at)) < len(text):
        if token := _KEY_TOKEN.match(text, at):
            tests.append(_negate_if(token[1], _key_predicate(token[2].lower(), _unquoted(token[3]))))
        elif token := _COMPARISON_TOKEN.match(text, at):
            tests.append(_metric_predicate(token[1], token[2], token[3], metrics))
        elif token := _WORD_TOKEN.match(text, at):
            tests.append(_negate_if(token[1], _text_predicate(_unquoted(token[2]))))
        assert token is not None
        at = token.end()
    return ParsedFilter(text.strip(), tuple(tests)) if tests else None


def _match_end(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    if len(text) < 2 or not text.endswith('"'):
        raise FilterError(f"{clean_line(text)} has no second quote; close it")
    return text[1:-1]


def _negate_if(negation: str, predicate: _Predicate) -> _Predicate:
    return (lambda facts: not predicate(facts)) if negation else predicate


def _key_predicate(key: str, value: str) -> _Predicate:
    if key not in _FILTER_KEYS:
        near = closest_name(key, _FILTER_KEYS)
        mend = f"did you mean {near}:?" if near else "take state:, tag: or base:, or put the words in quotes"
        raise FilterError(f"there is no {clean_line(key)}:; {mend}")
    values = [part.strip().lower() for part in value.split(",") if part.strip()]
    if not values:
        example = {
            "state": join_names(list(FILTER_STATES), "or"),
            "tag": "such as tag:seed",
            "base": "such as base:v0",
        }[key]
        raise FilterError(f"{key}: wants a word: {example}")
    if key == "state":
        return _state_predicate(values)
    if key == "tag":
        return lambda facts: any(tag.lower() in values for tag in facts.version.tags)
    return lambda facts: (facts.version.base or _NONE).lower() in values


def _state_predicate(words: list[str]) -> _Predicate:
    """A condition on the state; its beginning is enough, so that the filter works while it is typed."""
    states: set[str] = set()
    for word in words:
        matching = {state for state in FILTER_STATES if state.startswith(word.replace("-", " ").replace("_", " "))}
        if not matching:
            near = closest_name(word, FILTER_STATES)
            mend = f"did you mean {near}?" if near else f"take one of {', '.join(FILTER_STATES)}"
            raise FilterError(f"{clean_line(word)} is no state; {mend}")
        states |= matching
    if _LIVE in states:
        states |= {state.value for state in State if state.live}

    def test(facts: VersionFacts) -> bool:
        own_states = facts.states or {_NONE}
        return not states.isdisjoint(own_states) or (_BROKEN in states and not facts.version.runnable)

    return test


def _metric_predicate(name: str, operator_sign: str, value: str, metrics: Collection[str]) -> _Predicate:
    if not name:
        raise FilterError(f"{operator_sign} stands behind a metric, such as valid/loss<0.3")
    try:
        limit = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        problem = f"{clean_line(value)} is no number" if value else f"{operator_sign} wants a number"
        raise FilterError(f"{problem}; write such as {clean_line(name)}{operator_sign}0.3") from None
    if metrics and not any(_is_name_of(name, metric) for metric in metrics):
        ends = {metric.rpartition("/")[2] for metric in metrics} | set(metrics)
        near = closest_name(name, ends)
        mend = f"did you mean {near}?" if near else f"there are {', '.join(sorted(map(clean_line, metrics))[:8])}"
        raise FilterError(f"no run has a metric that ends in {clean_line(name)}; {mend}")
    compare = _OPERATORS[operator_sign]

    def test(facts: VersionFacts) -> bool:
        fitting = [metric for metric in facts.metric_values if _is_name_of(name, metric)]
        if not fitting:
            return False
        judged = next(iter(facts.metric_values))
        order = {metric: 2 for metric in fitting if metric.startswith("valid/")} | {judged: 1, name: 0}
        return compare(facts.metric_values[min(fitting, key=lambda metric: order.get(metric, 3))], limit)

    return test


def _is_name_of(name: str, metric: str) -> bool:
    return metric == name or metric.endswith(f"/{name}")


def _text_predicate(words: str) -> _Predicate:
    exact = words != fold_case(words)

    def test(facts: VersionFacts) -> bool:
        one = facts.version
        texts = (one.name, one.summary, one.takeaways, one.observed)
        return any(words in (text if exact else fold_case(text)) for text in texts)

    return test
