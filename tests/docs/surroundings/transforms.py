"""What the snippets of docs/transforms.md assume."""

import numpy as np

from ember_jit import DeviceMesh, Operator, PartitionSpec, mesh_sharded, query, vmap

mesh = DeviceMesh([0, 1], axis_names=["x"])
array = np.arange(12).reshape(4, 3)


@query
class Search(Operator):
    def forward(self, *, inputs):
        return {"hits": len(inputs["urls"])}


@query
class Read(Operator):
    def forward(self, *, inputs):
        return {"text": inputs["url"].upper()}


class Judge(Operator):
    def forward(self, *, inputs):
        return inputs


def check():
    answer = Answer()(inputs={"urls": ["a", "b"]})
    assert answer == {"notes": {"hits": 2}, "pages": ["A", "B"]}
    assert (rows(array) == array.sum(axis=1)).all()
