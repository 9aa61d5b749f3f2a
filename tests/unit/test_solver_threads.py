"""HiGHS has one scheduler for a process: another user of it must not silence ours."""

from __future__ import annotations

import highspy
import numpy as np

from scheduler.solvers import highs
from tests.problems import problem_of, session


def test_another_user_of_highs_with_more_threads_does_not_silence_ours() -> None:
    other = highspy.Highs()
    other.setOptionValue("output_flag", False)
    other.setOptionValue("threads", 2)
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = 1, 0
    model.col_cost_ = np.array([1.0])
    model.col_lower_, model.col_upper_ = np.array([0.0]), np.array([1.0])
    model.a_matrix_.start_ = np.array([0, 0])
    other.passModel(model)
    other.run()
    rows = [session(0, 2, 7.0, 5.0), session(0, 2, 7.0, 9.0), session(1, 2, 7.0, 4.0)]
    problem = problem_of(rows, price=[1.0, 2.0], cap_kw=8.0)
    found = highs.solve(problem, work_limit=10**6)
    assert found.status == "optimal"
