"""Bounds of log, registry, twin, history and API."""

from __future__ import annotations

from typing import Final

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

API_UPLOAD_TIMEOUT_S: Final = 10.0
"""Silence in the middle of an ingest's body: a link that changes over is back sooner. At the bound:
408, and its place is free."""

API_UPLOAD_BYTES_PER_S_MIN: Final = 64 << 10
"""Half a megabit a second over the whole body, after that time: a back end's link has a hundred
times that, and who trickles holds one of a tenant's few places. At the bound: 408."""

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

BELIEVED_ENTRIES_MAX: Final = 50_000
"""Vehicles and keys a process remembers for ``fleet.cache_s``: about 15 MB. At the bound: the
oldest are asked for again."""

HISTORY_TAIL_ANSWER_BYTES_MAX: Final = 4 << 20
"""One answer about the hot tail, under the bus's 8 MiB payload. At the bound: the reader asks
again for half of the vehicles or half of the time."""

HISTORY_RELOADS_MAX: Final = 5
"""How often one query loads a table anew because the tail has moved on. At the bound: the answer
is marked partial. More than one reload means commits faster than a table loads."""

HISTORY_FAULTS_BYTES_MAX: Final = 64 << 20
"""Unreadable log records kept for people to look at. At the bound: only counted and logged."""

HISTORY_BEHIND_WAIT_S: Final = 1.0
"""How long a query waits for a worker that has not yet taken what the log holds: a restart's
replay is often over by then. At the bound: the answer is marked partial."""

IDENTITIES_PER_VEHICLE_MAX: Final = 16
"""Phone numbers, IMEIs and device names of one vehicle: a terminal, a modem or two, and their
predecessors. At the bound: Conflict, one has to go first."""

IMPORT_BLOCK_BYTES: Final = 4 << 20
"""A CSV is read in blocks of this size, so a file of any length costs the same memory. At the
bound of one line: the file is refused."""

IMPORT_ERRORS_MAX: Final = 1_000
"""Errors of an import listed by line; more are only counted: nobody reads them, and a wrong file
of a million lines would be a million of them."""

LOG_MESSAGE_BYTES_MAX: Final = 1 << 20
"""One appended message. NATS refuses above its max_payload (we start it with 8 MiB); 1 MiB keeps
the fsync of one message near a millisecond. At the bound: the batch is split by rows."""

LOG_APPENDS_IN_FLIGHT_MAX: Final = 32
"""Appends a process may await at once. At the bound: ``append`` waits, sockets wait with it."""

LOG_SCHEMAS_CACHED_MAX: Final = 512
"""Schemas of logged batches a process keeps, some 10 KB each. At the bound: the longest unused
are fetched again."""

LOG_PART_BYTES_MAX: Final = 1 << 20
"""One message of a longer answer. At the bound: the answer travels in several."""

LOG_REPLY_BYTES_MAX: Final = 64 << 20
"""One answer between processes; both sides hold it in memory. At the bound: refused."""

LOG_QUARANTINED_DATA_BYTES_MAX: Final = 4096
"""Bytes kept of one unreadable piece: a look at its head tells. At the bound: cut, so marked."""

PASSWORDS_WAITING_PER_ACCOUNT_MAX: Final = 4
"""Different passwords of one account that wait to be hashed, 40 ms each: whoever guesses at one
account holds the others up no longer than that. At the bound: CapacityError, try again."""

PREDICATE_CHARS_MAX: Final = 2_000
"""Text of one predicate; what is longer is generated by mistake. At the bound: Invalid."""

PREDICATE_DEPTH_MAX: Final = 32
"""Nested brackets and NOTs of a predicate, far below Python's own recursion limit. At the bound:
Invalid."""

PREDICATE_TERMS_MAX: Final = 64
"""Comparisons of one predicate: each costs a pass over a column. At the bound: Invalid."""

TOKENS_PER_VEHICLE_MAX: Final = 8
"""Valid tokens of one vehicle; its login is compared with each. At the bound: Conflict, one has to
be revoked first."""

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

VEHICLES_PAGE_MAX: Final = 10_000
"""Vehicles on one page; a few megabytes of answer. At the bound: the page is cut, a cursor
continues."""
