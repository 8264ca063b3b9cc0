"""Summaries of many documents, the long ones translated and joined: what `docs/tour.md` follows through the compiler."""

from ember_jit import Operator, query, structural_jit


@query
class Summarise(Operator):
    """Stands for a remote model."""

    def forward(self, *, inputs):
        return {"text": inputs.split(".")[0], "words": len(inputs.split())}


@query
class Translate(Operator):
    """Stands for another one."""

    def forward(self, *, inputs):
        return inputs.upper()


class Join(Operator):
    """Has no label: what it does is inferred from its source."""

    def forward(self, *, inputs):
        return {"digest": " / ".join(inputs["parts"]), "skipped": inputs["skipped"]}


@structural_jit
class Digest(Operator):
    def __init__(self):
        self.summarise, self.translate, self.join = Summarise(), Translate(), Join()

    def forward(self, *, inputs):
        parts, skipped = [], []
        for doc in inputs["docs"]:
            summary = self.summarise(inputs=doc)
            if summary["words"] < 4:
                skipped.append(summary["text"])
                continue
            parts.append(self.translate(inputs=summary["text"]))
        print(len(parts), "translated")
        return self.join(inputs={"parts": parts, "skipped": skipped})


if __name__ == "__main__":
    digest = Digest()
    print(
        digest(
            inputs={
                "docs": [
                    "Tides rise and fall. Twice a day.",
                    "Too short.",
                    "Ebb follows flood. Always.",
                ]
            }
        )
    )
