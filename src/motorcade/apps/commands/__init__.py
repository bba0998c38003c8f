"""Commands to vehicles: kept until the vehicle hears them, sent once it can, ended exactly once.

In: what people and programs ask, what gateways and vehicles answer. Out: commands to gateways,
their life in PostgreSQL, and a row of kind ``event`` in the log for every state reached.
``docs/commands.md`` is the page.
"""
