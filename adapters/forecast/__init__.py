"""Forecasts behind one interface: what has been measured until now, to what comes.

A method is fitted on nothing but what lies before the instant it is asked at, and says its bands
from its own past errors.
"""
