"""The measured table as a page: ``python -m tests.chaos.page artifacts/chaos.json OUT.md``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HEAD = """\
# Faults injected, and what came of them

Real Mosquitto, the daemon as a process, twenty piles with a connection each (five of them processes
of their own) behind one transformer, and a one-second reference meter outside the daemon that
decides. Between daemon and broker, and between piles and broker, stand proxies that cut or hold
connections; clocks are shifted, disks filled, processes stopped and killed. What takes longer than
two minutes runs in the simulator, with the same engine and time that jumps.

Columns: seconds judged; node-seconds above the limit in force (*raw*), after the slowest pile's
response time counted from the limit's arrival (*judged*: must be 0), and with base load alone above
it (*base*); the energy delivered of what the limits allow; seconds until full use after the fault;
limits that the broker had taken and the store does not hold (*lost*: must be 0); and the runnable
threads of the whole machine, which has two processors (*load*: far above two, times say more about
the neighbours than about the daemon).

"""

TAIL = """
Reproduce with `make chaos`, and this page from its figures with `make chaos-page`; one fault alone:
`python -m tests.chaos --only 23`. `make chaos-quick` is a third of it and part of `make test`.
"""


def page(found: dict[str, Any]) -> str:
    """The page of a run's figures."""
    lines = [
        f"{found['faults']} faults, {found['real_s']} real and {found['simulated_s']:,.0f} "
        f"simulated seconds: {found['over_node_s']:g} node-seconds above the limit, "
        f"{found['fall_short']} fall short of their mark.\n",
        "| | fault | s | raw | judged | base | energy kept | back after | lost | load | result |",
        "|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for row in found["rows"]:
        kept = "-" if row["energy_kept"] is None else f"{row['energy_kept']:.1%}"
        back = "-" if row["recovery_s"] is None else f"{row['recovery_s']:.1f} s"
        words = [f"**falls short**: {'; '.join(row['problems'])}" if row["problems"] else "pass"]
        words += row["notes"]
        lines.append(
            f"| {row['fault']} | {row['title']} | {row['seconds'] + row['simulated_s']:,.0f} | "
            f"{row['raw_s']} | {row['judged_s'] + row['simulated_over_s']:g} | "
            f"{row['base_alone_s']} | {kept} | {back} | {row['lost']} | {row.get('load', '-')} | "
            f"{'; '.join(words)} |"
        )
    return HEAD + "\n".join(lines) + "\n" + TAIL


def main() -> None:
    """Write the page."""
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
