"""The demo, end to end: the corpus, the retrievers, the server, the program, and `run_demo`.

Only `test_run_demo_*` waits for the server's latency; elsewhere the server answers at once, or when
the test says so.
"""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ember_jit import disable_structural_jit
from ember_jit.demo.corpus import Passage, read_passages, stdlib_folder
from ember_jit.demo.main import DEFAULT_QUESTION, DIFFERENT, IDENTICAL, USAGE, Measured, run_demo
from ember_jit.demo.models import MODELS, PERSONAS, Request, Source, complete
from ember_jit.demo.operators import RemoteModel, StdlibQA, build_stdlib_qa
from ember_jit.demo.retrieval import Bm25, Index, TfIdf
from ember_jit.demo.server import LONGEST_LATENCY, SHORTEST_LATENCY, ModelServer, latency
from ember_jit.demo.timing import CallTime, critical_path, with_stopwatch

PATIENCE = 10.0  # seconds until a test that waits for another thread gives up


def at_once(_model: str, _seconds: float) -> None:
    """A pause that does not wait."""


@pytest.fixture(scope="module")
def passages() -> list[Passage]:
    return read_passages()


@pytest.fixture(scope="module")
def index(passages: list[Passage]) -> Index:
    return Index.build(passages)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(pause=at_once) as running:
        yield running


@pytest.fixture
def program(passages: list[Passage], server: ModelServer) -> StdlibQA:
    return build_stdlib_qa(passages, server.url)


def plainly(program: StdlibQA, question: str) -> dict[str, Any]:
    """The program's answer without compilation."""
    with disable_structural_jit():
        result: dict[str, Any] = program(inputs={"question": question})
    return result


class TestCorpus:
    def test_reads_thousands_of_passages_in_the_same_order(self, passages: list[Passage]) -> None:
        assert len(passages) > 2000
        assert read_passages() == passages

    def test_passages_stand_where_they_say(self, passages: list[Passage]) -> None:
        root = stdlib_folder()
        files = {p.path: (root / p.path).read_text(encoding="utf-8") for p in passages}
        lines = {path: text.splitlines() for path, text in files.items()}
        astray = [
            passage
            for passage in passages
            if passage.text.splitlines()[0].strip() not in lines[passage.path][passage.line - 1]
        ]
        # A docstring with an escape in it reads differently from its source.
        assert len(astray) <= len(passages) // 200, astray[:5]

    def test_names_follow_modules_and_classes(self, passages: list[Passage]) -> None:
        names = {passage.name for passage in passages}
        assert {"heapq", "json.dumps", "datetime.date", "decimal.Decimal.quantize"} <= names
        assert not any(part.startswith("_") for name in names for part in name.split("."))

    def test_folder_without_sources_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="no standard library sources"):
            read_passages(tmp_path)

    def test_long_docstrings_are_cut_at_paragraphs(self, tmp_path: Path) -> None:
        first, second = "one" * 150, "two" * 150
        (tmp_path / "heapq.py").write_text(f'"""\n{first}\n\n{second}\n"""\n')
        assert [(p.line, p.text) for p in read_passages(tmp_path)] == [
            (2, first),
            (4, second),
        ]


class TestRetrieval:
    @pytest.mark.parametrize("retriever", [Bm25, TfIdf])
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("create a temporary directory", "tempfile.TemporaryDirectory"),
            ("the n largest elements of a dataset", "heapq.nlargest"),
            ("median of numeric data", "statistics.median"),
        ],
    )
    def test_obvious_question_finds_its_function(
        self,
        retriever: Callable[[Index], Bm25 | TfIdf],
        query: str,
        expected: str,
        index: Index,
        passages: list[Passage],
    ) -> None:
        ranking = retriever(index)(inputs={"query": query, "limit": 5})["ranking"]
        assert passages[ranking[0]].name == expected
        assert len(ranking) == 5

    def test_bm25_scores_by_its_formula(self) -> None:
        texts = ["apple apple", "apple banana", "cherry"]
        index = Index.build([Passage("", text, "x.py", 1) for text in texts])
        assert Bm25(index)(inputs={"query": "apples", "limit": 9}) == {"ranking": [0, 1]}
        # idf = ln(1 + 1.5/2.5), length 2 of mean 5/3, tf 2
        weight = dict(Bm25(index).postings["appl"])[0]
        assert weight == pytest.approx(0.470004 * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 6 / 5)))

    def test_equals_rank_by_number(self) -> None:
        index = Index.build([Passage("", "same words", "x.py", line) for line in (1, 2, 3)])
        for retriever in (Bm25(index), TfIdf(index)):
            assert retriever(inputs={"query": "same", "limit": 2}) == {"ranking": [0, 1]}

    def test_unknown_words_find_nothing(self, index: Index) -> None:
        assert Bm25(index)(inputs={"query": "zzyzx", "limit": 5}) == {"ranking": []}


class TestServer:
    @pytest.mark.parametrize("model", MODELS)
    def test_same_request_same_reply(self, server: ModelServer, model: str) -> None:
        sources = [
            {"name": "heapq.nlargest", "text": "Find the n largest elements in a dataset."},
            {"name": "heapq.heappush", "text": "Push item onto heap."},
        ]
        remote = RemoteModel(server.url, model)
        prompt = "Answer from the passages: the largest elements"
        first = remote.complete(prompt, sources)
        assert first == remote.complete(prompt, sources)
        assert first["model"] == model
        assert "largest" in first["text"]

    def test_latency_is_fixed_and_within_bounds(self) -> None:
        waits = {latency(model, f"p{n}") for model in MODELS for n in range(50)}
        assert all(SHORTEST_LATENCY <= wait <= LONGEST_LATENCY for wait in waits)
        assert len(waits) == 50 * len(MODELS)
        assert latency("judge", "p") == latency("judge", "p")

    def test_serves_requests_at_the_same_time(self) -> None:
        barrier = threading.Barrier(2)

        def together(_model: str, _seconds: float) -> None:
            barrier.wait(PATIENCE)

        with ModelServer(pause=together) as server:
            remote = RemoteModel(server.url, "rewriter")
            other = threading.Thread(target=remote.complete, args=("Rewrite as keywords: a",))
            other.start()
            assert remote.complete("Rewrite as keywords: sort")["text"] == "sort"
            other.join(PATIENCE)
        assert not barrier.broken

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            ("/elsewhere", b"{}", 404),
            ("/complete", b"not json", 400),
            ("/complete", b'{"model": "nobody", "prompt": ""}', 400),
            ("/complete", b"[]", 400),
        ],
    )
    def test_refuses_what_it_cannot_answer(
        self, server: ModelServer, path: str, body: bytes, status: int
    ) -> None:
        request = urllib.request.Request(server.url + path, data=body)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with pytest.raises(urllib.error.HTTPError) as refusal:
            opener.open(request, timeout=PATIENCE)
        with refusal.value as reply:
            assert reply.code == status
            assert json.load(reply)["error"]

    def test_strict_answerer_abstains(self) -> None:
        unrelated = [Source("heapq", "Heaps are arrays.")]
        request = Request("answerer-strict", "Answer: open a socket in arrays", unrelated)
        assert complete(request).text == ""


class TestProgram:
    def test_answers_from_the_right_place(self, program: StdlibQA) -> None:
        result = plainly(program, DEFAULT_QUESTION)
        assert "heapq.nlargest" in result["answer"]
        assert result["sources"][0].startswith("heapq.nlargest (heapq.py:")
        assert result["by"] in PERSONAS
        assert len(result["scores"]) == len(result["candidates"])

    def test_plain_answers_are_the_same_each_time(self, program: StdlibQA) -> None:
        assert repr(plainly(program, DEFAULT_QUESTION)) == repr(plainly(program, DEFAULT_QUESTION))

    @pytest.mark.parametrize("question", [DEFAULT_QUESTION, "delete a directory tree", "zzyzx"])
    def test_compiled_answers_as_plain_does(self, program: StdlibQA, question: str) -> None:
        expected = repr(plainly(program, question))
        for _ in range(3):
            assert repr(program(inputs={"question": question})) == expected

    def test_no_passage_means_no_answer(self, program: StdlibQA) -> None:
        result = plainly(program, "zzyzx")
        assert (result["answer"], result["sources"], result["candidates"]) == ("", [], [])

    def test_compiled_answerers_are_asked_at_the_same_time(self, passages: list[Passage]) -> None:
        gathered = threading.Barrier(2)
        waiting = iter(range(2))  # the first two answerers wait for each other
        turn = threading.Lock()

        def meet(model: str, _seconds: float) -> None:
            if model in PERSONAS:
                with turn:
                    meets = next(waiting, None) is not None
                if meets:
                    gathered.wait(PATIENCE)

        with ModelServer(pause=meet) as server:
            result = build_stdlib_qa(passages, server.url)(inputs={"question": DEFAULT_QUESTION})
        assert "heapq.nlargest" in result["answer"]
        assert not gathered.broken


class TestTiming:
    def test_stopwatch_notes_every_call_in_order(self, program: StdlibQA) -> None:
        calls: list[CallTime] = []
        result = plainly(with_stopwatch(program, calls), DEFAULT_QUESTION)
        assert result == plainly(program, DEFAULT_QUESTION)
        searched = ["rewrite", "retrieve", "retrieve"] * len(program.styles)
        assert [call.stage for call in calls] == [*searched, *["answer"] * len(PERSONAS), "judge"]

    def test_critical_path_takes_the_slowest_of_each_stage(self) -> None:
        calls = [
            CallTime("rewrite", 1.0),
            CallTime("retrieve", 8.0),
            CallTime("rewrite", 5.0),
            CallTime("retrieve", 2.0),
            CallTime("retrieve", 3.0),
            CallTime("answer", 4.0),
            CallTime("answer", 6.0),
            CallTime("judge", 7.0),
        ]
        assert critical_path(calls, total=36.5) == pytest.approx(9 + 6 + 7 + 0.5)


class TestRunDemo:
    def test_run_demo_reports_and_succeeds(self, tmp_path: Path) -> None:
        printed: list[str] = []
        assert run_demo(out_dir=tmp_path, echo=printed.append) == IDENTICAL
        text = "\n".join(printed)
        for expected in (
            "STANDS FOR a remote model",
            f"files under {stdlib_folder()}",
            "source: heapq.nlargest (heapq.py:",
            "x the critical path",
            "identical answer: yes",
            str(tmp_path / "explain.txt"),
        ):
            assert expected in text
        explained = [path for path in tmp_path.iterdir() if "expla" in path.name]
        assert [path.name for path in explained] == ["explain.txt"]
        assert "calls are issued ahead" in explained[0].read_text(encoding="utf-8")

    @pytest.mark.parametrize("question", ["", "  ", "?!"])
    def test_run_demo_wants_words(self, question: str) -> None:
        printed: list[str] = []
        assert run_demo(question, echo=printed.append) == USAGE
        assert "no words" in printed[0]

    def test_run_demo_fails_on_a_different_answer(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        same: dict[str, Any] = {"answer": "", "candidates": [], "score": 1}
        changed = {**same, "score": 1.0}  # equal, but of another type
        measured = Measured(1.0, 0.5, 0.5, 0.5, [], same, (same, changed))
        monkeypatch.setattr("ember_jit.demo.main._measure", lambda *_: measured)
        printed: list[str] = []
        assert run_demo(out_dir=tmp_path, echo=printed.append) == DIFFERENT
        assert "identical answer: no" in "\n".join(printed)
