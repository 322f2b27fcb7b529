"""The doctor's look at what is kept: the store's folder, the models, the clocks of those who report."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from linewright.findings import Finding, Level, count, ok
from linewright.settings.site import Site
from plant.errors import ConfigError, Unavailable

LEAST_FREE_BYTES: Final = 200_000_000
"""Below this a store soon cannot commit."""
LITTLE_FREE_BYTES: Final = 2_000_000_000
OLD_MODEL: Final = timedelta(days=30)
"""Models are trained nightly; one this old has missed many."""
SOFTWARE_YEAR: Final = 2026
"""A clock before the year this was written in is wrong."""
NETWORK_FILE_SYSTEMS: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "afs", "glusterfs"})


def check_store(site: Site) -> Iterator[Finding]:
    """The instance's folder can be written, has room, and holds what this version can read."""
    folder = site.data
    place = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".linewright-doctor-") as file:
            file.write(b"0")
            file.flush()
    except OSError as error:
        sentence = f"{place} cannot be written ({error.strerror or error})."
        step = "Give this user the right to write there, or set [store] folder to another place."
        yield Finding(check="store", level=Level.FAULT, sentence=sentence, next_step=step)
        return
    free = shutil.disk_usage(place).free
    room = f"{free / 1e9:.1f} GB are free at {place}."
    if free < LITTLE_FREE_BYTES:
        level = Level.FAULT if free < LEAST_FREE_BYTES else Level.WARNING
        yield Finding(check="store", level=level, sentence=room, next_step="Make room, or move [store] folder.")
    else:
        yield ok("store", f"The folder can be written, and {room}")
    if (kind := _file_system(place)) in NETWORK_FILE_SYSTEMS:
        sentence = f"{place} is on a network file system ({kind}), where the store's files may be damaged."
        yield Finding(
            check="store", level=Level.FAULT, sentence=sentence, next_step="Set [store] folder to a local disk."
        )
    yield from _stored(site)


def check_models(site: Site) -> Iterator[Finding]:
    """Each machine class has a model that loads, fits its signals and is not old."""
    folder = site.data / "models"
    without = [each.name for each in site.plant.classes if not (folder / each.name).is_dir()]
    if without:
        sentence = f"No model yet for {', '.join(without)}; their risk is the base rate of mtbf_h, and opens no alert."
        step = "Let failures and maintenance be recorded, then run `linewright model train`."
        yield Finding(check="model", level=Level.WARNING, sentence=sentence, next_step=step)
    if len(without) == len(site.plant.classes):
        return
    from analytics.normality_live import FOLDER
    from analytics.registry import load_current
    from analytics.versions import current_version, versions

    for machine_class in site.plant.classes:
        if machine_class.name in without:
            continue
        try:
            model = load_current(machine_class.name, folder=folder)
        except (ConfigError, ValueError, TypeError, KeyError) as error:
            step = "Go back with `linewright model rollback`, or train again with `linewright model train`."
            yield Finding(check="model", level=Level.FAULT, sentence=f"{machine_class.name}: {error}.", next_step=step)
            continue
        name = current_version(machine_class.name, folder=folder)
        known = {each.version: each for each in versions(folder, machine_class=machine_class.name)}
        if not known and (folder / machine_class.name / FOLDER).is_dir():
            sentence = (
                f"{machine_class.name}: too few failures for a failure risk; unusual readings open a low alert, at "
            )
            sentence += f"{site.alarms.alarms_per_week:g} false ones a week and machine ([alarms] alarms_per_week)."
            yield ok("model", sentence)
            continue
        if model is None or name not in known:
            sentence = f"{machine_class.name} has models, but none is in use."
            step = "Train one with `linewright model train`."
            yield Finding(check="model", level=Level.WARNING, sentence=sentence, next_step=step)
            continue
        missing = sorted(set(model.normaliser.signals) - {signal.name for signal in machine_class.signals})
        age = site.clock.now() - known[name].data_cut_off
        what = f"{machine_class.name}: {name}, data up to {known[name].data_cut_off:%Y-%m-%d %H:%M} UTC"
        if missing:
            sentence = f"{what}; it needs {', '.join(missing)}, which the class no longer has."
            step = "Train again with `linewright model train`, or bring the signals back."
            yield Finding(check="model", level=Level.FAULT, sentence=sentence, next_step=step)
        elif age > OLD_MODEL:
            sentence = f"{what}, {age.days} days old."
            step = "See why the nightly training fails (log of the work role), or run `linewright model train`."
            yield Finding(check="model", level=Level.WARNING, sentence=sentence, next_step=step)
        else:
            yield ok("model", f"{what}.")


def check_clock(site: Site) -> Iterator[Finding]:
    """This machine's clock is believable, and agrees with those of the devices."""
    now = datetime.now(tz=UTC)
    if now.year < SOFTWARE_YEAR:
        sentence = f"This machine's clock says {now:%Y-%m-%d %H:%M} UTC, before this software was written."
        yield Finding(check="clock", level=Level.FAULT, sentence=sentence, next_step="Set it, and keep it with NTP.")
        return
    local = now.astimezone().utcoffset() or timedelta(0)
    yield ok(
        "clock",
        f"{now:%Y-%m-%d %H:%M:%S} UTC, this machine {local / timedelta(hours=1):+g} h; the plant is on "
        f"{site.plant.timezone}"
        + (f"; plant time runs {site.clock.speed:g} times faster." if site.clock.speed != 1 else "."),
    )
    limit_s = site.ingest.clock_skew_limit_s
    skews = sorted(_skews(site).items(), key=lambda item: -abs(item[1]))
    far = [f"{machine} by {skew_s:+.0f} s" for machine, skew_s in skews if abs(skew_s) > limit_s]
    if far:
        sentence = f"Device clocks were off when last heard: {', '.join(far[:5])}{' and more' if len(far) > 5 else ''}."
        step = "Set those clocks (NTP). Readings are kept with their own time, and flagged."
        yield Finding(check="clock", level=Level.WARNING, sentence=sentence, next_step=step)
    elif skews:
        yield ok("clock", f"Devices agree within {abs(skews[0][1]):.0f} s (worst: {skews[0][0]}).")


def _stored(site: Site) -> Iterator[Finding]:
    from store.embedded.reader import open_reader

    try:
        reader = open_reader(site.data, plant=site.plant)
    except Unavailable as error:
        if (site.data / "hot.db").exists():
            step = "Do what it says; if the files are damaged, restore the folder from a backup."
            yield Finding(check="store", level=Level.FAULT, sentence=str(error), next_step=step)
        else:
            yield ok("store", "Nothing is stored yet; `linewright run` begins.")
        return
    with closing(reader):
        try:
            lines = reader.ledger()
        except Unavailable as error:
            step = "Restore the folder from a backup."
            yield Finding(check="store", level=Level.FAULT, sentence=str(error), next_step=step)
            return
    received = sum(line.received for line in lines)
    quarantined = sum(line.quarantined for line in lines)
    yield ok("store", f"Its format is this version's; {count(received, 'message')} received so far.")
    if quarantined > 0.01 * received:
        sentence = f"{quarantined} of {received} messages are in quarantine."
        step = "See why with `linewright quarantine list`."
        yield Finding(check="store", level=Level.WARNING, sentence=sentence, next_step=step)


def _skews(site: Site) -> dict[str, float]:
    """Device time minus time of reception of each machine's newest reading [s]."""
    from store.embedded.reader import open_reader

    try:
        reader = open_reader(site.data, plant=site.plant)
    except Unavailable:
        return {}
    with closing(reader):
        try:
            values = reader.last_values()
        except Unavailable:
            return {}
    newest = {value.machine: value for value in sorted(values, key=lambda value: value.received_at_us)}
    return {name: (value.observed_at_us - value.received_at_us) / 1e6 for name, value in newest.items()}


def _file_system(path: Path) -> str:
    """Kind of the file system that holds a path; empty where the system does not say."""
    try:
        mounts = [line.split()[:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ""
    resolved = path.resolve()
    holding = [(mount, kind) for _, mount, kind in mounts if resolved == Path(mount) or Path(mount) in resolved.parents]
    return max(holding, key=lambda item: len(item[0]))[1] if holding else ""
