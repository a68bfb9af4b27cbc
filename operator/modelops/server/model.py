"""The model as the kserve SDK's data plane calls it: a v2 request in, a v2 response out."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kserve import InferRequest, InferResponse  # type: ignore[import-untyped]
from kserve.errors import InvalidInput  # type: ignore[import-untyped]
from kserve.model import InferenceModel, InferenceVerb  # type: ignore[import-untyped]

from modelops.server.predictor import InvalidRequestError, Predictor
from modelops.server.table import to_table
from modelops.server.tensors import to_output


class ServedModel(InferenceModel):  # type: ignore[misc]  # kserve has no types
    """Loaded model that predicts in one thread, one request at a time.

    The thread keeps the event loop free for probes during a long prediction. Not all estimators are thread-safe, so
    predictions are serialized. A request whose client disconnects while waiting is never predicted.
    """

    def __init__(self, predictor: Predictor, name: str, version: str) -> None:
        super().__init__(name)
        self.version = version
        self.ready = True
        self._predictor = predictor
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="predict")

    async def __call__(
        self, body: Any, headers: dict[str, str] | None = None, verb: InferenceVerb = InferenceVerb.PREDICT
    ) -> Any:
        """Predict, after the requests before this one. Raises InvalidInput."""
        # Requests wait here and not in the executor's queue, where those of disconnected clients would stay.
        await self._turn.acquire()
        predicting = asyncio.get_running_loop().run_in_executor(self._thread, self.infer, body)
        predicting.add_done_callback(lambda _: self._turn.release())
        # A running prediction cannot be cancelled, so the lock is released when it ends.
        return await asyncio.shield(predicting), {}

    def infer(self, request: InferRequest) -> InferResponse:
        """Predict. Raises InvalidInput if the request does not match the model, or the model rejects its values."""
        requested = {output.name for output in request.request_outputs or ()}
        known = {tensor.name for tensor in self._predictor.signature.outputs}
        for name in sorted(requested - known):
            raise InvalidInput(f'output "{name[:80]}" not found; the model has {", ".join(sorted(known))}')
        table = to_table(request.inputs, self._predictor.signature)
        try:
            predictions = self._predictor.predict(table)
        except InvalidRequestError as error:
            reason = " ".join(str(error).split())[:500]
            raise InvalidInput(f"the model rejected the values: {reason}") from None
        outputs = [to_output(name, value) for name, value in predictions.items() if not requested or name in requested]
        if request.from_grpc:
            # The SDK would do the same, but first evaluates an array as a boolean, which fails for raw bytes.
            for output in outputs:
                output.set_data_from_numpy(output.data, binary_data=True)
        return InferResponse(
            response_id=request.id,
            model_name=self.name,
            model_version=self.version,
            infer_outputs=outputs,
            use_binary_outputs=bool(request.use_binary_outputs),
            requested_outputs=request.request_outputs or None,
        )

    def get_input_types(self) -> list[dict[str, Any]]:
        """Return the input tensors in the format of the protocol's metadata."""
        return [tensor.to_json() for tensor in self._predictor.signature.inputs]

    def get_output_types(self) -> list[dict[str, Any]]:
        """Return the output tensors in the format of the protocol's metadata."""
        return [tensor.to_json() for tensor in self._predictor.signature.outputs]
