"""H-05: sign-in with tokens of a real issuer on loopback: what gets in, what stays out, what the issuer is spared."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from opendrape.errors import ConfigurationError, IssuerUnreachable, SignInRequired
from opendrape.settings import OidcSettings
from opendrape_gateway.composition import create_app
from opendrape_gateway.issuer_keys import IssuerKeys, usable_keys
from opendrape_gateway.tokens import issued_tokens
from tests.fakes.gateway import ask, gateway_container
from tests.fakes.issuer import AUDIENCE, Issuer, encoded, public, public_pem, running_issuer


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture
def container(tmp_path: Path, issuer: Issuer) -> Iterator[Any]:
    with gateway_container(tmp_path) as made:
        configure(made, issuer)
        yield made


@pytest.fixture
def app(container: Any) -> Any:
    return create_app(container)


def configure(container: Any, issuer: Issuer, **more: Any) -> None:
    access = container.settings.access.model_copy(update={"failed_sign_ins_per_minute": 10_000})
    oidc = OidcSettings(issuer=issuer.address, audience=AUDIENCE, **more)
    container.settings = container.settings.model_copy(update={"oidc": oidc, "access": access})


def with_token(app: Any, token: str, path: str = "/api/videos/") -> Any:
    return ask(app, path, headers={"Authorization": f"Bearer {token}"})


def reason(app: Any, token: str) -> str:
    response = with_token(app, token)
    assert response.status_code == 401, response.text
    assert response.headers["www-authenticate"] == 'Bearer realm="opendrape", error="invalid_token"'
    assert token not in response.text
    return str(response.json()["reason"])


# -- in ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kid", ["one", "ec"])
def test_a_good_token_gets_in(app: Any, issuer: Issuer, kid: str) -> None:
    """H-05: RS256 and ES256, keys found by discovery, fetched once."""
    for _ in range(3):
        assert with_token(app, issuer.token(kid)).status_code == 200
    assert issuer.jwks_asked() == 1


def test_roles_are_mapped_and_decide(container: Any, issuer: Issuer) -> None:
    """H-05: the issuer's role names are translated; a person without a role is in, and may do nothing."""
    configure(container, issuer, roles={"OpenDrape.Admin": "admin"}, roles_claim="resource.opendrape.roles")
    app = create_app(container)
    admin = issuer.token(roles=None, resource={"opendrape": {"roles": ["OpenDrape.Admin", "Other"]}})
    assert with_token(app, admin, "/api/keys/").status_code == 200
    nobody = issuer.token(roles=["admin"])  # the right word in the wrong claim
    assert with_token(app, nobody).status_code == 403


@pytest.mark.parametrize("roles", ["user reviewer", ["user"], ["user", 7, None]])
def test_a_claim_of_roles_may_be_a_list_or_a_text(app: Any, issuer: Issuer, roles: Any) -> None:
    """H-05: what is no text in it is passed over."""
    assert with_token(app, issuer.token(roles=roles)).status_code == 200
    assert with_token(app, issuer.token(roles=roles), "/api/keys/").status_code == 403


@pytest.mark.parametrize("roles", [None, [], "", {"admin": 1}, 7, [["admin"]], "ADMIN"])
def test_a_claim_of_another_form_gives_no_role(app: Any, issuer: Issuer, roles: Any) -> None:
    """H-05: never a guess."""
    assert with_token(app, issuer.token(roles=roles)).status_code == 403


def test_the_subject_is_a_pseudonym_of_issuer_and_person(issuer: Issuer) -> None:
    """P-05: the same each time, another one for another person, and no name in it."""
    tokens = issued_tokens(OidcSettings(issuer=issuer.address, audience=AUDIENCE), time.monotonic)
    assert tokens is not None

    async def subjects() -> list[str]:
        return [(await tokens.caller(issuer.token(sub=name))).subject for name in ("jane@x", "jane@x", "joe@x")]

    jane, again, joe = asyncio.run(subjects())
    assert jane == again != joe
    assert jane.startswith("person-")
    assert "jane" not in jane


# -- out --------------------------------------------------------------------------------------------------------------
def test_a_token_without_a_signature_stays_out(app: Any, issuer: Issuer) -> None:
    """H-05: alg=none in every spelling, with and without a signature part."""
    claims = {"iss": issuer.address, "aud": AUDIENCE, "sub": "x", "exp": int(time.time()) + 300, "roles": ["admin"]}
    for alg in ("none", "None", "NONE", "nOnE", ""):
        for signature in ("", "AAAA"):
            token = f"{encoded({'alg': alg, 'kid': 'one', 'typ': 'JWT'})}.{encoded(claims)}.{signature}"
            assert reason(app, token) == "credential_invalid"
    assert issuer.jwks_asked() == 0


def test_a_public_key_used_as_a_shared_secret_stays_out(app: Any, issuer: Issuer) -> None:
    """H-05: HS256 over the PEM, DER-less and JWK forms of the issuer's public key."""
    import base64
    import hashlib
    import hmac

    claims = {"iss": issuer.address, "aud": AUDIENCE, "sub": "x", "exp": int(time.time()) + 300, "roles": ["admin"]}
    modulus = base64.urlsafe_b64decode(public("one")["n"] + "==")
    for secret in (public_pem(), public_pem().strip(), modulus):
        for header in ({"alg": "HS256", "kid": "one"}, {"alg": "RS256", "kid": "one"}):
            signed = f"{encoded(header)}.{encoded(claims)}"
            mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
            token = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
            assert reason(app, token) == "credential_invalid"


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"exp": 1}, "credential_expired"),
        ({"exp": int(time.time()) - 31}, "credential_expired"),
        ({"exp": None}, "credential_invalid"),
        ({"exp": "soon"}, "credential_invalid"),
        ({"nbf": int(time.time()) + 3600}, "credential_invalid"),
        ({"iat": int(time.time()) + 3600}, "credential_invalid"),
        ({"aud": "somebody-else"}, "credential_invalid"),
        ({"aud": None}, "credential_invalid"),
        ({"aud": []}, "credential_invalid"),
        ({"iss": "https://evil.example"}, "credential_invalid"),
        ({"iss": None}, "credential_invalid"),
        ({"sub": None}, "credential_invalid"),
        ({"sub": ""}, "credential_invalid"),
        ({"sub": 7}, "credential_invalid"),
    ],
)
def test_a_token_with_a_wrong_claim_stays_out(app: Any, issuer: Issuer, claims: dict[str, Any], expected: str) -> None:
    """H-05: times, audience, issuer, subject."""
    token = _signed(issuer, claims)
    assert reason(app, token) == expected


def _signed(issuer: Issuer, claims: dict[str, Any]) -> str:
    try:
        return issuer.token(**claims)
    except TypeError:  # the library does not make tokens with such claims; another one may
        good = jwt.decode(issuer.token(), options={"verify_signature": False})
        import base64

        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        from tests.fakes import issuer as parts

        signed = f"{encoded({'alg': 'RS256', 'kid': 'one'})}.{encoded(good | claims)}"
        signature = parts._RSA.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_the_clocks_may_differ_a_little(app: Any, issuer: Issuer) -> None:
    """H-05: half a minute by default, both ways."""
    now = int(time.time())
    assert with_token(app, issuer.token(exp=now - 10)).status_code == 200
    assert with_token(app, issuer.token(nbf=now + 20, iat=now + 20)).status_code == 200


def test_a_token_of_another_key_stays_out(app: Any, issuer: Issuer) -> None:
    """H-05: signed by a key that is not the one it names."""
    forged = issuer.token("next", header={"kid": "one"})
    assert reason(app, forged) == "credential_invalid"


def test_a_token_stays_out_when_one_letter_is_changed(app: Any, issuer: Issuer) -> None:
    """H-05: in each part."""
    token = issuer.token()
    header, claims, signature = token.split(".")
    for changed in (
        f"{header}.{claims[:-2]}AA.{signature}",
        f"{header}.{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        f"{header}.{encoded({'roles': ['admin']})}.{signature}",
    ):
        assert reason(app, changed) == "credential_invalid"


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "x.y.z",
        "..",
        "a.b",
        "eyJhbGciOiJSUzI1NiJ9..",
        "A" * 20_000,
        "a." * 4000,
    ],
)
def test_what_is_no_token_stays_out_and_costs_nothing(app: Any, issuer: Issuer, token: str) -> None:
    """H-05: neither an error nor a fetch."""
    assert reason(app, token) in {"credential_invalid", "credential_unknown"}
    assert issuer.jwks_asked() == 0


@pytest.mark.parametrize("header", [{"crit": ["x"], "x": 1}, {"kid": "../../etc/passwd"}, {"kid": "k" * 300}])
def test_a_header_that_asks_for_more_stays_out(app: Any, issuer: Issuer, header: dict[str, Any]) -> None:
    """H-05: critical extensions, odd key ids."""
    reason(app, issuer.token(header=header))


def test_keys_in_a_token_are_not_asked(app: Any, issuer: Issuer) -> None:
    """H-05: jku, jwk, x5u in a header are an attacker's own keys."""
    forged = issuer.token("next", header={"kid": "one", "jwk": public("next"), "jku": f"{issuer.address}/evil"})
    assert reason(app, forged) == "credential_invalid"
    assert "/evil" not in issuer.asked


def test_only_named_clients_get_in_when_some_are_named(container: Any, issuer: Issuer) -> None:
    """H-05: azp, or appid where that is what the issuer says."""
    configure(container, issuer, clients=("console",))
    app = create_app(container)
    assert with_token(app, issuer.token(azp="console")).status_code == 200
    assert with_token(app, issuer.token(appid="console")).status_code == 200
    assert reason(app, issuer.token(azp="other")) == "credential_invalid"
    assert reason(app, issuer.token()) == "credential_invalid"


def test_without_an_issuer_no_token_gets_in(tmp_path: Path, issuer: Issuer) -> None:
    """H-05: API keys only."""
    with gateway_container(tmp_path) as container:
        assert reason(create_app(container), issuer.token()) == "credential_unknown"
    assert issuer.asked == {}


# -- the issuer's keys ------------------------------------------------------------------------------------------------
def test_tokens_with_unknown_key_ids_cause_one_fetch(app: Any, issuer: Issuer) -> None:
    """H-05: a flood of invented key ids does not become a flood at the issuer."""
    assert with_token(app, issuer.token()).status_code == 200
    for number in range(50):
        assert reason(app, issuer.token(header={"kid": f"made-up-{number}"})) == "credential_unknown"
    assert issuer.jwks_asked() == 1


def test_a_flood_at_once_causes_one_fetch(issuer: Issuer) -> None:
    """H-05: a hundred at the same time, known and unknown, before any key is there."""
    tokens = issued_tokens(OidcSettings(issuer=issuer.address, audience=AUDIENCE), time.monotonic)
    assert tokens is not None

    async def flood() -> list[Any]:
        wanted = [issuer.token(header={"kid": f"made-up-{number}"}) for number in range(30)] + [issuer.token()] * 30
        return await asyncio.gather(*(tokens.caller(one) for one in wanted), return_exceptions=True)

    answers = asyncio.run(flood())
    assert sum(isinstance(one, SignInRequired) for one in answers) == 30
    assert not any(isinstance(one, IssuerUnreachable) for one in answers)
    assert issuer.jwks_asked() == 1


def test_a_new_key_of_the_issuer_is_found_after_a_while(app: Any, container: Any, issuer: Issuer) -> None:
    """H-05: a rotation at the issuer needs no restart here."""
    assert with_token(app, issuer.token()).status_code == 200
    issuer.keys = [public("next")]
    assert reason(app, issuer.token("next")) == "credential_unknown"
    container.clock.seconds += 61
    assert with_token(app, issuer.token("next")).status_code == 200
    assert reason(app, issuer.token()) == "credential_unknown"


def test_known_keys_serve_while_the_issuer_is_away(app: Any, container: Any, issuer: Issuer) -> None:
    """H-05: a day by default; then nobody can be judged, which is not the caller's fault."""
    assert with_token(app, issuer.token()).status_code == 200
    issuer.status = 500
    container.clock.seconds += 7200
    for _ in range(5):
        assert with_token(app, issuer.token()).status_code == 200
    assert issuer.asked["/.well-known/openid-configuration"] == 2
    container.clock.seconds += 86_400
    response = with_token(app, issuer.token())
    assert (response.status_code, response.json()["reason"]) == (503, "issuer_unreachable")
    assert response.headers["retry-after"] == "5"
    issuer.status = 200
    container.clock.seconds += 61
    assert with_token(app, issuer.token()).status_code == 200


def test_an_issuer_that_was_never_there_is_503_and_keys_still_work(app: Any, issuer: Issuer) -> None:
    """H-05: API keys do not depend on the issuer."""
    issuer.status = 503
    assert with_token(app, issuer.token()).status_code == 503
    assert ask(app, "/api/videos/").status_code == 200


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (200, b""),
        (200, b"not json"),
        (200, b"[]"),
        (200, b'{"keys": []}'),
        (200, b"[" * 100_000),
        (200, b"{" + b'"a":1,' * 200_000),
        (302, b""),
        (404, b"{}"),
    ],
)
def test_an_issuer_that_talks_nonsense_brings_no_key_and_no_error(
    app: Any, issuer: Issuer, status: int, content: bytes
) -> None:
    """H-05: redirects are not followed, long answers not read to the end, no 500."""
    issuer.status, issuer.content = status, content
    assert with_token(app, issuer.token()).status_code == 503
    assert "/elsewhere" not in issuer.asked


def test_nonsense_does_not_displace_known_keys(app: Any, container: Any, issuer: Issuer) -> None:
    """H-05: an outage at the issuer that answers 200 with nothing in it."""
    assert with_token(app, issuer.token()).status_code == 200
    issuer.content = b'{"keys": []}'
    container.clock.seconds += 7200
    assert with_token(app, issuer.token()).status_code == 200


def test_an_issuer_that_does_not_answer_is_not_waited_for(issuer: Issuer, unused_tcp_listener: str) -> None:
    """H-05: a deadline over everything; afterwards nobody waits again for a minute."""
    oidc = OidcSettings(issuer=unused_tcp_listener, audience=AUDIENCE, timeout_seconds=0.2)
    tokens = issued_tokens(oidc, time.monotonic)
    assert tokens is not None

    async def twice() -> float:
        with pytest.raises(IssuerUnreachable):
            await tokens.caller(issuer.token())
        start = time.monotonic()
        with pytest.raises(IssuerUnreachable):
            await tokens.caller(issuer.token())
        return time.monotonic() - start

    assert asyncio.run(twice()) < 0.1


@pytest.fixture
def unused_tcp_listener() -> Iterator[str]:
    """An address that takes connections and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_discovery_must_speak_of_the_same_issuer(container: Any, issuer: Issuer) -> None:
    """H-05: a document of another issuer brings no keys."""
    configure(container, issuer)
    issuer.content = b'{"issuer": "https://evil.example", "jwks_uri": "' + issuer.address.encode() + b'/keys"}'
    assert with_token(create_app(container), issuer.token()).status_code == 503
    assert issuer.jwks_asked() == 0


def test_the_address_of_the_keys_may_be_set(container: Any, issuer: Issuer) -> None:
    """H-05: without discovery."""
    configure(container, issuer, jwks_url=f"{issuer.address}/keys")
    assert with_token(create_app(container), issuer.token()).status_code == 200
    assert list(issuer.asked) == ["/keys"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"issuer": "http://login.example", "audience": "x"}, "issuer_not_https"),
        ({"issuer": "https://login.example", "audience": "x", "jwks_url": "http://a.example/k"}, "issuer_not_https"),
        ({"issuer": "https://login.example"}, "audience_missing"),
    ],
)
def test_unsafe_settings_are_refused_at_the_start(settings: dict[str, str], expected: str) -> None:
    """H-05: keys over plain http, or tokens for anybody, are no sign-in."""
    with pytest.raises(ConfigurationError) as caught:
        issued_tokens(OidcSettings(**settings), time.monotonic)  # type: ignore[arg-type]
    assert caught.value.reason == expected


def test_shared_secrets_private_keys_and_junk_in_a_key_set_are_left_out() -> None:
    """H-05: only public keys for signatures."""
    good = public("one")
    odd: list[Any] = [
        {"kty": "oct", "k": "AAAA", "kid": "secret"},
        good | {"kid": "enc", "use": "enc"},
        good | {"kid": "private", "d": "AAAA"},
        good | {"kid": 7},
        good | {"kid": "broken", "n": "!"},
        {"kty": "RSA", "kid": "empty"},
        "text",
        None,
    ]
    assert set(usable_keys({"keys": [*odd, good]})) == {"one"}
    assert usable_keys({"keys": "x"}) == usable_keys({}) == {}


def test_a_known_key_is_not_held_up_by_a_slow_refresh() -> None:
    """H-05: one request fetches; the others go on with the key they know."""
    seconds, release = 0.0, asyncio.Event

    async def story() -> None:
        gate, calls = release(), 0

        async def fetch() -> dict[str, Any]:
            nonlocal calls
            calls += 1
            if calls > 1:
                await gate.wait()
            return {"keys": [public("one")]}

        keys = IssuerKeys(fetch, monotonic=lambda: seconds, fresh_seconds=10, stale_seconds=100, refetch_seconds=1)
        await keys.key("one")
        nonlocal_seconds(20.0)
        slow = asyncio.create_task(keys.key("one"))
        await asyncio.sleep(0)
        await asyncio.wait_for(keys.key("one"), 1)
        assert not slow.done()
        gate.set()
        await asyncio.wait_for(slow, 1)
        assert calls == 2

    def nonlocal_seconds(value: float) -> None:
        nonlocal seconds
        seconds = value

    asyncio.run(story())
