"""WHAT IS TRUE NOW: one memory-mapped column per signal, a row per vehicle.

In: ``SignalBatch`` from the log, written by one worker per partition. Out: a vehicle's state, and
the vehicles of a tenant that a box or a predicate selects, read by any process of the host.
"""
