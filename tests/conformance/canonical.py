"""One canonical text for every Iceberg value, and an order-independent digest over rows made of it.

Every reader (PyIceberg, Spark, the lake's own shell) is reduced to the same text by the same code, from the
Iceberg type alone: `1.10` as decimal(9,2) is `1.10` whether it arrived as Decimal, as JSON number or as JSON
string. A value that does not have its type is an error, never a guess.
"""

import base64
import datetime as dt
import decimal
import hashlib
import json
import math
import re
import struct
import uuid

DIGEST_BITS = 128
NULL = "~"
quoted_text = json.encoder.encode_basestring
EPOCH = dt.datetime(1970, 1, 1)
EPOCH_UTC = EPOCH.replace(tzinfo=dt.timezone.utc)
MICROSECOND = dt.timedelta(microseconds=1)


class Digest:
    """Row count and a sum of row hashes: equal multisets of rows give equal digests, in any order."""

    def __init__(self):
        self.rows = 0
        self.sum = 0

    def add_rows(self, texts):
        mask = (1 << DIGEST_BITS) - 1
        total = self.sum
        for text in texts:
            raw = hashlib.blake2b(text.encode(), digest_size=DIGEST_BITS // 8).digest()
            total += int.from_bytes(raw, "big")
            self.rows += 1
        self.sum = total & mask

    def hex(self):
        return f"{self.sum:032x}"


def row_texts(columns):
    """Rows as texts from canonical columns (lists of equal length)."""
    return ("\x1f".join(cells) for cells in zip(*columns))


def column(iceberg_type, values, loose=False):
    """Canonical texts of a column's values. `iceberg_type` is JSON as in table metadata."""
    convert = converter(iceberg_type, loose)
    return [NULL if v is None and not (loose and is_many(iceberg_type)) else convert(v) for v in values]


def arrow_column(iceberg_type, array, loose=False):
    """The same texts from an Arrow array; the common types without a Python object a value."""
    if isinstance(iceberg_type, str):
        texts = arrow_texts(iceberg_type, array)
        return texts if texts is not None else column(iceberg_type, array.to_pylist(), loose)
    if iceberg_type["type"] != "struct":
        return column(iceberg_type, array.to_pylist(), loose)
    fields = iceberg_type["fields"]
    # flatten() carries the struct's own nulls down; field() does not.
    parts = [arrow_column(f["type"], child, loose) for f, child in zip(fields, array.flatten())]
    names = [json.dumps(f["name"]) for f in fields]
    rows = zip(*parts) if parts else ((),) * len(array)
    texts = ["{" + ",".join(f"{n}:{t}" for n, t in zip(names, row)) + "}" for row in rows]
    valid = array.is_valid().to_pylist()
    return [text if is_valid else NULL for text, is_valid in zip(texts, valid)]


def arrow_texts(name, array):
    """Texts of a simple type by Arrow's own casts; None when Python has to do it."""
    import pyarrow

    if name in ("int", "long", "boolean", "date"):
        array = array.cast(pyarrow.string())
    elif name in ("timestamp", "timestamptz"):
        if (array.type.tz is not None) != (name == "timestamptz"):
            raise ValueError(f"{array.type} for a {name}")
        array = array.cast(pyarrow.timestamp("us", array.type.tz)).cast(pyarrow.int64())
        array = array.cast(pyarrow.string())
    elif name == "string":
        return [NULL if v is None else quoted_text(v) for v in array.to_pylist()]
    else:
        return None
    return array.fill_null(NULL).to_pylist()


def has_many(iceberg_type):
    """Whether a list or a map is anywhere in the type: only then is there a loose form."""
    if isinstance(iceberg_type, str):
        return False
    if iceberg_type["type"] != "struct":
        return True
    return any(has_many(f["type"]) for f in iceberg_type["fields"])


def is_many(iceberg_type):
    return isinstance(iceberg_type, dict) and iceberg_type["type"] in ("list", "map")


def converter(iceberg_type, loose):
    """A function from one non-null value to text. Loose: a null list or map reads as an empty one, which is
    what PyIceberg makes of it (apache/iceberg-python#3833)."""
    if isinstance(iceberg_type, str):
        return primitive(iceberg_type)
    kind = iceberg_type["type"]
    if kind == "struct":
        return struct_converter(iceberg_type, loose)
    if kind == "list":
        return list_converter(iceberg_type, loose)
    if kind == "map":
        return map_converter(iceberg_type, loose)
    raise ValueError(f"no canonical text for type {iceberg_type}")


def nested(iceberg_type, loose):
    convert = converter(iceberg_type, loose)
    if loose and is_many(iceberg_type):
        return convert
    return lambda value: NULL if value is None else convert(value)


def struct_converter(iceberg_type, loose):
    fields = [(f["name"], nested(f["type"], loose)) for f in iceberg_type["fields"]]

    def convert(value):
        if hasattr(value, "asDict"):
            value = value.asDict()
        return "{" + ",".join(f"{json.dumps(n)}:{c(value.get(n))}" for n, c in fields) + "}"

    return convert


def list_converter(iceberg_type, loose):
    element = nested(iceberg_type["element"], loose)
    return lambda value: "[" + ",".join(element(v) for v in (value or [])) + "]"


def map_converter(iceberg_type, loose):
    key = converter(iceberg_type["key"], loose)
    item = nested(iceberg_type["value"], loose)

    def convert(value):
        return "<" + ",".join(sorted(f"{key(k)}={item(v)}" for k, v in pairs(value))) + ">"

    return convert


def pairs(value):
    """Key and value of a map in any of its usual forms: dict, list of pairs, list of key-value objects."""
    if value is None:
        return []
    if isinstance(value, dict):
        return value.items()
    return [(e["key"], e["value"]) if isinstance(e, dict) else tuple(e) for e in value]


def primitive(name):
    simple = {
        "boolean": boolean_text,
        "int": integer_text,
        "long": integer_text,
        "float": lambda v: float_text(v, single=True),
        "double": float_text,
        "string": string_text,
        "date": date_text,
        "time": time_text,
        "timestamp": timestamp_text,
        "timestamptz": timestamptz_text,
        "uuid": lambda v: str(v if isinstance(v, uuid.UUID) else uuid.UUID(text_or_hex(v))),
        "binary": binary_text,
    }
    if name in simple:
        return simple[name]
    match = re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", name)
    if match:
        exponent = decimal.Decimal(1).scaleb(-int(match.group(2)))
        context = decimal.Context(prec=60)
        return lambda v: decimal_text(v, exponent, context)
    if name.startswith("fixed"):
        return binary_text
    raise ValueError(f"no canonical text for type {name}")


def boolean_text(value):
    if value is True or value == "true":
        return "true"
    if value is False or value == "false":
        return "false"
    raise ValueError(f"not a boolean: {value!r}")


def integer_text(value):
    if isinstance(value, bool) or (isinstance(value, str) and not re.fullmatch(r"-?\d+", value)):
        raise ValueError(f"not an integer: {value!r}")
    if isinstance(value, (float, decimal.Decimal)) and value != int(value):
        raise ValueError(f"not an integer: {value!r}")
    return str(int(value))


def float_text(value, single=False):
    number = float(value)
    if math.isnan(number):
        return "nan"
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    if single:
        return struct.pack(">f", number).hex()
    return repr(number)


def decimal_text(value, exponent, context):
    number = decimal.Decimal(value if not isinstance(value, float) else repr(value))
    scaled = number.quantize(exponent, context=context)
    if scaled != number:
        raise ValueError(f"more digits than the type has: {value!r}")
    return f"{scaled:f}" if scaled != 0 else f"{abs(scaled):f}"


def string_text(value):
    if not isinstance(value, str):
        raise ValueError(f"not a string: {value!r}")
    return quoted_text(value)


def date_text(value):
    return value.isoformat()[:10] if isinstance(value, (dt.date, dt.datetime)) else str(value)[:10]


def iso(text):
    """The text as Python 3.10 reads it too: six digits of a second, minutes in the zone."""
    text = re.sub(r"\.(\d{1,6})\d*", lambda m: "." + m.group(1).ljust(6, "0"), text)
    return re.sub(r"([+-]\d\d)$", r"\1:00", text) if ":" in text else text


def moment_of(value):
    if isinstance(value, dt.datetime):
        return value
    try:
        return dt.datetime.fromisoformat(value)
    except ValueError:
        return dt.datetime.fromisoformat(iso(value))


def time_text(value):
    moment = value if isinstance(value, dt.time) else dt.time.fromisoformat(iso(value))
    seconds = (moment.hour * 60 + moment.minute) * 60 + moment.second
    return str(seconds * 1_000_000 + moment.microsecond)


def timestamp_text(value):
    moment = moment_of(value)
    if moment.tzinfo is not None:
        raise ValueError(f"a zone in a zoneless timestamp: {value!r}")
    return str((moment - EPOCH) // MICROSECOND)


def timestamptz_text(value):
    moment = moment_of(value)
    if moment.tzinfo is None:
        raise ValueError(f"no zone in a timestamp with zone: {value!r}")
    return str((moment - EPOCH_UTC) // MICROSECOND)


def binary_text(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "x" + bytes(value).hex()
    return "x" + bytes_of_text(value).hex()


def bytes_of_text(text):
    """Bytes from their texts in JSON: `\\xAB` escapes (DuckDB's), `0x…`, or `base64:…`."""
    if text.startswith("0x"):
        return bytes.fromhex(text[2:])
    if text.startswith("base64:"):
        return base64.b64decode(text[7:])
    out = bytearray()
    for match in re.finditer(r"\\x([0-9A-Fa-f]{2})|([\x00-\x7f])", text):
        out += bytes.fromhex(match.group(1)) if match.group(1) else match.group(2).encode()
    return bytes(out)


def text_or_hex(value):
    return bytes(value).hex() if isinstance(value, (bytes, bytearray)) else value
