"""Write docs/options.md from the one declaration of each option: python scripts/options_page.py"""

from pathlib import Path

from annvil.kinds.registry import fit_options
from annvil.options import as_table

PAGE = Path(__file__).parents[1] / "docs" / "options.md"

HEAD = """# Options of a fit

Every option of `annvil fit` is an argument of `annvil.fit` of the same meaning; the run keeps them in `request.json`.
Whatever is not said has its default, which depends on the data where none is named.

"""


def page() -> str:
    """The page as it must be."""
    return HEAD + as_table(fit_options())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
