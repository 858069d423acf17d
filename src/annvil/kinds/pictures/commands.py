"""Commands that pictures alone have: `annvil augment` and `annvil pretrain`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec

from annvil.kinds.commands import Command, Told
from annvil.kinds.found import Progress
from annvil.kinds.pictures.options import Size, Workers
from annvil.options import Groups, Option, Seed, Target


class AugmentOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `annvil augment` takes."""

    data: Annotated[
        str,
        Option("Pictures: a folder, zip, npz or idx files, a table of paths.", metavar="DATA", argument=True, panel=""),
    ]
    times: Annotated[int, Option("Changed copies of each picture.", panel="")] = 10
    out: Annotated[
        str,
        Option(
            "New folder for pictures, labels.csv and a contact sheet.",
            short="-o",
            metavar="FOLDER",
            clean=str,
            panel="",
        ),
    ] = "augmented"
    changes: Annotated[
        str | None,
        Option(
            "What to change and how much, such as shift=2,flip=random,rotate=15; also flip-vertical, crop, scale, "
            "cutout, brightness, contrast, colour, noise. Default: small changes of place, light and noise, no flips.",
            flag="--with",
            metavar="CHANGES",
            panel="",
        ),
    ] = None
    target: Target = None
    groups: Groups = None
    size: Size = None
    workers: Workers = 1
    seed: Seed = 0
    jpeg: Annotated[bool, Option("Write JPEG files instead of PNG.", panel="")] = False


class PretrainOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `annvil pretrain` takes."""

    sources: Annotated[
        tuple[str, ...],
        Option(
            "Pictures with classes: folders, archives, idx files.",
            metavar="SOURCE...",
            argument=True,
            repeated=True,
            clean=tuple,
            panel="",
        ),
    ]
    out: Annotated[str, Option("Where the network goes.", short="-o", metavar="FOLDER", panel="")]
    size: Annotated[int, Option("Side of the pictures.", metavar="PIXELS", least=8, panel="")] = 32
    budget: Annotated[str, Option("Time to train: 4m, 1h.", short="-b", metavar="TIME", panel="")] = "4m"
    epochs: Annotated[
        int | None,
        Option("Passes over all pictures, instead of what fits the budget.", metavar="NUMBER", least=1, panel=""),
    ] = None
    turns: Annotated[
        bool,
        Option("Whether each class counts four times, in quarter turns.", flag="--turns/--no-turns", panel=""),
    ] = True
    seed: Seed = 0


def _augment(options: AugmentOptions, tell: Callable[[str], None], progress: Progress) -> Told:
    from annvil.kinds.pictures.augmented_sets import augment

    made = augment(
        options.data,
        options.times,
        options.out,
        augmentation=options.changes,
        target=options.target,
        groups=options.groups,
        size=options.size,
        workers=options.workers,
        seed=options.seed,
        format="jpeg" if options.jpeg else "png",
        progress=progress,
    )
    where = f"{made.n_pictures:,} pictures are in {made.folder}; look at {made.contact_sheet.name}."
    return Told(
        (*made.said, where),
        {
            "folder": str(made.folder),
            "labels": str(made.table),
            "contact_sheet": str(made.contact_sheet),
            "originals": made.n_originals,
            "pictures": made.n_pictures,
            "augmentation": made.augmentation.to_json(),
        },
    )


def _pretrain(options: PretrainOptions, tell: Callable[[str], None], progress: Progress) -> Told:
    from annvil.kinds.pictures.starts.pretraining import pretrain

    start = pretrain(
        list(options.sources),
        options.out,
        size=options.size,
        budget=options.budget,
        epochs=options.epochs,
        turns=options.turns,
        seed=options.seed,
        tell=tell,
    )
    pictures = sum(taught.n_rows for taught in start.taught)
    said = (
        f"{options.out}: a network that learnt from {pictures:,} pictures. "
        f"Start from it: annvil fit DATA --from {options.out}"
    )
    return Told((said,), {"folder": options.out, "pictures": pictures})


COMMANDS = {
    "augment": Command(
        "Write the pictures of a data set with changed copies of each, and a sheet to look at.",
        AugmentOptions,
        _augment,
    ),
    "pretrain": Command("Make a network to start from: annvil fit DATA --from FOLDER.", PretrainOptions, _pretrain),
}
