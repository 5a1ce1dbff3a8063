"""All that touches the network: one exchange in, one reply or one clear fate out.

Nothing here knows the Responses API; that is left to `flowrunner.responses`.

    exchange   the `Wire`: deadline, caps, headers; what the rest of the program calls
    incoming   a reply while it comes: whole under a cap, or piece by piece
    request    what goes out, checked before anything is opened
    transport  our transport under httpx's API: pool, connection, dial, tls, names
    guard      which addresses may be reached at all
    proxied    httpx's own transport, through a proxy
    standin    replies in the place of the network
"""

from flowrunner.wire.endpoint import Endpoint, Secret
from flowrunner.wire.exchange import Wire, WireReply, WireSettings
from flowrunner.wire.faults import Lost, NotSent, Unsendable, WireFault
from flowrunner.wire.guard import Guard
from flowrunner.wire.incoming import Incoming
from flowrunner.wire.progress import Progress
from flowrunner.wire.request import WireRequest
from flowrunner.wire.standin import Answer, Answering, Asked, StandIn

__all__ = [
    "Answer",
    "Answering",
    "Asked",
    "Endpoint",
    "Guard",
    "Incoming",
    "Lost",
    "NotSent",
    "Progress",
    "Secret",
    "StandIn",
    "Unsendable",
    "Wire",
    "WireFault",
    "WireReply",
    "WireRequest",
    "WireSettings",
]
