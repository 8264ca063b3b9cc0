"""The tests under every supported Python: `nox`, or `nox -s tests-3.13`.

`make test` is enough for everyday work. A version that is not installed is skipped, not failed.
"""

import nox

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]

nox.options.sessions = ["tests", "lint"]
nox.options.error_on_missing_interpreters = False


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the test suite."""
    session.install("--editable", ".[dev]")
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHONS)
def without_numba(session: nox.Session) -> None:
    """Run the test suite where numba and llvmlite are not installed."""
    session.install("--editable", ".[dev]")
    session.run("python", "-m", "pip", "uninstall", "--yes", "--quiet", "numba", "llvmlite")
    session.run("pytest", "-m", "not numeric", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types and layers, as `make lint` does."""
    session.install("--editable", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, as `make docs` does."""
    session.install("--editable", ".[docs]")
    session.run("python", "-m", "sphinx", "-W", "--keep-going", "docs", "build/docs")
