"""What others would have used: the trainers that `benchmarks/engine.py` runs beside Annvil, and the works they do.

`works`: data and networks. `table`: who runs on which work, and the goals. `single`, `packed`, `keras_fit`, `ours`: one
function a trainer, all ``(work, epochs, threads, ...) -> Epochs``. `homes`: the processes they live in. `equality` and
`overhead` are what ``--check`` and the work "overhead" run.
"""
