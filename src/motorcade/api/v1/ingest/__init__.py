"""``/v1/ingest``: records from back ends that hold their cars' data."""
