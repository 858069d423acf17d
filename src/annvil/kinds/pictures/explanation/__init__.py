"""Where a model of pictures looks, and whether that can be trusted."""
