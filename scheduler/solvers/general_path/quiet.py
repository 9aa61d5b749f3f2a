"""A HiGHS that prints nothing, and how a program comes into it."""

from __future__ import annotations

import highspy
import numpy as np

from scheduler.general_program import GeneralProgram


class _Silent(highspy.Highs):
    """HiGHS that also keeps its banner to itself: highspy prints it while it is being made."""

    def enableCallbacks(self) -> None:
        self.setOptionValue("output_flag", False)
        super().enableCallbacks()  # type: ignore[no-untyped-call]


OPTIONS: dict[str, str | int | float] = {
    "threads": 1,
    "solver": "simplex",
    "presolve": "off",
    "primal_feasibility_tolerance": 1e-8,
    "dual_feasibility_tolerance": 1e-7,
}
DUAL, PRIMAL = 1, 4
"""Values of HiGHS's ``simplex_strategy``."""


def silent_highs() -> highspy.Highs:
    """A HiGHS that prints nothing, for whoever has a program of this kind of his own."""
    return _Silent()  # type: ignore[no-untyped-call]


def simplex_highs() -> highspy.Highs:
    """A silent, single-threaded simplex method without presolve."""
    highs = silent_highs()
    for option, value in OPTIONS.items():
        highs.setOptionValue(option, value)
    return highs


def run(highs: highspy.Highs) -> highspy.HighsModelStatus:
    """Solve what it holds."""
    if highs.run() == highspy.HighsStatus.kError:
        # Another user of HiGHS in this process has set its one scheduler to more threads.
        highspy.Highs.resetGlobalScheduler(True)
        highs.run()
    return highs.getModelStatus()


def pass_program(highs: highspy.Highs, program: GeneralProgram) -> None:
    """Give a HiGHS a program in place of what it had."""
    highs.clearModel()
    columns, rows = int(program.cost.size), int(program.row_up.size)
    start, index, value = program.by_column
    highs.passModel(
        columns,
        rows,
        int(index.size),
        int(highspy.MatrixFormat.kColwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        program.cost,
        program.low,
        program.up,
        program.row_low,
        program.row_up,
        start[:-1],
        index,
        value,
        np.zeros(columns, dtype=np.int32),
    )
