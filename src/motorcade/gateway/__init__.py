"""Where vehicles connect: listeners, sessions, links, acknowledgements, back-pressure.

In: sockets of vehicles and platforms. Out: batches in the log, and answers only to what is on disk.
"""
