"""What energy costs, when, and what the bill says: pure, one file per tariff kind.

The price of every tariff is a step function of time (:class:`tariffs.tariff.Steps`). A kind only
says which steps hold between two instants; pricing a horizon, splitting slots at price edges and
billing metered energy all read the same steps, so the tariff that plans is the tariff that bills.
"""
