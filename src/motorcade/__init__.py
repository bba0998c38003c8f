"""Motorcade: an open connected-vehicle service platform."""

__all__ = ["__version__"]

__version__ = "0.1.0"
