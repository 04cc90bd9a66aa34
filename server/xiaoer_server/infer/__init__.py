"""The model process and the way to it: `python -m xiaoer_server.infer` on one side, `client.InferClient` on the other.

The chat's process imports `client`, `service` and `interface` from here, nothing that loads a model.
"""
