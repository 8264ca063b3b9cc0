"""Calls that make one request: HTTP GET, language models, embeddings, reranking.

None of these packages is ever imported here. Functions are found by identity in a module that the
program has imported; methods by where they say they are defined, once it is sure that their code
belongs to that package.

Left out on purpose: what writes (POST, uploads, fine-tuning), helpers that call the program back
(`parse`, tool runners), and streams, which are read after the call.
"""

from __future__ import annotations

from ember_jit.compiler.analysis.registry.known import Rows, pure, query

# hooks and auth objects are code of the program; a stream is read after the call
_GET_WORDS = "auth data extensions files hooks stream"
_GET = query("HTTP GET", consumes=True, max_args=2, bad_keywords=_GET_WORDS)
_GET_LATER = query(
    "HTTP GET", consumes=True, max_args=2, bad_keywords=_GET_WORDS, awaits=True, blocking=False
)
_MODEL_WORDS = "stream stream_options http_client client callbacks logger_fn"
_MODEL = query("one model request", max_args=2, bad_keywords=_MODEL_WORDS)
_MODEL_LATER = query(
    "one model request", max_args=2, bad_keywords=_MODEL_WORDS, awaits=True, blocking=False
)
# a stored conversation, a background job or a hosted tool changes something on the server
_RESPONSES_WORDS = "stream background conversation tools"
_RESPONSES = query("one model request", bad_keywords=_RESPONSES_WORDS)
_RESPONSES_LATER = query(
    "one model request", bad_keywords=_RESPONSES_WORDS, awaits=True, blocking=False
)
# config may hold Python functions, which the client calls itself
_GENAI = query("one model request", bad_keywords="config")
_GENAI_LATER = query("one model request", bad_keywords="config", awaits=True, blocking=False)
_BODY = query(
    "reads the response",
    blocking=False,
    fresh=None,
    bad_keywords="cls object_hook object_pairs_hook parse_float",
)
_CHECK = pure("raises for a failed request", protocol=False, retains=True)

CLIENT_FUNCTIONS: dict[str, Rows] = {
    # a Request object may be a POST: `protocol` says that the address must be a plain str
    "urllib.request": ((query("HTTP GET", max_args=1, bad_keywords="data"), "urlopen"),),
    "requests": ((_GET, "get head options"),),
    "httpx": ((_GET, "get head options"),),
    "litellm": (
        (_MODEL, "completion text_completion embedding rerank"),
        (_MODEL_LATER, "acompletion atext_completion aembedding arerank"),
    ),
}

CLIENT_METHODS: dict[str, Rows] = {
    "requests.sessions": ((_GET, "Session.get Session.head Session.options"),),
    "requests.models": ((_BODY, "Response.json"), (_CHECK, "Response.raise_for_status")),
    "httpx": (
        (_GET, "Client.get Client.head Client.options"),
        (_GET_LATER, "AsyncClient.get AsyncClient.head AsyncClient.options"),
        (_BODY, "Response.json"),
        (_CHECK, "Response.raise_for_status"),
    ),
    "openai.resources.chat.completions": (
        (_MODEL, "Completions.create"),
        (_MODEL_LATER, "AsyncCompletions.create"),
    ),
    "openai.resources.completions": (
        (_MODEL, "Completions.create"),
        (_MODEL_LATER, "AsyncCompletions.create"),
    ),
    "openai.resources.responses": (
        (_RESPONSES, "Responses.create"),
        (_RESPONSES_LATER, "AsyncResponses.create"),
    ),
    "openai.resources.embeddings": (
        (_MODEL, "Embeddings.create"),
        (_MODEL_LATER, "AsyncEmbeddings.create"),
    ),
    "openai.resources.moderations": (
        (_MODEL, "Moderations.create"),
        (_MODEL_LATER, "AsyncModerations.create"),
    ),
    "anthropic.resources.messages": (
        (_MODEL, "Messages.create Messages.count_tokens"),
        (_MODEL_LATER, "AsyncMessages.create AsyncMessages.count_tokens"),
    ),
    "google.genai.models": (
        (_GENAI, "Models.generate_content Models.embed_content Models.count_tokens"),
        (
            _GENAI_LATER,
            "AsyncModels.generate_content AsyncModels.embed_content AsyncModels.count_tokens",
        ),
    ),
    "ollama._client": (
        (_MODEL, "Client.chat Client.generate Client.embed Client.embeddings"),
        (
            _MODEL_LATER,
            "AsyncClient.chat AsyncClient.generate AsyncClient.embed AsyncClient.embeddings",
        ),
    ),
    "cohere.base_client": (
        (_MODEL, "BaseCohere.chat BaseCohere.embed BaseCohere.generate BaseCohere.rerank"),
    ),
    "cohere.client": ((_MODEL, "Client.chat Client.embed Client.generate Client.rerank"),),
    "cohere.v2.client": ((_MODEL, "V2Client.chat V2Client.embed V2Client.rerank"),),
    "groq.resources.chat.completions": (
        (_MODEL, "Completions.create"),
        (_MODEL_LATER, "AsyncCompletions.create"),
    ),
    "groq.resources.embeddings": (
        (_MODEL, "Embeddings.create"),
        (_MODEL_LATER, "AsyncEmbeddings.create"),
    ),
    "mistralai.client.chat": ((_MODEL, "Chat.complete"), (_MODEL_LATER, "Chat.complete_async")),
    "mistralai.client.embeddings": (
        (_MODEL, "Embeddings.create"),
        (_MODEL_LATER, "Embeddings.create_async"),
    ),
    "mistralai.chat": ((_MODEL, "Chat.complete"), (_MODEL_LATER, "Chat.complete_async")),
    "mistralai.embeddings": (
        (_MODEL, "Embeddings.create"),
        (_MODEL_LATER, "Embeddings.create_async"),
    ),
}
"""By the module (or package) that defines the class. A module below the named one counts too."""

SUBCLASSED_BY_PACKAGE: dict[str, frozenset[str]] = {
    "cohere.base_client:BaseCohere": frozenset({"cohere.client:Client"}),
    "cohere.v2.client:V2Client": frozenset({"cohere.client_v2:ClientV2"}),
}
"""Classes of the package whose instances inherit these methods unchanged, next to the class itself."""
