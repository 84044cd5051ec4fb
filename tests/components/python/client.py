"""Client made with PyPI's `mcp`: one command, one JSON document on standard output.

    TOLLBOOK_TOKEN=… python client.py URL list
    TOLLBOOK_TOKEN=… python client.py URL call NAME '{"json": "arguments"}'
    TOLLBOOK_TOKEN=… python client.py URL discover

MODE: `modern` (default; 2026-07-28 and nothing else), `auto` (asks, falls back) or `legacy` (the handshake,
2025-11-25). TIMEOUT_MS: default 30000. An error is an answer: the program exits with 0 for both.
"""

import asyncio
import json
import os
import sys

from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import Implementation
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

MODES = {"modern": "2026-07-28", "auto": "auto", "legacy": "legacy"}


async def main() -> dict:
    url, command, *rest = sys.argv[1:]
    token = os.environ.get("TOLLBOOK_TOKEN")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    document = {"protocol_version": None, "server": None}
    async with create_mcp_http_client(headers=headers) as http:
        client = Client(
            streamable_http_client(url, http_client=http),
            mode=MODES[os.environ.get("MODE", "modern")],
            client_info=Implementation(name="tollbook-test-python", version="1.0.0"),
            read_timeout_seconds=int(os.environ.get("TIMEOUT_MS", "30000")) / 1000,
        )
        try:
            async with client:
                document["protocol_version"] = client.protocol_version
                try:
                    result = await run(client, command, rest)
                    document |= {"ok": True, "result": result}
                except MCPError as error:
                    document |= failed(error)
                document["server"] = plain(client.server_info)
        except BaseException as error:  # what the task group made of it
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            document |= failed(first(error))
    return document


async def run(client: Client, command: str, rest: list[str]):
    match command, rest:
        case "list", []:
            return plain(await client.list_tools())
        case "call", [name, *arguments]:
            return plain(await client.call_tool(name, json.loads(arguments[0]) if arguments else {}))
        case "discover", []:
            if client.protocol_version in MODERN_PROTOCOL_VERSIONS:
                return await client.session.send_discover(client.protocol_version)
            return {"capabilities": plain(client.server_capabilities), "instructions": client.instructions}
    raise SystemExit(f"no such command: {command}")


def plain(value):
    return None if value is None else value.model_dump(mode="json", by_alias=True, exclude_none=True)


def first(error: BaseException) -> BaseException:
    """The innermost first error of nested groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def failed(error: BaseException) -> dict:
    response = getattr(error, "response", None)
    return {
        "ok": False,
        "error": {
            "kind": type(error).__name__,
            "code": getattr(error, "code", None),
            "message": str(error),
            "http_status": getattr(response, "status_code", None),
            "data": getattr(error, "data", None),
        },
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
