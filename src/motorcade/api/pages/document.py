"""The documentation page: the OpenAPI document as one HTML page that works without a network.

In: the document as plain objects. Out: HTML whose style and script stand in it; the content
security policy lets nothing else in. The script only searches, and tries the ``GET`` addresses out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from html import escape
from typing import Any, Final

from litestar import Litestar, Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

from motorcade import errors
from motorcade.api.pages.style import SCRIPT, STYLE

__all__ = ["POLICY", "DocsPage", "render"]


def _policy(kind: str, text: str) -> str:
    return f"{kind}-src 'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


POLICY: Final = "; ".join(
    ["default-src 'none'", _policy("style", STYLE), _policy("script", SCRIPT), "connect-src 'self'"]
)
"""Content-Security-Policy of the page: its own style and script by hash, requests to this
server."""

_VERBS: Final = ("get", "post", "patch", "put", "delete")
_STREAMED: Final = "text/event-stream"


class DocsPage(OpenAPIRenderPlugin):
    """Serves the page at the documentation router's root."""

    def __init__(self, document_of: Callable[[Litestar], dict[str, Any]]) -> None:
        super().__init__(path="/")
        self._document_of = document_of
        self._page: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The page, rendered once per application."""
        if self._page is None:
            self._page = render(self._document_of(request.app)).encode()
        return self._page


def render(document: Mapping[str, Any]) -> str:
    """The OpenAPI ``document`` as a page."""
    groups = _groups(document)
    info = document["info"]
    navigation = "".join(_navigation(name, operations) for name, _, operations in groups)
    body = "".join(_group(document, *group) for group in groups)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        f"<title>{escape(info['title'])} API</title><style>{STYLE}</style></head><body>"
        f'<nav aria-label="Contents"><h1><a href="#top">{escape(info["title"])}</a></h1>'
        f"<small>API {escape(info['version'])} · "
        '<a href="/openapi.json">OpenAPI 3.1</a></small>'
        '<input id="find" type="search" placeholder="Find an address" aria-label="Find an address">'
        '<input id="key" type="password" placeholder="API key, to try things out"'
        ' autocomplete="off" aria-label="API key, kept in this tab only">'
        f"{navigation}<h2>Reference</h2><ul><li><a href='#errors'>Errors</a></li></ul></nav>"
        f'<main id="top"><h2>{escape(info["title"])} API</h2>{_prose(info.get("description", ""))}'
        f"{_FIRST_STEPS}{body}{_errors()}</main><script>{SCRIPT}</script></body></html>"
    )


_FIRST_STEPS: Final = """<h4>First steps</h4><pre><code>\
# motorcade key create --tenant NAME --role reader
export KEY=… HOST=…
curl -H "Authorization: Bearer $KEY" "$HOST/v1/vehicles?limit=5"
curl -H "Authorization: Bearer $KEY" "$HOST/v1/state?where=Vehicle.Speed%20>%2080&amp;limit=10"
curl -N -H "Authorization: Bearer $KEY" "$HOST/v1/stream"</code></pre>"""

_Operation = tuple[str, str, Mapping[str, Any]]


def _groups(document: Mapping[str, Any]) -> list[tuple[str, str, list[_Operation]]]:
    found: dict[str, list[_Operation]] = {tag["name"]: [] for tag in document.get("tags", [])}
    texts = {tag["name"]: tag.get("description", "") for tag in document.get("tags", [])}
    for path, item in document["paths"].items():
        for verb in _VERBS:
            if verb in item:
                tag = (item[verb].get("tags") or ["Other"])[0]
                found.setdefault(tag, []).append((verb, path, item[verb]))
    return [
        (name, texts.get(name, ""), operations) for name, operations in found.items() if operations
    ]


def _navigation(name: str, operations: Sequence[_Operation]) -> str:
    items = "".join(
        f'<li><a href="#{escape(_anchor(verb, path))}"><span class="verb {verb}">'
        f"{'DEL' if verb == 'delete' else verb.upper()}</span>"
        f"<span>{escape(operation.get('summary', path))}</span></a></li>"
        for verb, path, operation in operations
    )
    return f"<h2>{escape(name)}</h2><ul>{items}</ul>"


def _group(
    document: Mapping[str, Any], name: str, text: str, operations: Sequence[_Operation]
) -> str:
    articles = "".join(_article(document, *operation) for operation in operations)
    return f'<h2>{escape(name)}</h2><p class="lead">{escape(text)}</p>{articles}'


def _article(
    document: Mapping[str, Any], verb: str, path: str, operation: Mapping[str, Any]
) -> str:
    parameters = operation.get("parameters", [])
    role = operation.get("x-role", "")
    badge = f'<span class="role">{escape(role)}</span>' if role else ""
    return (
        f'<article id="{escape(_anchor(verb, path))}"><div>'
        f"<h3>{escape(operation.get('summary', path))}{badge}</h3>"
        f'<div class="path"><span class="verb {verb}">{verb.upper()}</span> {escape(path)}</div>'
        f"{_prose(operation.get('description', ''))}{_parameters(parameters)}"
        f"{_body(document, operation)}{_statuses(operation)}</div>"
        f"<div>{_examples(document, operation)}{_attempt(verb, path, parameters, operation)}</div>"
        "</article>"
    )


def _parameters(parameters: Sequence[Mapping[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<dt>{escape(item['name'])} <i>{escape(_type(item.get('schema', {})))}"
        f"{'' if item['in'] == 'query' else ', in the ' + escape(item['in'])}</i>"
        f"{' <b>required</b>' if item.get('required') else ''}</dt>"
        f"<dd>{_inline(item.get('description', ''))}</dd>"
        for item in parameters
    )
    return f"<dl>{rows}</dl>"


def _body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    rows = ""
    for kind, media in content.items():
        schema = _resolve(document, media.get("schema", {}))
        rows += f"<h4>Body: {escape(kind)}</h4>"
        needed = schema.get("required", [])
        rows += "<dl>" + "".join(
            f"<dt>{escape(name)} <i>{escape(_type(part))}</i>"
            f"{' <b>required</b>' if name in needed else ''}</dt>"
            f"<dd>{_inline(_resolve(document, part).get('description', ''))}</dd>"
            for name, part in schema.get("properties", {}).items()
        )
        rows += "</dl>"
    return rows


def _statuses(operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<dt>{escape(status)}</dt><dd>{_inline(answer.get('description', ''))}</dd>"
        for status, answer in sorted(operation.get("responses", {}).items())
    )
    return f"<details><summary>Answers</summary><dl>{rows}</dl></details>"


def _examples(document: Mapping[str, Any], operation: Mapping[str, Any]) -> str:
    parts = []
    body = operation.get("requestBody", {}).get("content", {})
    for title, content in (("Request", body), ("Answer", _good(operation))):
        for kind, media in content.items():
            for example in _values(document, media):
                text = example if isinstance(example, str) else json.dumps(example, indent=2)
                parts.append(
                    f"<h4>{title} · {escape(kind)}</h4><pre><code>"
                    f"{escape(text.strip())}</code></pre>"
                )
    return "".join(parts)


def _good(operation: Mapping[str, Any]) -> Mapping[str, Any]:
    for status, answer in sorted(operation.get("responses", {}).items()):
        if status.startswith("2"):
            content: Mapping[str, Any] = answer.get("content", {})
            return content
    return {}


def _values(document: Mapping[str, Any], media: Mapping[str, Any]) -> Iterator[Any]:
    if "example" in media:
        yield media["example"]
        return
    found = [item["value"] for item in media.get("examples", {}).values() if "value" in item]
    yield from found or _resolve(document, media.get("schema", {})).get("examples", [])[:1]


def _attempt(
    verb: str, path: str, parameters: Sequence[Mapping[str, Any]], operation: Mapping[str, Any]
) -> str:
    if verb != "get" or _STREAMED in _good(operation):
        return ""
    fields = "".join(
        f'<label>{escape(item["name"])}<input name="{escape(item["name"])}" autocomplete="off"'
        f"{' required' if item.get('required') else ''}></label>"
        for item in parameters
    )
    return (
        f'<details><summary>Try it</summary><form data-path="{escape(path)}">{fields}'
        "<button>Send</button></form><pre hidden></pre></details>"
    )


def _errors() -> str:
    rows = "".join(
        f'<tr id="{escape(kind.code)}"><td><code>{escape(kind.code)}</code></td>'
        f"<td>{kind.status}</td><td>{escape(kind.title)}. "
        f"{escape((kind.__doc__ or '').strip())}</td></tr>"
        for kind in _error_kinds(errors.MotorcadeError)
    )
    return (
        '<h2 id="errors">Errors</h2><p class="lead">Every failure is an '
        "<code>application/problem+json</code> object (RFC 9457) with <code>type</code>, "
        "<code>title</code>, <code>status</code>, <code>detail</code>, "
        "<code>instance</code> and one of these codes.</p>"
        f"<table><tr><th>code</th><th>status</th><th>meaning</th></tr>{rows}</table>"
    )


def _error_kinds(kind: type[errors.MotorcadeError]) -> Iterator[type[errors.MotorcadeError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from _error_kinds(below)


def _resolve(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][reference.rsplit("/", 1)[1]]
    return found


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[1].rsplit(".", 1)[-1]
    for union in ("oneOf", "anyOf"):
        if union in schema:
            names = [_type(part) for part in schema[union] if part.get("type") != "null"]
            return " or ".join(dict.fromkeys(names))
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        kind = " or ".join(item for item in kind if item != "null")
    if "enum" in schema:
        return " | ".join(str(item) for item in schema["enum"] if item is not None)
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(kind)


def _prose(text: str) -> str:
    paragraphs = [part for part in text.split("\n\n") if part.strip()]
    return "".join(f"<p>{_inline(part)}</p>" for part in paragraphs)


def _inline(text: str) -> str:
    """Escaped text with `code` marked; single or double backquotes."""
    parts = escape(text.replace("``", "`")).split("`")
    return "".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts))


def _anchor(verb: str, path: str) -> str:
    return f"{verb}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '') or 'root'}"
