"""One file per solver, loaded by name, living only in the solving process."""
