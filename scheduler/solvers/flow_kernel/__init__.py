"""The compiled part of the exact flow solver: integers in, integers out.

Sessions hang under the leaves of a tree; each session has a bound on what it takes in each slot,
each node a bound on what passes it in each slot, all in watt-seconds. The prices of slots are
served from the cheapest level up, each by a maximum flow that keeps what the levels before it
have brought; because the load profiles form a polymatroid, the result has the least cost among
all largest flows [1]_. Which sessions are served in a shortage is settled afterwards by exchange
along paths that leave every slot's load as it is [2]_.

References
----------
.. [1] J. Edmonds, "Submodular functions, matroids, and certain polyhedra", 1970.
.. [2] N. S. Mendelsohn, A. L. Dulmage, "Some generalizations of the problem of distinct
   representatives", Canadian J. Math. 10, 1958: the best choice on one side of a flow and the
   best choice on the other can be had together.
.. [3] E. A. Dinic, "Algorithm for solution of a problem of maximum flow in a network with power
   estimation", Soviet Math. Doklady 11, 1970: shortest augmenting paths by layers.
"""
