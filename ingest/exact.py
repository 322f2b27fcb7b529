"""QoS 2 without a gap: the receipt of a message (PUBREC) goes out only after it is durable.

paho sends PUBREC as soon as it has read a message and keeps the message in memory until PUBREL. The broker forgets the
payload at PUBREC, so a kill in between loses it. Here the receipt is the acknowledgement, sent after the commit: until
then the broker sends the message again, and the store recognises what it has. PUBREL is answered at once, for what is
not known any more too: its message was durable before, else there would be no PUBREL.

Source: MQTT 5.0, 4.3.3, method A of the receiver (the message is handed on before PUBREC); 4.4 for the redelivery.
"""

import struct

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

from ingest.wire import BulkClient, PatientClient


class _ReceiptWhenTold(Client):
    """A client with `manual_ack`, whose `ack(mid, 2)` is the PUBREC."""

    def ack(self, mid: int, qos: int) -> MQTTErrorCode:
        """Acknowledge a message that is durable now."""
        return super()._send_pubrec(mid) if qos == 2 else super().ack(mid, qos)

    def _send_pubrec(self, mid: int) -> MQTTErrorCode:  # noqa: ARG002 - as paho calls it on reading a message
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _handle_publish(self) -> MQTTErrorCode:
        code = super()._handle_publish()
        read = list(self._in_messages.values())  # of QoS 2, which paho would hand on at PUBREL
        self._in_messages.clear()
        for message in read:
            self._handle_on_message(message)
        return code

    def _handle_pubrel(self) -> MQTTErrorCode:
        (mid,) = struct.unpack_from("!H", self._in_packet["packet"])
        code = super()._handle_pubrel()
        return code if code > 0 else self._send_pubcomp(mid)


class SessionClient(_ReceiptWhenTold, PatientClient):
    """Reads one by one, as paho does."""


class BulkSessionClient(_ReceiptWhenTold, BulkClient):
    """Reads in bulk; messages of QoS 2 come one by one."""
