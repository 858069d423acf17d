"""Keras 3 models on PyTorch as networks of the engine."""
