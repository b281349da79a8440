"""What a rollout says of the policy that acted in it: which checkpoint, under which licences, and whom it knows."""

from pathlib import Path

from gr00t_data.store.provenance import Facts
from gr00t_data.terms.licences import joined
from gr00t_model.lineage.digests import model_digest
from gr00t_model.lineage.record import links_of


def acting_policy(folder: Path) -> Facts:
    """``policy`` of the source of an episode. No torch.

    Its ``licence`` joins those of the weights, of all they started from, and of every episode these have seen; its
    ``people`` are named as they are in the records of episodes, so that who withdraws is found in rollouts too.

    Raises:
        LineageError: a record of the folder cannot be read.
    """
    digest = model_digest(folder)
    chain = links_of(folder, "policy", digest=digest)
    seen = [episode for link in chain for episode in link.episodes]
    licences = [*(episode.licence for episode in seen), *(link.licence for link in chain)]
    people = {person for episode in seen for person in episode.people}
    named = [dict(zip(("participant", "dataset", "video"), person, strict=True)) for person in sorted(people, key=str)]
    facts = {"checkpoint": folder.resolve().name, "digest": digest, "licence": joined(filter(None, licences))}
    facts |= {"recipe": chain[0].recipe, "run": chain[0].key}
    return {name: fact for name, fact in facts.items() if fact} | ({"people": named} if named else {})
