"""Vehicles that already talk to a broker: the gateway listens there in their stead.

In: publishes of an MQTT broker (EMQX, HiveMQ, Mosquitto), by shared subscription, so that several
gateways share them. Out: rows in the log, and acknowledgements once those are on disk.

``bridge`` runs one connection after the other, ``client`` is the connection, ``filters`` tells a
topic's VIN and channel, ``intake`` brings a batch of publishes into the log.
"""
