"""What the things are called that are forecast, and what is known before looking at them."""

from annvil.text.words import Words

WORDS = Words(
    row="origin",
    rows="origins",
    features="past values",
    raw="from the last values of a series to the next ones; a shorter history is completed by its first season",
    holes="values missing",
    explaining="Explaining the model",
    example="history.csv",
    example_python="series up to now as a path, a data frame, or a mapping with 'history' and 'start'",
    data=("forecasts", "a set of series to forecast"),
    has_columns=False,
    baseline="repeats the last value",
    sources="series to forecast (a table with --time and --horizon)",
    new="a table of the last known values, with columns known ahead for the steps to come",
)

BASE_RATE = (
    "In the M4 competition (100,000 series) pure networks lost to simple statistical methods; in M5 (42,840 series of "
    "sales) boosted trees won and most of 5,507 teams did not beat exponential smoothing (Makridakis et al. 2020, "
    "2022). On long horizons a linear map of past values was as accurate as the transformers of its time "
    "(Zeng et al. 2023)."
)
"""How often networks are worth it, with its sources: Makridakis, Spiliotis, Assimakopoulos (2020, 2022), International
Journal of Forecasting 36 and 38; Zeng et al. (2023), "Are transformers effective for time series forecasting?"."""
