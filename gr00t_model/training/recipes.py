"""Recipes: functions that return a full training configuration. The shell picks one and changes it with ``--set``."""

import difflib
from collections.abc import Callable

from gr00t_model.loop.config import ConfigError, Machine, Optimizer
from gr00t_model.training.config import Data, Flare, Model, TrainConfig, Tune


def gr1_nano() -> TrainConfig:
    """The default: nano on cached features, about four minutes on two CPU cores."""
    return TrainConfig(
        recipe="gr1_nano",
        steps=1500,
        batch_size=64,
        checkpoint_every_steps=250,
        log_every_steps=25,
        model=Model(preset="nano"),
        optimizer=Optimizer(lr=1e-3, ema_decay=0.99, final_lr_share=0.05),
        machine=Machine(threads=2),
    )


def gr1_nano_long() -> TrainConfig:
    """The same model for up to thirty CPU-minutes: more data and more steps."""
    short = gr1_nano()
    return short.model_copy(
        update={
            "recipe": "gr1_nano_long",
            "steps": 3500,
            "checkpoint_every_steps": 1000,
            "log_every_steps": 50,
            "optimizer": short.optimizer.model_copy(update={"ema_decay": 0.999}),
        }
    )


def gr1_nano_tiny() -> TrainConfig:
    """A few steps, to see that everything is wired."""
    return gr1_nano().model_copy(
        update={
            "recipe": "gr1_nano_tiny",
            "steps": 6,
            "batch_size": 4,
            "checkpoint_every_steps": 3,
            "log_every_steps": 1,
            "machine": Machine(threads=1),
        }
    )


def gr1_nano_embedding() -> TrainConfig:
    """The action-aware embedding of FLARE: nano acts on nothing but its tokens, in the steps of gr1_nano.

    Afterwards ``gr1_nano --set model.flare.target=action_aware`` aligns to it.
    """
    short = gr1_nano()
    model = short.model.model_copy(update={"flare": Flare(pretrain_embedding=True)})
    return short.model_copy(update={"recipe": "gr1_nano_embedding", "model": model})


def gr1_n1_5_3b() -> TrainConfig:
    """The published model with the published fine-tuning settings (batch 32 a GPU, 10,000 steps, bf16, pictures cropped
    and their colours changed at random).

    The folder of the published weights is given with ``--set model.base=FOLDER``; without it there is no run.
    """
    return TrainConfig(
        recipe="gr1_n1_5_3b",
        steps=10_000,
        batch_size=32,
        cache_features=False,
        checkpoint_every_steps=1000,
        keep_states=2,
        log_every_steps=10,
        data=Data(augment=True),
        model=Model(preset="n1_5_3b", tune=Tune(), flare=Flare()),
        optimizer=Optimizer(),
        machine=Machine(precision="bf16"),
    )


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    recipe.__name__: recipe for recipe in (gr1_nano, gr1_nano_long, gr1_nano_tiny, gr1_nano_embedding, gr1_n1_5_3b)
}


def recipe(name: str, data: Data | None = None) -> TrainConfig:
    """The configuration of the recipe ``name``, with its inputs filled in when given. What the recipe says of its data
    stays, unless ``data`` says it too.

    Raises:
        ConfigError: no such recipe; names the nearest one.
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"no recipe {name!r}; {hint}known: {', '.join(RECIPES)}")
    config = RECIPES[name]()
    if data is None:
        return config
    kept = {field: getattr(config.data, field) for field in config.data.model_fields_set - data.model_fields_set}
    return config.model_copy(update={"data": data.model_copy(update=kept)})
