"""What the things are called that consist of values in the order of time, and what is known before looking at them."""

from annvil.text.words import Words

WORDS = Words(
    row="series",
    rows="series",
    features="channels",
    raw="from raw values to prediction; series of another length are taken as they are",
    holes="values missing",
    explaining="Explaining the model",
    example="new-series.csv",
    example_python="series as a path, a data frame, or an array (series, channels, time)",
    data=("series", "a set of series"),
    has_columns=False,
    sources="series (a long or wide table, a folder of files, npz, ts or arff files)",
    new="series as those that were learnt from",
)

BASE_RATE = (
    "On the 112 sets of series of the UCR archive on which all published classifiers were run, kernels at random with "
    "a linear model on their features are as accurate as the best networks, in a hundredth of their time "
    "(Middlehurst et al. 2024). Feedback networks (LSTM, GRU) are not among the most accurate there."
)
"""How often networks are worth it, in one sentence with its source:
Middlehurst, Schäfer, Bagnall, "Bake off redux" (2024, Data Mining and Knowledge Discovery 38, arXiv 2304.13029)."""
