"""Which decoder reads a message: the plan of its topic says.

Every format has a module with a plan (a mapping made ready) and a pure function from bytes and plan to contents; a new
format is one more of both, and a line here and in `ingest.topics`.
"""

from ingest.decode.contents import Contents, Hearing, Reading
from ingest.decode.json import JsonPlan, decode
from ingest.decode.line import LinePlan, decode_lines
from ingest.decode.opcua import PubSubPlan, decode_pubsub
from ingest.decode.series import MetricsPlan, SeriesPlan, decode_metrics, decode_series
from ingest.decode.uns import TagPlan, decode_tag
from ingest.sparkplug.decode import SparkplugPlan, decode_sparkplug

Plan = JsonPlan | SeriesPlan | MetricsPlan | TagPlan | LinePlan | PubSubPlan | SparkplugPlan
"""A mapping made ready, of any format."""


def contents_of(
    payload: bytes, *, plan: Plan, machine: str, heard_at_us: int = 0, hearing: Hearing = Hearing.LIVE
) -> Contents:
    """What a message says under a plan; never raises.

    Sparkplug's depends on the births heard before, which its plan remembers; that of all others on nothing else.

    Args:
        payload: The message's bytes.
        plan: How its topic's messages are read.
        machine: The machine that its topic speaks of; formats that name the machine inside pass over it.
        heard_at_us: When it was read from the wire [µs UTC].
        hearing: From the wire, or from quarantine.
    """
    match plan:
        case JsonPlan():
            if payload.lstrip()[:1] == b"[":
                return decode_series(payload, plan=SeriesPlan(each=plan, samples=()), machine=machine)
            decoded = decode(payload, plan=plan)
            reading = Reading(machine, plan.machine_class, decoded.observed_at_us, decoded.values)
            return Contents((reading,) if decoded.values else (), decoded.fault, decoded.unknown)
        case SeriesPlan():
            return decode_series(payload, plan=plan, machine=machine)
        case MetricsPlan():
            return decode_metrics(payload, plan=plan, machine=machine)
        case TagPlan():
            return decode_tag(payload, plan=plan)
        case LinePlan():
            return decode_lines(payload, plan=plan)
        case PubSubPlan():
            return decode_pubsub(payload, plan=plan)
        case SparkplugPlan():
            return decode_sparkplug(payload, plan=plan, heard_at_us=heard_at_us, hearing=hearing)
