"""The default model server: one model, asked by the Open Inference Protocol v2.

It speaks the protocol with the kserve SDK's types, data plane and gRPC service, behind a small HTTP application of its
own, because the SDK's server listens on every address and lets anyone who reaches it unload the model.

A pickle runs as code when it is loaded. Formats that are pickles (sklearn) are therefore only loaded from where the
init container has put an artifact whose digest it has verified: who may publish a model decides what runs here.
"""
