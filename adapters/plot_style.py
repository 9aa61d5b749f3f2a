"""The plots' legend, and what they need of their page: rules and colours, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def legend(items: Sequence[tuple[str, str]]) -> str:
    """Words for the colours: (css class, label) each."""
    keys = "".join(
        f'<li><span class="key {css}" aria-hidden="true"></span>{escape(label)}</li>'
        for css, label in items
    )
    return f'<ul class="legend">{keys}</ul>'


STYLE = """
.plot{width:100%;height:auto;display:block;font:12px system-ui,sans-serif}
.plot text{fill:var(--muted)}
.plot .tick,.plot .unit{text-anchor:end;font-size:12px;font-weight:400}
.plot text.hour{text-anchor:middle}
.plot text.band,.plot text.mark{fill:var(--text);font-size:11px}
.plot .grid{stroke:var(--rule);stroke-width:1;fill:none}
.plot path.hour{stroke:var(--muted);fill:none}
.plot .area{stroke:none;fill-opacity:.88}
.plot .line{fill:none;stroke-width:2;stroke-linejoin:round}
.plot .zero{stroke:var(--muted);stroke-width:1.2;fill:none}
.plot .span{fill:var(--text);fill-opacity:.16;stroke:none}
.plot .net{stroke:var(--text);stroke-width:1.6;stroke-dasharray:2 3}
.area.v2g,.dot.v2g{fill:var(--v2g)}.area.storage{fill:var(--storage)}.area.pv{fill:var(--pv)}
.plot .limit{stroke:var(--limit);stroke-width:2.5}
.plot .level{stroke:var(--muted);stroke-dasharray:4 4;fill:none}
.plot .now{stroke:var(--text);stroke-width:1.5;stroke-dasharray:5 3;fill:none}
.plot rect.band{fill-opacity:.5}
.plot .slots rect{fill:transparent}
.plot .slots rect:hover{fill:var(--text);fill-opacity:.08}
.area.c0,.dot.c0{fill:var(--c0)}.area.c1,.dot.c1{fill:var(--c1)}.area.c2,.dot.c2{fill:var(--c2)}
.area.c3,.dot.c3{fill:var(--c3)}.area.c4,.dot.c4{fill:var(--c4)}.area.c5,.dot.c5{fill:var(--c5)}
.area.c6,.dot.c6{fill:var(--c6)}.area.c7,.dot.c7{fill:var(--c7)}
.line.c0{stroke:var(--c0)}.line.c1{stroke:var(--c1)}.line.c2{stroke:var(--c2)}
.line.c3{stroke:var(--c3)}.line.c4{stroke:var(--c4)}.line.c5{stroke:var(--c5)}
.line.c6{stroke:var(--c6)}.line.c7{stroke:var(--c7)}
.band.sharp{fill:var(--sharp)}.band.peak{fill:var(--peak)}.band.flat,.band.price{fill:var(--flat)}
.band.valley{fill:var(--valley)}.band.deep_valley{fill:var(--deep)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.3rem 0 0;padding:0;
font-size:.8rem;color:var(--muted)}
.key{display:inline-block;width:.8rem;height:.8rem;border-radius:2px;margin-right:.35rem;
vertical-align:-.1rem;background:var(--muted);outline:1px solid var(--rule)}
.key.c0{background:var(--c0)}.key.c1{background:var(--c1)}.key.c2{background:var(--c2)}
.key.c3{background:var(--c3)}.key.c4{background:var(--c4)}.key.c5{background:var(--c5)}
.key.c6{background:var(--c6)}.key.c7{background:var(--c7)}
.key.v2g{background:var(--v2g)}.key.storage{background:var(--storage)}.key.pv{background:var(--pv)}
.key.span{background:var(--text);opacity:.3}
.key.net{background:var(--text);height:.15rem;vertical-align:.2rem}
.key.limit{background:var(--limit);height:.2rem;vertical-align:.2rem}
.key.sharp{background:var(--sharp)}.key.peak{background:var(--peak)}
.key.flat,.key.price{background:var(--flat)}.key.valley{background:var(--valley)}
.key.deep_valley{background:var(--deep)}
"""
"""What a plot needs of its page."""

COLOURS = """
:root{color-scheme:light;--bg:#f5f6f8;--card:#fff;--text:#17202b;--muted:#566273;--rule:#dde2e8;
--accent:#0b62c4;--good:#157347;--warn:#8a5a00;--bad:#b3261e;--limit:#c2185b;
--c0:#8894a3;--c1:#1f77d0;--c2:#18a08b;--c3:#8057c2;--c4:#d98714;
--c5:#4aa3df;--c6:#6b8e23;--c7:#b55a7c;
--v2g:#2b8a3e;--storage:#7048e8;--pv:#f2b705;
--sharp:#f6c6c2;--peak:#fbe3cf;--flat:#eef1f4;--valley:#d6ecd9;--deep:#bfe3d3}
:root[data-theme=dark]{color-scheme:dark;--bg:#10151b;--card:#19212a;--text:#e8edf2;--muted:#a3b0bf;
--rule:#2c3743;--accent:#6cb4ff;--good:#5bd08f;--warn:#f0b95a;--bad:#ff8a80;--limit:#ff6fa5;
--c0:#6f7d8d;--c1:#3d94ea;--c2:#27b8a1;--c3:#a283e0;--c4:#eba13a;
--c5:#7cc1ee;--c6:#94b74a;--c7:#d07a9c;
--v2g:#51cf66;--storage:#9775fa;--pv:#ffd43b;
--sharp:#4a2424;--peak:#3d2f22;--flat:#1f2831;--valley:#1c3526;--deep:#173b32}
"""
"""Light and dark."""
