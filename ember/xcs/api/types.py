"""The types of options and results."""

from ember_jit.execution import ExecutionResult
from ember_jit.options import JITOptions, TransformOptions, XCSExecutionOptions

__all__ = ["ExecutionResult", "JITOptions", "TransformOptions", "XCSExecutionOptions"]
