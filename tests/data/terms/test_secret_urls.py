"""No form of a secret in a URL is shown, in no message of those that were given it."""

from urllib.parse import quote

import pytest

from gr00t_data.curate.gate.opinion import Judge
from gr00t_data.terms.secret_urls import hidden, secrets_of, without_credentials

PASSWORDS = ["plain5ecret", "wi/th5ecret", "wi@th5ecret", "wi:th5ecret", "wi?th5ecret", "wi#th5ecret", "wi::th5ecret"]
PASSWORDS += [quote(one, safe="") for one in PASSWORDS] + ["a/b@c:d?e#f5ecret", "5ecret/"]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("form", ["s3://me:{}@bucket/in", "simplecache::sftp://me:{}@host:22/in", "https://{}@host/in"])
def test_a_password_is_hidden_whatever_is_in_it(password: str, form: str) -> None:
    url = form.format(password)
    shown = without_credentials(url)
    assert "5ecret" not in shown and shown.endswith("/in")
    for message in (url, f"cannot reach {password!r}", f"bucket {password.partition('/')[2] or password}"):
        assert "5ecret" not in hidden(secrets_of(url), message)


@pytest.mark.parametrize("name", ["token", "key", "sig", "X-Amz-Signature"])
def test_a_query_is_hidden(name: str) -> None:
    url = f"https://host/in?page=1&{name}=5ecret%2Fpart#5ecret-tail"
    assert without_credentials(url) == "https://host/in"
    assert "5ecret" not in hidden(secrets_of(url), f"{url} 5ecret/part 5ecret%2Fpart 5ecret-tail")


def test_what_is_no_secret_is_shown() -> None:
    assert (
        without_credentials("simplecache::sftp://me:pa@ss@host:22/in?sig=abc#tail") == "simplecache::sftp://host:22/in"
    )
    assert without_credentials("s3://bucket/landing") == "s3://bucket/landing" and not secrets_of("s3://bucket/a")
    assert without_credentials("https://host/in?mail=me@home") == "https://host/in"


def test_a_judge_does_not_show_its_url() -> None:
    assert "5ecret" not in repr(Judge(url="https://me:5ecret@host/v1?token=5ecret"))
