"""The composition root: configuration, roles, the supervisor, the command line.

In: a TOML file, variables, options. Out: running processes. The only folder that knows every other.
"""
