"""Addresses outside ``/v1``: the documentation, the OpenAPI document, figures for Prometheus."""
