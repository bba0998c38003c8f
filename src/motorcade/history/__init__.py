"""What was true when: every tenant's Delta table, the rows not yet in it, and queries over both.

In: ``SignalBatch`` from the log (``HistoryWriter``). Out: Arrow tables (``HistoryReader``).
"""
