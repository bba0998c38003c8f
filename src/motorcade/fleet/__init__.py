"""Who is who: tenants, vehicles, credentials, in PostgreSQL.

In: people's commands, files of vehicles, VINs that knock. Out: dense numbers, and who may see what.
"""
