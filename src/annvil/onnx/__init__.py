"""ONNX: graphs under construction, and any torch module as nodes of one."""
