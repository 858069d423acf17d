"""Drawing charts as SVG text, without any library: scales, axes, labels, marks, and the style of a chart on its own."""
