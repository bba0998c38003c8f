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
"""Appends a process may await at once. At the bound: ``append`` waits, sockets are read slower."""

# ── gateway ──────────────────────────────────────────────────────────────────────────────────────
FRAME_BYTES_MAX: Final = 65_531 + 25
"""Largest GB/T 32960 frame (section 6.2: data unit up to 65,531 bytes). At the bound: the start is
taken for garbage and the stream is searched for the next one."""
