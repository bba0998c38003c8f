"""Bounds of what vehicles can reach: gateway, protocols, bridges, satellites."""

from __future__ import annotations

from typing import Final

BRIDGE_PACKET_BYTES_MAX: Final = 1 << 20
"""One message of a broker. At the bound: MQTT 5 brokers drop it, that of others is quarantined."""

BRIDGE_PENDING_BYTES_MAX: Final = 8 << 20
"""Messages of one bridge received and not in a batch yet: those of the largest receive maximum at
4 KB each. At the bound: its socket is not read, so the broker keeps them."""

BRIDGE_BATCH_MAX: Final = 2_000
"""Messages stored together, 20 ms of decoding. At the bound: the rest is the next batch."""

CUSTOM_FIELDS_MAX: Final = 1_000
"""Fields of one tenant's custom tables: each costs every decode of its frames some 20 us. At the
bound: Invalid."""

CUSTOM_CODES_MAX: Final = 256
"""Codes of one custom field, more than any enumeration has words. At the bound: Invalid."""

GATEWAY_CONNECTIONS_MAX: Final = 100_000
"""Connections of one gateway process: 200 MB at 2 KB each. At the bound (or 64 below the
descriptor limit): a new connection is closed at once, so that the ones that are here stay
served."""

GATEWAY_SPARE_DESCRIPTORS: Final = 256
"""Descriptors kept for engines, files and listeners where the descriptor limit bounds us: a dozen
doors of 16 handles each, and 64 others."""

GATEWAY_TICKS_IN_FLIGHT_MAX: Final = 8
"""Ticks awaiting their append. One fsync takes one to five ticks; more would only hold memory. At
the bound: no tick starts, bytes gather up to GATEWAY_PENDING_BYTES_MAX."""

GATEWAY_TICK_BYTES_MAX: Final = 2 << 20
"""Bytes of one tick: about 5,000 frames, some 15 ms of decoding, so that logins and heartbeats of
others do not wait longer. At the bound: the rest goes into the next tick."""

GATEWAY_PENDING_BYTES_MAX: Final = 32 << 20
"""Bytes received and not yet stored: half a second at 70 MB/s. At the bound: no socket is read;
TCP slows the senders; reading is resumed in turn, a few peers after each tick."""

GATEWAY_PEER_PENDING_BYTES_MAX: Final = 256 << 10
"""Bytes of one peer not yet in a tick: four of the largest frames. At the bound: its socket is
not read."""

GATEWAY_PARTIAL_BYTES_MAX: Final = 32 << 20
"""Unfinished frames of all peers together: 500 of the largest at once. At the bound: the peers
whose unfinished frame is the oldest are closed; a vehicle sends a frame in one piece."""

GATEWAY_GARBAGE_BYTES_MAX: Final = 128 << 10
"""Bytes without a whole frame among them: two of the largest frames, so one damaged length field
never closes a connection. At the bound: closed."""

GATEWAY_WRITE_BUFFER_BYTES_MAX: Final = 256 << 10
"""Answers a peer has not read: thousands of them. At the bound: closed."""

GATEWAY_VEHICLES_CACHED_MAX: Final = 500_000
"""Remembered VINs, about 150 bytes each. At the bound: the longest unused are forgotten and asked
again."""

GATEWAY_LOGINS_PER_ROUND_MAX: Final = 1024
"""Logins resolved and stored in one go, a peer's one at most; the next round takes the rest."""

GATEWAY_QUARANTINED_PER_S_MAX: Final = 100
"""Quarantine entries per second and process: enough to see what is wrong, too few to fill a disk.
At the bound: counted, not kept."""

GATEWAY_EVENTS_WAITING_MAX: Final = 200_000
"""Events of links that wait for the log, about 300 bytes each: every car of two full gateways once.
At the bound: dropped; once the log answers, the process names all its links again."""

GATEWAY_EVENTS_PER_POST_MAX: Final = 2_000
"""Events of links in one message, some 400 KB. At the bound: the rest goes into the next."""

GATEWAY_RELAYED_VEHICLES_MAX: Final = 200_000
"""Vehicles of protocols without logins whose link a process remembers, about 300 bytes each. At the
bound: the longest silent one's link ends."""

GATEWAY_LOGIN_FAILURES_MAX: Final = 3
"""Wrong platform logins of one connection (GB/T 32960.3 has a sender try three times). At the
bound: closed."""

JT808_FRAME_BYTES_MAX: Final = 2_100
"""Bytes of one frame on the wire: 1,023 of body, a header of 21 and a checksum, every one of them
escaped, and two delimiters. At the bound: what came without a delimiter is a reject."""

JT808_FRAGMENTED_MESSAGES_MAX: Final = 4
"""Messages of one connection whose sub-packages are being gathered: a terminal sends a picture, and
perhaps a batch between. At the bound: the oldest is given up, a reject."""

JT808_FRAGMENTED_BYTES_MAX: Final = 2 << 20
"""Bytes of one connection's gathered sub-packages: several pictures or a short film. At the bound:
the oldest message is given up, a reject."""

JT808_FRAGMENT_WAIT_S: Final = 5.0
"""How long a message may miss sub-packages before they are asked for, and what each further asking
waits longer; a slow link sends one in less. At the bound: 0x8003."""

JT808_FRAGMENT_ASKS_MAX: Final = 3
"""Times that missing sub-packages are asked for, 50 seconds in all; the standard retries as often.
At the bound: what came is a reject."""

JT808_FRAGMENT_KEPT_S: Final = 60.0
"""How long a joined message can be given again: its answer may be lost, or its storing failed, and
a terminal sends its last sub-package again within seconds. It is one message of a connection, 2 MiB
at most. At the bound: all are asked for."""

JT808_MEDIA_PART_BYTES_MAX: Final = 256 << 10
"""Bytes of a picture or sound in one row, which has to fit a log message with others. At the bound:
further rows, as parts."""

MQTT_PACKET_BYTES_MAX: Final = 128 << 10
"""One packet, two of the largest frames of any protocol inside one: half of what a peer may have
pending. At the bound: MQTT 5 is told 0x95 (it knows the bound from CONNACK), then closed."""

MQTT_RECEIVE_MAX: Final = 1_024
"""Publishes of QoS 1 and 2 a vehicle may have unacknowledged: 20 s of one that sends 50 a second.
At the bound: MQTT 5 is told 0x93 (it knows the bound from CONNACK), then closed."""

MQTT_ALIASES_MAX: Final = 16
"""Topic aliases of one session; a vehicle has few channels. At the bound: 0x94, then closed."""

MQTT_FILTERS_MAX: Final = 8
"""Filters one session may subscribe; one says all. At the bound: the filter is refused (0x97)."""

MQTT_WILL_BYTES_MAX: Final = 1 << 10
"""Payload of a will, which each session keeps. At the bound: the CONNECT is refused (0x97)."""

MQTT_FILTER_BYTES_MAX: Final = 100
"""One filter, 25 bytes of it given; eight fit the 1,024 the registry keeps of a session. At the
bound: the filter is refused (0x97)."""

MQTT_COMMANDS_IN_FLIGHT_MAX: Final = 64
"""Commands one session has not heard of, unless the client takes fewer. At the bound: try later."""

MQTT_KEEP_ALIVE_S_MAX: Final = 200
"""Longest keep-alive asked of MQTT 5 vehicles: one and a half of it is a listener's idle timeout of
300 s. At the bound: the CONNACK says this one."""

MQTT_SESSION_EXPIRY_S_MAX: Final = 86_400
"""How long a lost session's subscription may be kept. At the bound: the CONNACK says this."""

SATELLITE_WAITING_MAX: Final = 1_000
"""Messages for satellite modems that wait for the ground gateway, which takes a few a second. At
the bound: refused, the command waits or takes another link."""

SATELLITE_CONNECTIONS_MAX: Final = 4
"""Connections to a ground gateway at once: each carries one message and ends within a second or
two. At the bound: messages wait."""

SATELLITE_ATTEMPTS_MAX: Final = 5
"""Times a message is offered to a ground gateway, half a minute in all. At the bound: given up, and
the command is sent again when its answer does not come."""

SATELLITE_ANSWER_S: Final = 15.0
"""Longest wait for a ground gateway's confirmation; they answer within a second or two. At the
bound: the connection is closed and the message offered again."""
