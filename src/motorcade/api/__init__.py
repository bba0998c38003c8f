"""HTTP: what people and programs ask, answered from the rooms below.

In: requests with an API key. Out: JSON, CSV, Arrow, server-sent events, WebSocket messages,
problems (RFC 9457). The folder path is the URL path: ``api/v1/vehicles/state.py`` answers
``/v1/vehicles/{vin}/state``. A module under ``v1/`` that defines ``routes(context)`` is served:
nothing else lists it. A route without a role is answered to nobody."""
