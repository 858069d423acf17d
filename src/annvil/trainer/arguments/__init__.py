"""From the arguments of `annvil.train` to a checked request."""
