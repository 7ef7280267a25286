"""The strict edge: a proxy that makes an emulator behave as AWS documents, and fail on demand.

    python -m localstack.edge --port 4566 --upstream http://127.0.0.1:4567

Stands in front of any server that speaks AWS's JSON protocols and adds what emulators lack:
AWS WAF's lock tokens, validation and request quotas, SQS's duplicate and unordered deliveries,
DynamoDB's limits a key, throttling, errors, delays, lost answers and late writes. Everything else passes through.
"""

import asyncio
import contextlib
import signal
import socket
import struct

import click

from localstack.control_api import PREFIX, ControlApi, EdgeState
from localstack.edge_http import (
    STREAM_LIMIT_BYTES,
    BadRequestError,
    Request,
    Response,
    Upstream,
    json_response,
    read_request,
)
from localstack.faults import ApiError, ResetError

LOOPBACK = "127.0.0.1"


class Edge:
    """Answers calls."""

    def __init__(self, state: EdgeState) -> None:
        self._state = state
        self._control = ControlApi(state)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client's calls until it hangs up."""
        try:
            while (request := await read_request(reader, writer)) is not None:
                response = await self._answer(request, reader)
                writer.write(response.encode())
                await writer.drain()
        except ResetError:
            _reset(writer)
        except (BadRequestError, ValueError, ConnectionError, asyncio.IncompleteReadError):
            pass  # the client hung up in the middle, or does not speak HTTP
        finally:
            writer.close()

    async def _answer(self, request: Request, reader: asyncio.StreamReader) -> Response:
        try:
            if request.path.startswith(PREFIX):
                return await self._control.answer(request)
            return await self._call(request, reader)
        except OSError as error:
            return json_response({"__type": "ServiceUnavailable", "message": f"no upstream: {error}"}, 503)

    async def _call(self, request: Request, reader: asyncio.StreamReader) -> Response:
        state = self._state
        state.calls.came[request.name] += 1
        plan = state.faults.plan(request)
        if plan.delay_s:
            await asyncio.sleep(plan.delay_s)
        try:
            if plan.refusal is not None:
                raise plan.refusal
            state.permissions.check(request)
            state.limits.check(request)
        except (ApiError, ResetError) as refusal:
            state.calls.refused[request.name] += 1
            if isinstance(refusal, ResetError):
                raise
            return refusal.response()
        if plan.late_s is not None:
            state.late.add(self._carry_out(request, reader), plan.late_s)
            raise ResetError
        response = await self._carry_out(request, reader)
        if plan.reset_after:
            raise ResetError
        return response

    async def _carry_out(self, request: Request, reader: asyncio.StreamReader) -> Response:
        state = self._state
        if state.waf.owns(request):
            try:
                return json_response(state.waf.answer(request))
            except ApiError as error:
                return error.response()
        if request.service == "dynamodb":
            try:
                return await state.dynamodb.answer(request)
            except ApiError as error:
                return error.response()
        if request.service == "sqs":
            return await state.sqs.answer(request, reader.at_eof)
        return await state.upstream.send(request)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN, as a failing network does."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def run(port: int, upstream: str, sqs_upstream: str | None, *, as_signed: bool = False) -> None:
    """Serve on a loopback port until SIGTERM or SIGINT."""
    behind = Upstream(upstream)
    state = EdgeState(behind, Upstream(sqs_upstream) if sqs_upstream else behind, as_signed=as_signed)
    server = await asyncio.start_server(Edge(state).serve, LOOPBACK, port, limit=STREAM_LIMIT_BYTES, backlog=1024)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()


@click.command()
@click.option("--port", type=int, required=True, help="Port to listen on, on 127.0.0.1.")
@click.option("--upstream", required=True, help="The emulator's URL.")
@click.option("--sqs-upstream", default=None, help="URL of another emulator for SQS only.")
@click.option("--as-signed", is_flag=True, help="Change no request: the emulator checks signatures.")
def main(port: int, upstream: str, sqs_upstream: str | None, *, as_signed: bool) -> None:
    """Run the strict edge in front of an emulator."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(port, upstream, sqs_upstream, as_signed=as_signed))


if __name__ == "__main__":
    main()
