"""One module per kind of target; its name is the kind.

A module has ``Target`` (a frozen struct of settings), ``SECRETS`` (names of its fields that are
never shown), ``RECORDS`` (kinds of records it is for), ``check(target)`` which raises ``Invalid``,
and ``Sender(target, surroundings)`` with the methods of ``parcel.Sender``.
"""
