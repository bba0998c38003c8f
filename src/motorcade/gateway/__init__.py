"""Where vehicles connect: listeners, sessions, links, acknowledgements, back-pressure.

In: sockets of vehicles and platforms. Out: batches in the log, and answers only to what is on disk.
"""

from motorcade.gateway.config import Config, ListenerConfig
from motorcade.gateway.directory import Directory, Known
from motorcade.gateway.gateway import Gateway

__all__ = ["Config", "Directory", "Gateway", "Known", "ListenerConfig"]
