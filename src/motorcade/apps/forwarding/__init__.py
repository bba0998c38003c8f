"""Forwarding: a tenant's records to other platforms, in the protocol each of them wants.

In: the telemetry log. Out: GB/T 32960 and JT/T 809 links, MQTT, CloudEvents, NATS. A ``pump`` a
partition chooses rows column by column and puts them on each forwarder's spool; a ``courier`` a
forwarder takes them from there and moves on when the peer has acknowledged. ``senders`` has a
module a target: the folder is the registry.
"""
