"""YAML of others, looked at event by event before anything is made of it."""

import yaml

from gr00t_data.limits import YAML_BYTES, require_within

_DEEPEST = 50


def require_plain_yaml(content: bytes) -> None:
    """Refuse YAML that is large, deep, or that names one of its own parts again.

    An alias costs a byte to write, and a library that copies values multiplies by it.

    Raises:
        ValueError: it is so, or no YAML (says which).
    """
    require_within(len(content), YAML_BYTES, "bytes of YAML")
    depth = 0
    try:
        for event in yaml.parse(content, Loader=yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.AliasEvent):
                raise ValueError(f"line {line}: an alias (*{event.anchor}); write the value out")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise ValueError(f"line {line}: is nested deeper than {_DEEPEST}")
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"is no YAML ({' '.join(str(error).split())})") from error


def plain_yaml(content: bytes) -> object:
    """The value of such YAML, made of plain types. Raises ValueError: see ``require_plain_yaml``."""
    require_plain_yaml(content)
    try:
        return yaml.safe_load(content)
    except (yaml.YAMLError, AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(f"is no YAML ({' '.join(str(error).split())})") from error
