"""The wire format, version 1; docs/wire.md describes it for people.

`python -m f2b_worker.wire` prints the JSON Schema.
"""

from f2b_worker.wire.envelopes import EnvelopeError, unwrap
from f2b_worker.wire.forms import NOTE_CHARACTERS_MAX, PACK_ITEMS_MAX, VERSION, Pack, Simple, schema
from f2b_worker.wire.reading import Body, UnreadableError, read_body, read_simple, take_out, wrong_jail
from f2b_worker.wire.texts import is_utf_16, parse_body, parse_json
from f2b_worker.wire.values import WEIGHT_MAX, read_id, read_time_ms, read_weight
from f2b_worker.wire.writing import name_in_pack, new_pack_id, write_pack

__all__ = [
    "NOTE_CHARACTERS_MAX",
    "PACK_ITEMS_MAX",
    "VERSION",
    "WEIGHT_MAX",
    "Body",
    "EnvelopeError",
    "Pack",
    "Simple",
    "UnreadableError",
    "is_utf_16",
    "name_in_pack",
    "new_pack_id",
    "parse_body",
    "parse_json",
    "read_body",
    "read_id",
    "read_simple",
    "read_time_ms",
    "read_weight",
    "schema",
    "take_out",
    "unwrap",
    "write_pack",
    "wrong_jail",
]
