"""What the things of a set of sounds are called, and what is known before looking at them."""

from annvil.text.words import Words

WORDS = Words(
    row="clip",
    rows="clips",
    features="clips",
    raw="from raw samples to prediction; clips of another rate or length are taken as they are",
    holes="stretches silenced",
    explaining="Explaining the model",
    example="new-clips",
    example_python="clips as a path, a folder, or an array with its rate",
    data=("sound", "a set of sounds"),
    has_columns=False,
    sources="sound (a folder of clips for each word, a zip, a table of paths)",
    new="sound files or a folder of them",
)

BASE_RATE = (
    "On spoken words networks are ahead where clips are many: on 105,000 commands of one second, by thousands of "
    "speakers, small convolutional networks are right on 96% to 98% (Choi et al. 2019, Kim et al. 2021). Where a few "
    "speakers said a few hundred clips, models on cepstra are as good, and whether a speaker is new matters more than "
    "the model."
)
"""How often networks are worth it, in two sentences with their sources:
Choi et al., "Temporal convolution for real-time keyword spotting on mobile devices" (2019, arXiv 1904.03814);
Kim et al., "Broadcasted residual learning for efficient keyword spotting" (2021, arXiv 2106.04140). The second: own
prototypes on FSDD (six speakers)."""
