"""Several ingest processes, one writer: batches handed over on a local socket, answered once they are durable.

A further process reads from the broker and decodes; its sink is the process that holds the store. Nothing is kept in
between: a batch is acknowledged at the broker only after the answer, so a kill of either process loses nothing. Where
the answer was lost after the commit, the batch is handed over again and not kept again: the ledger says how many
messages of the run are settled, in the batch's own transaction, and the batch how many were settled before it.
"""

import contextlib
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from plant.errors import Unavailable
from plant.signals import Batch, Receipt, Rejection

log = logging.getLogger(__name__)

LONGEST: Final = 1 << 30
"""No batch is as long [byte]."""
ANSWER_S: Final = 60.0
"""Longest wait for an answer [s]; sealing may take seconds."""
_HEAD: Final = struct.Struct("!Q")


class _Begin(msgspec.Struct, frozen=True, kw_only=True, tag="begin"):
    """Asks for an account in the ledger."""

    filters: tuple[str, ...]


class _Offer(msgspec.Struct, frozen=True, kw_only=True, tag="offer"):
    """A batch; arrays as their bytes, tables as Arrow IPC streams."""

    run: str
    filters: tuple[str, ...]
    message_filter: bytes
    received: bytes
    in_flight: bytes
    samples: bytes
    rejections: tuple[Rejection, ...]
    tables: dict[str, bytes]
    copies: tuple[tuple[int, int], ...]
    before: int
    """Messages of the run that were settled before this batch: what tells a batch that is handed over again."""


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one of these is set."""

    run: str = ""
    receipt: Receipt | None = None
    unavailable: str = ""


class Handover:
    """Takes batches of further processes to the sink, from a socket that only this user may open."""

    def __init__(
        self,
        path: Path,
        *,
        sink: Callable[[Batch], Receipt],
        begin_run: Callable[[Sequence[str]], str],
        settled: Callable[[str], int],
    ) -> None:
        """Listen.

        Args:
            path: Of the socket; made anew.
            sink: Keeps a batch; safe to call from several threads.
            begin_run: Opens an account in the ledger beside those there are.
            settled: How many messages of a run are settled in the ledger, as committed with their batches.

        Raises:
            Unavailable: The socket cannot be made there.
        """
        self._sink, self._begin_run, self._settled = sink, begin_run, settled
        self._keeping = threading.Lock()
        self._mutex = threading.Lock()
        self._open: set[socket.socket] = set()
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            with _short(path) as name:
                self._socket.bind(name)
            path.chmod(0o600)
            self._socket.listen()
        except OSError as error:
            self._socket.close()
            raise Unavailable(f"Cannot listen at {path} ({error}). Is its folder writable?") from error
        threading.Thread(target=self._accept, name="handover", daemon=True).start()

    def close(self) -> None:
        """Take no more; what was not answered is handed over again."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._mutex:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with self._mutex:
                    self._open.add(connection)
                threading.Thread(target=self._serve, args=(connection,), name="handover-one", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                while (asked := _receive(connection)) is not None:
                    _send(connection, msgspec.msgpack.encode(self._answer(asked)))
        except (OSError, msgspec.DecodeError, pa.ArrowInvalid) as error:
            log.warning("handover_broken", extra={"why": str(error)})
        finally:
            with self._mutex:
                self._open.discard(connection)

    def _answer(self, asked: bytes) -> _Answer:
        request = msgspec.msgpack.decode(asked, type=_Begin | _Offer)
        try:
            if isinstance(request, _Begin):
                return _Answer(run=self._begin_run(request.filters))
            return _Answer(receipt=self._keep(_unpacked(request), before=request.before))
        except Unavailable as error:
            return _Answer(unavailable=str(error))

    def _keep(self, batch: Batch, *, before: int) -> Receipt:
        """Keep a batch unless it was kept already and only the answer did not arrive: the run's account tells."""
        with self._keeping:
            if self._settled(batch.run) <= before:
                return self._sink(batch)
        log.info("handover_repeated", extra={"run": batch.run, "messages": batch.messages})
        return Receipt(
            stored=0,
            duplicate=batch.messages,
            quarantined=0,
            samples_stored=0,
            samples_duplicate=0,
            samples_quarantined=0,
        )


class Upstream:
    """The process that holds the store, as a further process sees it; for one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._mutex = threading.Lock()
        self._settled: dict[str, int] = {}

    def write(self, batch: Batch) -> Receipt:
        """Hand a batch over; returns once it is durable. Raises Unavailable where it cannot be said to be."""
        before = self._settled.get(batch.run, 0)
        receipt = self._ask(msgspec.msgpack.encode(_packed(batch, before=before))).receipt
        if receipt is None:
            raise Unavailable(f"The ingest process at {self._path} gave no receipt")
        self._settled[batch.run] = before + batch.messages
        return receipt

    def begin_run(self, filters: Sequence[str]) -> str:
        """Open an account in the ledger; gives its identifier. Raises Unavailable."""
        return self._ask(msgspec.msgpack.encode(_Begin(filters=tuple(filters)))).run

    def close(self) -> None:
        """Let go of the connection; safe to call twice."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _ask(self, request: bytes) -> _Answer:
        with self._mutex:
            try:
                if self._socket is None:
                    self._socket = socket.socket(socket.AF_UNIX)
                    self._socket.settimeout(ANSWER_S)
                    with _short(self._path) as name:
                        self._socket.connect(name)
                _send(self._socket, request)
                told = _receive(self._socket)
            except OSError as error:
                self.close()
                raise Unavailable(self._away(str(error))) from error
            if told is None:
                self.close()
                raise Unavailable(self._away("it hung up"))
        answer = msgspec.msgpack.decode(told, type=_Answer)
        if answer.unavailable:
            raise Unavailable(answer.unavailable)
        return answer

    def _away(self, why: str) -> str:
        return (
            f"Cannot hand over to the ingest process that holds the store, at {self._path} ({why}). "
            "Is `linewright ingest` (or `linewright run`) running for this site?"
        )


def _packed(batch: Batch, *, before: int) -> _Offer:
    assert batch.in_flight is not None
    assert batch.samples is not None
    return _Offer(
        run=batch.run,
        filters=batch.filters,
        message_filter=batch.message_filter.tobytes(),
        received=batch.received.tobytes(),
        in_flight=batch.in_flight.tobytes(),
        samples=batch.samples.tobytes(),
        rejections=batch.rejections,
        copies=batch.copies,
        before=before,
        tables={name: _ipc(table) for name, table in batch.tables.items()},
    )


def _unpacked(offer: _Offer) -> Batch:
    def counts(data: bytes) -> Any:
        return np.frombuffer(data, dtype=np.int64)

    return Batch(
        run=offer.run,
        tables={name: pa.ipc.open_stream(data).read_all() for name, data in offer.tables.items()},
        filters=offer.filters,
        message_filter=np.frombuffer(offer.message_filter, dtype=np.int16),
        received=counts(offer.received),
        in_flight=counts(offer.in_flight),
        samples=counts(offer.samples),
        rejections=offer.rejections,
        copies=offer.copies,
    )


def _ipc(table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _send(connection: socket.socket, data: bytes) -> None:
    connection.sendall(_HEAD.pack(len(data)) + data)


def _receive(connection: socket.socket) -> bytes | None:
    """A whole message; None where the other end hung up."""
    head = _exactly(connection, _HEAD.size)
    if head is None:
        return None
    (length,) = _HEAD.unpack(head)
    if length > LONGEST:
        raise OSError(f"a message of {length} bytes is announced; no batch is as long")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes | None:
    data = bytearray()
    while len(data) < length:
        piece = connection.recv(min(length - len(data), 1 << 20))
        if not piece:
            return None
        data += piece
    return bytes(data)


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name for a socket however long its path is: a socket's address holds 107 bytes only. Source: unix(7)."""
    folder = os.open(path.parent, os.O_PATH)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
