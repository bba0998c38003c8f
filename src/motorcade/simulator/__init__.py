"""Synthetic vehicles and load, for tests, the demonstration and the benches.

In: how many cars, how fast. Out: real protocol bytes on real sockets, and what was answered.
"""
