"""What the things of a folder of pictures are called, and what is known before looking at them."""

from annvil.text.words import Words

WORDS = Words(
    row="picture",
    rows="pictures",
    features="pictures",
    raw="from raw pixels to prediction; pictures of another size are brought to its form first",
    holes="pixels black",
    explaining="Explaining the model",
    example="new-pictures",
    example_python="pictures as a path, a folder, an array, or a list of these",
    data=("pictures", "a set of pictures"),
    has_columns=False,
    sources="pictures (a folder, zip, npz or idx files, a table of paths)",
    new="pictures or a folder of them",
)

BASE_RATE = (
    "On pictures convolutional networks are usually ahead of models that see pixels as columns: of the classifiers "
    "published with Fashion-MNIST the best without convolutions is right on 89.7% of the test pictures, while simple "
    "convolutional networks reach 91 to 93% (Xiao et al. 2017 and the list kept with the data). The fewer the "
    "pictures, the smaller that lead."
)
"""How often networks are worth it, in one sentence with its source:
Xiao, Rasul, Vollgraf, "Fashion-MNIST" (2017, arXiv 1708.07747)."""
