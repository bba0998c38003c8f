"""The documentation page: everything in it, nothing from elsewhere, nothing unescaped."""

from __future__ import annotations

import base64
import re
from hashlib import sha256

from motorcade.api.pages.document import POLICY, render
from motorcade.api.pages.style import SCRIPT, STYLE

DOCUMENT = {
    "info": {"title": "Motorcade", "version": "1", "description": "About `it`."},
    "tags": [{"name": "State", "description": "Now."}],
    "components": {"schemas": {}},
    "paths": {
        "/v1/things": {
            "get": {
                "tags": ["State"],
                "summary": "Things <b>now</b>",
                "description": "All & sundry.",
                "operationId": "get_things",
                "x-role": "reader",
                "parameters": [
                    {
                        "name": "where",
                        "in": "query",
                        "schema": {"type": "string"},
                        "description": "As `a < b`.",
                    }
                ],
                "responses": {"200": {"description": "Things.", "content": {}}},
            }
        }
    },
}


def test_everything_is_said_and_escaped() -> None:
    page = render(DOCUMENT)
    for text in ("/v1/things", "where", "reader", "Things &lt;b&gt;now&lt;/b&gt;", "&amp; sundry"):
        assert text in page
    assert "<b>now</b>" not in page


def test_style_and_script_are_its_own() -> None:
    page = render(DOCUMENT)
    assert STYLE in page
    assert SCRIPT in page
    assert not re.search(r'(?:src|href)="https?://', page)
    for text in (STYLE, SCRIPT):
        digest = base64.b64encode(sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in POLICY
    assert POLICY.startswith("default-src 'none'")
