"""What the broker keeps of ours: remembered, so that one that has forgotten it is told again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from adapters.wire import Publish
from adapters.wire.topics import root_of

ANSWERS_MAX = 2_048
"""Answers that stay retained. Limits and events have ever new names, and nobody takes an answer
away once it is old: three weeks of a name for each quarter hour."""


class Retained:
    """The retained messages of one site.

    Parameters
    ----------
    site : str
        Id of the site.
    """

    def __init__(self, site: str) -> None:
        self._answer = root_of(site) + "answer/"
        self._by_topic: dict[str, Publish] = {}
        self._answered: dict[str, None] = {}

    def remember(self, said: Sequence[Publish]) -> tuple[Publish, ...]:
        """The same messages, and those that take the oldest answers away where they are many."""
        out = list(said)
        for publish in said:
            if not publish.retain:
                continue
            self._by_topic.pop(publish.topic, None)
            if not publish.payload:
                continue
            self._by_topic[publish.topic] = publish
            if publish.topic.startswith(self._answer):
                self._answered.pop(publish.topic, None)
                self._answered[publish.topic] = None
        while len(self._answered) > ANSWERS_MAX:
            oldest = next(iter(self._answered))
            del self._answered[oldest]
            out.append(replace(self._by_topic.pop(oldest), payload=b""))
        return tuple(out)

    def all(self) -> tuple[Publish, ...]:
        """What a broker that has forgotten everything must be told again."""
        return tuple(self._by_topic.values())
