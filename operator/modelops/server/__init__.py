"""Default model server: serves one model by the Open Inference Protocol v2.

The server uses the kserve SDK's types, data plane and gRPC service, behind a small HTTP application of its own: the
SDK's server listens on all addresses and lets any client unload the model.

A pickle runs as code when it is loaded. Formats that are pickles (sklearn) are therefore only loaded from the directory
in which the init container has placed an artifact with a verified digest: the publisher of a model decides what runs
here. The format skops is the way to serve a scikit-learn model whose publisher is not trusted with that.
"""
