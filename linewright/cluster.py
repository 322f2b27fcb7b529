"""Where work is done that can be divided: by threads of this process, or on the Dask cluster of `[cluster]`.

Work comes back in the order in which it was given, whoever did it, so results do not depend on where. A worker that is
lost midway is the scheduler's to notice: what it did is done again by the others.
"""

import importlib.metadata
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from linewright.findings import Finding, Level, count, ok
from linewright.settings.shell import ClusterSettings
from linewright.settings.site import Site
from plant.errors import Unavailable

Item = TypeVar("Item")
Made = TypeVar("Made")

THREADS: Final = min(4, os.cpu_count() or 1)
"""Of this process, where there is no cluster; more would each hold a part in memory."""
AHEAD: Final = 2
"""Parts given out per thread beyond those whose results were taken; bounds memory."""
LOOK_EVERY_S: Final = 2.0
"""While a result is waited for, how often the cluster is looked at [s]."""
LONGEST_LOOK_S: Final = 120.0
"""The same, while a large result is fetched [s]."""


class Spread(Protocol):
    """Does the same work on each item, somewhere."""

    def __call__(self, work: Callable[[Item], Made], items: Iterable[Item], /) -> Iterator[Made]:
        """What the work makes of each item, in their order. The work is pure and can be pickled, as are the items.

        Raises:
            Unavailable: The cluster, or its last worker, is gone.
        """
        ...


@contextmanager
def spreading(site: Site) -> Iterator[Spread]:
    """Have work done where the site says.

    Raises:
        Unavailable: There is no such cluster, it has no worker, or a worker cannot do the site's work.
    """
    if site.cluster.scheduler is None:
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="part")
        try:
            yield partial(_by_threads, pool)
        finally:
            pool.shutdown(cancel_futures=True)
        return
    client = _connected(site.cluster)
    try:
        looked_at(client, site)
        yield partial(by_workers, client, site.cluster)
    finally:
        client.close()


def check_cluster(site: Site) -> Iterator[Finding]:
    """The cluster answers, and each of its workers has this Linewright and sees the instance's folder."""
    if site.cluster.scheduler is None:
        return
    began = time.perf_counter()
    try:
        client = _connected(site.cluster)
        try:
            workers, threads = looked_at(client, site)
        finally:
            client.close()
    except Unavailable as error:
        step = "Correct [cluster], or leave it out: long work is then done on this machine."
        yield Finding(check="cluster", level=Level.FAULT, sentence=str(error), next_step=step)
        return
    took = time.perf_counter() - began
    crew = f"{count(workers, 'worker')} with {count(threads, 'thread')}"
    yield ok("cluster", f"{crew} at {site.cluster.scheduler} answered in {took:.2f} s.")


def looked_at(client: Any, site: Site) -> tuple[int, int]:
    """Workers and threads of a cluster, each of which has this version and sees the folder; else Unavailable."""
    scheduler, limit_s = site.cluster.scheduler, site.cluster.timeout_s
    try:
        client.wait_for_workers(1, timeout=limit_s)
    except TimeoutError:
        raise Unavailable(
            f"The cluster at {scheduler} has no worker (waited {limit_s:g} s). Start some with "
            f"`dask worker {scheduler}`, on hosts with Linewright and the instance's folder."
        ) from None
    mine = importlib.metadata.version("linewright")
    try:
        seen = client.run(_seen, site.data)
    except Exception as error:
        # what a worker cannot even unpack comes back as a bare Exception
        raise Unavailable(
            f"A worker of the cluster at {scheduler} cannot do this work ({' '.join(str(error).split())}). Install "
            f"Linewright {mine} where `dask worker` runs: `pip install 'linewright[cluster]'`."
        ) from error
    if other := sorted({f"{host} ({version})" for host, version, _ in seen.values() if version != mine}):
        raise Unavailable(f"Workers with another version of Linewright than {mine}: {', '.join(other)}.")
    if blind := sorted({host for host, _, sees in seen.values() if not sees}):
        raise Unavailable(
            f"The worker on {', '.join(blind)} does not see {site.data}. Mount the instance's folder there under the "
            "same path, readable for the user of the worker."
        )
    return len(seen), sum(client.nthreads().values())


def _connected(settings: ClusterSettings) -> Any:
    try:
        from distributed import Client
    except ModuleNotFoundError as missing:
        raise Unavailable(
            f"[cluster] scheduler is set, and {missing.name} is not installed. Install it with "
            "`pip install 'linewright[cluster]'`, or leave [cluster] out."
        ) from missing
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what is wrong is told in a sentence of ours
    try:
        make: Callable[..., Any] = Client
        return make(settings.scheduler, timeout=settings.timeout_s, set_as_default=False)
    except (OSError, TimeoutError, ValueError, ImportError) as error:
        raise Unavailable(
            f"Cannot reach the Dask scheduler at {settings.scheduler} ({error}). Is it running, and does the same "
            "release of Dask run there? Without [cluster], long work is done on this machine."
        ) from error


def _seen(folder: Path) -> tuple[str, str, bool]:
    """On a worker: its host, its version of Linewright, and whether it sees a folder."""
    sees = folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
    return socket.gethostname(), importlib.metadata.version("linewright"), sees


def _by_threads(pool: ThreadPoolExecutor, work: Callable[[Item], Made], items: Iterable[Item], /) -> Iterator[Made]:
    waiting: deque[Future[Made]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > AHEAD * THREADS:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def by_workers(
    client: Any, settings: ClusterSettings, work: Callable[[Item], Made], items: Iterable[Item], /
) -> Iterator[Made]:
    """A `Spread` over the workers of a client."""
    waiting: deque[Any] = deque()
    for item in items:
        waiting.append(client.submit(work, item, pure=False))
        if len(waiting) > AHEAD * max(_threads(client, settings), 1):
            yield _result(client, settings, waiting.popleft())
    while waiting:
        yield _result(client, settings, waiting.popleft())


def _result(client: Any, settings: ClusterSettings, future: Any) -> Any:
    """Wait for one; as long as it takes, while there is a worker left."""
    from distributed.scheduler import KilledWorker

    alone_s: float | None = None
    patience_s = LOOK_EVERY_S
    while True:
        try:
            return future.result(timeout=patience_s)
        except TimeoutError:
            if future.status == "error":
                raise  # its own
            if future.status == "finished":  # a large result is on its way: every look would begin it again
                patience_s = min(2 * patience_s, LONGEST_LOOK_S)
        except KilledWorker as killed:
            raise Unavailable(
                f"Workers of the cluster at {settings.scheduler} died {killed.allowed_failures + 1} times over the "
                "same part. Have they enough memory? `dask worker --memory-limit` says how much each may take."
            ) from killed
        except CancelledError as cancelled:
            raise _gone(settings) from cancelled
        if _threads(client, settings):
            alone_s = None
            continue
        alone_s = time.monotonic() if alone_s is None else alone_s
        if time.monotonic() - alone_s >= settings.timeout_s:
            raise Unavailable(
                f"The cluster at {settings.scheduler} has no worker left since {settings.timeout_s:g} s. Nothing was "
                f"changed; start some with `dask worker {settings.scheduler}` and try again."
            )


def _threads(client: Any, settings: ClusterSettings) -> int:
    """Of all workers that there are now."""
    try:
        return sum(client.nthreads().values())
    except OSError as error:
        raise _gone(settings) from error


def _gone(settings: ClusterSettings) -> Unavailable:
    return Unavailable(
        f"The Dask scheduler at {settings.scheduler} went away. Nothing was changed; start it and try again."
    )
