"""Which vehicle is connected how: links from events, presence from links, a row for every change.

In: ``LinkUp``, ``LinkDown``, ``GatewayUp``, ``GatewayLost`` of the events log, in its order. Out:
the table of links in PostgreSQL, rows of kind ``link`` in the telemetry log, links for other apps.
"""
