"""Every bound of the platform, with its reason and its behaviour at the bound.

One section per room. A bound an operator may want to move is the default of that room's ``Config``;
the hard ones are used from here directly.
"""

from __future__ import annotations

from typing import Final

# ── log ──────────────────────────────────────────────────────────────────────────────────────────
LOG_MESSAGE_BYTES_MAX: Final = 1 << 20
"""One appended message. NATS refuses above its max_payload (we start it with 8 MiB); 1 MiB keeps
the fsync of one message near a millisecond. At the bound: the batch is split by rows."""

LOG_APPENDS_IN_FLIGHT_MAX: Final = 32
"""Appends a process may await at once. At the bound: ``append`` waits, sockets wait with it."""

# ── gateway ──────────────────────────────────────────────────────────────────────────────────────
# ── api ──────────────────────────────────────────────────────────────────────────────────────────
API_CONNECTIONS_MAX: Final = 4_096
"""Requests one process works on at once. At the bound: further ones wait in the kernel."""

API_HEADER_TIMEOUT_MS: Final = 10_000
"""A client that has not sent its request's head by then is closed (slow loris)."""

API_BODY_BYTES_MAX: Final = 64 << 20
"""One request body: a CSV import of a million vehicles is about 40 MB. At the bound: 413, the
rest of the body is not read."""

API_JSON_BODY_BYTES_MAX: Final = 1 << 20
"""Body of every route but the vehicle import; none needs more than a tenant's settings."""

API_REQUEST_TIMEOUT_S: Final = 30.0
"""One request that is not a stream. Longer means an engine hangs. At the bound: 503, work
cancelled."""

API_STOP_S: Final = 5.0
"""How long a stopping server lets answers finish. At the bound: the connections are dropped."""

API_IMPORT_TIMEOUT_S: Final = 120.0
"""One vehicle import; a million vehicles take up to a minute on two cores. At the bound: 503, and
nothing is imported, because an import is one transaction."""

API_TENANTS_CACHED_MAX: Final = 1_000
"""Tenant names one process remembers for platform keys; ten times the automakers there are."""

API_VINS_CACHED_MAX: Final = 500_000
"""VIN to number and back, in one process: about 250 bytes each, 125 MB when full. At the bound:
the longest unused goes, and its next use costs a query."""

API_UNKNOWN_VINS_CACHED_MAX: Final = 10_000
"""VINs nobody knows, apart from the good ones so that a guesser cannot push those out."""

API_VIN_CACHE_S: Final = 60.0
"""How long a removed vehicle's number may be remembered; its data is guarded by the tenant
anyway."""

API_UNKNOWN_VIN_CACHE_S: Final = 1.0
"""How long a VIN that nobody knows stays unknown: a new vehicle is found a second later."""

API_FLOATS_CACHED_MAX: Final = 65_536
"""Shortened decimals one process remembers, 10 MB when full."""

API_TIMES_CACHED_MAX: Final = 16_384
"""Moments written as ISO 8601 one process remembers."""

API_PAGE_ROWS_DEFAULT: Final = 100
"""Rows of a page where the caller names no ``limit``."""

API_PAGE_ROWS_MAX: Final = 10_000
"""Rows of one page. At the bound: 400 names the bound; the cursor leads on."""

API_HISTORY_ROWS_DEFAULT: Final = 1_000
"""History rows where the caller names no ``limit``."""

API_HISTORY_ROWS_MAX: Final = 100_000
"""History rows of one answer: a month of one vehicle at 30 s. At the bound: 400 and a cursor."""

API_SIGNALS_MAX: Final = 200
"""Signal patterns one request may name; enough for every signal of any one protocol."""

API_PARAMETER_CHARS_MAX: Final = 4_096
"""One query parameter; what is longer is a mistake or an attack. At the bound: 400."""

API_STREAMS_MAX: Final = 500
"""Stream subscribers of one process. At the bound: 429 with the time to wait."""

API_STREAMS_PER_TENANT_MAX: Final = 50
"""Of those, one tenant's, so that a tenant's browsers cannot take the others' places."""

API_STREAM_QUEUE_BYTES_MAX: Final = 512 << 10
"""What waits for one subscriber: 250 reports of 45 signals, so a quarter of a second of 1,000/s.
At the bound: the oldest is dropped, and the subscriber is told how many events it missed."""

API_STREAM_VINS_MAX: Final = 1_000
"""VINs one stream may name; more is a filter on the whole fleet."""

API_STREAM_HEARTBEAT_S: Final = 15.0
"""A comment to a silent subscriber, so that proxies keep the connection and dead peers are
noticed."""

API_STREAM_KEY_CHECK_S: Final = 1.0
"""How often an open stream asks whether its key still holds; what is asked is remembered for
``fleet.cache_s``, so a revoked key's stream ends within both together."""

API_STREAM_VINS_S: Final = 1.0
"""How long the events of all wait for the VINs of one batch while the registry does not answer. At
the bound: vehicles met lately are streamed, of the others subscribers are told that they miss
some, and the registry is asked again as long after."""

API_INLINE_CELLS_MAX: Final = 2_000
"""Cells of a table that are rendered in the event loop, 3 ms; more are rendered in a thread."""

API_INLINE_BYTES_MAX: Final = 64 << 10
"""Body of an import that is read in the event loop, 3 ms; a larger one in a thread."""

API_INGEST_ROWS_MAX: Final = 100_000
"""Rows of one ingest request or message: two seconds of work. At the bound: 400, send several."""

API_INGEST_CHUNK_ROWS: Final = 10_000
"""JSON rows that are Python objects at once, some 10 MB; then they are columns."""

API_INGEST_COLUMNS_MAX: Final = 2_000
"""Columns of a table, twice the catalogue. At the bound: 400."""

API_INGEST_ERRORS_MAX: Final = 1_000
"""Wrong rows an answer names, some 200 KB. At the bound: further ones are only counted."""

API_INGESTS_MAX: Final = 8
"""Ingest requests and messages one process works on at once, each up to 64 MiB and some times that
in work. At the bound: 429 with the time to wait; a socket's messages wait."""

API_INGESTS_PER_TENANT_MAX: Final = 3
"""Of those, one tenant's, so that its slow uploads do not keep the others out."""

API_INGEST_SOCKETS_MAX: Final = 200
"""Open ingest sockets of one process. At the bound: the handshake is refused."""

API_INGEST_SOCKETS_PER_TENANT_MAX: Final = 20
"""Of those, one tenant's."""

API_INGEST_MESSAGE_BYTES_MAX: Final = 8 << 20
"""One message of an ingest socket: 30,000 rows of six signals as JSON. At the bound: it is refused,
the next is taken."""

API_HEALTH_CACHE_S: Final = 1.0
"""How long the answer of ``/v1/health`` is believed: it is open to everybody, and each asking costs
every engine a call."""

GATEWAY_CONNECTIONS_MAX: Final = 100_000
"""Connections of one gateway process: 200 MB at 2 KB each. At the bound (or 64 below the
descriptor limit): a new connection is closed at once, so that the ones that are here stay
served."""

GATEWAY_SPARE_DESCRIPTORS: Final = 64
"""Descriptors kept for engines, files and listeners where the descriptor limit bounds us."""

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

GATEWAY_LOGIN_FAILURES_MAX: Final = 3
"""Wrong platform logins of one connection (GB/T 32960.3 has a sender try three times). At the
bound: closed."""

# ── log, continued ───────────────────────────────────────────────────────────────────────────────
LOG_SCHEMAS_CACHED_MAX: Final = 512
"""Schemas of logged batches a process keeps, some 10 KB each. At the bound: the longest unused
are fetched again."""

LOG_PART_BYTES_MAX: Final = 1 << 20
"""One message of a longer answer. At the bound: the answer travels in several."""

LOG_REPLY_BYTES_MAX: Final = 64 << 20
"""One answer between processes; both sides hold it in memory. At the bound: refused."""

LOG_QUARANTINED_DATA_BYTES_MAX: Final = 4096
"""Bytes kept of one unreadable piece: a look at its head tells. At the bound: cut, so marked."""

# ── twin ─────────────────────────────────────────────────────────────────────────────────────────
TWIN_ROWS_MAX: Final = 1 << 28
"""Rows of one partition: 268 million vehicles, 2 GiB of address space per signal. At the bound:
the record's row is counted as dropped; a vehicle number that high is damage, not a fleet."""

TWIN_APPLY_ROWS_MAX: Final = 8_192
"""Rows written in one go: their sequences are odd for some milliseconds, which a reader waits
out."""

TWIN_GATHER_ROWS_MAX: Final = 65_536
"""Rows a worker sorts and writes together, in steps of the above: what comes in 25 ms at 2.6
million rows a second. At the bound: the rest is the next group."""

TWIN_FUTURE_S_MAX: Final = 60
"""How far ahead of its arrival an event time counts. A vehicle whose clock is years ahead would
pin its values for as long. At the bound: the twin takes arrival plus this for the event time."""

TWIN_HEAP_UNITS_MAX: Final = (1 << 32) - 1
"""16-byte units of one partition's heap, 64 GiB: what a cell's four bytes can address. At the
bound: lists and strings that need new room read as null; all else goes on."""

TWIN_SPIN_S_MAX: Final = 0.05
"""How long a reader that cannot wait otherwise blocks for a row that is being written, some
milliseconds as a rule. At the bound: DependencyError."""

TWIN_READ_WAIT_S_MAX: Final = 2.0
"""How long a reader waits for a row that is being written. Far longer than writing takes, so that
a worker the kernel has set aside is waited for; one that has died in it mends the row when it is
back. At the bound: DependencyError."""

TWIN_SELECT_CHUNK_ROWS: Final = 1 << 18
"""Rows a selection looks at in one go: a few MB of scratch, whatever the fleet's size."""

TWIN_SELECT_ROWS_MAX: Final = 100_000
"""Rows of one selection. At the bound: the cursor leads on."""

TWIN_ANSWER_BYTES_MAX: Final = 4 << 20
"""Rows of one selection's answer over the network, half of NATS's largest message. At the bound:
the answer is cut and says so; the asker goes on behind it."""

PREDICATE_CHARS_MAX: Final = 2_000
"""Text of one predicate; what is longer is generated by mistake. At the bound: Invalid."""

PREDICATE_DEPTH_MAX: Final = 32
"""Nested brackets and NOTs of a predicate, far below Python's own recursion limit. At the bound:
Invalid."""

PREDICATE_TERMS_MAX: Final = 64
"""Comparisons of one predicate: each costs a pass over a column. At the bound: Invalid."""

# ── fleet ────────────────────────────────────────────────────────────────────────────────────────
IMPORT_BLOCK_BYTES: Final = 4 << 20
"""A CSV is read in blocks of this size, so a file of any length costs the same memory. At the
bound of one line: the file is refused."""

IMPORT_ERRORS_MAX: Final = 1_000
"""Errors of an import listed by line; more are only counted: nobody reads them, and a wrong file
of a million lines would be a million of them."""

VEHICLES_PAGE_MAX: Final = 10_000
"""Vehicles on one page; a few megabytes of answer. At the bound: the page is cut, a cursor
continues."""

BELIEVED_ENTRIES_MAX: Final = 50_000
"""Vehicles and keys a process remembers for ``fleet.cache_s``: about 15 MB. At the bound: the
oldest are asked for again."""

# ── history ──────────────────────────────────────────────────────────────────────────────────────
HISTORY_TAIL_ANSWER_BYTES_MAX: Final = 4 << 20
"""One answer about the hot tail, under the bus's 8 MiB payload. At the bound: the reader asks
again for half of the vehicles or half of the time."""

HISTORY_RELOADS_MAX: Final = 5
"""How often one query loads a table anew because the tail has moved on. At the bound: the answer
is marked partial. More than one reload means commits faster than a table loads."""

# ── custom items of GB/T 32960 ───────────────────────────────────────────────────────────────────
CUSTOM_FIELDS_MAX: Final = 1_000
"""Fields of one tenant's custom tables: each costs every decode of its frames some 20 us. At the
bound: Invalid."""

CUSTOM_CODES_MAX: Final = 256
"""Codes of one custom field, more than any enumeration has words. At the bound: Invalid."""

# ── fleet, continued ─────────────────────────────────────────────────────────────────────────────
PASSWORDS_WAITING_PER_ACCOUNT_MAX: Final = 4
"""Different passwords of one account that wait to be hashed, 40 ms each: whoever guesses at one
account holds the others up no longer than that. At the bound: CapacityError, try again."""

IDENTITIES_PER_VEHICLE_MAX: Final = 16
"""Phone numbers, IMEIs and device names of one vehicle: a terminal, a modem or two, and their
predecessors. At the bound: Conflict, one has to go first."""

TOKENS_PER_VEHICLE_MAX: Final = 8
"""Valid tokens of one vehicle; its login is compared with each. At the bound: Conflict, one has to
be revoked first."""

# ── history, continued ───────────────────────────────────────────────────────────────────────────
HISTORY_FAULTS_BYTES_MAX: Final = 64 << 20
"""Unreadable log records kept for people to look at. At the bound: only counted and logged."""

HISTORY_BEHIND_WAIT_S: Final = 1.0
"""How long a query waits for a worker that has not yet taken what the log holds: a restart's
replay is often over by then. At the bound: the answer is marked partial."""

# ── commands ─────────────────────────────────────────────────────────────────────────────────────
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

COMMANDS_OPEN_PER_VEHICLE_MAX: Final = 256
"""Open commands of one vehicle: far fewer than the 65,535 numbers they have, so that none is soon
given again. At the bound: CapacityError."""

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

# ── sessions ─────────────────────────────────────────────────────────────────────────────────────
SESSIONS_GATEWAYS_MAX: Final = 4_096
"""Names of gateway processes one partition remembers the newest start of, to refuse words of older
ones. At the bound: of those without links the one that started first is forgotten."""

SESSIONS_CHANGES_MAX: Final = 4_096
"""Events of one partition taken together: some 50 ms of the worker's time and a megabyte of rows.
At the bound: the further ones are another transaction."""

# ── JT/T 808 ─────────────────────────────────────────────────────────────────────────────────────
JT808_FRAME_BYTES_MAX: Final = 2_100
"""Bytes of one frame on the wire: 1,023 of body, a header of 21 and a checksum, every one of them
escaped, and two delimiters. At the bound: what came without a delimiter is a reject."""

# ── forwarding ───────────────────────────────────────────────────────────────────────────────────
FORWARDERS_PER_TENANT_MAX: Final = 20
"""Forwarders of one tenant: each is a stream, a connection and an fsync for what it is sent. At the
bound: Conflict, one has to go first."""

FORWARDER_FILTER_NAMES_MAX: Final = 10_000
"""VINs and labels one forwarder may name; a larger choice is a label. At the bound: Invalid."""

FORWARDER_SIGNALS_MAX: Final = 200
"""Paths and branches one forwarder may name, as many as a request may. At the bound: Invalid."""

FORWARDER_SPOOL_BYTES_MIN: Final = 1 << 20
"""The smallest spool: it has to hold one message of the log. Below: Invalid."""

FORWARDING_PUT_BYTES_MAX: Final = 512 << 10
"""Chosen rows of one put, half of the log's largest message so that they stay one. At the bound:
the further records are another put."""

FORWARDING_ROUND_BYTES_MAX: Final = 8 << 20
"""Records of one partition looked at together for all forwarders. At the bound: put at once."""

FORWARDING_NAMES_CACHED_MAX: Final = 100_000
"""Vehicles one worker remembers VIN and plate of, some 200 bytes each. At the bound: all are
forgotten and asked for again."""

# ── MQTT ─────────────────────────────────────────────────────────────────────────────────────────
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

# ── bridges to brokers ───────────────────────────────────────────────────────────────────────────
BRIDGE_PACKET_BYTES_MAX: Final = 1 << 20
"""One message of a broker. At the bound: MQTT 5 brokers drop it, that of others is quarantined."""

BRIDGE_PENDING_BYTES_MAX: Final = 8 << 20
"""Messages of one bridge received and not in a batch yet: those of the largest receive maximum at
4 KB each. At the bound: its socket is not read, so the broker keeps them."""

BRIDGE_BATCH_MAX: Final = 2_000
"""Messages stored together, 20 ms of decoding. At the bound: the rest is the next batch."""
