"""The engine: fold, problem, solvers, verification, safety, dispatch. Pure: no I/O, no clock."""
