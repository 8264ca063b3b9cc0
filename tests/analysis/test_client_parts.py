"""Requests through the parts of a client, and how they stop being known once the program replaces one."""

from __future__ import annotations

import json
import sys
import threading
import types
from contextlib import suppress
from functools import cached_property
from typing import Any
from urllib.request import urlopen

import pytest

from ember_jit import Operator
from ember_jit.compiler.analysis.infer import Inference

CHAT = "openai.resources.chat.chat"
COMPLETIONS = "openai.resources.chat.completions.completions"


def package(monkeypatch: pytest.MonkeyPatch, name: str, source: str) -> dict[str, Any]:
    module = types.ModuleType(name)
    exec(source, module.__dict__)
    monkeypatch.setitem(sys.modules, name, module)
    return module.__dict__


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A package laid out like `openai`: the modules of the parts are imported when a part is first read."""
    return package(
        monkeypatch,
        "openai",
        """
from contextlib import suppress
from functools import cached_property
import sys, types
def make(name, source):
    module = types.ModuleType(name)
    exec(source, module.__dict__)
    sys.modules[name] = module
    return module
class OpenAI:
    @cached_property
    def chat(self):
        return make("openai.resources.chat.chat", '''
from contextlib import suppress
from functools import cached_property
class Chat:
    @cached_property
    def completions(self):
        import openai
        return openai.make("openai.resources.chat.completions.completions", "class Completions:\\\\n    def create(self, **words): ...\\\\n    def delete(self): self.gone = True").Completions()
''').Chat()
""",
    )


class Ask(Operator):
    def __init__(self, client: Any) -> None:
        self.client = client

    def forward(self, *, inputs: Any) -> Any:
        answer = self.client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": inputs["q"]}]
        )
        return {"a": answer.choices[0].message.content.strip().upper()}


class AskThrough(Ask):
    @property
    def backend(self) -> Any:
        return self.client

    def forward(self, *, inputs: Any) -> Any:
        chat = self.backend.chat
        return chat.completions.create(model="m", messages=[]).choices[0]


class Delete(Ask):
    def forward(self, *, inputs: Any) -> Any:
        return self.client.chat.completions.delete()


class Stream(Ask):
    def forward(self, *, inputs: Any) -> Any:
        return self.client.chat.completions.create(model="m", stream=True)


@pytest.fixture(autouse=True)
def forget_parts() -> Any:
    yield
    for name in (CHAT, COMPLETIONS):
        sys.modules.pop(name, None)


def test_a_request_is_a_query_before_its_parts_exist(openai: dict[str, Any]) -> None:
    client = openai["OpenAI"]()
    ask = Ask(client)  # what is found holds as long as the operator lives
    found = Inference().of(ask)
    assert found.effect.kind == "query", found.effect
    assert found.effect.blocking
    assert found.holds()
    assert client.__dict__ == {} and CHAT not in sys.modules  # nothing was run to find out


def test_it_stays_one_once_they_exist(openai: dict[str, Any]) -> None:
    client = openai["OpenAI"]()
    inference = Inference()
    ask = Ask(client)
    found = inference.of(ask)
    assert client.chat.completions
    assert found.holds()
    assert Inference().of(Ask(client)).effect.kind == "query"


def test_through_a_plain_property_and_a_variable(openai: dict[str, Any]) -> None:
    assert Inference().of(AskThrough(openai["OpenAI"]())).effect.kind == "query"


@pytest.mark.parametrize("operator", [Delete, Stream])
@pytest.mark.parametrize("made", [False, True])
def test_what_is_no_plain_request_is_not_known(
    openai: dict[str, Any], operator: Any, made: bool
) -> None:
    client = openai["OpenAI"]()
    if made:
        assert client.chat.completions
    assert Inference().of(operator(client)).effect.kind == "unknown"


class Spy:
    def create(self, **words: Any) -> None: ...


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", ["part", "deep part", "method", "class method", "property"])
def test_a_replaced_part_is_not_the_clients(openai: dict[str, Any], when: str, what: str) -> None:
    client = openai["OpenAI"]()
    operator = Ask(client)
    found = Inference().of(operator) if when == "after" else None
    if what == "part":
        client.chat = Spy()
    elif what == "deep part":
        client.chat.completions = Spy()
    elif what == "method":
        client.chat.completions.create = print
    elif what == "class method":
        type(client.chat.completions).create = Spy.create
    else:
        openai["OpenAI"].chat = cached_property(lambda self: Spy())
        openai["OpenAI"].chat.__set_name__(openai["OpenAI"], "chat")
    assert Inference().of(operator).effect.kind == "unknown"
    assert found is None or not found.holds()


def test_a_client_class_of_the_programs_is_not_trusted(openai: dict[str, Any]) -> None:
    class OpenAI(openai["OpenAI"]):  # type: ignore[misc]
        pass

    assert Inference().of(Ask(OpenAI())).effect.kind == "unknown"


def test_a_method_that_a_subclass_of_a_client_inherits_is_not_known() -> None:
    httpx = pytest.importorskip("httpx")

    class Client(httpx.Client):  # type: ignore[misc, name-defined]
        pass

    class Get(Operator):
        def __init__(self, client: Any) -> None:
            self.client = client

        def forward(self, *, inputs: Any) -> Any:
            response = self.client.get("http://127.0.0.1:1/", params={"q": inputs["q"]})
            response.raise_for_status()
            return response.json()["x"]

    assert Inference().of(Get(httpx.Client())).effect.kind == "query"
    assert Inference().of(Get(Client())).effect.kind == "unknown"


REAL = [
    ("openai", "OpenAI", ("chat", "completions"), "create"),
    ("openai", "OpenAI", ("responses",), "create"),
    ("openai", "OpenAI", ("embeddings",), "create"),
    ("anthropic", "Anthropic", ("messages",), "create"),
    ("groq", "Groq", ("chat", "completions"), "create"),
]


@pytest.mark.parametrize(("module", "cls", "names", "method"), REAL)
def test_clients_that_are_installed(
    module: str, cls: str, names: tuple[str, ...], method: str
) -> None:
    from ember_jit.compiler.analysis import registry

    client = getattr(pytest.importorskip(module), cls)(api_key="none")
    unmade = registry.method_of(client, names, method)
    assert unmade is not None and unmade.kind == "query"
    part = client
    for name in names:
        part = getattr(part, name)
    assert registry.method_of(client, names, method) is unmade
    assert registry.lookup(getattr(part, method)) == unmade


class UrlOpen(Operator):
    def forward(self, *, inputs: Any) -> Any:
        with urlopen("http://127.0.0.1:1/" + inputs["q"]) as response:
            return {"a": json.loads(response.read().decode())["x"]}


class Suppress(Operator):
    def forward(self, *, inputs: Any) -> Any:
        with suppress(KeyError):
            return inputs["q"] + 1
        return 0


class Locked(Operator):
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def forward(self, *, inputs: Any) -> Any:
        with self.lock:
            return inputs["q"]


@pytest.mark.parametrize(
    ("operator", "kind"), [(UrlOpen, "query"), (Suppress, "pure"), (Locked, "unknown")]
)
def test_context_managers(operator: Any, kind: str) -> None:
    assert Inference().of(operator()).effect.kind == kind
