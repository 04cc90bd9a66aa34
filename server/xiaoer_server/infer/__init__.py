"""The model process and the way to it: `python -m xiaoer_server.infer` on one side, `client.InferClient` on the other.

The chat's process imports `client`, `service` and `interface` from here, nothing that loads a model.
"""

import os

# uvloop forks to start a process, and gRPC's handlers for a fork that goes on in Python would look at every thread and
# say so on stderr. Nothing here forks without exec, so they are left out; gRPC reads this when it starts.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# Every connection that a peer ends is a line on stderr otherwise; what matters of it is in our own log.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
