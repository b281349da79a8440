"""The rules: one key of everything that decides what the checks find. Nothing heavy is imported here."""

from gr00t_data.code_key import code_key, library_versions
from gr00t_data.disk import digest_json
from gr00t_data.embodiment.robot import Embodiment


def checking_libraries() -> dict[str, str]:
    """Distribution -> version, as installed, of those that can change what is found."""
    return library_versions("gr00t_data.curate.doctor")


def checks_key() -> str:
    """Key of the code of the checks, thresholds included, and of their libraries."""
    return code_key("gr00t_data.curate.doctor")


def rules_digest(embodiment: Embodiment) -> str:
    """SHA-256 over the code of the checks, thresholds included, and the embodiment."""
    return digest_json({"code": checks_key(), "embodiment": embodiment.digest})


def index_name(store_digest: str, embodiment: Embodiment) -> str:
    """File name of the index of a store under the rules of today."""
    return f"{store_digest[:16]}-{rules_digest(embodiment)[:8]}.json"
