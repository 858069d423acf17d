"""What is known before looking at a table: how often networks are worth it on tables of its size.

The verdict has to move from here by evidence. Only published comparisons are cited, each for the size it studied.
"""

from __future__ import annotations

SMALL, MIDDLE = 3_000, 50_000
"""Rows that part the published comparisons: about 10 000 rows were studied by Grinsztajn et al. (2022)."""

_TABLES_SMALL = (
    "On tables as small as this, a network is rarely the best choice: among 14 methods on 20 published tables a tuned "
    "plain network was the best on 2 (Kruschel et al. 2024), and on many of 176 tables tuning boosted trees a "
    "little mattered more than the choice between trees and networks (McElfresh et al. 2023)."
)
_TABLES_MIDDLE = (
    "On tables of this size boosted trees are usually at least as good as networks: on 45 tables of about 10,000 rows "
    "trees stayed ahead after long tuning of both (Grinsztajn et al. 2022), and on many of 176 tables the gap between "
    "them was negligible (McElfresh et al. 2023)."
)
_TABLES_LARGE = (
    "On large tables networks have caught up with boosted trees when they are tuned, combined into ensembles and given "
    "much computing time (TabArena, 51 tables, 2025); without that, trees usually keep a small lead."
)


def base_rate(n_rows: int) -> str:
    """One sentence with its sources for tables of that size.

    Sources: Grinsztajn, Oyallon, Varoquaux, "Why do tree-based models still outperform deep learning on typical tabular
    data?" (NeurIPS 2022); McElfresh et al., "When do neural nets outperform boosted trees on tabular data?" (NeurIPS
    2023); Kruschel et al. (2024, arXiv 2409.14429); Erickson et al., "TabArena" (NeurIPS 2025).
    """
    if n_rows < SMALL:
        return _TABLES_SMALL
    return _TABLES_MIDDLE if n_rows < MIDDLE else _TABLES_LARGE
