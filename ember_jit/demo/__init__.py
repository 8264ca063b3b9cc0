"""Question answering over the documentation of the running Python's standard library.

A demonstration on real input, of the kind of program `ember_jit` is for: operators written in
plain sequential Python, some of which wait for a remote model.

    corpus      reads the docstrings of the installed standard library
    language    words, stems, sentences: the rules the retrievers and the models share
    retrieval   BM25 and TF-IDF over an inverted index, as operators
    models      the rule-based models: a rewriter, several answerers, a judge
    server      serves them over HTTP with the latency of a remote model
    operators   the calls to the server, and the composite `StdlibQA`
    timing      what each call took, and the critical path of the program
    main        `run_demo`: runs it plain and compiled, compares, and reports
"""
