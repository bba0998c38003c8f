"""``/v1/vehicles/{vin}/links``: over what a vehicle is connected, now and before."""
