"""Latency, optimality, closed-loop money and peers; mounted as `valleyfill bench`."""
