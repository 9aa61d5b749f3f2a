"""What the meter said: energy of stretches of time, from lifetime registers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.errors import DataError, InvalidValueError
from models.horizon import FloatArray, IntArray, instant_of
from models.units import SECONDS_PER_HOUR


@dataclass(frozen=True, eq=False)
class Metered:
    """Energy by stretch of time at one meter.

    Parameters
    ----------
    starts_s, ends_s : ndarray of int64, shape (m,)
        Epoch seconds, increasing, not overlapping.
    import_kwh, export_kwh : ndarray of float, shape (m,)
        Drawn from, and fed into, the grid in each stretch, kWh, >= 0.
    reactive_kvarh : ndarray of float, shape (m,), optional
        Reactive energy, kvarh, >= 0; nan in stretches of which it is not known, None where the
        meter has none.
    """

    starts_s: IntArray
    ends_s: IntArray
    import_kwh: FloatArray
    export_kwh: FloatArray
    reactive_kvarh: FloatArray | None = None

    def __post_init__(self) -> None:
        m = self.starts_s.size
        sizes = {self.ends_s.size, self.import_kwh.size, self.export_kwh.size}
        if sizes != {m} or (self.reactive_kvarh is not None and self.reactive_kvarh.size != m):
            raise InvalidValueError("metered arrays differ in length")
        if bool(np.any(self.ends_s <= self.starts_s)) or bool(
            np.any(self.ends_s[:-1] > self.starts_s[1:])
        ):
            raise InvalidValueError("metered stretches overlap or run backwards")
        for values in (self.import_kwh, self.export_kwh):
            if not bool(np.all(np.isfinite(values) & (values >= 0))):
                raise InvalidValueError("metered energy is negative or not finite")
        if self.reactive_kvarh is not None and bool(np.any(self.reactive_kvarh < 0)):
            raise InvalidValueError("metered reactive energy is negative")

    @classmethod
    def from_registers(
        cls,
        at_s: IntArray,
        import_register_kwh: FloatArray,
        export_register_kwh: FloatArray | None = None,
        reactive_register_kvarh: FloatArray | None = None,
    ) -> Metered:
        """Energy between successive readings of lifetime registers.

        Parameters
        ----------
        at_s : ndarray of int64, shape (m + 1,)
            Instants of the readings, increasing.
        import_register_kwh, export_register_kwh, reactive_register_kvarh : ndarray of float
            Lifetime registers, shape (m + 1,). A reading that is missing is nan: the energy then
            spreads evenly from the reading before to the one after.

        Raises
        ------
        DataError
            If fewer than two readings are left, or a register runs backwards (with the instant).
        """
        registers = [import_register_kwh]
        registers.append(
            np.zeros(at_s.size) if export_register_kwh is None else export_register_kwh
        )
        if reactive_register_kvarh is not None:
            registers.append(reactive_register_kvarh)
        read = np.all([np.isfinite(r) for r in registers], axis=0)
        at = at_s[read]
        if at.size < 2:
            raise DataError("a bill needs two readings of the meter", where="registers")
        energies = [np.diff(r[read]) for r in registers]
        for energy in energies:
            if bool(np.any(energy < -1e-9)):
                k = int(np.argmin(energy))
                raise DataError(
                    f"a lifetime register falls by {-float(energy[k]):.3f} at "
                    f"{instant_of(int(at[k + 1])).isoformat()}",
                    where="registers",
                    fix="bill the time before and after a change of meter apart",
                )
        imported, exported, *rest = [np.maximum(e, 0.0) for e in energies]
        return cls(at[:-1], at[1:], imported, exported, rest[0] if rest else None)

    @property
    def import_kw(self) -> FloatArray:
        """Mean power drawn in each stretch, kW, shape (m,)."""
        power: FloatArray = self.import_kwh * SECONDS_PER_HOUR / (self.ends_s - self.starts_s)
        return power

    def between(self, start_s: int, end_s: int) -> Metered:
        """The part in [start_s, end_s); a stretch over an end counts by its share of time."""
        lo = np.maximum(self.starts_s, start_s)
        hi = np.minimum(self.ends_s, end_s)
        kept = hi > lo
        share = ((hi - lo) / (self.ends_s - self.starts_s))[kept]
        reactive = self.reactive_kvarh
        return Metered(
            lo[kept],
            hi[kept],
            self.import_kwh[kept] * share,
            self.export_kwh[kept] * share,
            None if reactive is None else reactive[kept] * share,
        )
