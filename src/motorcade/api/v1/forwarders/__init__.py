"""``/v1/forwarders``: where a tenant's records go beside this platform."""
