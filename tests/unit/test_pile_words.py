"""What piles are told to show: both languages, only what changed, and never in a flood."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from adapters.pile_words import BURST_S, PER_S, PileWords
from adapters.wire import Publish
from benchmarks.stage import AT, site_of
from scheduler.effects import SessionStatus
from scheduler.state import PileState, SiteState

SITE = site_of(1_800)
NAMES = [p.id for p in SITE.piles]


def seen(mono_s: float, **changed: PileState) -> SiteState:
    """All piles free and heard just now, but for some."""
    piles = dict.fromkeys(NAMES, PileState(heard_mono_s=mono_s))
    piles |= {k.replace("_", "-"): p for k, p in changed.items()}
    return SiteState(
        now=AT, mono_s=mono_s, epoch=1, seq=1, started_mono_s=0.0, hold_until_mono_s=0.0,
        piles=piles,
    )  # fmt: skip


def bodies(published: Sequence[Publish]) -> dict[str, dict[str, Any]]:
    assert all(p.retain and p.qos == 1 for p in published)
    return {p.topic.split("/")[4]: json.loads(p.payload) for p in published}


def all_said(words: PileWords, mono_s: float) -> float:
    """Let it say everything; when that was done."""
    while words.say(seen(mono_s), SITE):
        mono_s += 1.0
    return mono_s


def test_1800_piles_that_all_have_something_new_do_not_flood() -> None:
    words, said = PileWords(SITE.name), {}
    counts = []
    for second in range(120):
        # However often it is asked within the second.
        for part in (0.0, 0.3, 0.6):
            new = words.say(seen(20_000.0 + second + part), SITE)
            said |= bodies(new)
            counts.append(len(new))
    assert max(counts) <= PER_S * BURST_S
    assert sum(counts) == len(said) == 1_800, "each is said once, and then no more"
    assert sum(counts[:180]) <= 60 * PER_S + PER_S * BURST_S


def test_a_pile_says_its_state_and_its_sentence_in_both_languages() -> None:
    words = PileWords(SITE.name)
    words.hear(SessionStatus(session="ev-1", state="waiting", why="waits", why_zh="等待"))
    at = all_said(words, 20_000.0)
    changed = seen(
        at + 60.0,
        P_0001=PileState(heard_mono_s=at + 60.0, fault="GroundFault"),
        P_0002=PileState(heard_mono_s=at + 60.0, vehicle=True, sent=True, wanted_kw=1.4),
        P_0003=PileState(heard_mono_s=at + 60.0, vehicle=True),
        P_0004=PileState(heard_mono_s=at - 10_000.0),
    )
    told = bodies(words.say(replace(changed, pile_session={"P-0003": "ev-1"}), SITE))
    assert {k: v["state"] for k, v in told.items()} == {
        "P-0001": "fault",
        "P-0002": "vehicle",
        "P-0003": "session",
        "P-0004": "silent",
    }
    assert told["P-0001"]["why"] == "reports GroundFault: gets no power until that is over"
    assert told["P-0003"] == {
        "state": "session",
        "session": "ev-1",
        "why": "waits",
        "why_zh": "等待",
    }
    assert told["P-0004"]["why"].startswith("not heard since 09-01 ")
    # A minute later it is still silent since then: nothing new to say.
    later = seen(at + 120.0, P_0004=PileState(heard_mono_s=at - 10_000.0))
    later = replace(later, now=AT.replace(minute=AT.minute + 1))
    assert "P-0004" not in bodies(words.say(later, SITE))


def test_a_session_on_a_pile_that_is_not_heard_is_told_so_before_its_plan() -> None:
    words = PileWords(SITE.name)
    words.hear(SessionStatus(session="ev-1", state="waiting", why="waits", why_zh="等待"))
    at = all_said(words, 20_000.0)
    gone = seen(at + 60.0, P_0003=PileState(heard_mono_s=at - 10_000.0, vehicle=True))
    told = bodies(words.say(replace(gone, pile_session={"P-0003": "ev-1"}), SITE))["P-0003"]
    assert told["state"] == "silent"
    assert told["why"].startswith("not heard since 09-01 ")
    assert told["why"].endswith(" kW; planned: waits")
    assert told["why_zh"].endswith("；原计划：等待")


def test_the_silence_that_a_sessions_status_told_is_not_told_twice() -> None:
    words = PileWords(SITE.name)
    words.hear(SessionStatus(session="ev-1", state="waiting", why="waits", why_zh="等待"))
    told = "not heard since 09-01 08:00: counted with 7.0 kW; planned: waits"
    words.hear(SessionStatus(session="ev-1", state="waiting", why=told, unheard=True))
    at = all_said(words, 20_000.0)
    gone = seen(at + 60.0, P_0003=PileState(heard_mono_s=at - 10_000.0, vehicle=True))
    there = replace(gone, pile_session={"P-0003": "ev-1"})
    assert bodies(words.say(there, SITE))["P-0003"]["why"] == told
    back = replace(seen(at + 61.0), pile_session={"P-0003": "ev-1"})
    assert bodies(words.say(back, SITE))["P-0003"]["why"] == "waits"


def test_the_newest_is_said_and_what_took_itself_back_is_not() -> None:
    words = PileWords(SITE.name)
    at = all_said(words, 20_000.0)
    words.say(seen(at + 10.0), SITE)
    many = {n.replace("-", "_"): PileState(heard_mono_s=at + 11.0, fault="E1") for n in NAMES[:100]}
    first = bodies(words.say(seen(at + 11.0, **many), SITE))
    assert list(first) == NAMES[:20]
    # The others are well again before their turn came.
    second = bodies(words.say(seen(at + 12.0), SITE))
    assert set(second) == set(NAMES[:20])
    assert {b["state"] for b in second.values()} == {"free"}
    assert words.say(seen(at + 13.0), SITE) == ()


def test_a_session_not_told_of_yet_leaves_what_was_said_and_a_new_broker_hears_all_again() -> None:
    words = PileWords(SITE.name)
    at = all_said(words, 20_000.0)
    there = replace(seen(at + 5.0), pile_session={"P-0007": "ev-9"})
    assert words.say(there, SITE) == ()
    words.forget()
    again = bodies(words.say(seen(at + 6.0), SITE))
    assert list(again) == NAMES[: int(PER_S)]


def test_the_sentence_of_a_pile_that_is_no_more_is_taken_away() -> None:
    words = PileWords(SITE.name)
    at = all_said(words, 20_000.0)
    fewer = replace(SITE, piles=SITE.piles[:-1])
    (gone,) = words.say(seen(at + 5.0), fewer)
    assert (gone.topic.split("/")[4], gone.payload, gone.retain) == (NAMES[-1], b"", True)
