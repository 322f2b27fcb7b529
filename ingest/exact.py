"""QoS 2 without a gap: the receipt of a message (PUBREC) goes out only after it is durable.

paho sends PUBREC as soon as it has read a message and keeps the message in memory until PUBREL. The broker forgets the
payload at PUBREC, so a kill in between loses it. Here the receipt is the acknowledgement, sent after the commit: until
then the broker sends the message again. Within a session a message that was read already is told by its packet
identifier until PUBREL; after a restart the store recognises what it has. PUBREL is answered at once, for what is not
known any more too: its message was durable before, else there would be no PUBREL.

Source: MQTT 5.0, 4.3.3, method A of the receiver (the message is handed on before PUBREC); 4.4 for the redelivery.
"""

import struct
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode

from ingest.wire import BulkClient, PatientClient


class _ReceiptWhenTold(Client):
    """A client with `manual_ack` that sends PUBREC only in `settle`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unsettled: dict[int, int] = {}
        self._receipted: dict[int, int] = {}
        self._came_again: set[int] = set()

    def welcome(self, *, session_kept: bool) -> None:
        """Begin with a connection; packet identifiers of a session that the broker has not kept are forgotten."""
        self._came_again.clear()
        if not session_kept:
            self._unsettled.clear()
            self._receipted.clear()

    def settle(self, mid: int, *, here: bool) -> None:
        """A message of QoS 2 is durable: send its receipt. Where that is lost, the message is not taken again.

        Args:
            mid: Packet identifier, of the present session.
            here: Whether it came on the present connection; else the receipt waits until it comes again.
        """
        if (content := self._unsettled.pop(mid, None)) is not None:
            self._receipted[mid] = content
        if here or mid in self._came_again:
            super()._send_pubrec(mid)

    def _send_pubrec(self, mid: int) -> MQTTErrorCode:  # noqa: ARG002 - as paho calls it on reading a message
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _handle_publish(self) -> MQTTErrorCode:
        code = super()._handle_publish()
        read = list(self._in_messages.values())  # of QoS 2, which paho would hand on at PUBREL
        self._in_messages.clear()
        for message in read:
            content = _content(message)
            if self._receipted.get(message.mid) == content:
                code = super()._send_pubrec(message.mid)
            elif self._unsettled.get(message.mid) == content:  # on its way to the store
                self._came_again.add(message.mid)
            else:
                self._unsettled[message.mid] = content
                self._handle_on_message(message)
        return code

    def _handle_pubrel(self) -> MQTTErrorCode:
        (mid,) = struct.unpack_from("!H", self._in_packet["packet"])
        self._receipted.pop(mid, None)
        code = super()._handle_pubrel()
        return code if code > 0 else self._send_pubcomp(mid)


class SessionClient(_ReceiptWhenTold, PatientClient):
    """Reads one by one, as paho does."""


class BulkSessionClient(_ReceiptWhenTold, BulkClient):
    """Reads in bulk; messages of QoS 2 come one by one."""


def _content(message: MQTTMessage) -> int:
    """Tells a message from another one under its packet identifier, which a broker that crashed may give anew."""
    return hash((message._topic, bytes(message.payload)))
