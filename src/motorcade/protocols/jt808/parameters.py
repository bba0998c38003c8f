"""Parameters of a terminal (0x8103, 0x0104): ids, names and how their values are written.

Source: JT/T 808-2013 table 12 and JT/T 808-2019 table 12; JT/T 1078-2016 table 2 (0x0075 to
0x007C); T/JSATL 12-2017 (0xF364 to 0xF367). Values are numbers, text or, where a table has no word
for them, hex.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from motorcade.errors import Invalid
from motorcade.protocols.jt808.reader import Reader, text_of

__all__ = ["PARAMETERS", "parameter_id", "read_parameters", "write_parameters"]

_NUMBERS: Final = {
    0x0001: "heartbeat_s",
    0x0002: "tcp_answer_timeout_s",
    0x0003: "tcp_retries",
    0x0004: "udp_answer_timeout_s",
    0x0005: "udp_retries",
    0x0006: "sms_answer_timeout_s",
    0x0007: "sms_retries",
    0x0018: "tcp_port",
    0x0019: "udp_port",
    0x001B: "ic_card_tcp_port",
    0x001C: "ic_card_udp_port",
    0x0020: "report_strategy",
    0x0021: "report_scheme",
    0x0022: "report_s_without_driver",
    0x0027: "report_s_asleep",
    0x0028: "report_s_emergency",
    0x0029: "report_s",
    0x002C: "report_m",
    0x002D: "report_m_without_driver",
    0x002E: "report_m_asleep",
    0x002F: "report_m_emergency",
    0x0030: "report_corner_degrees",
    0x0045: "call_strategy",
    0x0046: "call_longest_s",
    0x0047: "calls_per_month_s",
    0x0050: "alarm_mask",
    0x0051: "alarm_sms_switch",
    0x0052: "alarm_photo_switch",
    0x0053: "alarm_photo_save",
    0x0054: "alarm_key",
    0x0055: "max_speed_kmh",
    0x0056: "overspeed_s",
    0x0057: "driving_longest_s",
    0x0058: "driving_day_longest_s",
    0x0059: "rest_shortest_s",
    0x005A: "parking_longest_s",
    0x0064: "timed_photo",
    0x0065: "distance_photo",
    0x0070: "picture_quality",
    0x0071: "brightness",
    0x0072: "contrast",
    0x0073: "saturation",
    0x0074: "chroma",
    0x0080: "odometer_100m",
    0x0093: "gnss_interval_s",
    0x0095: "gnss_upload_setting",
    0x0100: "can1_interval_ms",
    0x0102: "can2_interval_ms",
}
_WORDS: Final = {
    0x0031: "fence_radius_m",
    0x005B: "overspeed_warning_100mh",
    0x005C: "fatigue_warning_s",
    0x005D: "collision_setting",
    0x005E: "rollover_degrees",
    0x0081: "province",
    0x0082: "city",
    0x0101: "can1_upload_s",
    0x0103: "can2_upload_s",
}
_BYTES: Final = {
    0x0084: "plate_colour",
    0x0090: "gnss_systems",
    0x0091: "gnss_baud",
    0x0092: "gnss_rate",
    0x0094: "gnss_upload",
}
_TEXTS: Final = {
    0x0010: "apn",
    0x0011: "apn_user",
    0x0012: "apn_password",
    0x0013: "server",
    0x0014: "backup_apn",
    0x0015: "backup_apn_user",
    0x0016: "backup_apn_password",
    0x0017: "backup_server",
    0x001A: "ic_card_server",
    0x001D: "ic_card_backup_server",
    0x0023: "second_apn",
    0x0024: "second_apn_user",
    0x0025: "second_apn_password",
    0x0026: "second_backup_server",
    0x0040: "platform_phone",
    0x0041: "reset_phone",
    0x0042: "factory_phone",
    0x0043: "sms_phone",
    0x0044: "alarm_sms_phone",
    0x0048: "listen_phone",
    0x0049: "privileged_sms_phone",
    0x0083: "plate",
}
PARAMETERS: Final[Mapping[int, tuple[str, int]]] = {
    **{number: (name, 4) for number, name in _NUMBERS.items()},
    **{number: (name, 2) for number, name in _WORDS.items()},
    **{number: (name, 1) for number, name in _BYTES.items()},
    **{number: (name, 0) for number, name in _TEXTS.items()},
}
"""Id to name and width in bytes; 0: text."""

_IDS: Final = {name: number for number, (name, _) in PARAMETERS.items()}


def parameter_id(name: str | int) -> int:
    """The id of a parameter, by name, number or ``0x0029``. ``Invalid`` where it is none."""
    if isinstance(name, int):
        return name
    if name in _IDS:
        return _IDS[name]
    try:
        number = int(name, 0)
    except ValueError:
        raise Invalid(f"there is no parameter {name!r}") from None
    if not 0 <= number <= 0xFFFF_FFFF:
        raise Invalid(f"a parameter's id has four bytes, not {name!r}")
    return number


def read_parameters(reader: Reader) -> dict[str, Any]:
    """Parameters to the body's end: name (or ``0x…``) to value."""
    found: dict[str, Any] = {}
    while reader.left() >= 5:
        number = reader.number(4)
        data = reader.take(min(reader.number(1), reader.left()))
        name, width = PARAMETERS.get(number, (f"0x{number:04X}", -1))
        if width == 0:
            found[name] = text_of(data)
        elif width == len(data):
            found[name] = int.from_bytes(data, "big")
        else:
            found[name] = data.hex()
    return found


def write_parameters(values: Mapping[str, Any]) -> bytes:
    """Count and parameters as 0x8103 wants them. A value of an id without a table is a number of
    four bytes, text, or bytes as ``hex:…``. ``Invalid`` where a value does not fit."""
    parts = [bytes([len(values)])]
    for name, value in values.items():
        number = parameter_id(name)
        data = _value(name, value, PARAMETERS.get(number, ("", 4))[1])
        if len(data) > 255:
            raise Invalid(f"parameter {name} is longer than 255 bytes")
        parts.append(number.to_bytes(4, "big") + bytes([len(data)]) + data)
    return b"".join(parts)


def _value(name: str, value: Any, width: int) -> bytes:
    if isinstance(value, str):
        if value.startswith("hex:"):
            try:
                return bytes.fromhex(value[4:])
            except ValueError:
                raise Invalid(f"parameter {name}: {value!r} is no hex") from None
        return value.encode("gb18030")
    if isinstance(value, bool) or not isinstance(value, int) or width == 0:
        raise Invalid(f"parameter {name} cannot be {value!r}")
    if not 0 <= value < 1 << 8 * width:
        raise Invalid(f"parameter {name} is a number of {width} bytes, not {value}")
    return value.to_bytes(width, "big")
