"""What to do about it: one folder per capability, each a reader and a writer of the log.

In: events and telemetry of the log. Out: rows in PostgreSQL, records in the log, messages to
vehicles and to other platforms. An app knows no other app: ``node/`` passes one to another. Its
HTTP lies in ``api/v1`` (``docs/decisions/0006-links-events-and-commands.md``).
"""
