"""Ingest over HTTP: bodies of back ends that hold their cars' data become records in the log.

In: JSON lines, JSON lists, CSV, Arrow streams. Out: what was stored, and every row that could not
be, with the reason. ``bodies`` reads them into ``Rows``, ``batches`` makes a batch of those that
are whole, ``intake`` stores it; the addresses are in ``api/v1/ingest``.
"""
