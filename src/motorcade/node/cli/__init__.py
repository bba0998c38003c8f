"""The command line: one module per group of commands, assembled here."""

from __future__ import annotations

import typer

from motorcade.node.cli import facts, options, registry, run, status, tools, vehicles

__all__ = ["app"]

app = typer.Typer(
    name="motorcade",
    help="An open connected-vehicle service platform. `motorcade demo` shows it at work; "
    "`motorcade up` runs it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    add_completion=False,
)
app.callback()(options.common_options)
run.register(app)
registry.register(app)
vehicles.register(app)
status.register(app)
facts.register(app)
tools.register(app)
