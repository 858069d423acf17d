"""The recorded step: a graph of tensor operations, made cheaper, bound to memory."""
