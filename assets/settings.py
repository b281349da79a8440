"""Settings of the library as the graph's configuration: nothing is written twice."""

from typing import Any, TypeVar, cast, get_args, get_origin

import dagster as dg
from pydantic import BaseModel, Field, create_model

Model = TypeVar("Model", bound=BaseModel)


def config_of(model: type[Model]) -> type[Model]:
    """``model`` as a class that Dagster takes for an asset's configuration; its values are values of ``model``, too.

    Dagster knows neither tuples nor models of others, so a tuple becomes a list, and a nested model its configuration.
    """
    changed: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        kind, default = field.annotation, field.get_default(call_default_factory=True)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = config_of(kind)
            default = kind.model_validate(default.model_dump())
        elif get_origin(kind) is tuple:
            kind, default = list[get_args(kind)[0]], list(default)
        else:
            continue
        changed[name] = (kind, Field(default=default, description=field.description))
    made = create_model(model.__name__, __base__=(model, dg.Config), __doc__=model.__doc__, **changed)
    return cast("type[Model]", made)
