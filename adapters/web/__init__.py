"""The page and the read-only HTTP API: a process of its own that reads the site's store.

The daemon writes its store anyway; who reads it cannot make control wait. Nothing here speaks to a
pile, and nothing is loaded from elsewhere.
"""
