"""The compact profile: what a vehicle says, and is told, in at most 50 bytes.

Satellite messages carry it as they are (``protocols/iridium``), datagrams with the device's name
and a signature around it (``protocols/compact``). In: bytes. Out: columns, and back. The first byte
says what it is: C1 a report, C2 an answer to a command, D1 a command. Integers are big-endian.

``report`` reads and writes reports, ``signals`` makes signals of them, ``command`` holds commands
and answers to them. ``docs/protocols/satellite.md`` is the profile's specification.
"""
