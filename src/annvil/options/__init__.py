"""Options, each declared once: `annvil.options.declaring` says how, `annvil.options.fit_options` are those of a fit."""

from __future__ import annotations

from annvil.options.declaring import (
    OUTPUT as OUTPUT,
    Declared as Declared,
    Option as Option,
    as_table as as_table,
    check_names as check_names,
    chosen as chosen,
    cleaned as cleaned,
    declared as declared,
    listed_in as listed_in,
    quoted as quoted,
)
from annvil.options.fit_options import (
    FitOptions as FitOptions,
    Groups as Groups,
    ReadOptions as ReadOptions,
    Seed as Seed,
    Target as Target,
    budget_in_seconds as budget_in_seconds,
    lasting as lasting,
    quoted_name as quoted_name,
    split_kinds as split_kinds,
    split_names as split_names,
)
from annvil.options.series_options import SeriesColumns as SeriesColumns
