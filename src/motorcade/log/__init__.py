"""What happened, durably: append, consume, request and reply, quarantine, over NATS JetStream.

In: batches of the gateway. Out: the same batches, in order, to whoever reads a partition.
"""
