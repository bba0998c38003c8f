"""``/v1/commands``: the commands of all of a tenant's vehicles."""
