"""Enrolment with a certificate request over a TLS hub: the agent's certificate opens the broker, renewal overlaps, revocation withdraws."""

from __future__ import annotations

import base64
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from hub.app import Running, running
from hub.clock import ManualClock
from hub.domain.access import Role
from hub.errors import Rejected
from hub.operate.ca import Authority, web_certificate
from hub.operate.health import State
from hub.operate.safety import certificates_probe, warn_of_certificates
from hub.operate.tls import with_tls
from hub.settings import Settings
from hub.store import Store, changes_after
from hub.store.agents import make_code
from tests.support.certificates import admitted, request
from tests.support.ports import free_port
from tests.support.web_hub import cookie_for

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


async def _code(hub: Running) -> str:
    async with hub.services.store.transaction() as tx:
        return await make_code(tx, agent_id="plant", name="加油站", kind="field", department_id="fire-rescue", by="person:admin")


def _save(path: Path, key: object, pem: str) -> Path:
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())  # type: ignore[attr-defined]
    path.write_bytes(pem.encode() + secret)
    return path


async def test_a_device_enrols_with_a_request_comes_in_renews_and_is_withdrawn(tmp_path: Path) -> None:
    settings = with_tls(Settings(data_dir=str(tmp_path), web_port=0, broker_port=0, broker_tls_port=free_port(), broker_tls_client_certs=True))
    ca = tmp_path / "ca" / "ca.pem"
    async with running(settings) as hub:
        trust = ssl.create_default_context(cafile=str(ca))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as http:
            code = await _code(hub)
            async with http.post(f"{hub.web_url}/api/v1/enroll", json={"code": code, "csr": "garbage"}) as refused:
                assert refused.status == 422
                assert (await refused.json())["code"] == "wrong_csr"
            key, csr = request("whatever it calls itself")
            async with http.post(f"{hub.web_url}/api/v1/enroll", json={"code": code, "csr": csr}) as answer:
                assert answer.status == 201, await answer.text()
                given = await answer.json()
            assert given["ca_pem"] == ca.read_text()
            assert given["mqtt"]["tls"] is True
            certificate = x509.load_pem_x509_certificate(given["cert_pem"].encode())
            assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "plant"
            first = _save(tmp_path / "first.pem", key, given["cert_pem"])
            port, secret = given["mqtt"]["port"], given["password"]
            assert await admitted(port, ca, first, "plant", secret)

            key, csr = request("plant")
            basic = {"Authorization": "Basic " + base64.b64encode(f"plant:{secret}".encode()).decode()}
            async with http.post(f"{hub.web_url}/api/v1/agent/certificate", json={"csr": csr}, headers=basic) as answer:
                assert answer.status == 201, await answer.text()
                second = _save(tmp_path / "second.pem", key, (await answer.json())["cert_pem"])
            async with http.post(f"{hub.web_url}/api/v1/agent/certificate", json={"csr": csr}) as answer:
                assert answer.status == 401
            assert await admitted(port, ca, second, "plant", secret)
            assert await admitted(port, ca, first, "plant", secret), "the former certificate is good until it ends"

            _, cookie = await cookie_for(hub.services.store, Role.SYSTEM_ADMIN, department=None)
            headers = {"X-Tocsin": "console", "Cookie": f"tocsin_session={cookie}"}
            async with http.post(f"{hub.web_url}/api/v1/agents/plant/revoke", json={"reason": "停用"}, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
            assert not await admitted(port, ca, second, "plant", secret)
            async with http.get(f"{hub.web_url}/ca") as page:
                assert page.status == 200
                assert "script" not in (await page.text()).lower()
        async with hub.services.store.read() as conn:
            kinds = [c.kind for c in await changes_after(conn, 0, limit=10_000)]
        assert kinds.count("certificate.issued") == 2
        assert kinds.count("certificate.revoked") == 2


async def test_a_certificate_that_ends_within_30_days_is_told_once(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    web_certificate(tmp_path, ["hub.example"], NOW)
    authority = Authority.open(tmp_path)
    assert authority is not None
    _, csr = request("plant")
    authority.issue_agent(csr, "plant", NOW)
    async with Store(f"sqlite:///{tmp_path}/hub.db", clock) as store:
        assert await warn_of_certificates(store, authority) == 0
        clock.advance(timedelta(days=397 - 29))
        assert await warn_of_certificates(store, authority) == 2
        assert await warn_of_certificates(store, authority) == 0
        authority.issue_agent(csr, "plant", clock.now())
        assert {row.name for row in authority.expiring(clock.now())} == {"hub.example"}


async def test_what_ends_within_30_days_stands_on_every_screen_until_it_is_renewed(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    web_certificate(tmp_path, ["hub.example"], NOW)
    authority = Authority.open(tmp_path)
    assert authority is not None
    requests = {name: request(name)[1] for name in ("a1", "a2", "a3")}
    for name, csr in requests.items():
        authority.issue_agent(csr, name, NOW)
    probe = certificates_probe(Settings(data_dir=str(tmp_path)), clock)
    assert (await probe())[0] is State.OK
    clock.advance(timedelta(days=397 - 29))
    state, zh, en = await probe()
    assert (state, "hub.example" in zh, "另有 1 张" in zh, "and 1 more" in en) == (State.DEGRADED, True, True, True)
    web_certificate(tmp_path, ["hub.example"], clock.now())
    for name, csr in requests.items():
        authority.issue_agent(csr, name, clock.now())
    clock.advance(timedelta(minutes=1))
    assert (await probe())[0] is State.OK


def test_the_web_certificate_is_renewed_before_it_ends_and_for_a_new_name(tmp_path: Path) -> None:
    certificate, _ = web_certificate(tmp_path, ["hub.example", "10.0.0.1"], NOW)
    before = Path(certificate).read_bytes()
    web_certificate(tmp_path, ["hub.example"], NOW + timedelta(days=300))
    assert Path(certificate).read_bytes() == before
    web_certificate(tmp_path, ["hub.example", "other.example"], NOW + timedelta(days=301))
    renewed = Path(certificate).read_bytes()
    assert renewed != before
    web_certificate(tmp_path, ["hub.example"], NOW + timedelta(days=301 + 370))
    assert Path(certificate).read_bytes() != renewed


def test_requests_with_weak_or_foreign_keys_are_refused(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path, make=True, now=NOW)
    assert authority is not None
    weak = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "plant")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(weak, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    for wrong, agent_id in ((csr, "plant"), ("", "plant"), (request("x")[1], "../etc"), (request("x")[1][:200], "plant")):
        with pytest.raises(Rejected, match=r"wrong_csr|wrong_id"):
            authority.issue_agent(wrong, agent_id, NOW)
    assert authority.index().certificates == ()
    for name in ("ca-key.pem", "issued.json"):
        path = authority.folder / name
        assert not path.exists() or path.stat().st_mode & 0o077 == 0
