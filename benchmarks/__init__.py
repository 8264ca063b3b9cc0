"""Benchmarks of `ember_jit` against plain Python and against what one would write by hand.

    python -m benchmarks orchestration   overlapped calls: ratios to the critical path
    python -m benchmarks compile         decoration, cold compilation, import
    python -m benchmarks memory          what 10,000 calls leave behind

Only ratios taken inside one run mean anything; absolute figures move with the machine.
A missed bar is printed and never fails the run; a result that differs from eager's does.
"""
