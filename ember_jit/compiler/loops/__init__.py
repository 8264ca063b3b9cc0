"""Loops over numbers, lists, strings and arrays, in machine code with Python's semantics.

regions      which statements may be compiled, by their syntax and names
weave        the function with the code tried in front of them
specialise   from the values at hand to types, text, object code, an entry
types, code, arithmetic, containers, local_lists, expressions, calls, iteration, statements, function
             the writer: one rule for each construct gives its type and its instructions
prelude      functions in LLVM IR that the code calls
build        LLVM's optimiser and code generator; imports llvmlite, lazily
"""
