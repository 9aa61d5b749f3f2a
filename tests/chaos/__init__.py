"""Fault injection against real processes: ``python -m tests.chaos`` prints the table.

Mosquitto, the daemon, a scripted proxy and the piles are processes of their own. Piles write the
power that they draw into a shared file, and a reference meter outside the daemon reads it.
"""
