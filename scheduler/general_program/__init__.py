"""The linear program of a fleet with storage, PV and vehicles that give back, as sparse arrays.

Columns are energies by slot, kWh: what each session takes and gives, what each storage takes,
gives and holds, what each PV plant gives, what is bought and sold, and the peaks that are paid
for. Every column and row carries a key made of its kind, its owner and the end of its slot, so
that a basis found for one problem starts the next one.
"""

from scheduler.general_program.layout import OwnerOf, Pair, Triplets, grid_of
from scheduler.general_program.whole import GeneralProgram

__all__ = ["GeneralProgram", "OwnerOf", "Pair", "Triplets", "grid_of"]
