"""Decoding: wire bytes to columns, and dead letters for what cannot be used.

`scan` is the fast way, `careful` and `arrow` the ways for everything else; `Decoder` puts them together.
"""

from operators.decode.decoder import Decoder
from operators.decode.reject import Reject

__all__ = ["Decoder", "Reject"]
