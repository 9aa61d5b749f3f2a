"""The general program from the running plan: the site's rows alone, and what sessions would move.

Most of a program with vehicles that give back are rows of one session: what its battery holds
from slot to slot. They leave the program. A session stays as it runs until the prices of the
site's rows make a move worth while, energy taken at one time in place of another; the best move of
each session is found in one pass over its slots, and becomes one column of a small program of
assets, limits and peaks [1]_. When no session wants to move, the plan is optimal: its prices prove
it, as they do for the whole program.

References
----------
.. [1] G. B. Dantzig, P. Wolfe, "Decomposition principle for linear programs", Operations
   Research 8, 1960; here with moves away from a plan in place of whole plans of a session.
"""
