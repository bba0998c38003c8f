"""Bounds of the apps: sessions, commands, forwarding."""

from __future__ import annotations

from typing import Final

COMMAND_PARAMETERS_MAX: Final = 255
"""Entries of one command's list or table: JT/T 808 and GB/T 32960 count them in a byte. At the
bound: Invalid."""

COMMAND_SIGNALS_MAX: Final = 64
"""Signals one command sets, more than any one purpose needs. At the bound: Invalid."""

COMMAND_RAW_BYTES_MAX: Final = 1_023
"""A raw command's body: what one JT/T 808 message holds. At the bound: Invalid."""

COMMAND_FACTS_BYTES_MAX: Final = 65_536
"""What one answer of a vehicle may tell: every parameter of a terminal is 4 KB. At the bound: that
it was too much is kept, and nothing of it."""

COMMAND_ATTEMPTS_KEPT: Final = 20
"""Attempts and answer keys a command shows; the last ones stay. ``tries`` counts them all."""

COMMAND_NOTES_KEPT: Final = 8
"""Answers kept that came after a command's end. At the bound: further ones are dropped."""

COMMAND_WAKES_MAX: Final = 10_000
"""Wake-ups under way, and vehicles remembered as asked for, in one process. At the bound: the
vehicle is not woken, its command waits until it comes."""

COMMAND_WAKE_EVERY_S: Final = 60.0
"""A vehicle is woken no more often: it costs an SMS, and a car needs some seconds to come."""

COMMAND_PRIORITY_MAX: Final = 100
"""Priorities of commands; the classes have 20 to 90. Above: Invalid."""

COMMAND_TTL_S_MAX: Final = 7_776_000
"""How long a command may wait: 90 days, as long as a parked car or a ship's container is away.
Above: Invalid."""

COMMAND_TTL_S_DEFAULT: Final = 300
"""How long a command waits that says nothing: what a person would wait for a door."""

COMMAND_BULK_VEHICLES_MAX: Final = 100_000
"""VINs one bulk job names, 2 MB of them; a larger choice is a label. At the bound: Invalid."""

COMMAND_BULK_RATE_MAX: Final = 5_000
"""Commands one bulk job makes per second: what one worker sends. Above: Invalid."""

COMMANDS_OPEN_PER_VEHICLE_MAX: Final = 256
"""Open commands of one vehicle: far fewer than the 65,535 numbers they have, so that none is soon
given again. At the bound: CapacityError."""

FORWARDER_FILTER_NAMES_MAX: Final = 10_000
"""VINs and labels one forwarder may name; a larger choice is a label. At the bound: Invalid."""

FORWARDER_SIGNALS_MAX: Final = 200
"""Paths and branches one forwarder may name, as many as a request may. At the bound: Invalid."""

FORWARDER_SPOOL_BYTES_MIN: Final = 1 << 20
"""The smallest spool: it has to hold one message of the log. Below: Invalid."""

FORWARDERS_PER_TENANT_MAX: Final = 20
"""Forwarders of one tenant: each is a stream, a connection and an fsync for what it is sent. At the
bound: Conflict, one has to go first."""

FORWARDING_PUT_BYTES_MAX: Final = 512 << 10
"""Chosen rows of one put, half of the log's largest message so that they stay one. At the bound:
the further records are another put."""

FORWARDING_ROUND_BYTES_MAX: Final = 8 << 20
"""Records of one partition looked at together for all forwarders. At the bound: put at once."""

FORWARDING_NAMES_CACHED_MAX: Final = 100_000
"""Vehicles one worker remembers VIN and plate of, some 200 bytes each. At the bound: all are
forgotten and asked for again."""

SESSIONS_GATEWAYS_MAX: Final = 4_096
"""Names of gateway processes one partition remembers the newest start of, to refuse words of older
ones. At the bound: of those without links the one that started first is forgotten."""

SESSIONS_CHANGES_MAX: Final = 4_096
"""Events of one partition taken together: some 50 ms of the worker's time and a megabyte of rows.
At the bound: the further ones are another transaction."""
