"""Base load: like days, and how a day departs from them as a Bayesian ridge regression has learned.

MacKay, "Bayesian interpolation", Neural Computation 4, 1992, as scikit-learn's ``BayesianRidge``:
how strongly coefficients are held near 0 is found from the data too, so that nothing is tuned.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np

from adapters.forecast.base_load import LikeDays
from adapters.forecast.series import Measured
from models.errors import ConfigurationError
from models.horizon import FloatArray
from tariffs.calendar import HolidayCalendar

RECENT_H = (0.25, 0.5, 1.0, 2.0, 6.0, 24.0, 168.0)
"""Mean departures of so long are told to the regression."""

HALF_LIVES_H = (0.5, 2.0, 6.0, 24.0)
"""Each of them as it fades at these rates."""

AHEAD_H = 30
"""It is fitted on forecasts so long; what is asked beyond it fades on."""

EVERY = 7
"""Slots between the instants it is fitted at: each hour of the day has its turn."""

LIKE_WEEKS, LEAST_WEEKS = 4, 4
"""Weeks that like days need before the first instant, and the least weeks of instants."""


class Regression:
    """Like days and what the last hours, the day and the week before make of them.

    Parameters
    ----------
    weeks : int
        Weeks of instants that it is fitted on, >= ``LEAST_WEEKS``.
    refit_days : int
        Days of the series after which it is fitted anew, >= 1.
    calendar : HolidayCalendar, optional
        As for like days.

    Raises
    ------
    ConfigurationError
        If scikit-learn is not installed.
    """

    name = "regression"

    def __init__(
        self, weeks: int = 8, refit_days: int = 7, calendar: HolidayCalendar | None = None
    ) -> None:
        try:
            from sklearn.linear_model import BayesianRidge
        except ImportError as error:
            raise ConfigurationError(
                "the regression needs scikit-learn, which is not installed "
                "(回归预测需要 scikit-learn，尚未安装)",
                where="--method",
                fix="pip install 'valleyfill[forecast]'",
            ) from error
        self._ridge = BayesianRidge
        self._weeks = weeks
        self._refit_days = refit_days
        self._like_days = LikeDays(LIKE_WEEKS, calendar=calendar)
        self._fits: dict[bytes, Any] = {}

    def expect(self, past: Measured, n: int) -> FloatArray:
        """See :class:`adapters.forecast.series.Method`; like days while too little is known."""
        fitted_to = past.values_kw.size // (self._refit_days * past.per_day)
        before = past.until(fitted_to * self._refit_days * past.per_day)
        if before.values_kw.size < (LIKE_WEEKS + LEAST_WEEKS) * 7 * past.per_day:
            return self._like_days.expect(past, n)
        key = blake2b(before.values_kw.tobytes(), digest_size=16).digest()
        if key not in self._fits:
            self._fits[key] = self._fit(before)
        usual, told = self._told(past, n)
        return np.asarray(usual + self._fits[key].predict(told))

    def _fit(self, past: Measured) -> Any:
        """The regression of how truth departed from like days, at instants of the weeks before."""
        day, end = past.per_day, past.values_kw.size
        departed, tables = [], []
        for k in range(end - EVERY, max(end - self._weeks * 7 * day, LIKE_WEEKS * 7 * day), -EVERY):
            n = min(AHEAD_H * day // 24, end - k)
            usual, told = self._told(past.until(k), n)
            departed.append(past.values_kw[k : k + n] - usual)
            tables.append(told)
        truth = np.concatenate(departed)
        known = np.isfinite(truth)
        # No departure, no correction: without an intercept like days stay what it begins from.
        return self._ridge(fit_intercept=False).fit(np.concatenate(tables)[known], truth[known])

    def _told(self, past: Measured, n: int) -> tuple[FloatArray, FloatArray]:
        """Like days of the n slots to come, and what the regression is told of each.

        Returns
        -------
        usual : ndarray, shape (n,)
            kW.
        told : ndarray, shape (n, signals * half-lives)
            Departures from like days, kW, as they fade.
        """
        day, end = past.per_day, past.values_kw.size
        week = 7 * day
        usual = self._like_days.usual(past, end - week, week + n)
        # Where nothing was measured the day counts as usual.
        off = np.nan_to_num(past.values_kw[end - week :] - usual[:week])
        means = [float(off[-max(round(h * day / 24), 1) :].mean()) for h in RECENT_H]
        same_slot = (np.resize(off[-day:], n), np.resize(off, n))
        signals = np.array([*(np.full(n, m) for m in means), *same_slot])
        hours = (np.arange(n) + 0.5) * past.step_s / 3600.0
        fades = 0.5 ** (hours / np.array(HALF_LIVES_H)[:, None])
        return usual[week:], (signals[:, None] * fades).reshape(-1, n).T
