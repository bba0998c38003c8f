"""The ``motorcade`` command."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; errors of ours become one clear line and exit status 1."""
    from motorcade.errors import MotorcadeError
    from motorcade.node.cli import app

    try:
        app()
    except MotorcadeError as error:
        sys.stderr.write(f"motorcade: {error.detail}\n")
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)


if __name__ == "__main__":
    main()
