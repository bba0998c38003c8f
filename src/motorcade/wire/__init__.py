"""Byte tools that two or more protocols share. In: byte columns. Out: columns."""
