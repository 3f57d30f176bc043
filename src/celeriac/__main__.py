"""`python -m celeriac`: the same as `celeriac`."""

from celeriac.cli.main import main

main()
