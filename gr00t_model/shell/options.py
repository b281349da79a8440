"""Options of a verb from the settings of its operation: each is written once, in the model that the library takes."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

from cyclopts import Parameter
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

NAMES = {
    "source": "--from",
    "as_json": "--json",
    "defects": "--defect",
    "instructions": "--instruction",
    "embodiment": ("--embodiment", "-e"),
    "largest_overlap": "--overlap",
    "longest_gap_s": "--fill-gaps",
    "longest_s": "--longest",
    "settings": "--set",
    "shortest_s": "--shortest",
    "tasks": "--task",
    "texts": "--instruction",
    "weights": "--weight",
}
"""Field of settings -> option, where it is not the field's name: lists are given one by one, units are in the help."""


_FORMS = {float: "STORE=SHARE, for example PickNPlace=0.3", str: "KEY=VALUE, for example model=wan2.1"}


class UsageError(ValueError):
    """Options that cannot be; the message begins with the option."""


def verb(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """``function`` as a command: each parameter that is a pydantic model becomes one option a field.

    A dictionary is given as NAME=VALUE, once an entry; a nested model adds its fields as its own. What the verb
    returns is its exit status.

    Raises (when called):
        UsageError: a value that a field refuses.
    """
    signature = inspect.signature(function, eval_str=True)
    models = {one.name: one.annotation for one in signature.parameters.values() if _is_model(one.annotation)}
    parameters = [option for one in signature.parameters.values() for option in _options(one, one.name in models)]

    def run(*arguments: Any, **given: Any) -> int | None:
        own = {name: _built(model, given) for name, model in models.items()}
        fields = {field for model in models.values() for field, _ in _leaves(model)}
        rest = {name: value for name, value in given.items() if name not in fields}
        return function(*arguments, **rest, **own)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__name__, run.__doc__, run.__module__ = function.__name__, function.__doc__, function.__module__
    return run


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _options(parameter: inspect.Parameter, is_model: bool) -> Iterator[inspect.Parameter]:
    """The parameter with how it is shown; of a model, one for every field."""
    if not is_model:
        yield parameter.replace(annotation=_shown(parameter.name, parameter.annotation, parameter.default))
        return
    for name, field in _leaves(parameter.annotation):
        hint, default = field.annotation, field.get_default(call_default_factory=True)
        if get_origin(hint) is dict:
            hint, default = list[str], [f"{key}={value}" for key, value in default.items()]
        shown = _shown(name, Annotated[hint, *_own(field), Parameter(help=field.description)], default)
        yield parameter.replace(name=name, kind=parameter.KEYWORD_ONLY, default=default, annotation=shown)


def _own(field: FieldInfo) -> list[Parameter]:
    """What a field says of its option itself."""
    return [one for one in field.metadata if isinstance(one, Parameter)]


def _shown(name: str, annotation: Any, default: Any) -> Any:
    """A flag that is off has no opposite; an empty default is not shown."""
    said: dict[str, Any] = {"name": NAMES[name]} if name in NAMES else {}
    said |= {"negative": ()} if default is False else {}
    said |= {"show_default": False} if default is False or default in (None, "", [], ()) else {}
    return Annotated[annotation, Parameter(**said)]


def _leaves(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        if _is_model(field.annotation):
            yield from _leaves(field.annotation)  # type: ignore[arg-type]
        else:
            yield name, field


def _built(model: type[BaseModel], given: Mapping[str, Any]) -> BaseModel:
    values = {}
    for name, field in model.model_fields.items():
        if _is_model(field.annotation):
            values[name] = _built(field.annotation, given)  # type: ignore[arg-type]
        elif name in given:
            is_dict = get_origin(field.annotation) is dict
            values[name] = _pairs(name, given[name], get_args(field.annotation)[1]) if is_dict else given[name]
    try:
        return model(**values)
    except ValidationError as error:
        raise UsageError("; ".join(_told(one, model) for one in error.errors())) from error


def _pairs(name: str, texts: list[str], kind: Any) -> dict[str, Any]:
    found = {}
    for text in texts:
        key, sign, value = text.partition("=")
        try:
            found[key] = kind(value)
        except ValueError:
            key = ""
        if not sign or not key:
            raise UsageError(f"{option(name)}: {text!r} is not {_FORMS[kind]}")
    return found


def _told(error: Mapping[str, Any], model: type[BaseModel]) -> str:
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:  # said of fields together
        return " ".join(option(word) if word in model.model_fields else word for word in message.split())
    return f"{option(str(error['loc'][0]))}: {message[:1].lower()}{message[1:]}, found {error['input']!r}"


def option(name: str) -> str:
    """The option of a field: ``--largest-overlap`` or its short name."""
    named = NAMES.get(name, f"--{name.replace('_', '-')}")
    return named if isinstance(named, str) else named[0]
