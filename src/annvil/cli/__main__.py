"""``python -m annvil.cli``: the command line where the script is not on the path."""

from annvil_command import main

main()
