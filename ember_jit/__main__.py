"""`python -m ember_jit`: the command line, where `ember-jit` is not on the path."""

from ember_jit.cli import main

main(prog_name="python -m ember_jit")
