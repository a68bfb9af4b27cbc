"""The model as the kserve SDK knows one: a v2 request in, a v2 answer out."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kserve import InferRequest, InferResponse  # type: ignore[import-untyped]
from kserve.errors import InvalidInput  # type: ignore[import-untyped]
from kserve.model import InferenceModel, InferenceVerb  # type: ignore[import-untyped]

from modelops.server.predictor import InvalidRequestError, Predictor
from modelops.server.table import table_of
from modelops.server.tensors import output_of


class ServedModel(InferenceModel):
    """A loaded model. It predicts in a thread, so that a long prediction does not keep the probes from an answer, and
    one at a time, since not every estimator can be asked twice at once. Who gives up before it is their turn costs
    nobody anything.
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
        """Answer a request. Raises InvalidInput."""
        # Requests wait here, not in the thread's queue, which would keep those of whom nobody waits for an answer.
        await self._turn.acquire()
        predicting = asyncio.get_running_loop().run_in_executor(self._thread, self.infer, body)
        predicting.add_done_callback(lambda _: self._turn.release())
        # A prediction that has begun cannot be ended: the next one's turn comes after it all the same.
        return await asyncio.shield(predicting), {}

    def infer(self, request: InferRequest) -> InferResponse:
        """Answer a request. Raises InvalidInput."""
        wanted = {one.name for one in request.request_outputs or ()}
        known = {one.name for one in self._predictor.signature.outputs}
        for name in sorted(wanted - known):
            raise InvalidInput(f'there is no output "{name[:80]}"; the model gives {", ".join(sorted(known))}')
        table = table_of(request.inputs, self._predictor.signature)
        try:
            answers = self._predictor.predict(table)
        except InvalidRequestError as problem:
            why = " ".join(str(problem).split())[:500]
            raise InvalidInput(f"the model does not take these values: {why}") from None
        outputs = [output_of(name, value) for name, value in answers.items() if not wanted or name in wanted]
        if request.from_grpc:
            # As the SDK does it, which otherwise first asks an array whether it is true, where bytes were sent.
            for one in outputs:
                one.set_data_from_numpy(one.data, binary_data=True)
        return InferResponse(
            response_id=request.id,
            model_name=self.name,
            model_version=self.version,
            infer_outputs=outputs,
            use_binary_outputs=bool(request.use_binary_outputs),
            requested_outputs=request.request_outputs or None,
        )

    def get_input_types(self) -> list[dict]:
        """What it takes, for the metadata."""
        return [one.wire() for one in self._predictor.signature.inputs]

    def get_output_types(self) -> list[dict]:
        """What it gives, for the metadata."""
        return [one.wire() for one in self._predictor.signature.outputs]
