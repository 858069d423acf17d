"""Charts of the report: one chart a file, drawn for a given width with the tools of `annvil.plots`.

A chart function takes plain numbers and a width in CSS pixels and returns one ``<svg>`` element. The report draws each
chart twice, for a screen or a sheet of paper and for a phone, so that its text is always 12 pixels high. Colours come
from the classes ``network``, ``simple``, ``dummy`` and ``shade-0`` … ``shade-3`` of the style sheet, so that light,
dark and print each have their own.
"""
