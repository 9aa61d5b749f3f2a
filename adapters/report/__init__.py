"""Reports: what a site did between two days, from its own store, as one page and as tables."""
