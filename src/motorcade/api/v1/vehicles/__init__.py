"""``/v1/vehicles``: whose cars these are, how each is now, and how each was."""
